// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! One command in a dressed root.

use std::ffi::CString;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{IsTerminal, Seek, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use nix::fcntl::OFlag;
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::unistd::pipe2;

use super::lines::Lines;
use super::relay::{Relay, pump};
use super::{
    CMDLINE, GuestEnvironment, Network, find_program, stand_in, terminal,
};
use crate::error::{Context, Error, ErrorKind, Result};
use crate::progress::Monitor;
use crate::sys::binfmt::BinfmtInstance;
use crate::sys::guest::{Guest, GuestSpec, c_string, spawn};

/// Where programs are looked for in the image.
pub(super) const PATH: &str =
    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// Output that is asked for is a list or a version, not a data stream.
const MAX_CAPTURE: usize = 64 * 1024 * 1024;

/// What a command printed on its standard output.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Output {
    /// How it ended.
    pub status: ExitStatus,
    /// The bytes.
    pub stdout: Vec<u8>,
}

/// A command to run in the image.
///
/// Standard input is empty unless given; standard output and error go to the
/// monitor, line by line, unless [`output`](Self::output) captures them.
#[derive(Debug)]
#[must_use = "a command does nothing until it is run"]
pub struct GuestCommand<'e> {
    environment: &'e GuestEnvironment,
    program: String,
    args: Vec<String>,
    variables: Vec<(String, String)>,
    directory: String,
    stdin: Vec<u8>,
    stdin_file: Option<OwnedFd>,
}

impl<'e> GuestCommand<'e> {
    pub(super) fn new(
        environment: &'e GuestEnvironment,
        program: String,
    ) -> Self {
        Self {
            environment,
            program,
            args: Vec::new(),
            variables: Vec::new(),
            directory: "/".to_owned(),
            stdin: Vec::new(),
            stdin_file: None,
        }
    }

    /// Adds one argument.
    pub fn arg(mut self, arg: impl Into<String>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Adds arguments.
    pub fn args<S: Into<String>>(
        mut self,
        args: impl IntoIterator<Item = S>,
    ) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Sets a variable.
    pub fn env(
        mut self,
        name: impl Into<String>,
        value: impl Into<String>,
    ) -> Self {
        self.variables.push((name.into(), value.into()));
        self
    }

    /// What the command reads.
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = bytes.into();
        self
    }

    /// The file or pipe the command reads.
    pub fn stdin_from(mut self, file: OwnedFd) -> Self {
        self.stdin_file = Some(file);
        self
    }

    /// Runs it; its output goes to the monitor.
    ///
    /// # Errors
    /// `Command` when it does not end with status 0, with the last 4 KiB of
    /// what it said; `NoSpace` when it says so; `NotFound` when the image has
    /// no such program; `Cancelled`.
    pub fn run(self, monitor: &Monitor) -> Result<()> {
        let line = self.to_string();
        let (status, tail) = self.status(monitor)?;
        if status.success() {
            return Ok(());
        }
        Err(failed(&line, status, &tail))
    }

    /// Runs it and returns how it ended, with the last 4 KiB of its words.
    ///
    /// # Errors
    /// `NotFound`, `Cancelled`.
    pub fn status(mut self, monitor: &Monitor) -> Result<(ExitStatus, String)> {
        let (read, write) = pipe2(OFlag::O_CLOEXEC)?;
        let stdin = self.stdin_file()?;
        let guest =
            self.spawn([stdin.as_fd(), write.as_fd(), write.as_fd()], false)?;
        // Who feeds a pipe is to see that nobody reads it any more.
        drop((write, stdin));
        let mut lines = Lines::default();
        pump(&guest, &read, monitor, |bytes| {
            lines.push(bytes, monitor);
            Ok(())
        })?;
        lines.flush(monitor);
        let status = guest.wait()?;
        monitor.check()?;
        Ok((status, lines.into_tail()))
    }

    /// Runs it and captures its standard output; its standard error goes
    /// where the output goes otherwise: nowhere.
    ///
    /// # Errors
    /// `NotFound`, `Cancelled`; `Unsupported` above 64 MiB.
    pub fn output(mut self, monitor: &Monitor) -> Result<Output> {
        let (read, write) = pipe2(OFlag::O_CLOEXEC)?;
        let stdin = self.stdin_file()?;
        let null = File::options().write(true).open("/dev/null")?;
        let guest =
            self.spawn([stdin.as_fd(), write.as_fd(), null.as_fd()], false)?;
        drop(write);
        let mut stdout = Vec::new();
        pump(&guest, &read, monitor, |bytes| {
            if stdout.len() + bytes.len() > MAX_CAPTURE {
                return Err(Error::unsupported(
                    "a command of the image printed more than 64 MiB",
                ));
            }
            stdout.extend_from_slice(bytes);
            Ok(())
        })?;
        let status = guest.wait()?;
        monitor.check()?;
        Ok(Output { status, stdout })
    }

    /// Runs it on a terminal of its own, joined to the caller's `input` and
    /// `output` until it ends.
    ///
    /// The image never gets hold of the caller's terminal, into whose input it
    /// could push commands.
    ///
    /// # Errors
    /// `NotFound`, `Cancelled`.
    pub fn interact(
        mut self,
        input: BorrowedFd<'_>,
        output: BorrowedFd<'_>,
        monitor: &Monitor,
    ) -> Result<ExitStatus> {
        if let Ok(terminal) = std::env::var("TERM") {
            self.variables.push(("TERM".to_owned(), terminal));
        }
        let (master, peer) = terminal::open(self.environment.root())?;
        let guest =
            self.spawn([peer.as_fd(), peer.as_fd(), peer.as_fd()], true)?;
        drop(peer);
        terminal::join(&guest, &master, input, output, monitor)?;
        guest.wait()
    }

    /// Runs it with the caller's own standard input, output and error.
    ///
    /// The image never gets hold of a terminal among them: what it writes is
    /// passed on, and instead of a terminal it reads nothing.
    ///
    /// # Errors
    /// `NotFound`, `Cancelled`.
    pub fn connect(
        self,
        stdio: [BorrowedFd<'_>; 3],
        monitor: &Monitor,
    ) -> Result<ExitStatus> {
        let [input, output, errors] = stdio;
        let null = File::open("/dev/null")?;
        let input = match input.is_terminal() {
            true => null.as_fd(),
            false => input,
        };
        let (output, errors) = (Relay::new(output)?, Relay::new(errors)?);
        let guest =
            self.spawn([input, output.guest_end(), errors.guest_end()], false)?;
        Relay::run([output, errors], &guest, monitor)?;
        let status = guest.wait()?;
        monitor.check()?;
        Ok(status)
    }

    fn stdin_file(&mut self) -> Result<OwnedFd> {
        if let Some(file) = self.stdin_file.take() {
            return Ok(file);
        }
        if self.stdin.is_empty() {
            return Ok(File::open("/dev/null")?.into());
        }
        let mut file =
            File::from(memfd_create("stdin", MFdFlags::MFD_CLOEXEC)?);
        file.write_all(&self.stdin)?;
        file.rewind()?;
        Ok(file.into())
    }

    fn spawn(
        &self,
        stdio: [BorrowedFd<'_>; 3],
        terminal: bool,
    ) -> Result<Guest> {
        let environment = self.environment;
        let program = find_program(environment.root(), &self.program)?;
        let program = environment.stand_ins.of(program)?;
        let mut argv = vec![c_string(program.as_os_str().as_bytes())?];
        for arg in &self.args {
            argv.push(c_string(arg)?);
        }
        spawn(&GuestSpec {
            root: environment.directory.clone(),
            argv,
            env: self.environment_block()?,
            directory: c_string(&self.directory)?,
            stdio,
            terminal,
            no_network: environment.network == Network::None,
            cmdline: c_string(CMDLINE)?,
            user_namespace: environment
                .emulator
                .as_ref()
                .map(BinfmtInstance::namespace),
        })
        .during(format!("running `{self}`"))
    }

    fn environment_block(&self) -> Result<Vec<CString>> {
        const FIXED: [(&str, &str); 10] = [
            ("PATH", PATH),
            ("HOME", "/root"),
            ("USER", "root"),
            ("LC_ALL", "C.UTF-8"),
            ("TERM", "dumb"),
            ("DEBIAN_FRONTEND", "noninteractive"),
            ("DEBCONF_NONINTERACTIVE_SEEN", "true"),
            ("SYSTEMD_OFFLINE", "1"),
            // bootctl and kernel-install want udev's word for what an ESP
            // is, and vfat: neither need be here, and the ESP was found by
            // the table.
            ("SYSTEMD_RELAX_ESP_CHECKS", "1"),
            ("SYSTEMD_RELAX_XBOOTLDR_CHECKS", "1"),
        ];
        let mut variables: Vec<(String, String)> = Vec::new();
        let fixed = FIXED.map(|(name, value)| (name.into(), value.into()));
        let mut fixed = Vec::from(fixed);
        if !self.environment.stand_ins.is_empty() {
            let path = format!("{}:{PATH}", stand_in::DIRECTORY);
            fixed.push(("PATH".to_owned(), path));
        }
        let given = self.environment.variables.iter().chain(&self.variables);
        for (name, value) in fixed.into_iter().chain(given.cloned()) {
            variables.retain(|(known, _)| *known != name);
            variables.push((name, value));
        }
        variables
            .into_iter()
            .map(|(name, value)| c_string(format!("{name}={value}")))
            .collect()
    }
}

impl std::fmt::Display for GuestCommand<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.program)?;
        for arg in &self.args {
            let plain = !arg.is_empty()
                && arg.chars().all(|c| {
                    c.is_ascii_alphanumeric() || "-_=+:,./@%^~".contains(c)
                });
            match plain {
                true => write!(f, " {arg}")?,
                false => write!(f, " '{}'", arg.replace('\'', r"'\''"))?,
            }
        }
        Ok(())
    }
}

fn failed(line: &str, status: ExitStatus, tail: &str) -> Error {
    let how = match (status.code(), status.signal()) {
        (Some(code), _) => format!("ended with status {code}"),
        (None, Some(signal)) => format!("was ended by signal {signal}"),
        (None, None) => "did not end normally".to_owned(),
    };
    let mut message = format!("`{line}` {how}");
    if tail.is_empty() {
        message.push_str(" and said nothing");
    } else {
        message.push_str("; it said:\n");
        for line in tail.lines() {
            let _ = writeln!(message, "    {line}");
        }
        message.truncate(message.trim_end().len());
    }
    // The text of ENOSPC in the locale that commands run in.
    if tail.contains("No space left on device") {
        return Error::new(ErrorKind::NoSpace, message).hint(
            "the image's filesystem is full: give it more room with \
             `disk: {size: ...}` in the recipe",
        );
    }
    Error::new(ErrorKind::Command, message)
}
