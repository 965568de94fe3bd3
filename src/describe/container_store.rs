// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! containerd's database as it would be in any other build.
//!
//! It notes when images and content came, and where they are in its file
//! depends on the order of the work. Written anew, with one time, the same
//! images give the same bytes.
//!
//! Facts: containerd, `core/metadata/buckets.go` and `core/metadata/boltutil`;
//! Go's `time.Time.MarshalBinary`.

use std::path::Path;

use super::bolt::{Bolt, Node, Tree};
use super::container_image::{META, ROOTS};
use super::tree::FileTree;
use crate::error::{Context, Result};

const TIMES: [&[u8]; 2] = [b"createdat", b"updatedat"];
/// Held by clients that are gone: none of them runs in an image.
const LEASES: &[u8] = b"leases";
/// From the year 1, where Go's times begin, to 1970.
const SINCE_YEAR_ONE: i64 = 62_135_596_800;

/// The databases in the image, written anew: path and content.
///
/// # Errors
/// `Corrupt` when one cannot be read; as [`FileTree::open`].
pub(crate) fn settled_stores(
    tree: &dyn FileTree,
    epoch: i64,
) -> Result<Vec<(String, Vec<u8>)>> {
    let mut settled = Vec::new();
    for root in ROOTS {
        let path = format!("{root}/{META}");
        let Some(file) = tree.open(Path::new(&path))? else {
            continue;
        };
        if file.is_empty() {
            continue;
        }
        let settle = || {
            let bolt = Bolt::open(file)?;
            let mut content = bolt.tree()?;
            settle_in(&mut content, &time(epoch));
            bolt.written_anew(&content)
        };
        let content = settle().at(&path);
        settled.push((path, content.during("settling containerd's database")?));
    }
    Ok(settled)
}

fn settle_in(tree: &mut Tree, time: &[u8]) {
    for (key, node) in tree {
        match node {
            Node::Bucket(inside) if key == LEASES => inside.clear(),
            Node::Bucket(inside) => settle_in(inside, time),
            Node::Value(value) => {
                let is_time = value.len() == time.len() && value[0] == 1;
                if is_time && TIMES.contains(&key.as_slice()) {
                    *value = time.to_vec();
                }
            }
        }
    }
}

/// Version 1: seconds, nanoseconds, and no offset, which is told by -1.
fn time(epoch: i64) -> Vec<u8> {
    let mut time = vec![1];
    time.extend(epoch.saturating_add(SINCE_YEAR_ONE).to_be_bytes());
    time.extend([0; 4]);
    time.extend([0xff; 2]);
    time
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_of_go() {
        // By `time.Unix(1, 0).UTC().MarshalBinary()`.
        assert_eq!(hex::encode(time(1)), "010000000e7791f70100000000ffff");
    }
}
