// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Puts header, tables and backing file together.

use std::sync::Arc;

use crate::block::{BlockRead, round_down};
use crate::error::{Context, Error, ErrorKind, Result};
use crate::image::mapped::Mapped;
use crate::image::open::Opener;
use crate::image::qcow2::header::{Header, incompatible};
use crate::image::qcow2::map::Qcow2Map;
use crate::image::qcow2::snapshot::{self, Snapshot};
use crate::image::{Backing, Format, ImageInfo};

/// Opens a qcow2 image and the files it stands on.
pub(crate) fn open(
    file: Arc<dyn BlockRead>,
    opener: &mut Opener<'_>,
) -> Result<(Arc<dyn BlockRead>, ImageInfo)> {
    let header = Header::read(&file).during("reading the qcow2 header")?;
    let snapshots = snapshot::read(&file, &header)?;
    let (size, l1_offset) =
        state(&header, &snapshots, opener.options.snapshot.as_deref())?;
    let mut info = describe(&header, &snapshots, size, file.size());
    // Nothing that is read depends on them: what is wrong there is left so.
    info.bitmaps = header.bitmaps.read(&file).unwrap_or_default();
    let map = Qcow2Map::new(Arc::clone(&file), &header, size, l1_offset)?;
    let mut files = vec![file];
    if let Some(name) = &header.data_file
        && header.has(incompatible::DATA_FILE)
    {
        files.push(opener.extent(name).during("opening the data file")?);
    }
    let parent = match &header.backing_file {
        Some(name) => {
            let format = backing_format(header.backing_format.as_deref())?;
            Some(opener.parent(name, format)?)
        }
        None => None,
    };
    Ok((Arc::new(Mapped::new(map, files, parent)), info))
}

/// Size and L1 table of the active state or of the snapshot asked for.
///
/// The guest sees whole sectors: QEMU leaves out a rest.
fn state(
    header: &Header,
    snapshots: &[Snapshot],
    wanted: Option<&str>,
) -> Result<(u64, u64)> {
    let Some(wanted) = wanted else {
        return Ok((round_down(header.size, 512), header.l1_offset));
    };
    let by_id = snapshots.iter().find(|s| s.info.id == wanted);
    let by_name = || snapshots.iter().find(|s| s.info.name == wanted);
    let Some(found) = by_id.or_else(by_name) else {
        let names = snapshots.iter().map(|s| &*s.info.name);
        let names = names.collect::<Vec<_>>().join(", ");
        let message = format!("there is no snapshot {wanted:?}");
        return Err(Error::new(ErrorKind::NotFound, message)
            .hint(format!("the image has: {names}")));
    };
    let size = round_down(found.info.virtual_size, 512);
    header
        .check_l1(size, found.l1_entries, found.l1_offset)
        .during("checking the snapshot")?;
    Ok((size, found.l1_offset))
}

/// The format named in the header, as QEMU names them; `None`: it names none.
fn backing_format(name: Option<&str>) -> Result<Option<Format>> {
    match name {
        None | Some("") => Ok(None),
        Some("file" | "host_device") => Ok(Some(Format::Raw)),
        Some(name) => match name.parse() {
            Ok(format) => Ok(Some(format)),
            Err(_) => Err(Error::unsupported(format!(
                "backing files of format {name:?} are not read"
            ))),
        },
    }
}

fn describe(
    header: &Header,
    snapshots: &[Snapshot],
    size: u64,
    file_size: u64,
) -> ImageInfo {
    let mut info = ImageInfo::new(Format::Qcow2, size, file_size);
    info.cluster_size = Some(header.cluster_size());
    info.variant = Some(format!("v{}", header.version));
    info.compression = Some(match header.compression_type {
        0 => "zlib".to_owned(),
        _ => "zstd".to_owned(),
    });
    info.backing = header
        .backing_file
        .clone()
        .map(|path| Backing::new(path, header.backing_format.clone()));
    info.data_files = header.data_file.clone().into_iter().collect();
    info.snapshots = snapshots.iter().map(|s| s.info.clone()).collect();
    info.detail("refcount-bits", &(1 << header.refcount_order));
    if header.compatible & 1 != 0 {
        info.detail("lazy-refcounts", &(true));
    }
    if header.has(incompatible::DIRTY) {
        info.detail("dirty", &(true));
    }
    if header.has(incompatible::EXTENDED_L2) {
        info.detail("extended-l2", &(true));
    }
    info
}
