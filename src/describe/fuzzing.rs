// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Ways for the fuzz targets to parsers that nobody else calls.

use std::path::Path;
use std::sync::Arc;

use super::bolt::{Bolt, Node, Tree, database};
use super::diff::{DiffReport, Snapshot, diff};
use super::inspect::{InspectSubject, Inspection, inspect};
use super::sbom::{License, of_copyright, parse_license};
use super::sysctl::Sysctl;
use super::tree::FileTree;
use super::{container_archive, settled_stores, unit_state, verify};
use crate::block::ReadAt;
use crate::discover::{OsRelease, SystemLayout};
use crate::error::Result;
use crate::image::{Format, OpenOptions, open_disk};
use crate::progress::Monitor;

/// A disk with nothing on it, whose system is said to be there.
fn layout() -> SystemLayout {
    SystemLayout {
        table: None,
        sector_size: 512,
        disk_len: 512,
        partitions: Vec::new(),
        root: 0,
        os: OsRelease::parse(b"ID=debian\n"),
        family: None,
        architecture: None,
        mounts: Vec::new(),
        warnings: Vec::new(),
    }
}

/// Tells everything of a tree.
///
/// # Errors
/// Those of [`inspect`].
pub fn inspection(tree: &dyn FileTree) -> Result<Inspection> {
    let disk = Arc::new(vec![0; 512]);
    let options = OpenOptions::new().format(Format::Raw);
    let image = open_disk(Arc::clone(&disk) as _, &options)?;
    inspect(&InspectSubject {
        tree,
        layout: &layout(),
        disk: disk.as_ref(),
        info: image.info(),
        warnings: Vec::new(),
    })
}

/// Compares two trees.
///
/// # Errors
/// Those of [`Snapshot::take`].
pub fn comparison(
    before: &dyn FileTree,
    after: &dyn FileTree,
) -> Result<DiffReport> {
    let disk = vec![0; 512];
    let take = |tree: &dyn FileTree| {
        Snapshot::take(tree, &disk, &layout(), &Monitor::silent())
    };
    Ok(diff(&take(before)?, &take(after)?))
}

/// Finds the names in an archive of container images.
///
/// # Errors
/// `Corrupt`, `Unsupported`.
pub fn image_names(archive: &dyn ReadAt) -> Result<Option<Vec<String>>> {
    container_archive::names(archive)
}

/// Reads a database of containerd's, writes it anew and reads that: the same
/// is in it.
///
/// # Panics
/// When it is not.
pub fn rewritten_database(tree: &dyn FileTree, path: &str) {
    let open = || {
        let file = tree.open(Path::new(path)).ok()??;
        Bolt::open(file).ok()
    };
    if let Some(bolt) = open()
        && let Ok(content) = bolt.tree()
        && let Ok(bytes) = bolt.written_anew(&content)
    {
        assert_eq!(read_back(bytes), content);
    }
    let _ = settled_stores(tree, 1);
}

/// Writes a database and reads it: of each key the value, or the keys in a
/// bucket.
///
/// # Panics
/// When something else is read.
pub fn written_database(content: Bucket, page_size: u64) {
    let tree = content.into_tree();
    let bytes = database(&tree, page_size).expect("small enough");
    assert_eq!(bytes, database(&tree, page_size).expect("as before"));
    assert_eq!(read_back(bytes), tree);
}

/// What is to be written.
#[derive(Debug, Default)]
pub struct Bucket(pub Vec<(Vec<u8>, Content)>);

/// Under a key.
#[derive(Debug)]
pub enum Content {
    /// A value.
    Value(Vec<u8>),
    /// More keys.
    Bucket(Bucket),
}

impl Bucket {
    fn into_tree(self) -> Tree {
        let node = |content| match content {
            Content::Value(value) => Node::Value(value),
            Content::Bucket(inside) => Node::Bucket(inside.into_tree()),
        };
        let items = self.0.into_iter();
        items.map(|(key, content)| (key, node(content))).collect()
    }
}

fn read_back(bytes: Vec<u8>) -> Tree {
    let file = Box::new(Database(bytes));
    let bolt = Bolt::open(file).expect("our own database");
    bolt.tree().expect("our own database")
}

struct Database(Vec<u8>);

impl super::tree::TreeFile for Database {
    fn len(&self) -> u64 {
        self.0.size()
    }

    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> Result<usize> {
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let rest = self.0.get(start..).unwrap_or_default();
        let len = rest.len().min(buf.len());
        buf[..len].copy_from_slice(&rest[..len]);
        Ok(len)
    }
}

/// Reads a copyright file, and single licenses of a line each.
///
/// # Panics
/// When the expression is no expression.
pub fn licenses(text: &str) {
    of_copyright(text).iter().for_each(check);
    text.lines()
        .filter_map(parse_license)
        .for_each(|l| check(&l));
}

fn check(license: &License) {
    let License {
        expression,
        references,
    } = license;
    let words = expression.split([' ', '(', ')']);
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    assert!(!words.is_empty() && words.len() % 2 == 1, "{expression}");
    for word in &words {
        let plain = |c: char| c.is_ascii_alphanumeric() || ".-".contains(c);
        assert!(word.chars().all(plain), "{expression}");
    }
    for (name, text) in references {
        assert!(words.contains(&name.as_str()), "{expression}: {name}");
        assert!(name.starts_with("LicenseRef-") && !text.is_empty());
    }
}

/// Reads a unit, by what it says of being enabled, and names of units.
pub fn unit(text: &str) {
    let _ = unit_state::has_install(text);
    for line in text.lines() {
        let name = unit_state::full_name(line);
        if let Some(template) = unit_state::template_of(&name) {
            // A template is no instance of another.
            assert_eq!(unit_state::template_of(&template), None);
        }
    }
}

/// Reads a file of kernel parameters, and asks for each.
///
/// # Panics
/// When one that has a value has none.
pub fn kernel_parameters(text: &str) {
    let mut sysctl = Sysctl::default();
    sysctl.add(text, Path::new("/etc/sysctl.d/a.conf"));
    for line in text.lines().take(100) {
        let key = line.split('=').next().unwrap_or_default().trim();
        if let Some((value, _)) = sysctl.get(key) {
            assert!(text.contains(value));
        }
    }
}

/// Reads a text as every kind of file that the checks look into.
pub fn checked_text(text: &str) {
    verify::fuzzing::text(text);
}
