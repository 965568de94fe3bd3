// SPDX-License-Identifier: Apache-2.0
//! The architecture of a root, from the programs in it.

use super::RootReader;
use crate::error::Result;
use crate::partition::Architecture;
use crate::partition::field::{u8_at, u16_be, u16_le};

/// Programs one of which every root has; links are followed.
const PROGRAMS: [&str; 6] = [
    "/bin/sh",
    "/usr/bin/env",
    "/usr/lib/systemd/systemd",
    "/lib/systemd/systemd",
    "/sbin/init",
    "/bin/busybox",
];

/// The architecture of the first program that is there.
pub(super) fn of_root(root: &dyn RootReader) -> Result<Option<Architecture>> {
    for program in PROGRAMS {
        let head = root.read_head(program, 64)?;
        if let Some(found) = head.as_deref().and_then(of_elf) {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// The machine of an ELF header: the generic ABI's `e_ident` and `e_machine`.
fn of_elf(head: &[u8]) -> Option<Architecture> {
    if !head.starts_with(b"\x7fELF") || head.len() < 20 {
        return None;
    }
    let is_64 = u8_at(head, 4) == 2;
    let little = u8_at(head, 5) == 1;
    let machine = match little {
        true => u16_le(head, 18),
        false => u16_be(head, 18),
    };
    Some(match (machine, is_64, little) {
        (3, false, true) => Architecture::I686,
        (62, true, true) => Architecture::X86_64,
        (40, false, true) => Architecture::Armv7l,
        (183, true, true) => Architecture::Aarch64,
        (243, true, true) => Architecture::Riscv64,
        (21, true, true) => Architecture::Ppc64le,
        (22, true, false) => Architecture::S390x,
        (258, true, true) => Architecture::Loongarch64,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_program() {
        let own = std::fs::read("/proc/self/exe").unwrap();
        assert_eq!(of_elf(&own[..64]), Architecture::host());
    }

    #[test]
    fn no_elf() {
        assert_eq!(of_elf(b""), None);
        assert_eq!(of_elf(b"#!/bin/sh\nexit 0\n     "), None);
        assert_eq!(of_elf(&[0x7f; 64]), None);
    }
}
