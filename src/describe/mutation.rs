// SPDX-License-Identifier: Apache-2.0
//! Any bytes in the place of a database lead to a result or an error.
//!
//! Small databases made here are changed at random, thousands of times; with
//! the overflow checks of a test build. `IMAGEWRIGHT_MUTATIONS` says how
//! often.

use std::time::{Duration, Instant};

use super::tree::FileTree;
use super::tree::memory::MemoryTree;
use super::{container_images, go_programs, owned_files, packages};

const DPKG: &str = "Package: a\nStatus: install ok installed\n\
    Architecture: amd64\nSource: s (1)\nVersion: 1:2-3\nInstalled-Size: 7\n\
    Maintainer: A <a@b.c>\nProvides: b, c (= 1)\n\nPackage: d\n\
    Status: hold ok half-configured\nArchitecture: all\nVersion: 1\n";
const APK: &str = "C:Q1pnXmBGfnIwxlVu3MG+SMeJRp9aM=\nP:musl\nV:1.2.5-r0\n\
    A:x86_64\nI:667648\nL:MIT\no:musl\nm:A <a@b.c>\nF:lib\nR:ld.so\n";

/// The header of a package: name, version, release, a file.
fn header() -> Vec<u8> {
    let entries: [(u32, u32, u32, &[u8]); 6] = [
        (1000, 6, 1, b"name\0"),
        (1001, 6, 1, b"1.2\0"),
        (1002, 6, 1, b"3\0\0\0"),
        (1116, 4, 1, &[0; 4]),
        (1117, 8, 1, b"file\0"),
        (1118, 8, 1, b"/etc/\0"),
    ];
    let (mut index, mut data) = (Vec::new(), Vec::new());
    for (tag, kind, count, value) in entries {
        for number in [tag, kind, data.len() as u32, count] {
            index.extend(number.to_be_bytes());
        }
        data.extend(value);
    }
    let mut header = Vec::new();
    for number in [entries.len() as u32, data.len() as u32] {
        header.extend(number.to_be_bytes());
    }
    [header, index, data].concat()
}

fn put(page: &mut [u8], at: usize, bytes: &[u8]) {
    page[at..at + bytes.len()].copy_from_slice(bytes);
}

fn ndb(header: &[u8]) -> Vec<u8> {
    let mut file = vec![0; 4096];
    put(&mut file, 0, b"RpmP");
    put(&mut file, 12, &1_u32.to_le_bytes());
    for slot in (32..4096).step_by(16) {
        put(&mut file, slot, b"Slot");
    }
    put(&mut file, 36, &1_u32.to_le_bytes());
    put(&mut file, 40, &256_u32.to_le_bytes());
    file.extend(b"BlbS");
    file.extend(1_u32.to_le_bytes());
    file.extend(1_u32.to_le_bytes());
    file.extend((header.len() as u32).to_le_bytes());
    file.extend(header);
    file
}

/// A page for all, one for keys and values, one for the value.
fn bdb(header: &[u8]) -> Vec<u8> {
    const PAGE: usize = 512;
    let mut file = vec![0; 3 * PAGE];
    put(&mut file, 12, &0x0006_1561_u32.to_le_bytes());
    put(&mut file, 20, &512_u32.to_le_bytes());
    file[25] = 8;
    let page = &mut file[PAGE..2 * PAGE];
    page[25] = 13;
    put(page, 20, &2_u16.to_le_bytes());
    put(page, 26, &507_u16.to_le_bytes());
    put(page, 28, &495_u16.to_le_bytes());
    put(page, 507, &[1, 1, 0, 0, 0]);
    page[495] = 3;
    put(page, 499, &2_u32.to_le_bytes());
    put(page, 503, &(header.len() as u32).to_le_bytes());
    let page = &mut file[2 * PAGE..];
    page[25] = 7;
    put(page, 22, &(header.len() as u16).to_le_bytes());
    put(page, 26, header);
    file
}

/// Pages of 512 bytes: the schema, an inner page, two of rows, one that a row
/// overflows to.
fn sqlite() -> Vec<u8> {
    const PAGE: usize = 512;
    let header = header_of_some_length();
    let mut file = vec![0; 6 * PAGE];
    put(&mut file, 0, b"SQLite format 3\0");
    put(&mut file, 16, &512_u16.to_be_bytes());
    // type, name, tbl_name, rootpage, sql
    let mut record = vec![6, 23, 29, 29, 1, 13];
    record.extend(b"tablePackagesPackages\x02");
    leaf(&mut file[..PAGE], 100, &[(1, &record, None)], record.len());
    let page = &mut file[PAGE..2 * PAGE];
    page[0] = 5;
    put(page, 3, &1_u16.to_be_bytes());
    put(page, 8, &4_u32.to_be_bytes());
    put(page, 12, &500_u16.to_be_bytes());
    put(page, 500, &[0, 0, 0, 3, 1]);
    // NULL, and a blob whose length is even and at least 12.
    let mut row = vec![4, 0];
    let kind = 12 + 2 * header.len();
    row.extend([(kind >> 7) as u8 | 0x80, (kind & 0x7f) as u8]);
    row.extend(&header);
    let total = row.len();
    // The part that stands in the cell: see `local_part`.
    let min = (PAGE - 12) * 32 / 255 - 23;
    let part = min + (total - min) % (PAGE - 4);
    let local = if part <= PAGE - 35 { part } else { min };
    let cell: &[u8] = &row[..local];
    for number in [3, 4] {
        let at = (number - 1) * PAGE;
        let page = &mut file[at..at + PAGE];
        leaf(page, 0, &[(number as u8, cell, Some(5))], total);
    }
    let mut rest = &row[local..];
    for number in [5_usize, 6] {
        let at = (number - 1) * PAGE;
        let next = if rest.len() > PAGE - 4 { number + 1 } else { 0 };
        put(&mut file, at, &(next as u32).to_be_bytes());
        let len = rest.len().min(PAGE - 4);
        put(&mut file, at + 4, &rest[..len]);
        rest = &rest[len..];
    }
    assert!(rest.is_empty());
    file
}

/// A page of rows: number, what stands in the cell, where it goes on.
fn leaf(
    page: &mut [u8],
    head: usize,
    rows: &[(u8, &[u8], Option<u32>)],
    total: usize,
) {
    page[head] = 13;
    put(page, head + 3, &(rows.len() as u16).to_be_bytes());
    let mut end = page.len();
    for (index, (number, local, overflow)) in rows.iter().enumerate() {
        let mut cell = vec![(total >> 7) as u8 | 0x80, (total & 0x7f) as u8];
        cell.push(*number);
        cell.extend(*local);
        cell.extend(overflow.iter().flat_map(|page| page.to_be_bytes()));
        end -= cell.len();
        put(page, end, &cell);
        put(page, head + 8 + index * 2, &(end as u16).to_be_bytes());
    }
}

/// Long enough to overflow from its cell.
fn header_of_some_length() -> Vec<u8> {
    let mut header = header();
    let len = u32::from_be_bytes(header[4..8].try_into().unwrap());
    put(&mut header, 4, &(len + 700).to_be_bytes());
    header.resize(header.len() + 700, b'x');
    header
}

type Item<'a> = (u32, &'a [u8], Vec<u8>);

fn page(id: u64, items: &[Item<'_>]) -> Vec<u8> {
    let mut page = Vec::new();
    page.extend(id.to_le_bytes());
    page.extend(2_u16.to_le_bytes());
    page.extend((items.len() as u16).to_le_bytes());
    page.extend(0_u32.to_le_bytes());
    let mut data: Vec<u8> = Vec::new();
    for (index, (flags, key, value)) in items.iter().enumerate() {
        let position = (items.len() - index) * 16 + data.len();
        let lens = [position, key.len(), value.len()];
        page.extend(flags.to_le_bytes());
        for len in lens {
            page.extend((len as u32).to_le_bytes());
        }
        data.extend(*key);
        data.extend(value);
    }
    page.extend(data);
    page
}

fn bucket(items: &[Item<'_>]) -> Vec<u8> {
    [vec![0; 16], page(0, items)].concat()
}

/// One image with a label, in buckets within pages.
fn bolt() -> Vec<u8> {
    const PAGE: usize = 4096;
    let target = bucket(&[
        (0, b"digest", b"sha256:aa".to_vec()),
        (0, b"mediatype", b"application/x".to_vec()),
        (0, b"size", vec![0xb4, 0x07]),
    ]);
    let labels =
        bucket(&[(0, b"io.cri-containerd.pinned", b"pinned".to_vec())]);
    let image = bucket(&[(1, b"labels", labels), (1, b"target", target)]);
    let images = bucket(&[(1, b"registry.example/a:1", image)]);
    let namespace = bucket(&[(1, b"images", images)]);
    let schema = bucket(&[(1, b"k8s.io", namespace)]);
    let mut file = vec![0; 3 * PAGE];
    for (place, transaction) in [(0, 1_u64), (PAGE, 2)] {
        let meta = &mut file[place + 16..place + 80];
        put(meta, 0, &0xed0c_daed_u32.to_le_bytes());
        put(meta, 4, &2_u32.to_le_bytes());
        put(meta, 8, &4096_u32.to_le_bytes());
        put(meta, 16, &2_u64.to_le_bytes());
        put(meta, 48, &transaction.to_le_bytes());
        let sum = meta[..56].iter().fold(0xcbf2_9ce4_8422_2325, |sum, byte| {
            (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        });
        put(meta, 56, &sum.to_le_bytes());
    }
    put(&mut file, 2 * PAGE, &page(2, &[(1, b"v1", schema)]));
    file
}

/// ELF without sections, whose data begins with what the linker of Go says.
fn program() -> Vec<u8> {
    let mut file = vec![0; 256];
    put(&mut file, 0, b"\x7fELF\x02\x01\x01");
    put(&mut file, 16, &[2, 0, 62, 0, 1]);
    file[32] = 64;
    put(&mut file, 54, &[56, 0, 1, 0]);
    // A segment to load, that can be written.
    put(&mut file, 64, &[1, 0, 0, 0, 6]);
    file[64 + 9] = 1;
    let modules = "0123456789abcdefpath\texample.org/a\n\
        mod\texample.org/a\tv1.0.0\t\ndep\texample.org/b\tv1.2.3\th1:x=\n\
        =>\texample.org/c\tv1.2.4\nbuild\t-ldflags=-X a.version=v1\n\
        0123456789abcdef";
    file.extend(b"\xff Go buildinf:\x08\x02");
    file.extend([0; 16]);
    file.push(8);
    file.extend(b"go1.22.3");
    file.extend([modules.len() as u8 | 0x80, (modules.len() >> 7) as u8]);
    file.extend(modules.as_bytes());
    file
}

/// What is read, and from where.
type Case = (&'static str, Vec<u8>, fn(&dyn FileTree) -> usize);

fn cases() -> Vec<Case> {
    let of_packages = |tree: &dyn FileTree| {
        let _ = owned_files(tree, &mut |_| {});
        packages(tree).map_or(0, |found| found.len())
    };
    let images =
        |tree: &dyn FileTree| container_images(tree).map_or(0, |i| i.len());
    let programs =
        |tree: &dyn FileTree| go_programs(tree).map_or(0, |p| p.len());
    let mut program = program();
    // Smaller files are no programs of Go.
    program.resize(300 << 10, 0);
    vec![
        ("/var/lib/dpkg/status", DPKG.into(), of_packages),
        ("/lib/apk/db/installed", APK.into(), of_packages),
        ("/var/lib/rpm/Packages.db", ndb(&header()), of_packages),
        ("/var/lib/rpm/Packages", bdb(&header()), of_packages),
        ("/var/lib/rpm/rpmdb.sqlite", sqlite(), of_packages),
        (
            "/var/lib/containerd/io.containerd.metadata.v1.bolt/meta.db",
            bolt(),
            images,
        ),
        ("/usr/bin/program", program, programs),
    ]
}

#[test]
fn what_is_made_here_is_sound() {
    let counts: Vec<usize> = cases()
        .into_iter()
        .map(|(path, bytes, read)| {
            read(&MemoryTree::default().program(path, bytes))
        })
        .collect();
    // The two rows of the sqlite database are the same package.
    assert_eq!(counts, [2, 1, 1, 1, 1, 1, 1]);
}

/// xorshift64*.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        high as usize % end.max(1)
    }
}

/// Changes a few bytes, mostly where there are some, or cuts the end off.
fn change(bytes: &mut Vec<u8>, random: &mut Random) {
    const VALUES: [u8; 8] = [0, 1, 2, 0x10, 0x7f, 0x80, 0xfe, 0xff];
    for _ in 0..=random.below(4) {
        let mut at = random.below(bytes.len());
        // Zeros are mostly room that nobody looks at.
        for _ in 0..20 {
            if bytes[at] == 0 {
                at = random.below(bytes.len().min(6000));
            }
        }
        bytes[at] = match random.below(3) {
            0 => bytes[at] ^ 1 << random.below(8),
            1 => VALUES[random.below(VALUES.len())],
            _ => random.below(256) as u8,
        };
    }
    if random.below(20) == 0 {
        bytes.truncate(random.below(bytes.len()).max(1));
    }
}

#[test]
fn changed_databases_end_in_time() {
    let times = std::env::var("IMAGEWRIGHT_MUTATIONS");
    let times = times.ok().and_then(|n| n.parse().ok()).unwrap_or(1000);
    for (path, bytes, read) in cases() {
        for seed in 1..=times {
            let mut random = Random(seed * 0x9e37_79b9 + 1);
            let mut changed = bytes.clone();
            change(&mut changed, &mut random);
            let tree = MemoryTree::default().program(path, changed);
            let start = Instant::now();
            read(&tree);
            let took = start.elapsed();
            assert!(took < Duration::from_secs(10), "{path} {seed}: {took:?}");
        }
    }
}
