// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! What a comparison needs of one image, taken in one pass over its files.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use sha2::Digest as _;

use crate::block::ReadAt;
use crate::describe::inspect::{Component, components};
use crate::describe::package::packaged_files;
use crate::describe::{
    ContainerImage, Entry, FileTree, Package, TreeFile, container_images,
    go_programs, packages,
};
use crate::discover::{Role, SystemLayout};
use crate::error::{Context, Error, Result};
use crate::partition::Partition;
use crate::progress::Monitor;
use crate::recipe::Sha256;

/// Configuration files are smaller; a larger one is compared, not shown.
const MAX_TEXT: u64 = 512 << 10;
/// All texts of an image together.
const MAX_TEXTS: u64 = 64 << 20;
/// Of an ESP or a BIOS boot partition.
const MAX_BOOT_CODE: u64 = 1 << 30;
/// Before the disk signature and the table of an MBR.
const MBR_CODE: u64 = 440;
/// A node has some ten thousand.
const MAX_ENTRIES: usize = 4 << 20;
/// A loop of directories ends there.
const MAX_DEPTH: usize = 256;
const PIECE: usize = 256 << 10;

/// Below these the content of small files is kept, to be read by a section.
const KEPT: [&str; 8] = [
    "/etc",
    "/boot/grub",
    "/boot/grub2",
    "/boot/loader/entries",
    "/usr/lib/sysctl.d",
    "/usr/lib/modules-load.d",
    "/usr/lib/modprobe.d",
    "/root/.ssh",
];
const CAPABILITY: &str = "security.capability";

/// One entry of the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) entry: Entry,
    /// Of a regular file.
    pub(super) sha256: Option<Sha256>,
    /// Of a symbolic link.
    pub(super) target: Option<PathBuf>,
    /// `security.capability` of a regular file, where the tree can tell.
    pub(super) capability: Option<Vec<u8>>,
}

/// An image, as far as it is compared.
#[derive(Debug)]
pub struct Snapshot {
    /// Digests of what boots without a filesystem of the system.
    pub(super) boot_code: BTreeMap<u32, Sha256>,
    pub(super) layout: SystemLayout,
    pub(super) packages: Vec<Package>,
    /// Names of packages, and their files as the database has them.
    pub(super) owned: BTreeMap<String, BTreeSet<PathBuf>>,
    pub(super) components: Vec<Component>,
    pub(super) images: Vec<ContainerImage>,
    pub(super) entries: BTreeMap<PathBuf, Record>,
    texts: BTreeMap<PathBuf, Vec<u8>>,
}

impl Snapshot {
    /// Takes one of `tree`, whose system is `layout` on `disk`.
    ///
    /// # Errors
    /// Those of reading the tree; `Cancelled`.
    pub fn take(
        tree: &dyn FileTree,
        disk: &dyn ReadAt,
        layout: &SystemLayout,
        monitor: &Monitor,
    ) -> Result<Self> {
        let packages = packages(tree)?;
        let mut snapshot = Self {
            boot_code: boot_code(disk, layout)?,
            layout: layout.clone(),
            owned: owned(tree)?,
            components: components(&packages, &go_programs(tree)?),
            packages,
            images: container_images(tree)?,
            entries: BTreeMap::new(),
            texts: BTreeMap::new(),
        };
        let mut room = MAX_TEXTS;
        let mut pending = vec![PathBuf::from("/")];
        while let Some(directory) = pending.pop() {
            let names = tree.read_dir(&directory)?.unwrap_or_default();
            if snapshot.entries.len() + names.len() > MAX_ENTRIES {
                return Err(Error::unsupported(
                    "the image has too many files to be compared",
                ));
            }
            for name in names {
                monitor.check()?;
                let path = directory.join(name);
                let Some(entry) = tree.link_metadata(&path)? else {
                    continue;
                };
                snapshot.add(tree, &path, &entry, &mut room).at(&path)?;
                if entry.is_dir() && path.iter().count() < MAX_DEPTH {
                    pending.push(path);
                }
            }
        }
        Ok(snapshot)
    }

    fn add(
        &mut self,
        tree: &dyn FileTree,
        path: &Path,
        entry: &Entry,
        room: &mut u64,
    ) -> Result<()> {
        let mut record = Record {
            entry: *entry,
            sha256: None,
            target: None,
            capability: None,
        };
        if entry.is_symlink() {
            record.target = tree.read_link(path)?;
        } else if entry.is_file()
            && let Some(mut file) = tree.open(path)?
        {
            let keep = entry.len <= MAX_TEXT.min(*room) && is_kept(path);
            let (sha256, content) = read(file.as_mut(), keep)?;
            record.sha256 = Some(sha256);
            if keep {
                *room -= entry.len;
                self.texts.insert(path.to_owned(), content);
            }
        }
        if entry.is_file() && entry.mode & 0o111 != 0 {
            let all = tree.xattrs(path)?.unwrap_or_default();
            let of_it = |(name, _): &(OsString, Vec<u8>)| name == CAPABILITY;
            let found = all.into_iter().find(of_it);
            record.capability = found.map(|(_, value)| value);
        }
        self.entries.insert(path.to_owned(), record);
        Ok(())
    }

    /// The content of a file that was kept.
    pub(super) fn content(&self, path: impl AsRef<Path>) -> Option<&[u8]> {
        self.texts.get(path.as_ref()).map(Vec::as_slice)
    }

    /// The text of a file that was kept; empty when there is none.
    pub(super) fn text(&self, path: impl AsRef<Path>) -> String {
        let content = self.content(path).unwrap_or_default();
        String::from_utf8_lossy(content).into_owned()
    }

    /// The entries below a directory, in order.
    pub(super) fn below<'a>(
        &'a self,
        directory: &'a str,
    ) -> impl Iterator<Item = (&'a Path, &'a Record)> {
        let start = Path::new(directory);
        self.entries
            .range(start.to_owned()..)
            .take_while(move |(path, _)| path.starts_with(start))
            .filter(move |(path, _)| path.as_path() != start)
            .map(|(path, record)| (path.as_path(), record))
    }

    /// The kept files of a directory whose names end in `suffix`, as texts.
    pub(super) fn texts_in(
        &self,
        directory: &str,
        suffix: &str,
    ) -> Vec<(String, String)> {
        let start = Path::new(directory);
        self.texts
            .range(start.to_owned()..)
            .take_while(|(path, _)| path.starts_with(start))
            .filter(|(path, _)| path.parent() == Some(start))
            .filter_map(|(path, _)| {
                let shown = path.to_str()?;
                shown
                    .ends_with(suffix)
                    .then(|| (shown.to_owned(), self.text(path)))
            })
            .collect()
    }
}

fn owned(tree: &dyn FileTree) -> Result<BTreeMap<String, BTreeSet<PathBuf>>> {
    let mut owned: BTreeMap<String, BTreeSet<PathBuf>> = BTreeMap::new();
    packaged_files(tree, &mut |package, path| {
        let paths = owned.entry(package.to_owned()).or_default();
        paths.insert(PathBuf::from(path));
    })?;
    Ok(owned)
}

/// Digests of the ESP, of the BIOS boot partition, and as number 0 of the
/// code in the first sector.
fn boot_code(
    disk: &dyn ReadAt,
    layout: &SystemLayout,
) -> Result<BTreeMap<u32, Sha256>> {
    let mut ranges = vec![(0, 0, MBR_CODE.min(layout.disk_len))];
    for entry in &layout.partitions {
        if matches!(entry.role, Some(Role::Esp | Role::BiosBoot)) {
            let Partition {
                number, start, len, ..
            } = &entry.partition;
            ranges.push((*number, *start, (*len).min(MAX_BOOT_CODE)));
        }
    }
    let mut digests = BTreeMap::new();
    let mut piece = vec![0; PIECE];
    for (number, start, len) in ranges {
        let mut hasher = sha2::Sha256::new();
        let mut done = 0;
        while done < len {
            let left = usize::try_from(len - done).unwrap_or(PIECE);
            let part = &mut piece[..left.min(PIECE)];
            disk.read_at(start.saturating_add(done), part)
                .during("reading the boot code")?;
            hasher.update(&*part);
            done += crate::block::to_u64(part.len());
        }
        let digest: [u8; 32] = hasher.finalize().into();
        digests.insert(number, digest.into());
    }
    Ok(digests)
}

fn is_kept(path: &Path) -> bool {
    let keys = path.ends_with(".ssh/authorized_keys");
    keys || KEPT.iter().any(|directory| path.starts_with(directory))
}

/// The digest of a file, and its content when that is to be kept.
fn read(file: &mut dyn TreeFile, keep: bool) -> Result<(Sha256, Vec<u8>)> {
    let mut hasher = sha2::Sha256::new();
    let mut content = Vec::new();
    let mut piece = vec![0; PIECE];
    let mut at = 0_u64;
    loop {
        let read = file.read_at(at, &mut piece)?;
        let bytes = piece.get(..read).unwrap_or_default();
        hasher.update(bytes);
        if keep {
            content.extend_from_slice(bytes);
        }
        at = at.saturating_add(crate::block::to_u64(read));
        if read < PIECE {
            let digest: [u8; 32] = hasher.finalize().into();
            return Ok((Sha256::from(digest), content));
        }
    }
}
