// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! A filter for what is left when the capabilities are gone.
//!
//! - The key rings belong to the user, not to a namespace: root in the image
//!   would hold the keys of root on the host.
//! - A user namespace gives every capability back, over itself: mounts, and
//!   all of the kernel that only such a root can reach.
//! - The image's own loop device is in `/dev` for bootloaders. Who may write
//!   to it may also tell it to outlive us.
//!
//! Everything else a filter could forbid is out of reach already.
//!
//! Facts: `linux/seccomp.h`, `linux/audit.h`, `linux/loop.h`, the system call
//! tables.

use libc::sock_filter;

/// The numbers of one architecture.
#[derive(Debug, Clone, Copy)]
struct Calls {
    /// `AUDIT_ARCH_*`.
    arch: u32,
    /// `add_key`, `request_key`, `keyctl`: always three in a row.
    keys: u32,
    clone: u32,
    unshare: u32,
    ioctl: u32,
}

const X86_64: Calls = Calls {
    arch: 0xC000_003E,
    keys: 248,
    clone: 56,
    unshare: 272,
    ioctl: 16,
};
const ARCHITECTURES: [Calls; 4] = [
    X86_64,
    // i386
    Calls {
        arch: 0x4000_0003,
        keys: 286,
        clone: 120,
        unshare: 310,
        ioctl: 54,
    },
    // aarch64
    Calls {
        arch: 0xC000_00B7,
        keys: 217,
        clone: 220,
        unshare: 97,
        ioctl: 29,
    },
    // arm
    Calls {
        arch: 0x4000_0028,
        keys: 309,
        clone: 120,
        unshare: 337,
        ioctl: 54,
    },
];
/// The same everywhere.
const CLONE3: u32 = 435;
/// The x32 calls have this bit and otherwise the numbers of x86-64.
const X32_BIT: u32 = 0x4000_0000;
const CLONE_NEWUSER: u32 = 0x1000_0000;
/// Requests of `linux/loop.h` are 0x4C00 to 0x4CFF; those that only look are
/// `LOOP_GET_STATUS` and `LOOP_GET_STATUS64`.
const LOOP_REQUESTS: (u32, u32) = (0x4C00, 0x4D00);
const LOOP_LOOKS: [u32; 2] = [0x4C03, 0x4C05];

const LOAD: u16 = 0x20; // BPF_LD | BPF_W | BPF_ABS
const JUMP_EQUAL: u16 = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
const JUMP_AT_LEAST: u16 = 0x35; // BPF_JMP | BPF_JGE | BPF_K
const JUMP_ANY_BIT: u16 = 0x45; // BPF_JMP | BPF_JSET | BPF_K
const RETURN: u16 = 0x06; // BPF_RET | BPF_K
const OFFSET_NUMBER: u32 = 0;
const OFFSET_ARCH: u32 = 4;
/// The low halves of the first two arguments.
const OFFSET_ARGUMENTS: [u32; 2] = if cfg!(target_endian = "little") {
    [16, 24]
} else {
    [20, 28]
};
const ALLOW: u32 = 0x7FFF_0000;
/// `SECCOMP_RET_ERRNO` with ENOSYS: as on a kernel without the call.
const ABSENT: u32 = 0x0005_0000 | 38;
/// `SECCOMP_RET_ERRNO` with EPERM.
const REFUSE: u32 = 0x0005_0000 | 1;

pub(super) fn filter() -> Vec<sock_filter> {
    let mut program = Vec::new();
    for calls in ARCHITECTURES {
        let block = block(&calls);
        // A jump counts from the next instruction.
        let past = u8::try_from(block.len() + 1).unwrap_or(u8::MAX);
        program.extend([
            op(LOAD, 0, 0, OFFSET_ARCH),
            op(JUMP_EQUAL, 0, past, calls.arch),
            op(LOAD, 0, 0, OFFSET_NUMBER),
        ]);
        program.extend(block);
    }
    program.push(op(RETURN, 0, 0, ALLOW));
    program
}

/// The verdict over a call of one architecture, whose number is loaded.
fn block(calls: &Calls) -> Vec<sock_filter> {
    let [first, second] = OFFSET_ARGUMENTS;
    let (loops, loops_end) = LOOP_REQUESTS;
    let mut block = vec![
        op(JUMP_AT_LEAST, 0, 2, calls.keys),
        op(JUMP_AT_LEAST, 1, 0, calls.keys + 3),
        op(RETURN, 0, 0, ABSENT),
        // Its flags are in memory, where no filter sees them; programs fall
        // back to `clone`.
        op(JUMP_EQUAL, 0, 1, CLONE3),
        op(RETURN, 0, 0, ABSENT),
        op(JUMP_EQUAL, 1, 0, calls.clone),
        op(JUMP_EQUAL, 0, 4, calls.unshare),
        op(LOAD, 0, 0, first),
        op(JUMP_ANY_BIT, 0, 1, CLONE_NEWUSER),
        op(RETURN, 0, 0, REFUSE),
        op(RETURN, 0, 0, ALLOW),
        op(JUMP_EQUAL, 0, 6, calls.ioctl),
        op(LOAD, 0, 0, second),
        op(JUMP_AT_LEAST, 0, 4, loops),
        op(JUMP_AT_LEAST, 3, 0, loops_end),
        op(JUMP_EQUAL, 2, 0, LOOP_LOOKS[0]),
        op(JUMP_EQUAL, 1, 0, LOOP_LOOKS[1]),
        op(RETURN, 0, 0, REFUSE),
    ];
    if calls.arch == X86_64.arch {
        block.extend([
            op(LOAD, 0, 0, OFFSET_NUMBER),
            op(JUMP_AT_LEAST, 0, 1, X32_BIT),
            op(RETURN, 0, 0, ABSENT),
        ]);
    }
    block.push(op(RETURN, 0, 0, ALLOW));
    block
}

fn op(code: u16, jt: u8, jf: u8, k: u32) -> sock_filter {
    sock_filter { code, jt, jf, k }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs the few instructions we use, as the kernel would.
    fn verdict(arch: u32, number: u32, arguments: [u32; 2]) -> u32 {
        let program = filter();
        let (mut at, mut acc) = (0_usize, 0_u32);
        loop {
            let step = program[at];
            at += 1;
            let jump =
                |yes: bool| usize::from(if yes { step.jt } else { step.jf });
            match step.code {
                LOAD => {
                    acc = match step.k {
                        OFFSET_NUMBER => number,
                        OFFSET_ARCH => arch,
                        k if k == OFFSET_ARGUMENTS[0] => arguments[0],
                        k if k == OFFSET_ARGUMENTS[1] => arguments[1],
                        k => panic!("offset {k}"),
                    }
                }
                JUMP_EQUAL => at += jump(acc == step.k),
                JUMP_AT_LEAST => at += jump(acc >= step.k),
                JUMP_ANY_BIT => at += jump(acc & step.k != 0),
                RETURN => return step.k,
                code => panic!("instruction {code:#x}"),
            }
        }
    }

    #[test]
    fn refuses_key_calls_of_every_architecture_and_no_neighbour() {
        for Calls { arch, keys, .. } in ARCHITECTURES {
            for number in keys..keys + 3 {
                assert_eq!(verdict(arch, number, [0, 0]), ABSENT);
            }
            assert_eq!(verdict(arch, keys - 1, [0, 0]), ALLOW);
            assert_eq!(verdict(arch, keys + 3, [0, 0]), ALLOW);
            assert_eq!(verdict(arch, 0, [0, 0]), ALLOW);
        }
        let x32 = verdict(X86_64.arch, X32_BIT | 250, [0, 0]);
        assert_eq!(x32, ABSENT);
        assert_eq!(verdict(0x8000_00F3, 219, [0, 0]), ALLOW);
    }

    #[test]
    fn refuses_user_namespaces_and_no_ordinary_process() {
        const FORK: u32 = 17; // SIGCHLD
        const NEW_MOUNTS: u32 = 0x0002_0000;
        for calls in ARCHITECTURES {
            for number in [calls.clone, calls.unshare] {
                let verdict = |flags| verdict(calls.arch, number, [flags, 0]);
                assert_eq!(verdict(CLONE_NEWUSER | FORK), REFUSE);
                assert_eq!(verdict(CLONE_NEWUSER | NEW_MOUNTS), REFUSE);
                assert_eq!(verdict(NEW_MOUNTS), ALLOW);
                assert_eq!(verdict(FORK), ALLOW);
            }
            assert_eq!(verdict(calls.arch, CLONE3, [0, 0]), ABSENT);
        }
    }

    #[test]
    fn refuses_changes_to_loop_devices_and_no_other_request() {
        for Calls { arch, ioctl, .. } in ARCHITECTURES {
            let verdict = |request| verdict(arch, ioctl, [3, request]);
            // CLR_FD, SET_STATUS, SET_STATUS64, CONFIGURE, CTL_GET_FREE.
            for request in [0x4C01, 0x4C02, 0x4C04, 0x4C0A, 0x4C82] {
                assert_eq!(verdict(request), REFUSE, "{request:#x}");
            }
            // GET_STATUS, GET_STATUS64, TCGETS, BLKGETSIZE64, FITRIM.
            for request in
                [0x4C03, 0x4C05, 0x5401, 0x8008_1272, 0xC018_5879, 0x4BFF]
            {
                assert_eq!(verdict(request), ALLOW, "{request:#x}");
            }
        }
    }
}
