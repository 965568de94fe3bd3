// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! An archive that stands for the one disk in it, as clouds want it.

use crate::error::{Error, Result};
use crate::image::Format;
use crate::image::tar::Member;

/// What Google's clouds call the disk.
const DISK: &str = "disk.raw";

/// Where GNU tar puts files with holes in its newer formats, map and all.
const PAX_SPARSE: &str = "GNUSparseFile.";

/// The one member that is a disk, or the one that is wanted.
pub(in crate::image) fn only_disk<'a>(
    members: &'a [Member],
    wanted: Option<&str>,
) -> Result<&'a Member> {
    let names: Vec<_> = members.iter().map(|m| m.name.as_str()).collect();
    let hint = format!("the archive has: {}", names.join(", "));
    if let Some(pax) = names.iter().find(|name| name.contains(PAX_SPARSE)) {
        return Err(Error::unsupported(format!(
            "{pax:?} has holes in the format of pax, which is not read"
        ))
        .hint("make the archive by tar --format=oldgnu -S"));
    }
    if let Some(wanted) = wanted {
        let found = members.iter().find(|m| m.name == wanted);
        return found.ok_or_else(|| {
            let message = format!("there is no member {wanted:?}");
            Error::new(crate::ErrorKind::NotFound, message).hint(hint)
        });
    }
    let base = |m: &Member| m.name.rsplit('/').next().map(str::to_owned);
    let named = members.iter().find(|m| base(m).as_deref() == Some(DISK));
    if let Some(named) = named {
        return Ok(named);
    }
    let known = |m: &&Member| Format::from_suffix(&m.name).is_some();
    let mut disks = members.iter().filter(known);
    let first = disks.next().or(match members {
        [only] => Some(only),
        _ => None,
    });
    match (first, disks.next()) {
        (Some(disk), None) => Ok(disk),
        (None, _) => {
            Err(Error::unsupported("the archive has no disk image").hint(hint))
        }
        (Some(_), Some(_)) => {
            Err(Error::unsupported("the archive has several disk images")
                .hint(hint))
        }
    }
}
