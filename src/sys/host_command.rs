// SPDX-License-Identifier: Apache-2.0
#![allow(unsafe_code)]
//! The few programs of the host that are run: the tools of a filesystem.

use std::ffi::OsStr;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use nix::sys::signal::SigSet;

use crate::error::{Error, ErrorKind, Result};

/// How much of a failed program's words goes into the error.
const TAIL: u64 = 4096;

/// Runs `program` to its end; it dies with this thread.
///
/// Standard input is empty; standard output and error are read, and the last
/// 4 KiB of them go into the error. `accepted` lists the statuses besides 0
/// that mean success. The environment is `PATH` and a C locale alone. What a
/// person types at the terminal (Ctrl-C) does not reach it: the caller
/// decides when to stop.
///
/// # Errors
/// `NotFound` with `hint` when there is no such program, `Command` when it
/// fails.
pub(crate) fn run<A: AsRef<OsStr>>(
    program: &str,
    args: &[A],
    accepted: &[i32],
    hint: &str,
) -> Result<()> {
    let (mut read, write) = std::io::pipe()?;
    let mut command = Command::new(program);
    command
        .args(args)
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::null())
        .stdout(write.try_clone()?)
        .stderr(write)
        .process_group(0);
    // SAFETY: bare system calls, allowed between fork and exec.
    unsafe {
        command.pre_exec(|| {
            // Those of a session are blocked, and a program inherits that.
            SigSet::empty().thread_set_mask()?;
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL, 0, 0, 0);
            Ok(())
        });
    }
    let mut child = command.spawn().map_err(|error| {
        let missing = error.kind() == std::io::ErrorKind::NotFound;
        let error = Error::from(error).at(program);
        if missing { error.hint(hint) } else { error }
    })?;
    // It holds our ends of the pipe.
    drop(command);
    let mut said = Vec::new();
    read.read_to_end(&mut said)?;
    let status = child.wait().map_err(|error| {
        let taken = error.raw_os_error() == Some(libc::ECHILD);
        let error = Error::from(error).during(format!("waiting for {program}"));
        match taken {
            true => error.hint(
                "this process ignores SIGCHLD or waits for any child: its \
                 status was taken from us",
            ),
            false => error,
        }
    })?;
    let accepted = status.code().is_some_and(|code| accepted.contains(&code));
    if status.success() || accepted {
        return Ok(());
    }
    let from = said
        .len()
        .saturating_sub(usize::try_from(TAIL).unwrap_or(usize::MAX));
    let tail = String::from_utf8_lossy(said.get(from..).unwrap_or_default());
    let args: Vec<_> = args
        .iter()
        .map(|arg| arg.as_ref().to_string_lossy())
        .collect();
    Err(Error::new(
        ErrorKind::Command,
        format!(
            "`{program} {}` failed ({status}): {}",
            args.join(" "),
            tail.trim()
        ),
    ))
}
