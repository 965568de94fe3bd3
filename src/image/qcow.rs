// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! QEMU's first copy-on-write format, for reading.
//!
//! Facts from QEMU's `block/qcow.c`.

use std::fmt;
use std::sync::Arc;

use crate::block::{BlockRead, to_usize};
use crate::error::{Context, Error, Result};
use crate::image::cache::Cache;
use crate::image::codec::Codec;
use crate::image::field::{Fields, be_u64_table};
use crate::image::mapped::{Map, Mapped, Mapping, Packed, Place};
use crate::image::open::Opener;
use crate::image::table::{Table, read_vec};
use crate::image::{Backing, Format, ImageInfo};

const HEADER_LEN: u64 = 48;

/// Bytes of the backing file's name, at most.
const MAX_NAME: u32 = 1023;

/// The entry is a compressed cluster.
const COMPRESSED: u64 = 1 << 63;

/// Entries of the L1 table, at most: with the usual tables, 64 TiB. That of a
/// sparse file may be much longer than what can be walked.
const MAX_L1: u64 = 1 << 25;

/// L2 tables kept; one has at most 64 KiB.
const L2_TABLES: usize = 128;

#[derive(Debug)]
struct Header {
    backing: Option<String>,
    size: u64,
    cluster_bits: u32,
    l2_bits: u32,
    l1_offset: u64,
}

impl Header {
    fn read(file: &dyn BlockRead) -> Result<Self> {
        let bytes = read_vec(file, 0, HEADER_LEN)?;
        let fields = Fields(&bytes);
        if fields.array(0)? != *b"QFI\xfb\0\0\0\x01" {
            return Err(Error::corrupt("this is not a qcow image").offset(0));
        }
        let [cluster_bits, l2_bits] = fields.array(32)?;
        if !(9..=16).contains(&cluster_bits) || !(6..=13).contains(&l2_bits) {
            return Err(Error::corrupt(format!(
                "clusters of 2^{cluster_bits} bytes or tables of 2^{l2_bits} \
                 entries are out of range"
            )));
        }
        if fields.be_u32(36)? != 0 {
            return Err(Error::unsupported("the image is encrypted"));
        }
        let size = fields.be_u64(24)?;
        if size > i64::MAX.unsigned_abs() {
            return Err(Error::corrupt(format!("a size of {size} bytes")));
        }
        let name_offset = fields.be_u64(8)?;
        let name_len = fields.be_u32(16)?;
        let mut backing = None;
        if name_offset != 0 {
            if name_len > MAX_NAME {
                return Err(Error::corrupt("the backing file's name is long"));
            }
            let name = read_vec(file, name_offset, u64::from(name_len))?;
            let name = String::from_utf8(name).map_err(|_| {
                Error::unsupported("the backing file's name is not UTF-8")
            })?;
            backing = Some(name);
        }
        Ok(Self {
            backing,
            size: size / 512 * 512,
            cluster_bits: u32::from(cluster_bits),
            l2_bits: u32::from(l2_bits),
            l1_offset: fields.be_u64(40)?,
        })
    }

    /// Guest bytes covered by one L2 table.
    fn coverage(&self) -> u64 {
        1 << (self.cluster_bits + self.l2_bits)
    }
}

struct QcowMap {
    file: Arc<dyn BlockRead>,
    header: Header,
    l1: Table,
    l2: Cache<Vec<u64>>,
}

impl fmt::Debug for QcowMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QcowMap")
            .field("header", &self.header)
            .finish()
    }
}

impl QcowMap {
    fn unallocated(&self) -> Place {
        match self.header.backing {
            Some(_) => Place::Parent,
            None => Place::Hole,
        }
    }

    fn place_of(&self, entry: u64, offset: u64) -> Place {
        let bits = self.header.cluster_bits;
        let within = offset % (1 << bits);
        if entry & COMPRESSED != 0 {
            let shift = 63 - bits;
            return Place::Packed(Packed {
                codec: Codec::Deflate,
                start: offset - within,
                len: 1 << bits,
                file: 0,
                offset: entry & ((1 << shift) - 1),
                packed_len: (entry & !COMPRESSED) >> shift,
            });
        }
        match entry {
            0 => self.unallocated(),
            host => Place::Stored {
                file: 0,
                offset: host.saturating_add(within),
            },
        }
    }
}

impl Map for QcowMap {
    fn size(&self) -> u64 {
        self.header.size
    }

    fn unit(&self) -> u64 {
        1 << self.header.cluster_bits
    }

    fn map_at(&self, offset: u64, max: u64) -> Result<Mapping> {
        let coverage = self.header.coverage();
        let table = self.l1.be_u64(offset / coverage)?;
        let table_rest = coverage - offset % coverage;
        if table == 0 {
            return Ok(Mapping {
                len: table_rest.min(max),
                place: self.unallocated(),
            });
        }
        let entries = self.l2.get(table, || {
            let len = 8 << self.header.l2_bits;
            Ok(be_u64_table(&read_vec(&self.file, table, len)?))
        })?;
        let cluster = self.unit();
        let index = offset % coverage / cluster;
        let entry = entries.get(to_usize(index)).copied().unwrap_or(0);
        Ok(Mapping {
            len: (cluster - offset % cluster).min(max),
            place: self.place_of(entry, offset),
        })
    }
}

/// Opens a qcow image.
pub(crate) fn open(
    file: Arc<dyn BlockRead>,
    opener: &mut Opener<'_>,
) -> Result<(Arc<dyn BlockRead>, ImageInfo)> {
    let header = Header::read(&file).during("reading the qcow header")?;
    let mut info = ImageInfo::new(Format::Qcow, header.size, file.size());
    info.cluster_size = Some(1 << header.cluster_bits);
    info.compression = Some("zlib".to_owned());
    info.backing = header.backing.clone().map(|name| Backing::new(name, None));
    let entries = header.size.div_ceil(header.coverage());
    if entries > MAX_L1 {
        return Err(Error::corrupt(format!(
            "an L1 table of {entries} entries"
        )));
    }
    let l1 = Table::new(Arc::clone(&file), header.l1_offset, entries * 8)
        .during("reading the L1 table")?;
    let parent = match &header.backing {
        Some(name) => Some(opener.parent(name, None)?),
        None => None,
    };
    let map = QcowMap {
        file: Arc::clone(&file),
        header,
        l1,
        l2: Cache::new(L2_TABLES),
    };
    Ok((Arc::new(Mapped::new(map, vec![file], parent)), info))
}
