// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Puts headers, log, metadata and table together.

use std::sync::Arc;

use crate::block::BlockRead;
use crate::error::{Context, Error, Result};
use crate::image::blocks::BlockMap;
use crate::image::mapped::Mapped;
use crate::image::open::Opener;
use crate::image::vhdx::bat::Bat;
use crate::image::vhdx::header::{Header, Regions};
use crate::image::vhdx::log;
use crate::image::vhdx::metadata::Metadata;
use crate::image::{Backing, Format, ImageInfo};

/// Opens a VHDX.
pub(crate) fn open(
    file: Arc<dyn BlockRead>,
    opener: &mut Opener<'_>,
) -> Result<(Arc<dyn BlockRead>, ImageInfo)> {
    let file_size = file.size();
    let header = Header::read(&file).during("reading the VHDX header")?;
    let file = log::replay(file, &header)?;
    let regions =
        Regions::read(&file).during("reading the VHDX region table")?;
    let metadata = Metadata::read(&file, regions.metadata)
        .during("reading the VHDX metadata")?;
    let bat = Bat::new(Arc::clone(&file), regions.bat.offset, &metadata)
        .during("reading the VHDX block table")?;
    let mut info = ImageInfo::new(Format::Vhdx, metadata.size, file_size);
    info.cluster_size = Some(metadata.block_size);
    info.variant = Some(match (&metadata.parent, metadata.fixed) {
        (Some(_), _) => "differencing".to_owned(),
        (None, true) => "fixed".to_owned(),
        (None, false) => "dynamic".to_owned(),
    });
    info.detail("logical-sector-size", &metadata.logical_sector);
    if header.has_log() {
        info.detail("dirty-log", &true);
    }
    let mut parent = None;
    if let Some(locator) = &metadata.parent {
        let path = parent_path(locator)?;
        parent = Some(opener.parent(&path, Some(Format::Vhdx))?);
        info.backing = Some(Backing::new(path, Some("vhdx".to_owned())));
    }
    let disk = Mapped::new(BlockMap(bat), vec![file], parent);
    Ok((Arc::new(disk), info))
}

/// The relative path: others are for Windows hosts.
fn parent_path(locator: &[(String, String)]) -> Result<String> {
    let path = locator.iter().find(|(key, _)| key == "relative_path");
    let (_, path) = path.ok_or_else(|| {
        Error::unsupported("the parent has no relative path")
            .hint("merge the disks where they were made")
    })?;
    let path = path.replace('\\', "/");
    Ok(path.strip_prefix("./").unwrap_or(&path).to_owned())
}
