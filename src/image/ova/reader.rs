// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Finds the disk in an archive.

use std::sync::Arc;

use crate::block::BlockRead;
use crate::error::{Context, Error, ErrorKind, Result};
use crate::image::open::Opener;
use crate::image::ova::ovf;
use crate::image::table::read_vec;
use crate::image::tar::{Member, read_members};
use crate::image::{Format, ImageInfo};

/// Bytes of a description, at most.
const MAX_OVF: u64 = 16 << 20;

/// Opens the first disk of an OVA, or the member asked for.
pub(crate) fn open(
    file: &Arc<dyn BlockRead>,
    opener: &mut Opener<'_>,
) -> Result<(Arc<dyn BlockRead>, ImageInfo)> {
    let members = read_members(file).during("reading the archive")?;
    let disk = find(file, &members, opener.options.member.as_deref())?;
    let format = match Format::from_suffix(&disk.name) {
        Some(Format::Ova | Format::Gce | Format::ContainerDisk) | None => {
            return Err(Error::unsupported(format!(
                "the disk {:?} has no format that is known",
                disk.name
            )));
        }
        Some(format) => format,
    };
    let (inner, inner_info) = opener
        .open_format(disk.disk(file)?, format)
        .at(&disk.name)?;
    let mut info = ImageInfo::new(Format::Ova, inner.size(), file.size());
    info.variant = inner_info.variant;
    info.compression = inner_info.compression;
    info.cluster_size = inner_info.cluster_size;
    info.data_files = members.into_iter().map(|m| m.name).collect();
    info.detail("disk", &disk.name);
    Ok((inner, info))
}

fn find(
    file: &dyn BlockRead,
    members: &[Member],
    wanted: Option<&str>,
) -> Result<Member> {
    let named = |name: &str| members.iter().find(|m| m.name == name).cloned();
    let names = || {
        let names: Vec<_> = members.iter().map(|m| m.name.as_str()).collect();
        format!("the archive has: {}", names.join(", "))
    };
    if let Some(wanted) = wanted {
        return named(wanted).ok_or_else(|| {
            let message = format!("there is no member {wanted:?}");
            Error::new(ErrorKind::NotFound, message).hint(names())
        });
    }
    let is_ovf = |m: &&Member| m.name.to_ascii_lowercase().ends_with(".ovf");
    let Some(description) = members.iter().find(is_ovf) else {
        return Err(Error::corrupt("the archive has no description (.ovf)")
            .hint(names()));
    };
    if description.len > MAX_OVF {
        return Err(Error::corrupt("the description is too long"));
    }
    let xml = read_vec(file, description.offset, description.len)?;
    let xml = String::from_utf8_lossy(&xml);
    let first = ovf::disk_files(&xml).into_iter().next();
    let first = first.ok_or_else(|| {
        Error::new(ErrorKind::NotFound, "the archive has no disk").hint(names())
    })?;
    named(&first).ok_or_else(|| {
        Error::corrupt(format!("the disk {first:?} is not in the archive"))
            .hint(names())
    })
}
