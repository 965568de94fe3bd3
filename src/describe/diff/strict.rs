// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Whether two trees are the same, to the last attribute.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use nix::sys::stat::SFlag;
use sha2::Digest as _;

use super::{Change, DiffReport, Finding, Topic};
use crate::error::{Context, Result};
use crate::mount::{GuestRoot, Visited};
use crate::progress::Monitor;
use crate::recipe::Sha256;

const PIECE: usize = 256 << 10;

/// Everything about an entry that a copy would have to keep.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Exact {
    mode: u32,
    owner: (u32, u32),
    /// Of files: directories have the size their filesystem gives them.
    size: Option<i64>,
    modified: (i64, i64),
    device: Option<u64>,
    /// Digest of the content, or the target of a link.
    content: String,
    /// The first path of the same file.
    hard_link: Option<PathBuf>,
    xattrs: Vec<(std::ffi::OsString, Vec<u8>)>,
}

/// Every entry of a mounted image.
#[derive(Debug)]
pub struct Listing(BTreeMap<PathBuf, Exact>);

impl Listing {
    /// Lists `root`, content included; `esp` is where the EFI system
    /// partition is mounted, whose directories have the times of the mount.
    ///
    /// # Errors
    /// `Io`, `Cancelled`.
    pub fn of(
        root: &GuestRoot,
        esp: Option<&Path>,
        monitor: &Monitor,
    ) -> Result<Self> {
        let mut entries = BTreeMap::new();
        let mut first: BTreeMap<(u64, u64), PathBuf> = BTreeMap::new();
        root.walk(&mut |entry| {
            monitor.check()?;
            let stat = entry.stat;
            let file = entry.kind() == SFlag::S_IFREG;
            let hard_link = (file && stat.st_nlink > 1)
                .then(|| {
                    let key = (stat.st_dev, stat.st_ino);
                    let path = entry.path.to_owned();
                    first.entry(key).or_insert(path).clone()
                })
                .filter(|first| first != entry.path);
            let mut exact = exact(root, entry, hard_link).at(entry.path)?;
            let in_esp = esp.is_some_and(|esp| entry.path.starts_with(esp));
            if in_esp && entry.kind() == SFlag::S_IFDIR {
                exact.modified = (0, 0);
            }
            entries.insert(entry.path.to_owned(), exact);
            Ok(())
        })
        .during("reading the files of the image")?;
        Ok(Self(entries))
    }
}

fn exact(
    root: &GuestRoot,
    entry: &Visited<'_>,
    hard_link: Option<PathBuf>,
) -> Result<Exact> {
    let stat = entry.stat;
    let content = match entry.kind() {
        SFlag::S_IFREG => digest(root, entry.path)?.to_string(),
        SFlag::S_IFLNK => {
            let target = root.read_link(entry.path)?.unwrap_or_default();
            target.display().to_string()
        }
        _ => String::new(),
    };
    let special = matches!(entry.kind(), SFlag::S_IFBLK | SFlag::S_IFCHR);
    let directory = entry.kind() == SFlag::S_IFDIR;
    let xattrs = match entry.path == Path::new("/") {
        true => Vec::new(),
        false => root.xattrs(entry.path)?,
    };
    Ok(Exact {
        mode: stat.st_mode,
        owner: (stat.st_uid, stat.st_gid),
        size: (!directory).then_some(stat.st_size),
        modified: (stat.st_mtime, stat.st_mtime_nsec),
        device: special.then_some(stat.st_rdev),
        content,
        hard_link,
        xattrs,
    })
}

fn digest(root: &GuestRoot, path: &Path) -> Result<Sha256> {
    let mut file: File = root.open_file(path)?;
    let mut hasher = sha2::Sha256::new();
    let mut piece = vec![0; PIECE];
    loop {
        match file.read(&mut piece)? {
            0 => break,
            read => hasher.update(piece.get(..read).unwrap_or_default()),
        }
    }
    let digest: [u8; 32] = hasher.finalize().into();
    Ok(digest.into())
}

/// Every path at which the second tree is not the first.
pub fn compare_listings(before: &Listing, after: &Listing) -> DiffReport {
    let (before, after) = (&before.0, &after.0);
    let mut findings = Vec::new();
    for (path, old) in before {
        let subject = path.display().to_string();
        match after.get(path) {
            None => findings.push(Finding::new(Change::Removed, subject)),
            Some(new) if new != old => {
                findings.push(Finding {
                    after: Some(aspects(old, new).join(", ")),
                    ..Finding::new(Change::Changed, subject)
                });
            }
            Some(_) => {}
        }
    }
    let come = after.keys().filter(|path| !before.contains_key(*path));
    findings.extend(
        come.map(|path| {
            Finding::new(Change::Added, path.display().to_string())
        }),
    );
    findings.sort_by(|a, b| a.subject.cmp(&b.subject));
    DiffReport::new(true, vec![(Topic::Tree, findings)])
}

/// What of an entry differs; never its content.
fn aspects(old: &Exact, new: &Exact) -> Vec<String> {
    let mut aspects = Vec::new();
    let mut told = |name: &str, old: String, new: String| {
        if old != new {
            aspects.push(format!("{name} {old} -> {new}"));
        }
    };
    let mode = |exact: &Exact| format!("{:o}", exact.mode);
    told("mode", mode(old), mode(new));
    let owner = |exact: &Exact| format!("{}:{}", exact.owner.0, exact.owner.1);
    told("owner", owner(old), owner(new));
    let size = |exact: &Exact| {
        exact.size.map_or_else(String::new, |size| size.to_string())
    };
    told("size", size(old), size(new));
    let time =
        |exact: &Exact| format!("{}.{:09}", exact.modified.0, exact.modified.1);
    told("time", time(old), time(new));
    let different = [
        ("content", old.content != new.content),
        ("device", old.device != new.device),
        ("hard links", old.hard_link != new.hard_link),
        ("extended attributes", old.xattrs != new.xattrs),
    ];
    let different = different.iter().filter(|(_, differs)| *differs);
    aspects.extend(different.map(|(name, _)| (*name).to_owned()));
    aspects
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::UNIX_EPOCH;

    use super::*;

    #[test]
    fn every_aspect_is_told() {
        let make = |name: &str, content: &str| {
            let dir = tempfile::tempdir().unwrap();
            let at = |name: &str| dir.path().join(name);
            for file in ["a", "b", name] {
                fs::write(at(file), content).unwrap();
            }
            fs::hard_link(at("a"), at("link")).unwrap();
            std::os::unix::fs::symlink(name, at("sym")).unwrap();
            dir
        };
        let (one, two) = (make("x", "1"), make("y", "2"));
        fs::remove_file(two.path().join("link")).unwrap();
        fs::hard_link(two.path().join("b"), two.path().join("link")).unwrap();
        for dir in [&one, &two] {
            for name in ["a", "b", "x", "y", "."] {
                if let Ok(file) = File::open(dir.path().join(name)) {
                    file.set_modified(UNIX_EPOCH).unwrap();
                }
            }
        }
        // std cannot set the time of a link.
        for dir in [&one, &two] {
            let done = std::process::Command::new("touch")
                .args(["-h", "-d", "@0"])
                .arg(dir.path().join("sym"))
                .status();
            assert!(done.unwrap().success());
        }
        let listing = |dir: &tempfile::TempDir| {
            let root = GuestRoot::open(dir.path()).unwrap();
            Listing::of(&root, None, &Monitor::silent()).unwrap()
        };
        let report = compare_listings(&listing(&one), &listing(&two));
        let found: Vec<String> = report.sections[0]
            .findings
            .iter()
            .map(|f| {
                format!("{} {}", f.subject, f.after.clone().unwrap_or_default())
            })
            .collect();
        assert_eq!(
            found,
            [
                "/a content",
                "/b content",
                "/link content, hard links",
                "/sym content",
                "/x ",
                "/y ",
            ]
        );
        let same = compare_listings(&listing(&one), &listing(&one));
        assert!(same.identical && same.sections.is_empty());
    }
}
