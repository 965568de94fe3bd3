// SPDX-License-Identifier: Apache-2.0
//! GRUB where a BIOS looks for it.
//!
//! Facts: GRUB's boot.S and diskboot.S: the boot sector holds the text
//! "GRUB " and, at 0x5c, the sector of the core image, which begins with
//! code that prints "loading".

use super::{Check, Finding, Outcome, Severity, Subject};
use crate::discover::Role;
use crate::error::Result;
use crate::partition::{Architecture, TableKind};

pub(super) const CHECK: Check = Check {
    id: "bios-boot",
    summary: "GRUB's boot sector and core image are in place",
    severity: Severity::Failure,
    run,
};

/// What a BIOS calls a sector, whatever the disk says.
const SECTOR: usize = 512;
const CODE_LEN: usize = 440;
const CORE_SECTOR_OFFSET: usize = 0x5c;

fn run(subject: &Subject<'_>) -> Result<Outcome> {
    let layout = subject.layout;
    let pc = [Architecture::X86_64, Architecture::I686];
    if layout.architecture.is_some_and(|own| !pc.contains(&own)) {
        return Outcome::not("only PCs have a BIOS");
    }
    let bios_boot = layout.with_role(Role::BiosBoot);
    let room = match (layout.table, bios_boot) {
        (_, Some(entry)) => entry.partition.start..entry.partition.end(),
        (Some(TableKind::Mbr), None) => {
            let starts = layout.partitions.iter().map(|p| p.partition.start);
            1..starts.min().unwrap_or(0)
        }
        _ => return Outcome::not("the disk has no BIOS boot partition"),
    };
    let boot = sector(subject, 0)?;
    if boot.get(510..) != Some(&[0x55, 0xaa]) {
        return found("the first sector has no boot signature");
    }
    let code = boot.get(..CODE_LEN).unwrap_or_default();
    if code.iter().all(|byte| *byte == 0) {
        return found("the first sector has no boot code");
    }
    if !contains(code, b"GRUB ") {
        return Outcome::not("the boot code is not GRUB's");
    }
    let number = boot
        .get(CORE_SECTOR_OFFSET..CORE_SECTOR_OFFSET + 8)
        .and_then(|bytes| bytes.try_into().ok())
        .map_or(0, u64::from_le_bytes);
    let offset = number.saturating_mul(512);
    if number == 0 || !room.contains(&offset) {
        return found(&format!(
            "GRUB's boot sector looks for its core image at sector {number}, \
             which is no place for it"
        ));
    }
    match contains(&sector(subject, offset)?, b"loading") {
        true => Ok(Outcome::Checked(Vec::new())),
        false => found(&format!("sector {number} is not GRUB's core image")),
    }
}

fn found(what: &str) -> Result<Outcome> {
    Ok(Outcome::Checked(vec![Finding::new(what)]))
}

fn sector(subject: &Subject<'_>, offset: u64) -> Result<[u8; SECTOR]> {
    let mut sector = [0; SECTOR];
    subject.disk.read_at(offset, &mut sector)?;
    Ok(sector)
}

fn contains(bytes: &[u8], text: &[u8]) -> bool {
    bytes.windows(text.len()).any(|part| part == text)
}
