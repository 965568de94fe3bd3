// SPDX-License-Identifier: Apache-2.0
//! Swap space: Linux, `include/linux/swap.h` (`union swap_header`).

use super::superblock::{FilesystemKind, Superblock};
use super::text;
use crate::block::ReadAt;
use crate::error::Result;
use crate::partition::field::{bytes16, u32_le};

const MAGIC: &[u8] = b"SWAPSPACE2";
/// The signature ends the first page of the machine that made it.
const PAGE_SIZES: [u32; 5] = [4096, 8192, 16_384, 32_768, 65_536];
const INFO: usize = 1024;

pub(super) fn probe(head: &[u8], _: &dyn ReadAt) -> Result<Option<Superblock>> {
    let signed = PAGE_SIZES.into_iter().find(|page| {
        let end = usize::try_from(*page).unwrap_or(0);
        head.get(..end).is_some_and(|page| page.ends_with(MAGIC))
    });
    let Some(page) = signed else {
        return Ok(None);
    };
    let pages = u64::from(u32_le(head, INFO + 4)).saturating_add(1);
    Ok(Some(Superblock {
        uuid: text::uuid(bytes16(head, INFO + 12)),
        label: text::label(&head[INFO + 28..INFO + 44]),
        version: Some(u32_le(head, INFO).to_string()),
        block_size: Some(page),
        size: Some(pages.saturating_mul(u64::from(page))),
        ..Superblock::new(FilesystemKind::Swap)
    }))
}
