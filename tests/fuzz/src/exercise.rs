// SPDX-License-Identifier: Apache-2.0
//! Reads of an image what a converter would.

use std::sync::Arc;

use imagewright::block::BlockRead;
use imagewright::image::{self, Format, OpenOptions};

use crate::Sparse;

/// Sizes up to those that no format can have.
const MAX_FILE: u64 = 1 << 50;

/// Extents looked at, and bytes read, at most.
const EXTENTS: usize = 200;
const BYTES: u64 = 2 << 20;

/// Bytes per read: larger than a common cluster, and odd.
const PIECE: u64 = 150_001;

/// Opens an encoded disk as an image and reads from it.
pub fn image(data: &[u8], format: impl Into<Option<Format>>) {
    disk(Arc::new(Sparse::decode(data, MAX_FILE)), format.into());
}

/// Opens a disk as an image and reads from it and its first snapshots.
pub fn disk(disk: Arc<dyn BlockRead>, format: Option<Format>) {
    let options = OpenOptions::new().format(format);
    let Ok(image) = image::open_disk(Arc::clone(&disk), &options) else {
        return;
    };
    read(&image);
    for snapshot in image.info().snapshots.iter().take(2) {
        let options = options.clone().snapshot(snapshot.id.clone());
        if let Ok(image) = image::open_disk(Arc::clone(&disk), &options) {
            read(&image);
        }
    }
}

fn read(image: &dyn BlockRead) {
    let size = image.size();
    let (mut offset, mut left) = (0, BYTES);
    for _ in 0..EXTENTS {
        if offset >= size || left == 0 {
            break;
        }
        let Ok(extent) = image.extent_at(offset, u64::MAX) else {
            offset += PIECE;
            continue;
        };
        assert_eq!(extent.offset, offset);
        assert!(extent.len > 0 && extent.len <= size - offset);
        let len = extent.len.min(PIECE).min(left);
        let mut bytes = vec![0xa5; len as usize];
        if image.read_at(offset, &mut bytes).is_ok()
            && extent.kind.reads_as_zero()
        {
            assert!(bytes.iter().all(|byte| *byte == 0), "{extent:?}");
        }
        if let Ok(Some(stored)) = image.stored_at(offset, len) {
            assert!(stored.len > 0 && stored.len <= len);
        }
        left -= len;
        offset = match extent.kind.reads_as_zero() {
            true => extent.end(),
            false => offset + len,
        };
    }
    let tail = size.min(PIECE);
    let _ = image.read_at(size - tail, &mut vec![0; tail as usize]);
    // What is not there is an error.
    assert!(image.read_at(size, &mut [0]).is_err());
}
