// SPDX-License-Identifier: Apache-2.0
//! GUIDs as GPT stores them.

use std::fmt;

use serde::{Serialize, Serializer};

/// A GUID, kept in the byte order of the disk (UEFI 2.10, appendix A: the
/// first three groups little-endian, the rest as written).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Guid([u8; 16]);

impl Guid {
    /// The GUID of an unused partition entry.
    pub const ZERO: Self = Self([0; 16]);

    /// The GUID stored as `bytes` on a disk.
    pub const fn from_disk_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The GUID written as the groups of its text form, for constants.
    pub const fn from_groups(a: u32, b: u16, c: u16, d: u16, e: u64) -> Self {
        let (a, b, c) = (a.to_le_bytes(), b.to_le_bytes(), c.to_le_bytes());
        let (d, e) = (d.to_be_bytes(), e.to_be_bytes());
        Self([
            a[0], a[1], a[2], a[3], b[0], b[1], c[0], c[1], d[0], d[1], e[2],
            e[3], e[4], e[5], e[6], e[7],
        ])
    }

    /// The bytes as stored on a disk.
    pub fn disk_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// Whether all bytes are zero.
    pub fn is_zero(&self) -> bool {
        *self == Self::ZERO
    }
}

impl fmt::Display for Guid {
    /// The kernel's form: lower case with dashes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const ORDER: [usize; 16] =
            [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
        for (position, index) in ORDER.into_iter().enumerate() {
            if matches!(position, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{:02x}", self.0[index])?;
        }
        Ok(())
    }
}

impl fmt::Debug for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Guid({self})")
    }
}

impl Serialize for Guid {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_disk_order() {
        // The ESP's type GUID; UEFI 2.10, table 5.7, and `xxd` of a disk.
        let esp =
            Guid::from_groups(0xC12A7328, 0xF81F, 0x11D2, 0xBA4B, 0xA0C93EC93B);
        assert_eq!(esp.to_string(), "c12a7328-f81f-11d2-ba4b-00a0c93ec93b");
        assert_eq!(
            esp.disk_bytes(),
            b"\x28\x73\x2a\xc1\x1f\xf8\xd2\x11\xba\x4b\x00\xa0\xc9\x3e\xc9\x3b"
        );
        assert!(!esp.is_zero() && Guid::ZERO.is_zero());
    }
}
