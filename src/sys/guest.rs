// SPDX-License-Identifier: Apache-2.0
#![allow(unsafe_code)]
//! A process in a mounted root that can reach nothing else.
//!
//! [`spawn`] clones a small init into PID, mount, IPC and UTS namespaces of
//! its own. Init pivots into the root, gives up what reaches the host,
//! starts the command, reaps orphans, reports the command's status through a
//! pipe and ends, and the kernel ends with it whatever the command left
//! running. Init itself dies with the thread that spawned it.
//!
//! Between `clone` and `execve` only system calls are made: other threads of
//! the process may hold any lock. All memory is prepared before.

use std::ffi::CString;
use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::ptr;

use nix::errno::Errno;

use crate::error::{Context, Error, ErrorKind, Result};
use crate::sys::capability;

mod child;
mod seccomp;

/// What to run and in what.
#[derive(Debug)]
pub(crate) struct GuestSpec<'a> {
    /// The mounted root, a path of the host.
    pub(crate) root: CString,
    /// Program and arguments; the program is a path in the root.
    pub(crate) argv: Vec<CString>,
    /// `NAME=value`.
    pub(crate) env: Vec<CString>,
    /// A path in the root.
    pub(crate) directory: CString,
    /// Standard input, output and error.
    pub(crate) stdio: [BorrowedFd<'a>; 3],
    /// Standard input is a terminal that becomes the controlling one.
    pub(crate) terminal: bool,
    /// An empty network namespace instead of the host's.
    pub(crate) no_network: bool,
    /// A file in the root that stands in for `/proc/cmdline`.
    pub(crate) cmdline: CString,
    /// Entered by init, for the table of binfmt_misc that comes with it.
    pub(crate) user_namespace: Option<BorrowedFd<'a>>,
}

/// A running guest; killed when dropped.
#[derive(Debug)]
pub(crate) struct Guest {
    pidfd: OwnedFd,
    pid: libc::pid_t,
    report: File,
    reaped: bool,
}

/// Memory the child uses, all of it made before `clone`.
struct Prepared<'a> {
    spec: &'a GuestSpec<'a>,
    argv: Vec<*const libc::c_char>,
    env: Vec<*const libc::c_char>,
    stdio: [RawFd; 3],
    capabilities: u64,
    seccomp: Vec<libc::sock_filter>,
    /// Where this process keeps its arguments.
    own_arguments: Range<usize>,
    zero: File,
    parent: OwnedFd,
    report: OwnedFd,
}

/// What init writes into the report pipe: eight bytes.
#[derive(Debug, Clone, Copy)]
struct Report {
    /// A [`child::Stage`] that failed, or [`Report::ENDED`].
    stage: u32,
    /// The errno of the failure, or the command's wait status.
    value: i32,
}

impl Report {
    const ENDED: u32 = u32::MAX;
    const SIZE: usize = 8;

    fn to_bytes(self) -> [u8; Self::SIZE] {
        let [a, b, c, d] = self.stage.to_ne_bytes();
        let [e, f, g, h] = self.value.to_ne_bytes();
        [a, b, c, d, e, f, g, h]
    }

    fn from_bytes(bytes: [u8; Self::SIZE]) -> Self {
        let [a, b, c, d, e, f, g, h] = bytes;
        Self {
            stage: u32::from_ne_bytes([a, b, c, d]),
            value: i32::from_ne_bytes([e, f, g, h]),
        }
    }
}

/// Starts a guest.
///
/// # Errors
/// `Privilege` when the namespaces are not granted.
///
/// # Privileges
/// CAP_SYS_ADMIN, on the thread of [`super::namespace`].
pub(crate) fn spawn(spec: &GuestSpec<'_>) -> Result<Guest> {
    let (report, write_end) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC)
        .during("making a pipe")?;
    let prepared = Prepared {
        spec,
        argv: pointers(&spec.argv),
        env: pointers(&spec.env),
        stdio: spec.stdio.map(|fd| fd.as_raw_fd()),
        capabilities: capability::guest_mask(),
        seccomp: seccomp::filter(),
        own_arguments: own_arguments(),
        zero: File::open("/dev/zero").at("/dev/zero")?,
        parent: own_pidfd()?,
        report: write_end,
    };
    // No signal tells of its end: the caller's handler of SIGCHLD is not
    // called, and neither `wait` there nor SIG_IGN takes its status from us.
    let mut flags = libc::CLONE_NEWPID
        | libc::CLONE_NEWNS
        | libc::CLONE_NEWIPC
        | libc::CLONE_NEWUTS
        | libc::CLONE_PIDFD;
    if spec.no_network {
        flags |= libc::CLONE_NEWNET;
    }
    let mut pidfd: RawFd = -1;
    // SAFETY: without CLONE_VM the child has a copy of this memory and stack,
    // as after fork(); it makes only system calls and never returns. The
    // kernel writes one descriptor to `pidfd`.
    let pid = unsafe {
        libc::syscall(
            libc::SYS_clone,
            libc::c_long::from(flags),
            ptr::null::<libc::c_void>(),
            &raw mut pidfd,
            ptr::null::<libc::c_void>(),
            ptr::null::<libc::c_void>(),
        )
    };
    if pid == 0 {
        // SAFETY: this is the child, and `prepared` outlives it.
        unsafe { child::run(&prepared) }
    }
    if pid < 0 {
        let errno = Errno::last();
        return Err(
            Error::from(errno).during("making the namespaces of the guest")
        );
    }
    Ok(Guest {
        // SAFETY: clone() just made this descriptor and nobody else owns it.
        pidfd: unsafe { OwnedFd::from_raw_fd(pidfd) },
        pid: libc::pid_t::try_from(pid)
            .map_err(|_| Error::internal("a pid out of range"))?,
        report: File::from(report),
        reaped: false,
    })
}

impl Guest {
    /// Becomes readable when the guest has ended or failed to start.
    pub(crate) fn report_fd(&self) -> BorrowedFd<'_> {
        self.report.as_fd()
    }

    /// Ends every process of the guest at once.
    pub(crate) fn kill(&self) {
        // SAFETY: no pointers; the descriptor is open.
        let _ = unsafe {
            libc::syscall(
                libc::SYS_pidfd_send_signal,
                self.pidfd.as_raw_fd(),
                libc::SIGKILL,
                ptr::null::<libc::c_void>(),
                0,
            )
        };
    }

    /// Waits for the end; every process of the guest is gone then.
    ///
    /// # Errors
    /// Whatever kept the command from starting.
    pub(crate) fn wait(mut self) -> Result<ExitStatus> {
        let mut bytes = [0; Report::SIZE];
        let complete = self.report.read_exact(&mut bytes).is_ok();
        let init = self.reap()?;
        let report = Report::from_bytes(bytes);
        match (complete, report.stage) {
            (true, Report::ENDED) => Ok(ExitStatus::from_raw(report.value)),
            (true, stage) => Err(child::failure(stage, report.value)),
            // Killed from outside, or by us.
            (false, _) => Ok(init),
        }
    }

    fn reap(&mut self) -> Result<ExitStatus> {
        let mut status = 0;
        loop {
            // SAFETY: `status` is a valid place for the result.
            let pid = unsafe {
                libc::waitpid(self.pid, &raw mut status, libc::__WALL)
            };
            if pid == self.pid {
                self.reaped = true;
                return Ok(ExitStatus::from_raw(status));
            }
            match Errno::last() {
                Errno::EINTR => {}
                errno => {
                    self.reaped = true;
                    return Err(
                        Error::from(errno).during("waiting for the guest")
                    );
                }
            }
        }
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        if self.reaped {
            return;
        }
        self.kill();
        if let Err(error) = self.reap() {
            tracing::error!("{error}");
        }
    }
}

fn pointers(strings: &[CString]) -> Vec<*const libc::c_char> {
    strings
        .iter()
        .map(|string| string.as_ptr())
        .chain([ptr::null()])
        .collect()
}

/// Where in memory the arguments of this process are, as `/proc` shows them;
/// empty when that is not told.
///
/// Facts: proc(5), `/proc/pid/stat`, fields 48 and 49.
fn own_arguments() -> Range<usize> {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name in the second field may hold blanks and parentheses.
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let mut fields = after_name.split_ascii_whitespace().skip(48 - 3);
    let mut field = || fields.next()?.parse().ok();
    field().zip(field()).map_or(0..0, |(start, end)| start..end)
}

/// A descriptor of this process, by which init sees that it is gone.
fn own_pidfd() -> Result<OwnedFd> {
    // SAFETY: no pointers.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, libc::getpid(), 0) };
    let fd = RawFd::try_from(fd).unwrap_or(-1);
    if fd < 0 {
        return Err(Error::new(
            ErrorKind::Unsupported,
            "this kernel has no pidfd_open (Linux 5.3)",
        ));
    }
    // SAFETY: the call just made this descriptor.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// A C string of `text`.
///
/// # Errors
/// `InvalidArgument` when it holds a NUL.
pub(crate) fn c_string(text: impl AsRef<[u8]>) -> Result<CString> {
    CString::new(text.as_ref())
        .map_err(|_| Error::invalid("an argument contains a NUL byte"))
}
