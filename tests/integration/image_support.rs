// SPDX-License-Identifier: Apache-2.0
//! Disks to convert, and qemu-img to judge.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use imagewright::block::BlockRead;
use imagewright::image::{self, Format, Gate, Image, OpenOptions, Written};
use tempfile::TempDir;

/// A directory with the files of one test.
pub(crate) struct Files(TempDir);

impl Files {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

/// Runs a tool of QEMU and returns what it printed.
pub(crate) fn run(tool: &str, args: &[&str]) -> String {
    let output = Command::new(tool).args(args).output().unwrap_or_else(|e| {
        panic!("{tool}: {e}: run fixtures/setup.sh to install it")
    });
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{tool} {args:?}: {stderr}");
    String::from_utf8(output.stdout).unwrap()
}

pub(crate) fn qemu_img(args: &[&str]) -> String {
    run("qemu-img", args)
}

/// As text for a command line.
pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A small generator of numbers; the same seed gives the same disk.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    /// Bytes that compress well, badly, or are zero.
    pub(crate) fn bytes(&mut self, len: usize) -> Vec<u8> {
        match self.below(4) {
            0 => vec![0; len],
            1 => (0..len).map(|_| self.next() as u8).collect(),
            2 => {
                let step = self.below(50) as usize + 1;
                (0..len).map(|n| (n / step) as u8).collect()
            }
            _ => (0..len)
                .map(|_| b"abcdefgh"[self.below(8) as usize])
                .collect(),
        }
    }
}

/// A sparse raw disk of `size` bytes with `writes` runs of any kind.
pub(crate) fn make_disk(path: &Path, size: u64, writes: u64, seed: u64) {
    let file = File::create(path).unwrap();
    file.set_len(size).unwrap();
    let mut random = Random(seed * 2 + 1);
    for _ in 0..writes {
        let offset = random.below(size);
        let len = 1 + random.below(300_000).min(size - offset - 1);
        let bytes = random.bytes(len as usize);
        file.write_all_at(&bytes, offset).unwrap();
    }
}

pub(crate) fn open_as(path: &Path, format: Format) -> Image {
    let options = OpenOptions::new().format(format).gate(Gate::beside());
    image::open(path, &options).unwrap()
}

/// What QEMU says the guest sees.
pub(crate) fn flatten(path: &Path, format: &str, files: &Files) -> PathBuf {
    let raw = files.path("flat.raw");
    qemu_img(&["convert", "-f", format, "-O", "raw", text(path), text(&raw)]);
    raw
}

/// Asserts that QEMU sees the same bytes in a raw file and in an image.
pub(crate) fn assert_identical(raw: &Path, path: &Path, format: &str) {
    let args = ["compare", "-f", "raw", "-F", format, text(raw), text(path)];
    qemu_img(&args);
}

/// Asserts that the disk has the bytes of the raw file, read in pieces of
/// odd sizes; and that what its extents call zero is zero.
pub(crate) fn assert_same(disk: &dyn BlockRead, raw: &Path) {
    let file = File::open(raw).unwrap();
    assert_eq!(disk.size(), file.metadata().unwrap().len());
    let mut random = Random(99);
    let mut offset = 0;
    while offset < disk.size() {
        let left = disk.size() - offset;
        let limit = [600, 70_000, 3_000_000][random.below(3) as usize];
        let len = (1 + random.below(limit)).min(left) as usize;
        let (mut ours, mut theirs) = (vec![1; len], vec![2; len]);
        disk.read_at(offset, &mut ours).unwrap();
        file.read_exact_at(&mut theirs, offset).unwrap();
        assert!(ours == theirs, "differs within {len} bytes at {offset}");
        offset += len as u64;
    }
    assert_extents(disk, &file);
}

fn assert_extents(disk: &dyn BlockRead, file: &File) {
    let mut offset = 0;
    while offset < disk.size() {
        let extent = disk.extent_at(offset, 1 << 20).unwrap();
        assert_eq!(extent.offset, offset);
        assert!(extent.len > 0 && extent.len <= 1 << 20);
        if extent.kind.reads_as_zero() {
            let mut bytes = vec![1; extent.len as usize];
            file.read_exact_at(&mut bytes, offset).unwrap();
            assert!(bytes.iter().all(|b| *b == 0), "{extent:?}");
        }
        offset = extent.end();
    }
}

/// Writes, zeroes and discards at random, as a guest would.
pub(crate) fn scribble(path: &Path, format: &str, size: u64, seed: u64) {
    let mut random = Random(seed * 2 + 1);
    let mut args = vec!["-f".to_owned(), format.to_owned()];
    for _ in 0..40 {
        let offset = random.below(size / 512) * 512;
        let len = (1 + random.below(400)) * 512;
        let len = len.min(size - offset);
        let command = match random.below(4) {
            0 => format!("write -z {offset} {len}"),
            1 => format!("discard {offset} {len}"),
            _ => {
                let pattern = random.below(256);
                format!("write -P {pattern} {offset} {len}")
            }
        };
        args.extend(["-c".to_owned(), command]);
    }
    args.push(text(path).to_owned());
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    run("qemu-io", &args);
}

/// A new file that is read back for its digest.
pub(crate) fn create(path: &Path) -> File {
    File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(path)
        .unwrap()
}

/// Asserts that the file is what was reported.
pub(crate) fn assert_digest(path: &Path, written: &Written) {
    let sum = run("sha256sum", &[text(path)]);
    assert!(sum.starts_with(written.sha256.as_deref().unwrap()));
    assert_eq!(written.bytes, path.metadata().unwrap().len());
}
