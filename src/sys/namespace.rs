// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! A mount namespace that only one thread and its children hold.

use std::marker::PhantomData;
use std::thread;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

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
/// Neither the mounts nor the working directory of the calling process change.
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
