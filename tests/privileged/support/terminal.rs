// SPDX-License-Identifier: Apache-2.0
//! A command on a terminal of its own, as a person would have it.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::pty::{Winsize, openpty};

use super::Cli;

const PATIENCE: Duration = Duration::from_secs(30);

/// A terminal with a command on it.
pub(crate) struct Terminal {
    master: File,
    /// Kept open: what somebody pushes into its input can be read here.
    slave: OwnedFd,
    child: Child,
    transcript: String,
    /// How much of the transcript was expected already.
    read: usize,
}

impl Terminal {
    /// 30 rows, 100 columns.
    pub(crate) fn start(command: &Cli) -> Self {
        let size = Winsize {
            ws_row: 30,
            ws_col: 100,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        let pty = openpty(Some(&size), None).unwrap();
        let end = || Stdio::from(pty.slave.try_clone().unwrap());
        // The terminal becomes the controlling one.
        let mut setsid = Command::new("setsid");
        setsid.args(["--ctty", "--wait"]).args(command.words());
        setsid.env("TERM", "vt100").envs(command.variables());
        let child = setsid
            .stdin(end())
            .stdout(end())
            .stderr(end())
            .spawn()
            .expect("setsid");
        drop(setsid);
        Self {
            master: pty.master.into(),
            slave: pty.slave,
            child,
            transcript: String::new(),
            read: 0,
        }
    }

    /// Types.
    pub(crate) fn send(&mut self, text: &str) {
        self.master.write_all(text.as_bytes()).unwrap();
    }

    /// Waits until `text` is shown; returns what was shown before it.
    #[track_caller]
    pub(crate) fn expect(&mut self, text: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let unread = &self.transcript[self.read..];
            if let Some(at) = unread.find(text) {
                let before = unread[..at].to_owned();
                self.read += at + text.len();
                return before;
            }
            let shown = &self.transcript;
            assert!(Instant::now() < deadline, "no `{text}` in:\n{shown}");
            self.read_some();
        }
    }

    fn read_some(&mut self) {
        let mut fds = [PollFd::new(self.master.as_fd(), PollFlags::POLLIN)];
        if poll(&mut fds, PollTimeout::from(50_u8)).unwrap() == 0 {
            return;
        }
        let mut buffer = [0; 4096];
        let len = self.master.read(&mut buffer).unwrap_or(0);
        let text = String::from_utf8_lossy(&buffer[..len]);
        self.transcript.push_str(&text);
    }

    /// Waits for the end; returns the exit code and everything shown.
    pub(crate) fn wait(mut self) -> (i32, String) {
        let status = self.end();
        (status, self.transcript)
    }

    /// Waits for the end; returns what is left in the terminal's input,
    /// which nobody typed.
    pub(crate) fn wait_for_input(mut self) -> Vec<u8> {
        use nix::fcntl::{FcntlArg, OFlag, fcntl};
        use nix::sys::termios::{SetArg, cfmakeraw, tcgetattr, tcsetattr};
        self.end();
        let mut raw = tcgetattr(&self.slave).unwrap();
        cfmakeraw(&mut raw);
        tcsetattr(&self.slave, SetArg::TCSANOW, &raw).unwrap();
        let flags = FcntlArg::F_SETFL(OFlag::O_NONBLOCK);
        fcntl(&self.slave, flags).unwrap();
        let mut buffer = [0; 64];
        let len = nix::unistd::read(&self.slave, &mut buffer).unwrap_or(0);
        buffer[..len].to_vec()
    }

    fn end(&mut self) -> i32 {
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            if Instant::now() >= deadline {
                self.child.kill().unwrap();
                self.child.wait().unwrap();
                panic!("it did not end:\n{}", self.transcript);
            }
            self.read_some();
        };
        // What it said last.
        let before = self.transcript.len();
        self.read_some();
        while self.transcript.len() > before && !self.drained() {
            self.read_some();
        }
        status.code().unwrap_or(-1)
    }

    fn drained(&self) -> bool {
        let mut fds = [PollFd::new(self.master.as_fd(), PollFlags::POLLIN)];
        poll(&mut fds, PollTimeout::ZERO).unwrap() == 0
    }
}
