// SPDX-License-Identifier: Apache-2.0
#![allow(unsafe_code)]
//! What happens between `clone` and `execve`: system calls only.

use std::ffi::CStr;
use std::os::fd::AsRawFd;
use std::ptr;

use nix::errno::Errno;

use super::{Prepared, Report};
use crate::error::{Error, ErrorKind};

/// Where the child can fail; the numbers travel through the report pipe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Orphaned,
    Propagation,
    EnterRoot,
    Pivot,
    Proc,
    Protect,
    HostName,
    Loopback,
    Emulator,
    Filter,
    Capabilities,
    Fork,
    Terminal,
    Directory,
    Exec,
}

const STAGES: [(Stage, &str); 15] = [
    (Stage::Orphaned, "watching the parent process"),
    (Stage::Propagation, "making the guest's mounts private"),
    (Stage::EnterRoot, "entering the root directory"),
    (Stage::Pivot, "pivoting into the root"),
    (Stage::Proc, "mounting /proc in the image"),
    (Stage::Protect, "protecting /proc"),
    (Stage::HostName, "setting the guest's host name"),
    (Stage::Loopback, "bringing up the loopback interface"),
    (Stage::Emulator, "entering the emulator's user namespace"),
    (Stage::Filter, "installing the system call filter"),
    (Stage::Capabilities, "dropping capabilities"),
    (Stage::Fork, "starting a process in the image"),
    (Stage::Terminal, "taking the terminal"),
    (Stage::Directory, "changing the directory in the image"),
    (Stage::Exec, "executing the command in the image"),
];

/// Kept readable, but not writable.
const READ_ONLY: [&CStr; 9] = [
    c"/proc/sys",
    c"/proc/sysrq-trigger",
    c"/proc/irq",
    c"/proc/bus",
    c"/proc/fs",
    c"/proc/acpi",
    c"/proc/scsi",
    c"/proc/dynamic_debug",
    c"/proc/pressure",
];
/// Tell of the host's memory, keys and devices.
const MASKED: [&CStr; 6] = [
    c"/proc/kcore",
    c"/proc/keys",
    c"/proc/key-users",
    c"/proc/timer_list",
    c"/proc/sched_debug",
    c"/proc/latency_stats",
];

/// The error of a report.
pub(super) fn failure(stage: u32, errno: i32) -> Error {
    let stage = STAGES
        .iter()
        .zip(0..)
        .find_map(|(entry, number)| (number == stage).then_some(entry));
    let errno = Errno::from_raw(errno);
    let error = Error::from(errno);
    match stage {
        Some((Stage::Exec | Stage::Directory, what)) => {
            let kind = match errno {
                Errno::ENOENT => ErrorKind::NotFound,
                Errno::ENOEXEC => ErrorKind::Unsupported,
                _ => ErrorKind::Command,
            };
            error.with_kind(kind).during(*what)
        }
        Some((Stage::Proc, what)) => error.during(*what).hint(
            "the image needs real directories /proc, /sys, /dev and /run",
        ),
        Some((_, what)) => error.during(*what),
        None => Error::internal("an unknown report of the guest"),
    }
}

/// Init of the guest. Never returns.
///
/// # Safety
/// To be called in the child of a `clone` without CLONE_VM only.
pub(super) unsafe fn run(prepared: &Prepared<'_>) -> ! {
    // SAFETY: this is the child; every call below is a bare system call on
    // memory that was prepared before.
    unsafe {
        // Not readable by the command: this memory is a copy of the caller's.
        libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0);
        forget_arguments(prepared);
        die_with_parent(prepared);
        default_signals();
        enter(prepared);
        restrict(prepared);
        let command = libc::syscall(
            libc::SYS_clone,
            libc::c_long::from(libc::SIGCHLD),
            ptr::null::<libc::c_void>(),
            ptr::null::<libc::c_void>(),
            ptr::null::<libc::c_void>(),
            ptr::null::<libc::c_void>(),
        );
        match command {
            0 => execute(prepared),
            pid if pid > 0 => reap(prepared, pid),
            _ => fail(prepared, Stage::Fork),
        }
    }
}

/// Init's arguments are a copy of the caller's, and everybody may read them
/// in `/proc`: paths of the host, a password in a URL.
///
/// The kernel writes the zeroes, so that memory that cannot be written to is
/// an error that changes nothing.
unsafe fn forget_arguments(prepared: &Prepared<'_>) {
    let mut left = prepared.own_arguments.clone();
    while !left.is_empty() {
        let start =
            ptr::with_exposed_provenance_mut::<libc::c_void>(left.start);
        let len = left.end - left.start;
        // SAFETY: see `run`; nothing in this process reads its arguments any
        // more, and the kernel refuses memory that is not ours.
        let zeroed =
            unsafe { libc::read(prepared.zero.as_raw_fd(), start, len) };
        match usize::try_from(zeroed) {
            Ok(zeroed) if zeroed > 0 => left.start += zeroed,
            _ => return,
        }
    }
}

unsafe fn die_with_parent(prepared: &Prepared<'_>) {
    // SAFETY: see `run`.
    unsafe {
        if libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL, 0, 0, 0) < 0 {
            fail(prepared, Stage::Orphaned);
        }
        // The parent may have died before that call.
        let mut parent = libc::pollfd {
            fd: prepared.parent.as_raw_fd(),
            events: libc::POLLIN,
            revents: 0,
        };
        if libc::poll(&raw mut parent, 1, 0) != 0 {
            fail(prepared, Stage::Orphaned);
        }
    }
}

unsafe fn default_signals() {
    // SAFETY: see `run`; an empty set is initialised by sigemptyset.
    unsafe {
        for signal in 1..=64 {
            libc::signal(signal, libc::SIG_DFL);
        }
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, ptr::null_mut());
    }
}

/// Makes the mounted root the only thing that can be seen.
unsafe fn enter(prepared: &Prepared<'_>) {
    let none = ptr::null::<libc::c_char>();
    let plain = libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC;
    // SAFETY: see `run`; all strings are NUL-terminated.
    unsafe {
        let private = libc::MS_REC | libc::MS_PRIVATE;
        if libc::mount(none, c"/".as_ptr(), none, private, ptr::null()) < 0 {
            fail(prepared, Stage::Propagation);
        }
        if libc::chdir(prepared.spec.root.as_ptr()) < 0 {
            fail(prepared, Stage::EnterRoot);
        }
        // The new root on top of the old, then the old one taken away from
        // under it: pivot_root(2), "pivot_root(".", ".")".
        let here = c".".as_ptr();
        if libc::syscall(libc::SYS_pivot_root, here, here) < 0
            || libc::umount2(here, libc::MNT_DETACH) < 0
            || libc::chdir(c"/".as_ptr()) < 0
        {
            fail(prepared, Stage::Pivot);
        }
        let proc = c"proc".as_ptr();
        let at = c"/proc".as_ptr();
        if libc::mount(proc, at, proc, plain, ptr::null()) < 0 {
            fail(prepared, Stage::Proc);
        }
        for path in READ_ONLY {
            bind(prepared, path, path, libc::MS_RDONLY | plain);
        }
        for path in MASKED {
            bind(prepared, c"/dev/null", path, libc::MS_RDONLY);
        }
        let cmdline = &prepared.spec.cmdline;
        bind(prepared, cmdline, c"/proc/cmdline", libc::MS_RDONLY | plain);
    }
}

/// Binds `from` over `to`, where `to` exists.
unsafe fn bind(
    prepared: &Prepared<'_>,
    from: &CStr,
    to: &CStr,
    flags: libc::c_ulong,
) {
    let none = ptr::null::<libc::c_char>();
    let to = to.as_ptr();
    let once = libc::MS_BIND;
    let again = libc::MS_BIND | libc::MS_REMOUNT | flags;
    // SAFETY: see `run`; all strings are NUL-terminated.
    unsafe {
        if libc::access(to, libc::F_OK) < 0 {
            return;
        }
        if libc::mount(from.as_ptr(), to, none, once, ptr::null()) < 0
            || libc::mount(none, to, none, again, ptr::null()) < 0
        {
            fail(prepared, Stage::Protect);
        }
    }
}

/// Gives up everything that reaches the host.
unsafe fn restrict(prepared: &Prepared<'_>) {
    // SAFETY: see `run`.
    unsafe {
        let name = c"localhost".to_bytes();
        if libc::sethostname(name.as_ptr().cast(), name.len()) < 0 {
            fail(prepared, Stage::HostName);
        }
        if prepared.spec.no_network {
            loopback_up(prepared);
        }
        enter_user_namespace(prepared);
        scope_sockets();
        filter_calls(prepared);
        drop_capabilities(prepared);
        // Dropping privileges may have cleared it.
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL, 0, 0, 0);
    }
}

unsafe fn loopback_up(prepared: &Prepared<'_>) {
    // SAFETY: see `run`; an ifreq of zeroes is valid.
    unsafe {
        let kind = libc::SOCK_DGRAM | libc::SOCK_CLOEXEC;
        let socket = libc::socket(libc::AF_INET, kind, 0);
        let mut request: libc::ifreq = std::mem::zeroed();
        for (to, from) in request.ifr_name.iter_mut().zip(c"lo".to_bytes()) {
            *to = (*from).cast_signed();
        }
        request.ifr_ifru.ifru_flags = 1; // IFF_UP
        if libc::ioctl(socket, libc::SIOCSIFFLAGS, &raw const request) < 0 {
            fail(prepared, Stage::Loopback);
        }
        libc::close(socket);
    }
}

/// The other namespaces stay those of the host's user namespace: here, the
/// guest's capabilities reach files alone.
unsafe fn enter_user_namespace(prepared: &Prepared<'_>) {
    let Some(namespace) = prepared.spec.user_namespace else {
        return;
    };
    let namespace = namespace.as_raw_fd();
    // SAFETY: see `run`.
    unsafe {
        if libc::setns(namespace, libc::CLONE_NEWUSER) < 0 {
            fail(prepared, Stage::Emulator);
        }
    }
}

/// Keeps the guest from the host's abstract sockets and signals.
///
/// The network namespace is shared, and container runtimes trust root on
/// abstract sockets (CVE-2020-15257). Landlock can scope them from Linux 6.12
/// on; older kernels refuse the call and nothing is lost.
unsafe fn scope_sockets() {
    /// `struct landlock_ruleset_attr` of `linux/landlock.h`.
    #[repr(C)]
    struct RulesetAttr {
        handled_access_fs: u64,
        handled_access_net: u64,
        scoped: u64,
    }
    const SCOPE_ABSTRACT_UNIX_SOCKET: u64 = 1;
    const SCOPE_SIGNAL: u64 = 2;
    let attr = RulesetAttr {
        handled_access_fs: 0,
        handled_access_net: 0,
        scoped: SCOPE_ABSTRACT_UNIX_SOCKET | SCOPE_SIGNAL,
    };
    // SAFETY: see `run`; the size is that of `attr`.
    unsafe {
        let ruleset = libc::syscall(
            libc::SYS_landlock_create_ruleset,
            &raw const attr,
            size_of::<RulesetAttr>(),
            0,
        );
        if ruleset >= 0 {
            libc::syscall(libc::SYS_landlock_restrict_self, ruleset, 0);
            libc::syscall(libc::SYS_close, ruleset);
        }
    }
}

unsafe fn filter_calls(prepared: &Prepared<'_>) {
    const SECCOMP_SET_MODE_FILTER: libc::c_long = 1;
    let program = libc::sock_fprog {
        len: u16::try_from(prepared.seccomp.len()).unwrap_or(0),
        filter: prepared.seccomp.as_ptr().cast_mut(),
    };
    // SAFETY: see `run`; the kernel only reads the program.
    let done = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            SECCOMP_SET_MODE_FILTER,
            0,
            &raw const program,
        )
    };
    // A kernel without seccomp has ENOSYS here.
    if done < 0 && Errno::last() != Errno::ENOSYS {
        // SAFETY: see `run`.
        unsafe { fail(prepared, Stage::Filter) }
    }
}

unsafe fn drop_capabilities(prepared: &Prepared<'_>) {
    /// `struct __user_cap_header_struct` and `__user_cap_data_struct` of
    /// `linux/capability.h`.
    #[repr(C)]
    struct Header {
        version: u32,
        pid: i32,
    }
    #[repr(C)]
    #[derive(Clone, Copy)]
    struct Data {
        effective: u32,
        permitted: u32,
        inheritable: u32,
    }
    const VERSION_3: u32 = 0x2008_0522;
    let header = Header {
        version: VERSION_3,
        pid: 0,
    };
    let mut data = [Data {
        effective: 0,
        permitted: 0,
        inheritable: 0,
    }; 2];
    // SAFETY: see `run`; `data` has the two elements that version 3 uses.
    unsafe {
        for capability in 0..64 {
            if prepared.capabilities & (1 << capability) == 0 {
                // EINVAL past the last one the kernel knows.
                libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0);
            }
        }
        libc::prctl(
            libc::PR_CAP_AMBIENT,
            libc::PR_CAP_AMBIENT_CLEAR_ALL,
            0,
            0,
            0,
        );
        let get = libc::SYS_capget;
        if libc::syscall(get, &raw const header, &raw mut data) < 0 {
            fail(prepared, Stage::Capabilities);
        }
        for (half, shift) in data.iter_mut().zip([0, 32]) {
            let mask = (prepared.capabilities >> shift) & 0xFFFF_FFFF;
            half.permitted &= u32::try_from(mask).unwrap_or(0);
            half.effective = half.permitted;
            half.inheritable = 0;
        }
        let set = libc::SYS_capset;
        if libc::syscall(set, &raw const header, &raw const data) < 0 {
            fail(prepared, Stage::Capabilities);
        }
    }
}

/// The command's process: takes its descriptors and becomes the command.
unsafe fn execute(prepared: &Prepared<'_>) -> ! {
    // SAFETY: see `run`; the pointer arrays end in NULL.
    unsafe {
        libc::setsid();
        libc::umask(0o022);
        // Above the three, so that no dup2 overwrites one still needed.
        let mut fds = [0; 3];
        for (copy, fd) in fds.iter_mut().zip(prepared.stdio) {
            *copy = libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, 10);
        }
        for (fd, target) in fds.iter().zip(0..) {
            if libc::dup2(*fd, target) < 0 {
                fail(prepared, Stage::Terminal);
            }
        }
        if prepared.spec.terminal && libc::ioctl(0, libc::TIOCSCTTY, 0) < 0 {
            fail(prepared, Stage::Terminal);
        }
        // CLOSE_RANGE_CLOEXEC: the report pipe is needed until execve.
        libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, 4);
        if libc::chdir(prepared.spec.directory.as_ptr()) < 0 {
            fail(prepared, Stage::Directory);
        }
        libc::execve(
            prepared.argv[0],
            prepared.argv.as_ptr(),
            prepared.env.as_ptr(),
        );
        fail(prepared, Stage::Exec)
    }
}

/// Reaps until the command ends, and reports how.
unsafe fn reap(prepared: &Prepared<'_>, command: libc::c_long) -> ! {
    let keep = libc::c_uint::try_from(prepared.report.as_raw_fd());
    let keep = keep.unwrap_or(0);
    // SAFETY: see `run`.
    unsafe {
        // Of the caller's descriptors init needs the report pipe alone; an
        // empty range (report is 0) is refused and does nothing.
        let close = libc::SYS_close_range;
        libc::syscall(close, 0, keep.wrapping_sub(1), 0);
        libc::syscall(close, keep + 1, libc::c_uint::MAX, 0);
        loop {
            let mut status = 0;
            let pid = libc::waitpid(-1, &raw mut status, libc::__WALL);
            if libc::c_long::from(pid) == command {
                report(prepared, Report::ENDED, status);
            }
            if pid < 0 && Errno::last() != Errno::EINTR {
                fail(prepared, Stage::Fork);
            }
        }
    }
}

unsafe fn fail(prepared: &Prepared<'_>, stage: Stage) -> ! {
    let errno = Errno::last_raw();
    let number = STAGES
        .iter()
        .zip(0..)
        .find_map(|((entry, _), number)| (*entry == stage).then_some(number));
    // SAFETY: see `run`.
    unsafe { report(prepared, number.unwrap_or(0), errno) }
}

unsafe fn report(prepared: &Prepared<'_>, stage: u32, value: i32) -> ! {
    let bytes = Report { stage, value }.to_bytes();
    // SAFETY: see `run`; the pointer and length are those of `bytes`.
    unsafe {
        libc::write(
            prepared.report.as_raw_fd(),
            bytes.as_ptr().cast(),
            bytes.len(),
        );
        libc::_exit(i32::from(stage != Report::ENDED) * 127)
    }
}
