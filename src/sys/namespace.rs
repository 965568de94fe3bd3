// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! A mount namespace that only one thread and its children hold.

use std::marker::PhantomData;
use std::thread;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{SigSet, Signal};

use crate::error::{Context, Error, ErrorKind, Result};

/// Proof of being on a thread whose mounts nobody else sees.
///
/// Functions that mount take a reference to it, so that they cannot be called
/// from a thread of the caller.
#[derive(Debug)]
pub struct PrivateMounts {
    /// Neither `Send` nor `Sync`: the proof holds on this thread only.
    not_send: PhantomData<*const ()>,
}

/// Runs `work` on a thread of its own with a private mount namespace.
///
/// Neither the mounts nor the working directory of the calling process change,
/// and its signals are handled by its other threads: this one has them blocked,
/// so that no handler of the caller's runs here or in a clone of it, and a
/// pipe whose reader is gone is an error rather than the end of the process.
/// Whatever `work` leaves mounted ends with the thread, and with the process
/// however that ends.
///
/// # Errors
/// `Privilege` without CAP_SYS_ADMIN, and whatever `work` returns.
///
/// # Privileges
/// CAP_SYS_ADMIN.
pub fn in_private_mounts<T: Send>(
    work: impl FnOnce(&PrivateMounts) -> Result<T> + Send,
) -> Result<T> {
    thread::scope(|scope| {
        let session = thread::Builder::new()
            .name("imagewright".to_owned())
            .spawn_scoped(scope, || {
                block_signals()?;
                isolate()?;
                work(&PrivateMounts {
                    not_send: PhantomData,
                })
            })
            .during("starting the session's thread")?;
        match session.join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

/// Blocks what is sent from outside; what a thread brings upon itself by a
/// defect, and what a profiler counts with, stays as it was.
fn block_signals() -> Result<()> {
    let mut signals = SigSet::all();
    for own in [
        Signal::SIGABRT,
        Signal::SIGBUS,
        Signal::SIGFPE,
        Signal::SIGILL,
        Signal::SIGPROF,
        Signal::SIGSEGV,
        Signal::SIGSYS,
        Signal::SIGTRAP,
    ] {
        signals.remove(own);
    }
    signals
        .thread_block()
        .during("blocking the signals of the session's thread")
}

fn isolate() -> Result<()> {
    unshare(CloneFlags::CLONE_FS | CloneFlags::CLONE_NEWNS).map_err(
        |errno| {
            Error::from(errno)
                .during("making a private mount namespace")
                .with_kind(ErrorKind::Privilege)
                .hint(
                    "run as root, or in a container with CAP_SYS_ADMIN \
                     (docker run --privileged)",
                )
        },
    )?;
    mount(
        None::<&str>,
        "/",
        None::<&str>,
        MsFlags::MS_REC | MsFlags::MS_PRIVATE,
        None::<&str>,
    )
    .during("making the mounts of this session private")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_leaves_the_signals_to_the_other_threads() {
        let mask = || SigSet::thread_get_mask().unwrap();
        let before = mask();
        let inside = thread::spawn(|| {
            block_signals().unwrap();
            SigSet::thread_get_mask().unwrap()
        });
        let inside = inside.join().unwrap();
        for signal in [Signal::SIGINT, Signal::SIGPIPE, Signal::SIGUSR1] {
            assert!(inside.contains(signal), "{signal}");
        }
        assert!(!inside.contains(Signal::SIGSEGV));
        assert_eq!(mask(), before);
    }
}
