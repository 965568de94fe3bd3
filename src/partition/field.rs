// SPDX-License-Identifier: Apache-2.0
//! Fixed-width fields of on-disk structures.
//!
//! A field that lies past the end of the bytes reads as zero: callers pass
//! whole sectors, so this only keeps a slip from becoming a panic.

fn field<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    at.checked_add(N)
        .and_then(|end| bytes.get(at..end))
        .and_then(|found| found.try_into().ok())
        .unwrap_or([0; N])
}

/// The byte at `at`.
pub(crate) fn u8_at(bytes: &[u8], at: usize) -> u8 {
    bytes.get(at).copied().unwrap_or(0)
}

/// The little-endian 16-bit number at `at`.
pub(crate) fn u16_le(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(field(bytes, at))
}

/// The little-endian 32-bit number at `at`.
pub(crate) fn u32_le(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(field(bytes, at))
}

/// The little-endian 64-bit number at `at`.
pub(crate) fn u64_le(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(field(bytes, at))
}

/// The big-endian 16-bit number at `at`.
pub(crate) fn u16_be(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes(field(bytes, at))
}

/// The big-endian 32-bit number at `at`.
pub(crate) fn u32_be(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(field(bytes, at))
}

/// The big-endian 64-bit number at `at`.
pub(crate) fn u64_be(bytes: &[u8], at: usize) -> u64 {
    u64::from_be_bytes(field(bytes, at))
}

/// The 16 bytes at `at`.
pub(crate) fn bytes16(bytes: &[u8], at: usize) -> [u8; 16] {
    field(bytes, at)
}

/// Overwrites the bytes from `at` on; what would pass the end is dropped.
pub(crate) fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    let range = at.checked_add(value.len()).map(|end| at..end);
    if let Some(to) = range.and_then(|range| bytes.get_mut(range)) {
        to.copy_from_slice(value);
    }
}
