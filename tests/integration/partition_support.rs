// SPDX-License-Identifier: Apache-2.0
//! Disks and tools for the tests of partition tables and filesystems.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use imagewright::Result;
use imagewright::block::{ReadAt, WriteAt};
use serde_json::{Value, json};
use tempfile::TempDir;

pub(crate) const MIB: u64 = 1 << 20;

/// A sparse file in a directory of its own, gone when dropped.
#[derive(Debug)]
pub(crate) struct Disk {
    dir: TempDir,
    file: File,
}

impl Disk {
    pub(crate) fn new(len: u64) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let file = File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .open(dir.path().join("disk"))
            .unwrap();
        file.set_len(len).unwrap();
        Self { dir, file }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.dir.path().join("disk")
    }

    /// The directory, for files beside the disk.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn set_len(&self, len: u64) {
        self.file.set_len(len).unwrap();
    }

    pub(crate) fn write(&self, offset: u64, bytes: &[u8]) {
        self.file.write_all_at(bytes, offset).unwrap();
    }

    pub(crate) fn bytes(&self, offset: u64, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        self.file.read_exact_at(&mut bytes, offset).unwrap();
        bytes
    }

    /// A disk with what `sfdisk` makes of a script.
    pub(crate) fn partitioned(len: u64, script: &str) -> Self {
        let disk = Self::new(len);
        let path = disk.path();
        let args = ["--quiet", "--no-reread", "--no-tell-kernel"];
        run_with("sfdisk", &[&args[..], &[text(&path)]].concat(), script);
        disk
    }

    /// As [`partitioned`](Self::partitioned), with 4096-byte sectors. Debian
    /// 12's `sfdisk` only knows 512, but `fdisk` reads its scripts.
    pub(crate) fn partitioned_4k(len: u64, script: &str) -> Self {
        let disk = Self::new(len);
        let file = disk.dir().join("script");
        std::fs::write(&file, script).unwrap();
        disk.fdisk_4k(&format!("I\n{}\nw\n", file.display()));
        disk
    }

    fn fdisk_4k(&self, commands: &str) {
        let path = self.path();
        let args = ["-w", "always", "-W", "always", "-b", "4096", text(&path)];
        run_with("fdisk", &args, commands);
    }

    /// What `sfdisk --json` says of the disk.
    pub(crate) fn table_json(&self) -> Value {
        let path = self.path();
        let json = run("sfdisk", &["--json", text(&path)]);
        let mut json: Value = serde_json::from_str(&json).unwrap();
        json["partitiontable"].take()
    }

    /// As [`table_json`](Self::table_json), for 4096-byte sectors; made of
    /// the dump `fdisk` writes.
    pub(crate) fn table_json_4k(&self) -> Value {
        let file = self.dir().join("dump");
        self.fdisk_4k(&format!("O\n{}\nq\n", file.display()));
        let dump = std::fs::read_to_string(&file).unwrap();
        std::fs::remove_file(file).unwrap();
        let number = |text: &str| text.parse::<u64>().ok();
        let value = |text: &str| match number(text) {
            Some(number) => json!(number),
            None => json!(text),
        };
        let mut table = json!({"partitions": []});
        for line in dump.lines() {
            if let Some((node, fields)) = line.split_once(" : ") {
                let mut partition = json!({"node": node});
                for field in fields.split(", ") {
                    let (key, text) = field.split_once('=').unwrap();
                    partition[key] = match key {
                        "type" | "uuid" => json!(text),
                        _ => value(text.trim()),
                    };
                }
                table["partitions"].as_array_mut().unwrap().push(partition);
            } else if let Some((key, text)) = line.split_once(": ") {
                let key = match key {
                    "label-id" => "id",
                    "sector-size" => "sectorsize",
                    "last-lba" => "lastlba",
                    key => key,
                };
                table[key] = value(text);
            }
        }
        table
    }

    /// Copies another disk into this one, leaving out what is zero.
    pub(crate) fn put_disk(&self, offset: u64, other: &Disk) {
        const PIECE: usize = 1 << 20;
        let zeroes = vec![0; PIECE];
        let mut piece = vec![0; PIECE];
        let len = other.size();
        for at in (0..len).step_by(PIECE) {
            let left = usize::try_from(len - at).unwrap();
            let piece = &mut piece[..left.min(PIECE)];
            other.file.read_exact_at(piece, at).unwrap();
            if *piece != zeroes[..piece.len()] {
                self.write(offset + at, piece);
            }
        }
    }
}

impl ReadAt for Disk {
    fn size(&self) -> u64 {
        self.file.metadata().unwrap().len()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        Ok(self.file.read_exact_at(buf, offset)?)
    }
}

impl WriteAt for Disk {
    fn write_at(&self, offset: u64, buf: &[u8]) -> Result<()> {
        WriteAt::write_at(&self.file, offset, buf)
    }
}

/// A path of a test, which is always UTF-8.
pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Runs a tool that has to succeed; its standard output.
pub(crate) fn run(tool: &str, args: &[&str]) -> String {
    run_with(tool, args, "")
}

/// As [`run`], with a standard input.
pub(crate) fn run_with(tool: &str, args: &[&str], input: &str) -> String {
    let (status, stdout, stderr) = try_run(tool, args, input);
    assert_eq!(status, 0, "{tool} {args:?}: {stdout}{stderr}");
    stdout
}

/// Exit status, standard output and standard error of a tool.
pub(crate) fn try_run(
    tool: &str,
    args: &[&str],
    input: &str,
) -> (i32, String, String) {
    use std::io::Write;
    let mut child = Command::new(tool)
        .args(args)
        .env("PATH", path_with_sbin())
        .env("LC_ALL", "C.UTF-8")
        .env("MTOOLS_SKIP_CHECK", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|e| {
            panic!("cannot run {tool} ({e}): run fixtures/setup.sh")
        });
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    let feeder = std::thread::spawn(move || {
        // A tool may end without reading.
        let _ = stdin.write_all(input.as_bytes());
    });
    let output = child.wait_with_output().unwrap();
    feeder.join().unwrap();
    let said = |bytes| String::from_utf8_lossy(bytes).into_owned();
    (
        output.status.code().unwrap_or(-1),
        said(&output.stdout),
        said(&output.stderr),
    )
}

/// Debian keeps the tools out of a user's `PATH`.
fn path_with_sbin() -> String {
    let path = std::env::var("PATH").unwrap_or_default();
    format!("{path}:/usr/sbin:/sbin")
}

/// Changes bytes of goldens: the same way in every run, or another way with a
/// number in `MUTATION_SEED`.
pub(crate) struct Mutator(u64);

impl Mutator {
    pub(crate) fn new(seed: u64) -> Self {
        let other = std::env::var("MUTATION_SEED").unwrap_or_default();
        let other: u64 = other.parse().unwrap_or(0);
        Self((seed ^ other.wrapping_mul(0x9e37_79b9_7f4a_7c15)) | 1)
    }

    /// xorshift64*.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    /// Changes a few places within ranges: bits, bytes, and numbers of all
    /// widths with values that parsers stumble over.
    pub(crate) fn mutate(
        &mut self,
        bytes: &mut [u8],
        ranges: &[std::ops::Range<usize>],
    ) {
        const ODD: [u64; 8] =
            [0, 1, 0x7f, 0xff, 0xffff, 0x7fff_ffff, u64::MAX, 1 << 63];
        for _ in 0..=self.below(3) {
            let range = &ranges[self.below(ranges.len())];
            let at = range.start + self.below(range.len());
            let width = [1, 2, 4, 8][self.below(4)].min(bytes.len() - at);
            let value = match self.below(4) {
                0 => u64::from(bytes[at]) ^ (1 << self.below(8)),
                1 => self.next(),
                2 => self.next() % 4096,
                _ => ODD[self.below(ODD.len())],
            };
            let encoded = match self.below(4) {
                0 => value.to_be_bytes()[8 - width..].to_vec(),
                _ => value.to_le_bytes()[..width].to_vec(),
            };
            bytes[at..at + width].copy_from_slice(&encoded);
        }
    }
}

/// Fails a test whose body takes unreasonably long.
pub(crate) fn bounded<T>(what: &str, body: impl FnOnce() -> T) -> T {
    let start = std::time::Instant::now();
    let result = body();
    let took = start.elapsed();
    assert!(took.as_secs() < 20, "{what} took {took:?}");
    result
}
