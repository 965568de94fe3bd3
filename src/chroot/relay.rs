// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Passes what a guest writes on, and watches for a cancellation.

use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::pipe2;

use crate::error::Result;
use crate::progress::Monitor;
use crate::sys::guest::Guest;

/// How often a running command is asked whether it was cancelled.
const CANCEL_POLL_MS: u16 = 50;

/// Passes what the guest writes on, until it has ended.
pub(super) fn pump(
    guest: &Guest,
    pipe: &OwnedFd,
    monitor: &Monitor,
    mut take: impl FnMut(&[u8]) -> Result<()>,
) -> Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    let mut pipe = File::from(pipe.try_clone()?);
    loop {
        if monitor.cancel_token().is_cancelled() {
            guest.kill();
        }
        let mut fds = [PollFd::new(pipe.as_fd(), PollFlags::POLLIN)];
        match poll(&mut fds, PollTimeout::from(CANCEL_POLL_MS)) {
            Ok(0) | Err(nix::Error::EINTR) => continue,
            Ok(_) => {}
            Err(errno) => return Err(errno.into()),
        }
        match pipe.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(len) => take(buffer.get(..len).unwrap_or_default())?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// One stream of a guest on its way to a descriptor of the caller's.
#[derive(Debug)]
pub(super) struct Relay<'a> {
    target: BorrowedFd<'a>,
    /// Both ends of a pipe, where the target must not be handed out.
    pipe: Option<(OwnedFd, OwnedFd)>,
}

impl<'a> Relay<'a> {
    pub(super) fn new(target: BorrowedFd<'a>) -> Result<Self> {
        let pipe = match target.is_terminal() {
            true => Some(pipe2(OFlag::O_CLOEXEC)?),
            false => None,
        };
        Ok(Self { target, pipe })
    }

    /// What the guest writes to.
    pub(super) fn guest_end(&self) -> BorrowedFd<'_> {
        match &self.pipe {
            Some((_, write)) => write.as_fd(),
            None => self.target,
        }
    }

    /// Passes everything on until the guest has ended.
    pub(super) fn run(
        relays: [Self; 2],
        guest: &Guest,
        monitor: &Monitor,
    ) -> Result<()> {
        let mut open = Vec::new();
        for relay in relays {
            if let Some((read, _)) = relay.pipe {
                let target = File::from(relay.target.try_clone_to_owned()?);
                open.push((File::from(read), target));
            }
        }
        let mut buffer = vec![0; 64 * 1024];
        loop {
            if monitor.cancel_token().is_cancelled() {
                guest.kill();
            }
            let mut fds: Vec<PollFd<'_>> = open
                .iter()
                .map(|(read, _)| read.as_fd())
                .chain([guest.report_fd()])
                .map(|fd| PollFd::new(fd, PollFlags::POLLIN))
                .collect();
            match poll(&mut fds, PollTimeout::from(CANCEL_POLL_MS)) {
                Ok(0) | Err(nix::Error::EINTR) => continue,
                Ok(_) => {}
                Err(errno) => return Err(errno.into()),
            }
            let ready: Vec<bool> =
                fds.iter().map(|fd| fd.any() == Some(true)).collect();
            let ended = ready.last() == Some(&true);
            if ended && open.is_empty() {
                return Ok(());
            }
            let mut at = 0;
            open.retain_mut(|(read, target)| {
                let readable = ready.get(at) == Some(&true);
                at += 1;
                !readable || pass_on(read, target, &mut buffer)
            });
        }
    }
}

/// Whether there may be more.
fn pass_on(read: &mut File, target: &mut File, buffer: &mut [u8]) -> bool {
    match read.read(buffer) {
        Ok(0) | Err(_) => false,
        Ok(len) => {
            let bytes = buffer.get(..len).unwrap_or_default();
            target.write_all(bytes).is_ok()
        }
    }
}
