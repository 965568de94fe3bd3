// SPDX-License-Identifier: Apache-2.0
//! Any bytes in the place of a database lead to a result or an error.
//!
//! Small databases made here are changed at random, thousands of times; with
//! the overflow checks of a test build. `IMAGEWRIGHT_MUTATIONS` says how
//! often.

use std::time::{Duration, Instant};

use super::samples::{
    APK, DPKG, bdb, bolt, header, header_of_some_length, ndb, program, put,
};
use super::tree::FileTree;
use super::tree::memory::MemoryTree;
use super::{container_images, go_programs, owned_files, packages};

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
