// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Puts descriptor, extents and parent together.

use std::sync::Arc;

use crate::block::{BlockRead, Slice};
use crate::error::{Context, Error, Result};
use crate::image::field::Fields;
use crate::image::joined::Joined;
use crate::image::mapped::{Mapped, Place};
use crate::image::open::Opener;
use crate::image::table::read_vec;
use crate::image::vmdk::SECTOR;
use crate::image::vmdk::descriptor::{Descriptor, ExtentKind};
use crate::image::vmdk::header::{AT_END, Header, MAGIC};
use crate::image::vmdk::map::SparseMap;
use crate::image::{Backing, Format, ImageInfo};

/// Bytes of a descriptor file, at most.
const MAX_DESCRIPTOR: u64 = 1 << 20;

/// A footer has this type in its marker.
const FOOTER_MARKER: u32 = 3;

type Disk = Arc<dyn BlockRead>;

/// Opens a VMDK: a sparse extent with a descriptor in it, or a descriptor.
pub(crate) fn open(
    file: &Disk,
    opener: &mut Opener<'_>,
) -> Result<(Disk, ImageInfo)> {
    let start = read_vec(file, 0, SECTOR.min(file.size()))?;
    let mut info = ImageInfo::new(Format::Vmdk, 0, file.size());
    let disk = if start.starts_with(&MAGIC) {
        open_sparse_image(file, opener, &mut info)?
    } else {
        open_descriptor(file, opener, &mut info)?
    };
    info.virtual_size = disk.size();
    Ok((disk, info))
}

/// A sparse extent that is a whole image.
fn open_sparse_image(
    file: &Disk,
    opener: &mut Opener<'_>,
    info: &mut ImageInfo,
) -> Result<Disk> {
    let header = read_header(file)?;
    let mut parent = None;
    if header.descriptor_offset != 0 && header.descriptor_sectors != 0 {
        let bytes = read_vec(
            file,
            header.descriptor_offset.saturating_mul(SECTOR),
            header.descriptor_sectors * SECTOR,
        )
        .during("reading the embedded descriptor")?;
        let descriptor = Descriptor::parse(&bytes)?;
        parent = open_parent(&descriptor, opener, info)?;
        describe(&descriptor, info);
    }
    info.cluster_size = Some(header.grain_len());
    if header.is_compressed() {
        info.compression = Some("zlib".to_owned());
    }
    sparse(Arc::clone(file), header, parent)
}

/// The disk of one sparse extent.
fn sparse(file: Disk, header: Header, parent: Option<Disk>) -> Result<Disk> {
    let unallocated = match parent {
        Some(_) => Place::Parent,
        None => Place::Hole,
    };
    let map = SparseMap::new(Arc::clone(&file), header, unallocated)?;
    Ok(Arc::new(Mapped::new(map, vec![file], parent)))
}

fn open_descriptor(
    file: &Disk,
    opener: &mut Opener<'_>,
    info: &mut ImageInfo,
) -> Result<Disk> {
    if file.size() > MAX_DESCRIPTOR {
        return Err(Error::corrupt("this is not a VMDK: wrong magic"));
    }
    let bytes = read_vec(file, 0, file.size())?;
    let descriptor = Descriptor::parse(&bytes)?;
    let parent = open_parent(&descriptor, opener, info)?;
    describe(&descriptor, info);
    let mut joined = Joined::new();
    for extent in &descriptor.extents {
        let len = extent.len;
        let disk: Option<Disk> = match &extent.kind {
            ExtentKind::Zero => None,
            ExtentKind::Flat { name, offset } => {
                info.data_files.push(name.clone());
                let file = opener.extent(name)?;
                let slice = Slice::new(file, *offset, len)
                    .map_err(|_| short_extent(name, len))?;
                Some(Arc::new(slice))
            }
            ExtentKind::Sparse { name } => {
                info.data_files.push(name.clone());
                let file = opener.extent(name)?;
                let header = read_header(&file).at(name)?;
                info.cluster_size = Some(header.grain_len());
                let part = part_of(parent.as_ref(), joined.size_so_far(), len)?;
                Some(sparse(file, header, part).at(name)?)
            }
        };
        joined.push(len, disk)?;
    }
    Ok(Arc::new(joined))
}

fn describe(descriptor: &Descriptor, info: &mut ImageInfo) {
    info.variant = Some(descriptor.create_type.clone());
    info.detail("cid", &descriptor.content_id);
    info.detail("parent-cid", &descriptor.parent_id);
}

fn short_extent(name: &str, len: u64) -> Error {
    Error::corrupt(format!("the extent has less than {len} bytes")).at(name)
}

/// What an extent sees of the parent.
fn part_of(
    parent: Option<&Disk>,
    start: u64,
    len: u64,
) -> Result<Option<Disk>> {
    let Some(parent) = parent else {
        return Ok(None);
    };
    let start = start.min(parent.size());
    let len = len.min(parent.size() - start);
    Ok(Some(Arc::new(Slice::new(Arc::clone(parent), start, len)?)))
}

fn open_parent(
    descriptor: &Descriptor,
    opener: &mut Opener<'_>,
    info: &mut ImageInfo,
) -> Result<Option<Disk>> {
    let Some(name) = &descriptor.parent else {
        return Ok(None);
    };
    info.backing = Some(Backing::new(name.clone(), Some("vmdk".to_owned())));
    opener.parent(name, Some(Format::Vmdk)).map(Some)
}

/// The header, or the footer where the header refers to it.
fn read_header(file: &dyn BlockRead) -> Result<Header> {
    let header = Header::parse(&read_vec(file, 0, SECTOR)?)
        .during("reading the VMDK header")?;
    if header.directory != AT_END {
        return Ok(header);
    }
    // The last three sectors: a marker, the footer, the end of the stream.
    let place = file.size().checked_sub(3 * SECTOR);
    let place = place.ok_or_else(|| Error::corrupt("there is no footer"))?;
    let bytes = read_vec(file, place, 2 * SECTOR)?;
    if Fields(&bytes).le_u32(12)? != FOOTER_MARKER {
        return Err(Error::corrupt(
            "the stream-optimised image has no footer: it was cut",
        )
        .offset(place));
    }
    let footer = Header::parse(&bytes[512..])
        .during("reading the VMDK footer")
        .map_err(|error| error.offset(place + SECTOR))?;
    if footer.directory == AT_END {
        return Err(Error::corrupt("the footer does not know the directory"));
    }
    Ok(footer)
}
