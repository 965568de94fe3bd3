// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! A terminal of the guest's own, joined to the person's.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::termios::{SetArg, Termios, cfmakeraw, tcgetattr, tcsetattr};

use crate::error::Result;
use crate::mount::GuestRoot;
use crate::progress::Monitor;
use crate::sys::guest::Guest;
use crate::sys::terminal::{copy_window_size, open_peer};

/// How often the window size and a cancellation are looked at.
const POLL_MS: u16 = 100;

/// Opens a new terminal of the guest: our end and its end.
pub(super) fn open(root: &GuestRoot) -> Result<(File, OwnedFd)> {
    let flags = OFlag::O_RDWR | OFlag::O_NOCTTY;
    let master = root.open_device(Path::new("/dev/pts/ptmx"), flags)?;
    let peer = open_peer(&master)?;
    Ok((master, peer))
}

/// The person's terminal in raw mode; put back when dropped.
struct RawMode<'a> {
    terminal: BorrowedFd<'a>,
    before: Option<Termios>,
}

impl<'a> RawMode<'a> {
    fn enter(terminal: BorrowedFd<'a>) -> Self {
        // Not a terminal (a script pipes commands in): nothing to change.
        let before = tcgetattr(terminal).ok();
        if let Some(before) = &before {
            let mut raw = before.clone();
            cfmakeraw(&mut raw);
            let _ = tcsetattr(terminal, SetArg::TCSANOW, &raw);
        }
        Self { terminal, before }
    }
}

impl Drop for RawMode<'_> {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            let _ = tcsetattr(self.terminal, SetArg::TCSANOW, before);
        }
    }
}

/// Copies both ways until the guest has ended.
pub(super) fn join(
    guest: &Guest,
    master: &File,
    input: BorrowedFd<'_>,
    output: BorrowedFd<'_>,
    monitor: &Monitor,
) -> Result<()> {
    let _raw = RawMode::enter(input);
    let mut from_person = File::from(input.try_clone_to_owned()?);
    let mut to_person = File::from(output.try_clone_to_owned()?);
    let mut guest_end = master.try_clone()?;
    let mut buffer = [0; 16 * 1024];
    let mut input_open = true;
    loop {
        let _ = copy_window_size(input, master);
        if monitor.cancel_token().is_cancelled() {
            guest.kill();
        }
        let wanted = match input_open {
            true => PollFlags::POLLIN,
            false => PollFlags::empty(),
        };
        let mut fds = [
            PollFd::new(master.as_fd(), PollFlags::POLLIN),
            PollFd::new(guest.report_fd(), PollFlags::POLLIN),
            PollFd::new(input, wanted),
        ];
        match poll(&mut fds, PollTimeout::from(POLL_MS)) {
            Ok(_) | Err(nix::Error::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        let [from_guest, ended, typed] = fds.map(|fd| fd.any() == Some(true));
        if from_guest {
            // EIO: the guest's end is closed.
            let len = guest_end.read(&mut buffer).unwrap_or(0);
            if len == 0 {
                return Ok(());
            }
            to_person.write_all(buffer.get(..len).unwrap_or_default())?;
        } else if ended {
            return Ok(());
        }
        if input_open && typed {
            let len = from_person.read(&mut buffer).unwrap_or(0);
            match len {
                // In raw mode only a terminal that hung up ends: nobody is
                // there any more.
                0 => {
                    input_open = false;
                    guest.kill();
                }
                _ => guest_end
                    .write_all(buffer.get(..len).unwrap_or_default())?,
            }
        }
    }
}
