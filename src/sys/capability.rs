// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Which capabilities this process has, and which a guest keeps.

use caps::{CapSet, Capability};

use crate::error::{Error, ErrorKind, Result};

/// What a command in the image may keep.
///
/// This is the set that container engines give, under which package managers
/// are run all day, less what reaches the host: MKNOD (a node for a host
/// disk), NET_RAW (the host's network is shared), and plus LINUX_IMMUTABLE,
/// which packages use. What is missing matters more: SYS_ADMIN (mounts),
/// DAC_READ_SEARCH (`open_by_handle_at` leaves a bind mount), SYS_MODULE,
/// SYS_RAWIO, SYS_BOOT, SYS_TIME, SYS_PTRACE, NET_ADMIN, SYSLOG, MAC_*, BPF.
const GUEST: [Capability; 14] = [
    Capability::CAP_AUDIT_WRITE,
    Capability::CAP_CHOWN,
    Capability::CAP_DAC_OVERRIDE,
    Capability::CAP_FOWNER,
    Capability::CAP_FSETID,
    Capability::CAP_IPC_OWNER,
    Capability::CAP_KILL,
    Capability::CAP_LINUX_IMMUTABLE,
    Capability::CAP_NET_BIND_SERVICE,
    Capability::CAP_SETFCAP,
    Capability::CAP_SETGID,
    Capability::CAP_SETPCAP,
    Capability::CAP_SETUID,
    Capability::CAP_SYS_CHROOT,
];

/// The guest's capabilities as the bit mask of `capset(2)`.
pub(crate) fn guest_mask() -> u64 {
    GUEST
        .iter()
        .fold(0, |mask, capability| mask | capability.bitmask())
}

/// Whether this process holds `capability` in its effective set.
pub(crate) fn has(capability: Capability) -> bool {
    caps::has_cap(None, CapSet::Effective, capability).unwrap_or(false)
}

/// Whether this process may mount and attach.
pub(crate) fn can_mount() -> bool {
    has(Capability::CAP_SYS_ADMIN)
}

/// Fails unless this process may mount and attach.
///
/// # Errors
/// `Privilege`, with what to do.
pub(crate) fn require_admin(purpose: &str) -> Result<()> {
    if can_mount() {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Privilege,
        format!("{purpose} needs root (CAP_SYS_ADMIN)"),
    )
    .hint(
        "run it with sudo; in a container, run the container privileged \
         (docker run --privileged)",
    ))
}
