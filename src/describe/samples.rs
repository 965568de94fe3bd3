// SPDX-License-Identifier: Apache-2.0
//! Small databases of package managers and of containerd, and a program: what
//! tests and fuzzers begin with.

/// dpkg's status: two packages.
pub const DPKG: &str = "Package: a\nStatus: install ok installed\n\
    Architecture: amd64\nSource: s (1)\nVersion: 1:2-3\nInstalled-Size: 7\n\
    Maintainer: A <a@b.c>\nProvides: b, c (= 1)\n\nPackage: d\n\
    Status: hold ok half-configured\nArchitecture: all\nVersion: 1\n";
/// apk's list: one package.
pub const APK: &str = "C:Q1pnXmBGfnIwxlVu3MG+SMeJRp9aM=\nP:musl\nV:1.2.5-r0\n\
    A:x86_64\nI:667648\nL:MIT\no:musl\nm:A <a@b.c>\nF:lib\nR:ld.so\n";

/// The header of a package: name, version, release, a file.
pub fn header() -> Vec<u8> {
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

/// Writes `bytes` into a page.
pub fn put(page: &mut [u8], at: usize, bytes: &[u8]) {
    page[at..at + bytes.len()].copy_from_slice(bytes);
}

/// rpm's own form, with one header.
pub fn ndb(header: &[u8]) -> Vec<u8> {
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

/// Berkeley DB: a page for all, one for keys and values, one for the value.
pub fn bdb(header: &[u8]) -> Vec<u8> {
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

/// Long enough to overflow from its cell.
pub fn header_of_some_length() -> Vec<u8> {
    let mut header = header();
    let len = u32::from_be_bytes(header[4..8].try_into().expect("4 bytes"));
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

/// A bucket that stands in a value.
fn bucket(items: &[Item<'_>]) -> Vec<u8> {
    [vec![0; 16], page(0, items)].concat()
}

/// One image with a label, in buckets within pages.
pub fn bolt() -> Vec<u8> {
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
pub fn program() -> Vec<u8> {
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
