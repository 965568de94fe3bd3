// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! A filter that hides the host's key rings.
//!
//! They belong to the user, not to a namespace: root in the image would hold
//! the keys of root on the host. Everything else a filter could forbid is
//! already out of reach without the capability for it.
//!
//! Facts: `linux/seccomp.h`, `linux/audit.h`, the system call tables.

use libc::sock_filter;

const AUDIT_ARCH_X86_64: u32 = 0xC000_003E;
const AUDIT_ARCH_I386: u32 = 0x4000_0003;
const AUDIT_ARCH_AARCH64: u32 = 0xC000_00B7;
const AUDIT_ARCH_ARM: u32 = 0x4000_0028;
/// `add_key`, `request_key`, `keyctl` of each: always three in a row.
const KEY_CALLS: [(u32, u32); 4] = [
    (AUDIT_ARCH_X86_64, 248),
    (AUDIT_ARCH_I386, 286),
    (AUDIT_ARCH_AARCH64, 217),
    (AUDIT_ARCH_ARM, 309),
];
/// The x32 calls have this bit and otherwise the numbers of x86-64.
const X32_BIT: u32 = 0x4000_0000;

const LOAD: u16 = 0x20; // BPF_LD | BPF_W | BPF_ABS
const JUMP_EQUAL: u16 = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
const JUMP_AT_LEAST: u16 = 0x35; // BPF_JMP | BPF_JGE | BPF_K
const RETURN: u16 = 0x06; // BPF_RET | BPF_K
const OFFSET_NUMBER: u32 = 0;
const OFFSET_ARCH: u32 = 4;
const ALLOW: u32 = 0x7FFF_0000;
/// `SECCOMP_RET_ERRNO` with ENOSYS: as on a kernel without key rings.
const REFUSE: u32 = 0x0005_0000 | 38;

pub(super) fn filter() -> Vec<sock_filter> {
    let mut program = Vec::new();
    for (arch, first) in KEY_CALLS {
        // Seven instructions a block; a jump counts from the next one.
        program.extend([
            op(LOAD, 0, 0, OFFSET_ARCH),
            op(JUMP_EQUAL, 0, 5, arch),
            op(LOAD, 0, 0, OFFSET_NUMBER),
            op(JUMP_AT_LEAST, 0, 2, first),
            op(JUMP_AT_LEAST, 1, 0, first + 3),
            op(RETURN, 0, 0, REFUSE),
            op(LOAD, 0, 0, OFFSET_ARCH),
        ]);
    }
    program.extend([
        op(JUMP_EQUAL, 0, 3, AUDIT_ARCH_X86_64),
        op(LOAD, 0, 0, OFFSET_NUMBER),
        op(JUMP_AT_LEAST, 0, 1, X32_BIT),
        op(RETURN, 0, 0, REFUSE),
        op(RETURN, 0, 0, ALLOW),
    ]);
    program
}

fn op(code: u16, jt: u8, jf: u8, k: u32) -> sock_filter {
    sock_filter { code, jt, jf, k }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs the few instructions we use, as the kernel would.
    fn verdict(arch: u32, number: u32) -> u32 {
        let program = filter();
        let (mut at, mut acc) = (0_usize, 0_u32);
        loop {
            let step = program[at];
            at += 1;
            let jump =
                |yes: bool| usize::from(if yes { step.jt } else { step.jf });
            match step.code {
                LOAD if step.k == OFFSET_NUMBER => acc = number,
                LOAD => acc = arch,
                JUMP_EQUAL => at += jump(acc == step.k),
                JUMP_AT_LEAST => at += jump(acc >= step.k),
                RETURN => return step.k,
                code => panic!("instruction {code:#x}"),
            }
        }
    }

    #[test]
    fn refuses_key_calls_of_every_architecture_and_nothing_else() {
        for (arch, first) in KEY_CALLS {
            for number in first..first + 3 {
                assert_eq!(verdict(arch, number), REFUSE);
            }
            assert_eq!(verdict(arch, first - 1), ALLOW);
            assert_eq!(verdict(arch, first + 3), ALLOW);
            assert_eq!(verdict(arch, 0), ALLOW);
        }
        assert_eq!(verdict(AUDIT_ARCH_X86_64, X32_BIT | 250), REFUSE);
        assert_eq!(verdict(0x8000_00F3, 219), ALLOW);
    }
}
