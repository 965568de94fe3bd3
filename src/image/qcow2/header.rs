// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! The qcow2 header and its extensions.

use crate::block::{ReadAt, to_u64, to_usize};
use crate::error::{Error, Result};
use crate::image::field::Fields;
use crate::image::qcow2::bitmap::Directory;

pub(crate) const MAGIC: [u8; 4] = *b"QFI\xfb";

/// Length of the version 3 header up to the header length field.
const V3_LEN: usize = 104;

/// Length of the header with the compression type, as written today.
pub(crate) const FULL_LEN: usize = 112;

/// L1 table in bytes, at most: QEMU's limit (`QCOW_MAX_L1_SIZE`).
const MAX_L1_BYTES: u64 = 32 << 20;

/// File names in bytes, at most: the specification's limit.
const MAX_NAME: u32 = 1023;

/// Bits of `incompatible_features`.
pub(crate) mod incompatible {
    pub(crate) const DIRTY: u64 = 1 << 0;
    pub(crate) const CORRUPT: u64 = 1 << 1;
    pub(crate) const DATA_FILE: u64 = 1 << 2;
    pub(crate) const COMPRESSION: u64 = 1 << 3;
    pub(crate) const EXTENDED_L2: u64 = 1 << 4;
    pub(super) const KNOWN: u64 =
        DIRTY | CORRUPT | DATA_FILE | COMPRESSION | EXTENDED_L2;
}

/// Types of header extensions.
pub(crate) mod extension {
    pub(crate) const END: u32 = 0;
    pub(crate) const BACKING_FORMAT: u32 = 0xe279_2aca;
    pub(crate) const BITMAPS: u32 = 0x2385_2875;
    pub(crate) const ENCRYPTION: u32 = 0x0537_be77;
    pub(crate) const DATA_FILE: u32 = 0x4441_5441;
}

/// The header, checked for what one structure can tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) version: u32,
    pub(crate) backing_file: Option<String>,
    pub(crate) backing_format: Option<String>,
    pub(crate) data_file: Option<String>,
    pub(crate) cluster_bits: u32,
    pub(crate) size: u64,
    pub(crate) l1_entries: u32,
    pub(crate) l1_offset: u64,
    pub(crate) snapshots: u32,
    pub(crate) snapshots_offset: u64,
    pub(crate) incompatible: u64,
    pub(crate) compatible: u64,
    pub(crate) refcount_order: u32,
    pub(crate) compression_type: u8,
    pub(super) bitmaps: Directory,
}

impl Header {
    pub(crate) fn cluster_size(&self) -> u64 {
        1 << self.cluster_bits
    }

    pub(crate) fn has(&self, feature: u64) -> bool {
        self.incompatible & feature != 0
    }

    /// Reads the header from the first cluster of the file.
    pub(crate) fn read(file: &dyn ReadAt) -> Result<Self> {
        let mut bytes = [0; FULL_LEN];
        let len = to_usize(file.size().min(to_u64(FULL_LEN)));
        file.read_at(0, &mut bytes[..len])?;
        let (mut header, backing, len) = Self::parse(&bytes[..len])?;
        header.read_names(file, backing, len)?;
        Ok(header)
    }

    /// The fixed part; with it, the place of the backing file's name and the
    /// length of the header.
    fn parse(bytes: &[u8]) -> Result<(Self, (u64, u32), u32)> {
        let fields = Fields(bytes);
        if fields.array(0)? != MAGIC {
            return Err(Error::corrupt(
                "this is not a qcow2 image: wrong magic",
            )
            .offset(0));
        }
        let version = fields.be_u32(4)?;
        if !matches!(version, 2 | 3) {
            return Err(Error::unsupported(format!(
                "qcow2 version {version} is not known"
            ))
            .offset(4));
        }
        let mut header = Self {
            version,
            backing_file: None,
            backing_format: None,
            data_file: None,
            cluster_bits: fields.be_u32(20)?,
            size: fields.be_u64(24)?,
            l1_entries: fields.be_u32(36)?,
            l1_offset: fields.be_u64(40)?,
            snapshots: fields.be_u32(60)?,
            snapshots_offset: fields.be_u64(64)?,
            incompatible: 0,
            compatible: 0,
            refcount_order: 4,
            compression_type: 0,
            bitmaps: Directory::default(),
        };
        let mut header_len = 72;
        if version >= 3 {
            header.incompatible = fields.be_u64(72)?;
            header.compatible = fields.be_u64(80)?;
            header.refcount_order = fields.be_u32(96)?;
            header_len = fields.be_u32(100)?;
            if header_len > 104 {
                let [compression] = fields.array(V3_LEN)?;
                header.compression_type = compression;
            }
        }
        header.check(header_len)?;
        match fields.be_u32(32)? {
            0 => {}
            1 | 2 => {
                return Err(Error::unsupported("the image is encrypted").hint(
                    "decrypt it first: qemu-img convert --object secret,...",
                ));
            }
            method => {
                return Err(Error::unsupported(format!(
                    "encryption method {method} is not known"
                )));
            }
        }
        let backing = (fields.be_u64(8)?, fields.be_u32(16)?);
        Ok((header, backing, header_len))
    }

    fn check(&self, header_len: u32) -> Result<()> {
        let corrupt = |message: String| Err(Error::corrupt(message));
        if !(9..=21).contains(&self.cluster_bits) {
            return corrupt(format!(
                "a cluster of 2^{} bytes is out of range",
                self.cluster_bits
            ));
        }
        let fits = u64::from(header_len) <= self.cluster_size();
        let long_enough = self.version == 2 || header_len >= 104;
        if !fits || !long_enough {
            return corrupt(format!("a header of {header_len} bytes"));
        }
        let unknown = self.incompatible & !incompatible::KNOWN;
        if unknown != 0 {
            return Err(Error::unsupported(format!(
                "the image needs unknown features (bits {unknown:#x})"
            ))
            .offset(72));
        }
        if self.has(incompatible::CORRUPT) {
            return corrupt("the image is marked as corrupt".to_owned())
                .map_err(|error| {
                    error.hint("try qemu-img check -r all on a copy of it")
                });
        }
        if self.compression_type > 1 {
            return Err(Error::unsupported(format!(
                "compression type {} is not known",
                self.compression_type
            )));
        }
        let zstd = self.compression_type != 0;
        if zstd != self.has(incompatible::COMPRESSION) {
            return corrupt(
                "compression type and feature bit disagree".to_owned(),
            );
        }
        if self.refcount_order > 6 {
            return corrupt(format!(
                "refcounts of 2^{} bits are out of range",
                self.refcount_order
            ));
        }
        if self.has(incompatible::EXTENDED_L2) && self.cluster_bits < 14 {
            return corrupt(
                "extended L2 entries need clusters of 16 KiB".to_owned(),
            );
        }
        self.check_l1(self.size, self.l1_entries, self.l1_offset)
    }

    /// Guest bytes covered by one L2 table.
    pub(crate) fn l2_coverage(&self) -> u64 {
        let entry_bits = match self.has(incompatible::EXTENDED_L2) {
            true => 4,
            false => 3,
        };
        1 << (2 * self.cluster_bits - entry_bits)
    }

    /// Checks an L1 table, of the active state or of a snapshot.
    pub(crate) fn check_l1(
        &self,
        size: u64,
        entries: u32,
        offset: u64,
    ) -> Result<()> {
        let corrupt = |message: String| Err(Error::corrupt(message));
        if size > i64::MAX.unsigned_abs() {
            return corrupt(format!("a virtual size of {size} bytes"));
        }
        if u64::from(entries) * 8 > MAX_L1_BYTES {
            return corrupt(format!("an L1 table of {entries} entries"));
        }
        if u64::from(entries) < size.div_ceil(self.l2_coverage()) {
            return corrupt(format!(
                "an L1 table of {entries} entries is too short for {size} \
                 bytes"
            ));
        }
        if !offset.is_multiple_of(self.cluster_size()) {
            return Err(
                Error::corrupt("the L1 table is not aligned").offset(offset)
            );
        }
        Ok(())
    }

    /// Reads the backing file's name and the header extensions.
    fn read_names(
        &mut self,
        file: &dyn ReadAt,
        (backing_offset, backing_len): (u64, u32),
        header_len: u32,
    ) -> Result<()> {
        let mut end = self.cluster_size().min(file.size());
        if backing_offset != 0 {
            let name_end = backing_offset.saturating_add(backing_len.into());
            if backing_len > MAX_NAME || name_end > self.cluster_size() {
                return Err(Error::corrupt(
                    "the backing file's name leaves the first cluster",
                )
                .offset(8));
            }
            if backing_len > 0 {
                let name = read_vec(file, backing_offset, backing_len)?;
                self.backing_file = Some(text(&name)?);
            }
            end = end.min(backing_offset);
        }
        let mut offset = u64::from(header_len);
        while end.saturating_sub(offset) >= 8 {
            let head = read_vec(file, offset, 8)?;
            let kind = Fields(&head).be_u32(0)?;
            let len = Fields(&head).be_u32(4)?;
            if kind == extension::END {
                break;
            }
            if u64::from(len) > end - offset - 8 {
                return Err(Error::corrupt(format!(
                    "a header extension of {len} bytes leaves the header"
                ))
                .offset(offset));
            }
            let body = read_vec(file, offset + 8, len)?;
            self.take_extension(kind, &body)
                .map_err(|error| error.offset(offset))?;
            offset += 8 + u64::from(len.next_multiple_of(8));
        }
        if self.has(incompatible::DATA_FILE) && self.data_file.is_none() {
            return Err(Error::unsupported(
                "the image has a data file but does not say its name",
            ));
        }
        Ok(())
    }

    fn take_extension(&mut self, kind: u32, body: &[u8]) -> Result<()> {
        match kind {
            extension::BACKING_FORMAT => {
                self.backing_format = Some(text(body)?);
            }
            extension::DATA_FILE => self.data_file = Some(text(body)?),
            extension::BITMAPS => self.bitmaps = Directory::parse(body)?,
            extension::ENCRYPTION => {
                return Err(Error::unsupported("the image is encrypted"));
            }
            // The specification: unknown extensions are to be ignored.
            _ => {}
        }
        Ok(())
    }
}

/// Names are UTF-8 nearly always, and all we could say about others.
fn text(bytes: &[u8]) -> Result<String> {
    String::from_utf8(bytes.to_vec())
        .map_err(|_| Error::unsupported("a file name is not UTF-8"))
}

/// Reads a short run of bytes; the callers bound `len`.
fn read_vec(file: &dyn ReadAt, offset: u64, len: u32) -> Result<Vec<u8>> {
    let end = offset.checked_add(u64::from(len));
    if end.is_none_or(|end| end > file.size()) {
        return Err(
            Error::corrupt("the file ends within its header").offset(offset)
        );
    }
    let mut bytes = vec![0; to_usize(u64::from(len))];
    file.read_at(offset, &mut bytes)?;
    Ok(bytes)
}
