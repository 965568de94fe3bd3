// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Conversions between memory and disk sizes.

// Memory sizes are disk sizes here: buffers are bounded far below 2^32, and
// only 64-bit Linux is supported.
const _: () = assert!(usize::BITS == 64, "imagewright needs a 64-bit target");

/// A disk length as a memory length.
pub(crate) const fn to_usize(len: u64) -> usize {
    len as usize // OK: 64 bits both, asserted above.
}

/// A memory length as a disk length.
pub(crate) const fn to_u64(len: usize) -> u64 {
    len as u64 // OK: 64 bits both, asserted above.
}

/// The smallest multiple of `unit` that is at least `value`; saturates.
pub(crate) const fn round_up(value: u64, unit: u64) -> u64 {
    match value.checked_next_multiple_of(unit) {
        Some(rounded) => rounded,
        None => u64::MAX,
    }
}

/// The largest multiple of `unit` that is at most `value`.
pub(crate) const fn round_down(value: u64, unit: u64) -> u64 {
    value - value % unit
}
