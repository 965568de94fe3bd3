// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Reads a VDI.

use std::sync::Arc;

use crate::block::BlockRead;
use crate::error::{Context, Error, Result};
use crate::image::blocks::{BlockMap, Blocks};
use crate::image::field::Fields;
use crate::image::mapped::{Mapped, Mapping, Place};
use crate::image::table::{Table, read_vec};
use crate::image::vdi::{
    DIFFERENCING, DYNAMIC, FREE, SIGNATURE, STATIC, VERSION, ZERO,
};
use crate::image::{Format, ImageInfo};

/// Bytes up to the last field that is read.
const HEADER_LEN: u64 = 0x1c8;

/// Bytes per block, at most. VirtualBox makes 1 MiB.
const MAX_BLOCK: u32 = 256 << 20;

#[derive(Debug)]
struct Header {
    kind: u32,
    map_offset: u64,
    data_offset: u64,
    size: u64,
    block_size: u64,
    block_extra: u64,
    blocks: u64,
}

impl Header {
    fn parse(bytes: &[u8]) -> Result<Self> {
        let fields = Fields(bytes);
        if fields.le_u32(0x40)? != SIGNATURE {
            return Err(Error::corrupt("this is not a VDI: wrong signature")
                .offset(0x40));
        }
        let version = fields.le_u32(0x44)?;
        if version != VERSION {
            return Err(Error::unsupported(format!(
                "VDI version {}.{} is not read",
                version >> 16,
                version & 0xffff
            )));
        }
        let kind = fields.le_u32(0x4c)?;
        let has_parent = fields.bytes(0x1a8, 16)?.iter().any(|b| *b != 0);
        match kind {
            DYNAMIC | STATIC if !has_parent => {}
            DYNAMIC | STATIC | DIFFERENCING => {
                return Err(Error::unsupported(
                    "the image is a difference to another, which VDI names \
                     by UUID only",
                )
                .hint("merge it first: VBoxManage clonemedium"));
            }
            kind => {
                return Err(Error::unsupported(format!(
                    "VDI images of type {kind} are not read"
                )));
            }
        }
        if fields.le_u32(0x168)? != 512 {
            return Err(Error::corrupt("sectors are not of 512 bytes"));
        }
        let block_size = fields.le_u32(0x178)?;
        let valid = block_size.is_power_of_two()
            && (512..=MAX_BLOCK).contains(&block_size);
        if !valid {
            return Err(Error::corrupt(format!(
                "blocks of {block_size} bytes are out of range"
            )));
        }
        let block_extra = fields.le_u32(0x17c)?;
        if block_extra > MAX_BLOCK {
            return Err(Error::corrupt(format!(
                "blocks with {block_extra} bytes before them are out of range"
            )));
        }
        let header = Self {
            kind,
            map_offset: u64::from(fields.le_u32(0x154)?),
            data_offset: u64::from(fields.le_u32(0x158)?),
            size: fields.le_u64(0x170)?,
            block_size: u64::from(block_size),
            block_extra: u64::from(block_extra),
            blocks: u64::from(fields.le_u32(0x180)?),
        };
        let covered = header.blocks.saturating_mul(header.block_size);
        if header.size > covered {
            return Err(Error::corrupt(format!(
                "{} blocks do not cover {} bytes",
                header.blocks, header.size
            )));
        }
        Ok(header)
    }
}

#[derive(Debug)]
struct VdiBlocks {
    header: Header,
    map: Table,
}

impl Blocks for VdiBlocks {
    fn size(&self) -> u64 {
        // QEMU rounds up to whole sectors, and so do we.
        self.header.size.next_multiple_of(512)
    }

    fn block_size(&self) -> u64 {
        self.header.block_size
    }

    fn place(&self, index: u64, within: u64) -> Result<Mapping> {
        let header = &self.header;
        let place = match self.map.le_u32(index)? {
            FREE => Place::Hole,
            ZERO => Place::Zero,
            block => Place::Stored {
                file: 0,
                // Below 2^32 times 2^30: no overflow.
                offset: header.data_offset
                    + u64::from(block)
                        * (header.block_size + header.block_extra)
                    + header.block_extra
                    + within,
            },
        };
        Ok(Mapping {
            len: header.block_size - within,
            place,
        })
    }
}

/// Opens a VDI.
pub(crate) fn open(
    file: Arc<dyn BlockRead>,
) -> Result<(Arc<dyn BlockRead>, ImageInfo)> {
    let bytes = read_vec(&file, 0, HEADER_LEN)?;
    let header = Header::parse(&bytes).during("reading the VDI header")?;
    let map =
        Table::new(Arc::clone(&file), header.map_offset, header.blocks * 4)
            .during("reading the VDI block map")?;
    let size = header.size.next_multiple_of(512);
    let mut info = ImageInfo::new(Format::Vdi, size, file.size());
    info.cluster_size = Some(header.block_size);
    let variant = if header.kind == STATIC {
        "static"
    } else {
        "dynamic"
    };
    info.variant = Some(variant.to_owned());
    let blocks = VdiBlocks { header, map };
    let disk = Mapped::new(BlockMap(blocks), vec![file], None);
    Ok((Arc::new(disk), info))
}
