// SPDX-License-Identifier: Apache-2.0
//! What a range of a disk holds, without reading it.

/// What is known of a range of guest-visible bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ExtentKind {
    /// Bytes are stored.
    Data,
    /// Bytes are stored compressed: reading costs the codec.
    Compressed,
    /// Declared to read as zeroes.
    Zero,
    /// Nothing is stored; reads as zeroes.
    Hole,
}

impl ExtentKind {
    /// Whether the range reads as zeroes without looking.
    pub fn reads_as_zero(self) -> bool {
        matches!(self, Self::Zero | Self::Hole)
    }
}

/// A run of bytes of one [`ExtentKind`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Extent {
    /// First byte.
    pub offset: u64,
    /// Length in bytes, never 0.
    pub len: u64,
    /// What the bytes are.
    pub kind: ExtentKind,
}

impl Extent {
    /// The first byte after the extent.
    pub fn end(&self) -> u64 {
        self.offset.saturating_add(self.len)
    }
}
