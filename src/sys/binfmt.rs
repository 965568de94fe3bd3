// SPDX-License-Identifier: Apache-2.0
#![allow(unsafe_code)]
//! A binfmt_misc of our own: which interpreter runs the programs of another
//! architecture, for one user namespace alone.
//!
//! Linux 6.7 gives each user namespace in which binfmt_misc is mounted its own
//! table. A short-lived process makes such a namespace, which maps every id to
//! itself, mounts the table and registers the interpreter, which the kernel
//! opens at once (flag `F`). Two descriptors keep it; with them it is gone.
//!
//! Facts: Linux, `Documentation/admin-guide/binfmt-misc.rst`,
//! `fs/binfmt_misc.c`; user_namespaces(7).

use std::ffi::CStr;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::ptr;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::Mode;
use nix::unistd::pipe2;

use crate::error::{Context, Error, ErrorKind, Result};

/// Where the helper mounts the table, in a namespace that ends with it.
const TABLE: &CStr = c"/dev";
const REGISTER: &CStr = c"/dev/register";

/// What a program of another architecture looks like: the first bytes, and
/// which of their bits count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Magic {
    pub(crate) bytes: [u8; 20],
    pub(crate) mask: [u8; 20],
}

/// A user namespace whose processes run foreign programs.
#[derive(Debug)]
pub(crate) struct BinfmtInstance {
    namespace: OwnedFd,
    /// Keeps the table alive.
    _table: OwnedFd,
}

/// What the helper does, in order; it reports the number of the step at which
/// it is, and the errno if it failed there.
const STEPS: [&str; 6] = [
    "making a table of binfmt_misc",
    "waiting for the ids of a user namespace",
    "making the mounts of a user namespace private",
    "mounting binfmt_misc in a user namespace",
    "opening the register of binfmt_misc",
    "registering an interpreter with binfmt_misc",
];

const SUCCESS: [u8; 2] = [u8::MAX, 0];

/// Memory the helper uses, all of it made before `clone`.
struct Prepared<'a> {
    mapped: BorrowedFd<'a>,
    ready: BorrowedFd<'a>,
    line: &'a [u8],
}

impl BinfmtInstance {
    /// Registers `interpreter`, a static program of this host, for programs
    /// that look like `magic`.
    ///
    /// # Errors
    /// `Unsupported` before Linux 6.7 and without binfmt_misc or user
    /// namespaces.
    ///
    /// # Privileges
    /// CAP_SYS_ADMIN and CAP_SETUID, on the thread of [`super::namespace`].
    pub(crate) fn register(
        name: &str,
        magic: &Magic,
        interpreter: &File,
    ) -> Result<Self> {
        // P: argv[0] is passed on; O, C: set-uid programs work as such; F: the
        // interpreter is opened now, by a path that only the helper has.
        let line = format!(
            ":{name}:M::{}:{}:/proc/self/fd/{}:POCF",
            escaped(&magic.bytes),
            escaped(&magic.mask),
            interpreter.as_raw_fd(),
        );
        let (mapped, map) = pipe2(OFlag::O_CLOEXEC)?;
        let (done, ready) = pipe2(OFlag::O_CLOEXEC)?;
        let helper = Helper::start(&Prepared {
            mapped: mapped.as_fd(),
            ready: ready.as_fd(),
            line: line.as_bytes(),
        })?;
        drop((mapped, ready));
        helper
            .map_ids()
            .during("mapping the ids of a user namespace")?;
        let mut map = File::from(map);
        map.write_all(&[1])?;
        let mut report = [0; 2];
        // Without a report it was killed.
        let _ = File::from(done).read_exact(&mut report);
        if report != SUCCESS {
            helper.wait();
            return Err(failure(report));
        }
        let process = format!("/proc/{}", helper.pid);
        let namespace = File::open(format!("{process}/ns/user"))
            .during("opening the user namespace")?;
        let table = nix::fcntl::open(
            format!("{process}/cwd").as_str(),
            OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC,
            Mode::empty(),
        )
        .during("opening the table of binfmt_misc")?;
        map.write_all(&[1])?;
        helper.wait();
        Ok(Self {
            namespace: namespace.into(),
            _table: table,
        })
    }

    /// The namespace that a guest enters.
    pub(crate) fn namespace(&self) -> BorrowedFd<'_> {
        self.namespace.as_fd()
    }
}

fn escaped(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("\\x{byte:02x}")).collect()
}

/// The process that makes the namespace; it ends when its pipe is closed.
struct Helper {
    pid: libc::pid_t,
}

impl Helper {
    fn start(prepared: &Prepared<'_>) -> Result<Self> {
        // Without a signal at its end, as the guest.
        let flags = libc::CLONE_NEWUSER | libc::CLONE_NEWNS;
        // SAFETY: without CLONE_VM the child has a copy of this memory and
        // stack, as after fork(); it makes only system calls and never
        // returns.
        let pid = unsafe {
            libc::syscall(
                libc::SYS_clone,
                libc::c_long::from(flags),
                ptr::null::<libc::c_void>(),
                ptr::null::<libc::c_void>(),
                ptr::null::<libc::c_void>(),
                ptr::null::<libc::c_void>(),
            )
        };
        if pid == 0 {
            // SAFETY: this is the child, and `prepared` outlives it.
            unsafe { run(prepared) }
        }
        if pid < 0 {
            let errno = Errno::last();
            return Err(Error::from(errno)
                .with_kind(ErrorKind::Unsupported)
                .during("making a user namespace")
                .hint("the sysctl user.max_user_namespaces must not be 0"));
        }
        Ok(Self {
            pid: libc::pid_t::try_from(pid)
                .map_err(|_| Error::internal("a pid out of range"))?,
        })
    }

    /// Every id that this process knows stays what it is.
    fn map_ids(&self) -> Result<()> {
        for kind in ["uid_map", "gid_map"] {
            let own = format!("/proc/self/{kind}");
            let own = fs::read_to_string(&own).at(&own)?;
            let mut identity = String::new();
            for line in own.lines() {
                let mut words = line.split_ascii_whitespace();
                let inside = words.next().unwrap_or("0");
                let count = words.nth(1).unwrap_or("0");
                identity.push_str(&format!("{inside} {inside} {count}\n"));
            }
            let path = format!("/proc/{}/{kind}", self.pid);
            fs::write(&path, identity).at(&path)?;
        }
        Ok(())
    }

    fn wait(&self) {
        loop {
            // SAFETY: no result is asked for.
            let pid = unsafe {
                libc::waitpid(self.pid, ptr::null_mut(), libc::__WALL)
            };
            if pid == self.pid || Errno::last() != Errno::EINTR {
                return;
            }
        }
    }
}

fn failure([step, errno]: [u8; 2]) -> Error {
    let what = STEPS.get(usize::from(step)).unwrap_or(&STEPS[0]);
    Error::from(Errno::from_raw(errno.into()))
        .with_kind(ErrorKind::Unsupported)
        .during(*what)
        .hint(
            "binfmt_misc in a user namespace is Linux 6.7; on an older \
             kernel, register the interpreter for the whole host, with the \
             flag F (Debian's qemu-user-static does)",
        )
}

/// Runs in the new namespace; never returns.
///
/// # Safety
/// To be called in the child of a `clone` without CLONE_VM only.
unsafe fn run(prepared: &Prepared<'_>) -> ! {
    let none = ptr::null::<libc::c_char>();
    let kind = c"binfmt_misc".as_ptr();
    let plain = libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC;
    let private = libc::MS_REC | libc::MS_PRIVATE;
    let mapped = prepared.mapped.as_raw_fd();
    let (line, len) = (prepared.line.as_ptr().cast(), prepared.line.len());
    let mut byte = [0_u8; 1];
    // SAFETY: see above; all strings are NUL-terminated, and all pointers and
    // lengths are those of live memory.
    unsafe {
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL, 0, 0, 0);
        if libc::read(mapped, byte.as_mut_ptr().cast(), 1) != 1 {
            report(prepared, 1);
        }
        if libc::mount(none, c"/".as_ptr(), none, private, ptr::null()) < 0 {
            report(prepared, 2);
        }
        if libc::mount(kind, TABLE.as_ptr(), kind, plain, ptr::null()) < 0 {
            report(prepared, 3);
        }
        let register = libc::open(REGISTER.as_ptr(), libc::O_WRONLY);
        if register < 0 || libc::chdir(TABLE.as_ptr()) < 0 {
            report(prepared, 4);
        }
        if libc::write(register, line, len) < 0 {
            report(prepared, 5);
        }
        libc::write(
            prepared.ready.as_raw_fd(),
            SUCCESS.as_ptr().cast(),
            SUCCESS.len(),
        );
        // Until the parent has opened what is to stay.
        libc::read(mapped, byte.as_mut_ptr().cast(), 1);
        libc::_exit(0)
    }
}

/// Says at which step it failed, and ends.
unsafe fn report(prepared: &Prepared<'_>, step: u8) -> ! {
    let bytes = [step, u8::try_from(Errno::last_raw()).unwrap_or(0)];
    // SAFETY: see `run`; the pointer and length are those of `bytes`.
    unsafe {
        let ready = prepared.ready.as_raw_fd();
        libc::write(ready, bytes.as_ptr().cast(), bytes.len());
        libc::_exit(1)
    }
}
