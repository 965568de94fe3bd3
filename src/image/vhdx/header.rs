// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! File identifier, headers, region tables.

use crate::block::{ReadAt, round_up};
use crate::error::{Error, Result};
use crate::image::field::Fields;
use crate::image::table::read_vec;
use crate::image::vhdx::guid::{BAT, Guid, METADATA};
use crate::image::vhdx::{KIB64, MIB, checksum};

/// Bytes of a header that count.
pub(super) const HEADER_LEN: u64 = 4096;

/// Entries of a region table, at most: the specification's limit.
const MAX_REGIONS: u32 = 2047;

/// Bytes of a log, at most: what is written by Windows is 1 MiB, and a
/// log's length is a multiple of that.
const MAX_LOG: u64 = 64 * MIB;

#[derive(Debug)]
pub(super) struct Header {
    sequence: u64,
    /// Not zero: there may be entries to replay.
    pub(super) log_guid: Guid,
    pub(super) log_offset: u64,
    pub(super) log_len: u64,
}

impl Header {
    /// The valid header that was written last.
    pub(super) fn read(file: &dyn ReadAt) -> Result<Self> {
        if read_vec(file, 0, 8)? != b"vhdxfile" {
            return Err(
                Error::corrupt("this is not a VHDX: wrong signature").offset(0)
            );
        }
        let at = |offset| Self::parse(&read_vec(file, offset, HEADER_LEN)?);
        match (at(KIB64), at(2 * KIB64)) {
            (Ok(one), Ok(two)) => Ok(if one.sequence >= two.sequence {
                one
            } else {
                two
            }),
            (Ok(one), Err(_)) | (Err(_), Ok(one)) => Ok(one),
            (Err(error), Err(_)) => Err(error.offset(KIB64)),
        }
    }

    fn parse(bytes: &[u8]) -> Result<Self> {
        let fields = Fields(bytes);
        if fields.array(0)? != *b"head" || !checksum::fits(bytes) {
            return Err(Error::corrupt("no header is valid"));
        }
        let (log_version, version) = (fields.le_u16(64)?, fields.le_u16(66)?);
        if version != 1 {
            return Err(Error::unsupported(format!(
                "VHDX version {version} is not read"
            )));
        }
        let header = Self {
            sequence: fields.le_u64(8)?,
            log_guid: fields.array(48)?,
            log_len: u64::from(fields.le_u32(68)?),
            log_offset: fields.le_u64(72)?,
        };
        if header.has_log() && log_version != 0 {
            return Err(Error::unsupported(format!(
                "a VHDX log of version {log_version} is not read"
            )));
        }
        if header.log_len > MAX_LOG {
            return Err(Error::corrupt(format!(
                "a log of {} bytes",
                header.log_len
            )));
        }
        Ok(header)
    }

    pub(super) fn has_log(&self) -> bool {
        self.log_guid != [0; 16]
    }
}

/// A header as written; there is no log to replay.
pub(super) fn header_bytes(sequence: u64, ids: [Guid; 2]) -> Vec<u8> {
    let mut bytes = b"head\0\0\0\0".to_vec();
    bytes.extend(sequence.to_le_bytes());
    bytes.extend(ids.concat());
    bytes.extend([0; 16]);
    bytes.extend([0, 0, 1, 0]); // log version, version
    bytes.extend([0, 0, 16, 0]); // a log of 1 MiB
    bytes.extend(MIB.to_le_bytes());
    bytes.resize(4096, 0);
    checksum::seal(&mut bytes);
    bytes
}

/// A part of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Region {
    pub(super) offset: u64,
    pub(super) len: u64,
}

#[derive(Debug)]
pub(super) struct Regions {
    pub(super) bat: Region,
    pub(super) metadata: Region,
}

impl Regions {
    /// The regions by the first table that is valid.
    pub(super) fn read(file: &dyn ReadAt) -> Result<Self> {
        let at = |offset| Self::parse(&read_vec(file, offset, KIB64)?);
        at(3 * KIB64).or_else(|error| match error.kind() {
            crate::ErrorKind::Corrupt => {
                at(4 * KIB64).map_err(|_| error.offset(3 * KIB64))
            }
            _ => Err(error),
        })
    }

    fn parse(bytes: &[u8]) -> Result<Self> {
        let fields = Fields(bytes);
        if fields.array(0)? != *b"regi" || !checksum::fits(bytes) {
            return Err(Error::corrupt("no region table is valid"));
        }
        let count = fields.le_u32(8)?;
        if count > MAX_REGIONS {
            return Err(Error::corrupt(format!("{count} regions")));
        }
        let (mut bat, mut metadata) = (None, None);
        let mut at = 16;
        for _ in 0..count {
            let guid: Guid = fields.array(at)?;
            let region = Region {
                offset: fields.le_u64(at + 16)?,
                len: u64::from(fields.le_u32(at + 24)?),
            };
            let required = fields.le_u32(at + 28)? & 1 != 0;
            let place = match guid {
                BAT => &mut bat,
                METADATA => &mut metadata,
                _ if required => {
                    return Err(Error::unsupported(
                        "the image needs a region that is not known",
                    ));
                }
                _ => {
                    at += 32;
                    continue;
                }
            };
            if place.replace(region).is_some() {
                return Err(Error::corrupt("a region is there twice"));
            }
            at += 32;
        }
        match (bat, metadata) {
            (Some(bat), Some(metadata)) => Ok(Self { bat, metadata }),
            _ => Err(Error::corrupt("a required region is missing")),
        }
    }
}

/// A region table as written.
pub(super) fn region_bytes(regions: &Regions) -> Result<Vec<u8>> {
    let mut bytes = b"regi\0\0\0\0".to_vec();
    bytes.extend([2, 0, 0, 0, 0, 0, 0, 0]);
    for (guid, region) in [(BAT, regions.bat), (METADATA, regions.metadata)] {
        let len = u32::try_from(round_up(region.len, MIB))
            .map_err(|_| Error::invalid("the disk is too long for VHDX"))?;
        bytes.extend(guid);
        bytes.extend(region.offset.to_le_bytes());
        bytes.extend(len.to_le_bytes());
        bytes.extend([1, 0, 0, 0]);
    }
    bytes.resize(65_536, 0);
    checksum::seal(&mut bytes);
    Ok(bytes)
}
