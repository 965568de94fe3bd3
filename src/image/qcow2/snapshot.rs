// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Internal snapshots.

use crate::block::{ReadAt, to_u64, to_usize};
use crate::error::{Context, Error, Result};
use crate::image::SnapshotInfo;
use crate::image::field::Fields;
use crate::image::qcow2::header::Header;

/// Snapshots in an image, at most: QEMU's limit.
const MAX_SNAPSHOTS: u32 = 65_536;

/// Extra data of a snapshot in bytes, at most: QEMU's limit.
const MAX_EXTRA: u64 = 1024;

/// The whole table in bytes, at most: QEMU's limit.
const MAX_TABLE: u64 = 64 << 20;

/// Bytes before extra data, identifier and name.
const FIXED: u64 = 40;

/// A snapshot with the place of its L1 table.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) info: SnapshotInfo,
    pub(crate) l1_offset: u64,
    pub(crate) l1_entries: u32,
}

/// Reads the snapshot table.
pub(crate) fn read(
    file: &dyn ReadAt,
    header: &Header,
) -> Result<Vec<Snapshot>> {
    if header.snapshots > MAX_SNAPSHOTS {
        return Err(Error::corrupt(format!("{} snapshots", header.snapshots)));
    }
    let mut offset = header.snapshots_offset;
    let mut snapshots = Vec::new();
    for _ in 0..header.snapshots {
        let (snapshot, len) = read_one(file, header, offset)
            .map_err(|error| error.offset(offset))
            .during("reading the snapshot table")?;
        snapshots.push(snapshot);
        offset += len.next_multiple_of(8);
        if offset - header.snapshots_offset > MAX_TABLE {
            return Err(Error::corrupt("the snapshot table is too long"));
        }
    }
    Ok(snapshots)
}

fn read_one(
    file: &dyn ReadAt,
    header: &Header,
    offset: u64,
) -> Result<(Snapshot, u64)> {
    let fixed = read_within(file, offset, FIXED)?;
    let fixed = Fields(&fixed);
    let extra_len = u64::from(fixed.be_u32(36)?);
    if extra_len > MAX_EXTRA {
        return Err(Error::corrupt(format!(
            "a snapshot with {extra_len} bytes of extra data"
        )));
    }
    let id_len = usize::from(fixed.be_u16(12)?);
    let name_len = usize::from(fixed.be_u16(14)?);
    let rest_len = extra_len + to_u64(id_len) + to_u64(name_len);
    let rest = read_within(file, offset + FIXED, rest_len)?;
    let rest = Fields(&rest);
    let text = |at, len| -> Result<String> {
        Ok(String::from_utf8_lossy(rest.bytes(at, len)?).into_owned())
    };
    let extra = to_usize(extra_len);
    let info = SnapshotInfo {
        id: text(extra, id_len)?,
        name: text(extra + id_len, name_len)?,
        date: u64::from(fixed.be_u32(16)?),
        vm_clock_nanoseconds: fixed.be_u64(24)?,
        vm_state_size: match extra {
            0..8 => u64::from(fixed.be_u32(32)?),
            _ => rest.be_u64(0)?,
        },
        virtual_size: match extra {
            0..16 => header.size,
            _ => rest.be_u64(8)?,
        },
    };
    let snapshot = Snapshot {
        info,
        l1_offset: fixed.be_u64(0)?,
        l1_entries: fixed.be_u32(8)?,
    };
    Ok((snapshot, FIXED + rest_len))
}

/// Reads `len` bytes, which the caller has bounded.
fn read_within(file: &dyn ReadAt, offset: u64, len: u64) -> Result<Vec<u8>> {
    let end = offset.checked_add(len);
    if end.is_none_or(|end| end > file.size()) {
        return Err(Error::corrupt("the snapshot table leaves the file"));
    }
    let mut bytes = vec![0; to_usize(len)];
    file.read_at(offset, &mut bytes)?;
    Ok(bytes)
}
