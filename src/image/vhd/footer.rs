// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! The footer and the dynamic header.

use crate::error::{Error, Result};
use crate::image::field::Fields;
use crate::image::vhd::{SECTOR, checksum};

pub(super) const COOKIE: [u8; 8] = *b"conectix";
const DYNAMIC_COOKIE: [u8; 8] = *b"cxsparse";

/// Where the checksum of a footer, of a dynamic header is.
const FOOTER_SUM: usize = 64;
pub(super) const DYNAMIC_SUM: usize = 36;

/// Bytes of the dynamic header.
pub(super) const DYNAMIC_LEN: u64 = 1024;

/// Bytes per block, at most: QEMU's limit is 2^28 sectors' worth of bitmap,
/// Hyper-V makes 2 MiB.
const MAX_BLOCK: u32 = 256 << 20;

/// Cylinders, heads and sectors of a disk too long for them.
const MAX_GEOMETRY: u64 = 65_535 * 16 * 255;

/// Programs that say the size in bytes; of others, the guest sees what
/// cylinders, heads and sectors make.
const EXACT: [&[u8; 4]; 6] =
    [b"win ", b"qem2", b"d2v ", b"tap\0", b"CTXS", b"wa\0\0"];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Fixed,
    Dynamic,
    Differencing,
}

impl Kind {
    fn from_number(number: u32) -> Result<Self> {
        match number {
            2 => Ok(Self::Fixed),
            3 => Ok(Self::Dynamic),
            4 => Ok(Self::Differencing),
            _ => Err(Error::unsupported(format!(
                "VHD disks of type {number} are not read"
            ))),
        }
    }

    pub(super) fn number(self) -> u32 {
        match self {
            Self::Fixed => 2,
            Self::Dynamic => 3,
            Self::Differencing => 4,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Fixed => "fixed",
            Self::Dynamic => "dynamic",
            Self::Differencing => "differencing",
        }
    }
}

#[derive(Debug)]
pub(super) struct Footer {
    pub(super) kind: Kind,
    /// Bytes the guest sees.
    pub(super) size: u64,
    pub(super) header_offset: u64,
    pub(super) uuid: [u8; 16],
}

impl Footer {
    pub(super) fn parse(bytes: &[u8]) -> Result<Self> {
        let fields = Fields(bytes);
        if fields.array(0)? != COOKIE {
            return Err(Error::corrupt("there is no VHD footer"));
        }
        let version = fields.be_u32(12)?;
        if version >> 16 != 1 {
            return Err(Error::unsupported(format!(
                "VHD version {}.{} is not read",
                version >> 16,
                version & 0xffff
            )));
        }
        let sum = checksum(bytes, FOOTER_SUM);
        if !cfg!(fuzzing) && fields.be_u32(FOOTER_SUM)? != sum {
            return Err(Error::corrupt("the checksum of the footer is wrong"));
        }
        let cylinders = u64::from(fields.be_u16(56)?);
        let [heads, sectors] = fields.array::<2>(58)?;
        let geometry = cylinders * u64::from(heads) * u64::from(sectors);
        let exact = EXACT.contains(&&fields.array(28)?);
        let size = match exact || geometry == 0 || geometry >= MAX_GEOMETRY {
            true => fields.be_u64(48)? / SECTOR * SECTOR,
            false => geometry * SECTOR,
        };
        Ok(Self {
            kind: Kind::from_number(fields.be_u32(60)?)?,
            size,
            header_offset: fields.be_u64(16)?,
            uuid: fields.array(68)?,
        })
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut bytes = COOKIE.to_vec();
        bytes.extend(2_u32.to_be_bytes()); // features: a reserved bit
        bytes.extend(0x0001_0000_u32.to_be_bytes());
        bytes.extend(self.header_offset.to_be_bytes());
        bytes.extend([0; 4]); // no clock
        // As Hyper-V would: readers take the size from here, not from
        // cylinders, heads and sectors.
        bytes.extend(b"win \x00\x0a\x00\x00Wi2k");
        bytes.extend(self.size.to_be_bytes());
        bytes.extend(self.size.to_be_bytes());
        bytes.extend(geometry(self.size / SECTOR));
        bytes.extend(self.kind.number().to_be_bytes());
        bytes.extend([0; 4]);
        bytes.extend(self.uuid);
        bytes.resize(512, 0);
        let sum = checksum(&bytes, FOOTER_SUM);
        bytes[FOOTER_SUM..FOOTER_SUM + 4].copy_from_slice(&sum.to_be_bytes());
        bytes
    }
}

/// Cylinders, heads and sectors by the appendix of the specification.
fn geometry(sectors: u64) -> [u8; 4] {
    let total = sectors.min(65_535 * 16 * 255);
    let (per_track, heads, tracks) = if total >= 65_535 * 16 * 63 {
        (255, 16, total / 255)
    } else {
        let mut per_track = 17;
        let mut tracks = total / per_track;
        let mut heads = tracks.div_ceil(1024).max(4);
        if tracks >= heads * 1024 || heads > 16 {
            per_track = 31;
            heads = 16;
            tracks = total / per_track;
        }
        if tracks >= heads * 1024 {
            per_track = 63;
            heads = 16;
            tracks = total / per_track;
        }
        (per_track, heads, tracks)
    };
    let cylinders = u16::try_from(tracks / heads).unwrap_or(u16::MAX);
    let [high, low] = cylinders.to_be_bytes();
    let byte = |value: u64| u8::try_from(value).unwrap_or(u8::MAX);
    [high, low, byte(heads), byte(per_track)]
}

#[derive(Debug)]
pub(super) struct DynamicHeader {
    pub(super) table_offset: u64,
    pub(super) entries: u32,
    pub(super) block_size: u32,
}

impl DynamicHeader {
    pub(super) fn parse(bytes: &[u8]) -> Result<Self> {
        let fields = Fields(bytes);
        if fields.array(0)? != DYNAMIC_COOKIE {
            return Err(Error::corrupt("there is no dynamic header"));
        }
        let sum = checksum(bytes, DYNAMIC_SUM);
        if !cfg!(fuzzing) && fields.be_u32(DYNAMIC_SUM)? != sum {
            return Err(Error::corrupt(
                "the checksum of the dynamic header is wrong",
            ));
        }
        let block_size = fields.be_u32(32)?;
        let valid = block_size.is_power_of_two()
            && (512..=MAX_BLOCK).contains(&block_size);
        if !valid {
            return Err(Error::corrupt(format!(
                "blocks of {block_size} bytes are out of range"
            )));
        }
        Ok(Self {
            table_offset: fields.be_u64(16)?,
            entries: fields.be_u32(28)?,
            block_size,
        })
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut bytes = DYNAMIC_COOKIE.to_vec();
        bytes.extend([0xff; 8]);
        bytes.extend(self.table_offset.to_be_bytes());
        bytes.extend(0x0001_0000_u32.to_be_bytes());
        bytes.extend(self.entries.to_be_bytes());
        bytes.extend(self.block_size.to_be_bytes());
        bytes.resize(1024, 0);
        let sum = checksum(&bytes, DYNAMIC_SUM);
        bytes[DYNAMIC_SUM..DYNAMIC_SUM + 4].copy_from_slice(&sum.to_be_bytes());
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn geometry_follows_the_specification() {
        // 40 MiB: 963 cylinders; 400 GiB: more than can be said.
        assert_eq!(geometry(81_920), [3, 195, 5, 17]);
        assert_eq!(geometry(400 << 21), [0xff, 0xff, 16, 255]);
    }

    #[test]
    fn written_footers_are_read() {
        let footer = Footer {
            kind: Kind::Dynamic,
            size: 9_000_448,
            header_offset: 512,
            uuid: [7; 16],
        };
        let bytes = footer.bytes();
        let read = Footer::parse(&bytes).unwrap();
        assert_eq!(read.size, footer.size);
        assert_eq!(read.kind, footer.kind);
        for at in 0..bytes.len() {
            let mut bytes = bytes.clone();
            bytes[at] ^= 1;
            assert!(Footer::parse(&bytes).is_err(), "{at}");
        }
    }
}
