// SPDX-License-Identifier: Apache-2.0
//! The files of an image read by ourselves, against the kernel's view.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use imagewright::block::ReadAt;
use imagewright::describe::{DiskTree, Entry, EntryKind, FileTree};
use imagewright::discover::{DiscoverOptions, discover};
use imagewright::image::{self, OpenOptions};
use sha2::{Digest, Sha256};

use crate::support::{Disk, tiny_raw};

/// Kind, mode, owner and content as `support::Disk::tree` tells them.
type Seen = BTreeMap<String, (char, String, String, String)>;

fn look(tree: &dyn FileTree, path: &Path, seen: &mut Seen) {
    let entry = tree.link_metadata(path).unwrap().unwrap();
    let relative = path.strip_prefix("/").unwrap().to_str().unwrap();
    let Entry {
        kind,
        mode,
        uid,
        gid,
        ..
    } = entry;
    let (letter, content) = match kind {
        EntryKind::File => {
            let content = tree.read(path).unwrap().unwrap();
            assert_eq!(content.len() as u64, entry.len, "{relative}");
            ('f', format!("{:x}", Hex(&Sha256::digest(content))))
        }
        EntryKind::Directory => ('d', String::new()),
        EntryKind::Symlink => {
            let target = tree.read_link(path).unwrap().unwrap();
            ('l', target.to_str().unwrap().to_owned())
        }
        EntryKind::Special => ('s', String::new()),
    };
    let owner = format!("{uid}:{gid}");
    let line = (letter, format!("{mode:o}"), owner, content);
    seen.insert(relative.to_owned(), line);
    if kind == EntryKind::Directory {
        for name in tree.read_dir(path).unwrap().unwrap() {
            look(tree, &path.join(name), seen);
        }
    }
}

struct Hex<'a>(&'a [u8]);

impl std::fmt::LowerHex for Hex<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

fn assert_same_as_the_kernel(image: &Path) {
    let opened = image::open(image, &OpenOptions::new()).unwrap();
    let disk: Arc<dyn ReadAt> = Arc::new(opened);
    let layout = discover(&disk, &DiscoverOptions::default()).unwrap();
    let tree = DiskTree::open(&disk, &layout).unwrap().unwrap();
    let mut ours = Seen::new();
    look(&tree, Path::new("/"), &mut ours);
    let kernel = Disk::new(image).tree();
    let kernel: Seen = kernel
        .into_iter()
        .map(|(path, entry)| {
            let special = !matches!(entry.kind, 'f' | 'd' | 'l');
            let kind = if special { 's' } else { entry.kind };
            (path, (kind, entry.mode, entry.owner, entry.content))
        })
        .collect();
    assert!(kernel.len() > 100, "only {} files", kernel.len());
    for (path, entry) in &kernel {
        assert_eq!(ours.get(path), Some(entry), "{path}");
    }
    assert_eq!(ours.len(), kernel.len());
}

#[test]
fn privileged_tree_of_an_unmounted_image_is_the_kernels() {
    // Another image can be named, to look at more than the small one.
    let image = std::env::var_os("IMAGEWRIGHT_TREE_OF");
    let image = image.map_or_else(tiny_raw, PathBuf::from);
    assert_same_as_the_kernel(&image);
}
