// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Integers of on-disk structures.

use crate::error::{Error, Result};

/// The bytes of a header; reading past them is an error, never a panic.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fields<'a>(pub(crate) &'a [u8]);

macro_rules! integer {
    ($be:ident, $le:ident, $int:ty) => {
        pub(crate) fn $be(self, at: usize) -> Result<$int> {
            self.array(at).map(<$int>::from_be_bytes)
        }

        #[allow(dead_code)]
        pub(crate) fn $le(self, at: usize) -> Result<$int> {
            self.array(at).map(<$int>::from_le_bytes)
        }
    };
}

impl<'a> Fields<'a> {
    integer!(be_u16, le_u16, u16);
    integer!(be_u32, le_u32, u32);
    integer!(be_u64, le_u64, u64);

    pub(crate) fn array<const N: usize>(self, at: usize) -> Result<[u8; N]> {
        self.0
            .get(at..)
            .and_then(|rest| rest.first_chunk())
            .copied()
            .ok_or_else(|| cut(at, N))
    }

    pub(crate) fn bytes(self, at: usize, len: usize) -> Result<&'a [u8]> {
        self.0
            .get(at..)
            .and_then(|rest| rest.get(..len))
            .ok_or_else(|| cut(at, len))
    }
}

fn cut(at: usize, len: usize) -> Error {
    Error::corrupt(format!(
        "the structure ends before the {len} bytes at {at} in it"
    ))
}

/// Big-endian table of 64-bit entries.
pub(crate) fn be_u64_table(bytes: &[u8]) -> Vec<u64> {
    let (entries, _) = bytes.as_chunks::<8>();
    entries
        .iter()
        .map(|entry| u64::from_be_bytes(*entry))
        .collect()
}

/// Big-endian table of 32-bit entries.
#[allow(dead_code)]
pub(crate) fn be_u32_table(bytes: &[u8]) -> Vec<u32> {
    let (entries, _) = bytes.as_chunks::<4>();
    entries
        .iter()
        .map(|entry| u32::from_be_bytes(*entry))
        .collect()
}
