// SPDX-License-Identifier: Apache-2.0
//! VHDX with a log to replay, VHDX and VHD with parents.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use imagewright::Monitor;
use imagewright::image::{
    self, Format, Gate, OpenOptions, Subformat, WriteOptions,
};

use crate::image_support::{
    Files, assert_same, create, flatten, make_disk, open_as, qemu_img, text,
};

/// CRC-32C, bit by bit.
fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0x82f6_3b78 & (crc & 1).wrapping_neg())
        })
    })
}

fn seal_vhdx(bytes: &mut [u8]) {
    bytes[4..8].fill(0);
    let sum = crc32c(bytes).to_le_bytes();
    bytes[4..8].copy_from_slice(&sum);
}

/// A log entry that replaces one page and zeroes a range.
fn log_entry(
    sequence: u64,
    tail: u32,
    file_len: u64,
    (page_at, page): (u64, &[u8]),
    (zero_at, zero_len): (u64, u64),
) -> Vec<u8> {
    let mut entry = b"loge\0\0\0\0".to_vec();
    entry.extend(8192_u32.to_le_bytes());
    entry.extend(tail.to_le_bytes());
    entry.extend(sequence.to_le_bytes());
    entry.extend(2_u64.to_le_bytes());
    entry.extend([0x42; 16]);
    entry.extend(file_len.to_le_bytes());
    entry.extend(file_len.to_le_bytes());
    entry.extend(b"zero\0\0\0\0");
    for field in [zero_len, zero_at, sequence] {
        entry.extend(field.to_le_bytes());
    }
    entry.extend(b"desc");
    entry.extend(&page[4092..]);
    entry.extend(&page[..8]);
    for field in [page_at, sequence] {
        entry.extend(field.to_le_bytes());
    }
    entry.resize(4096, 0);
    entry.extend(b"data");
    entry.extend(((sequence >> 32) as u32).to_le_bytes());
    entry.extend(&page[8..4092]);
    entry.extend((sequence as u32).to_le_bytes());
    seal_vhdx(&mut entry);
    entry
}

#[test]
fn replays_the_log_as_qemu_does() {
    let files = Files::new();
    let (raw, path) = (files.path("a.raw"), files.path("a.vhdx"));
    make_disk(&raw, 9_000_448, 40, 3);
    write(&raw, &path, &WriteOptions::new(Format::Vhdx));
    let clean = fs::read(&path).unwrap();
    let file_len = clean.len() as u64;
    let bat = 3 << 20;
    let first_block = 4_u64 << 20;
    // Begin at the log's start, in its middle, and around its end; a stale
    // entry of an older sequence is somewhere else.
    for start in [0_usize, 300 << 10, (1 << 20) - 4096, (1 << 20) - 12288] {
        let mut image = clean.clone();
        for header in [64 << 10, 128 << 10] {
            image[header + 48..header + 64].fill(0x42);
            seal_vhdx(&mut image[header..header + 4096]);
        }
        let mut page = clean[bat..bat + 4096].to_vec();
        // Two blocks change places, then one is gone.
        for at in 0..8 {
            page.swap(at, 8 + at);
        }
        let mut later = page.clone();
        later[16..24].fill(0);
        let tail = start as u32;
        let zero = (first_block + 8192, 20_480);
        let one = log_entry(7, tail, file_len, (bat as u64, &page), zero);
        let zero = (first_block + 65_536, 4096);
        let two = log_entry(8, tail, file_len, (bat as u64, &later), zero);
        let stale = (600 << 10) as u32;
        let old = log_entry(3, stale, file_len, (bat as u64, &[9; 4096]), zero);
        let log = 1 << 20;
        image[log + stale as usize..][..old.len()].copy_from_slice(&old);
        for (index, byte) in one.iter().chain(&two).enumerate() {
            image[log + (start + index) % (1 << 20)] = *byte;
        }
        fs::write(&path, &image).unwrap();
        let ours = open_as(&path, Format::Vhdx);
        assert!(ours.info().details.contains_key("dirty-log"));
        let copy = files.path("copy.vhdx");
        fs::copy(&path, &copy).unwrap();
        // QEMU replays when it may write.
        qemu_img(&["check", "-f", "vhdx", "-r", "all", text(&copy)]);
        let flat = flatten(&copy, "vhdx", &files);
        assert_same(&ours, &flat);
        assert!(fs::read(&path).unwrap() == image, "the file was written");
        assert!(fs::read(&flat).unwrap() != fs::read(&raw).unwrap());
        // A log whose entry is broken is an error, not old data.
        image[log + start + 70] ^= 1;
        image[log + stale as usize] = 0;
        fs::write(&path, &image).unwrap();
        let error = image::open(&path, &OpenOptions::new()).unwrap_err();
        assert_eq!(error.kind(), imagewright::ErrorKind::Corrupt);
    }
}

fn write(raw: &Path, path: &Path, options: &WriteOptions) {
    let source = open_as(raw, Format::Raw);
    let target = create(path);
    image::write(&source, &target, options, &Monitor::silent()).unwrap();
}

/// The child has what its bitmap says, the parent the rest: built from two
/// dynamic disks by changing the child's type and bitmaps.
#[test]
fn vhd_asks_its_parent_sector_by_sector() {
    let files = Files::new();
    let (base, top) = (files.path("base.raw"), files.path("top.raw"));
    make_disk(&base, 9_000_448, 40, 1);
    make_disk(&top, 9_000_448, 8, 2);
    let options = WriteOptions::new(Format::Vhd).subformat(Subformat::Dynamic);
    write(&base, &files.path("base.vhd"), &options);
    write(&top, &files.path("top.vhd"), &options);
    let mut child = fs::read(files.path("top.vhd")).unwrap();
    let mut expected = fs::read(&base).unwrap();
    let top = fs::read(&top).unwrap();
    let table = 1536;
    for block in 0..5 {
        let entry = &child[table + block * 4..][..4];
        let entry = u32::from_be_bytes(entry.try_into().unwrap());
        if entry == u32::MAX {
            continue;
        }
        let bitmap = entry as usize * 512;
        for sector in 0..4096 {
            let at = block * (2 << 20) + sector * 512;
            let here = (sector / 7 + block) % 3 == 0;
            if !here {
                child[bitmap + sector / 8] &= !(0x80 >> (sector % 8));
            } else if at < expected.len() {
                expected[at..at + 512].copy_from_slice(&top[at..at + 512]);
            }
        }
    }
    let end = child.len() - 512;
    for footer in [0, end] {
        child[footer + 63] = 4;
        seal(&mut child[footer..footer + 512], 64);
    }
    // A relative locator with the name in UTF-16, behind the last block.
    let name: Vec<u8> = ".\\base.vhd"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    let header = 512;
    child[header + 576..header + 580].copy_from_slice(b"W2ru");
    child[header + 587] = name.len() as u8;
    let place = (end as u64).to_be_bytes();
    child[header + 592..header + 600].copy_from_slice(&place);
    seal(&mut child[header..header + 1024], 36);
    let footer = child[end..].to_vec();
    child.truncate(end);
    child.extend(&name);
    child.resize(end + 512, 0);
    child.extend(footer);
    let path = files.path("child.vhd");
    fs::write(&path, child).unwrap();
    let flat = files.path("expected.raw");
    fs::write(&flat, expected).unwrap();
    assert_same(&open_as(&path, Format::Vhd), &flat);
    let denied = OpenOptions::new().gate(Gate::deny());
    assert!(image::open(&path, &denied).is_err());
}

/// The ones' complement sum of a VHD structure.
fn seal(bytes: &mut [u8], at: usize) {
    bytes[at..at + 4].fill(0);
    let sum: u32 = bytes.iter().map(|byte| u32::from(*byte)).sum();
    bytes[at..at + 4].copy_from_slice(&(!sum).to_be_bytes());
}

/// A child of one block whose odd sectors are its own, and of blocks that
/// are all the parent's.
#[test]
fn vhdx_asks_its_parent_sector_by_sector() {
    const MIB: usize = 1 << 20;
    let files = Files::new();
    let (base, top) = (files.path("base.raw"), files.path("top.raw"));
    make_disk(&base, 9_000_448, 40, 3);
    fs::write(&top, [vec![0x77; MIB], vec![0; 9_000_448 - MIB]].concat())
        .unwrap();
    let options = WriteOptions::new(Format::Vhdx);
    write(&base, &files.path("base.vhdx"), &options);
    write(&top, &files.path("top.vhdx"), &options);
    let mut child = fs::read(files.path("top.vhdx")).unwrap();
    let mut expected = fs::read(&base).unwrap();
    for at in (512..MIB).step_by(1024) {
        expected[at..at + 512].fill(0x77);
    }
    // Flags of the file parameters: has a parent.
    child[2 * MIB + 65_536 + 4] = 2;
    // A sixth metadata item: the locator, with one key.
    child[2 * MIB + 10] = 6;
    let utf16 = |text: &str| -> Vec<u8> {
        text.encode_utf16().flat_map(u16::to_le_bytes).collect()
    };
    let (key, value) = (utf16("relative_path"), utf16(".\\base.vhdx"));
    let mut locator = vec![
        0xb7, 0xef, 0x4a, 0xb0, 0x9e, 0xd1, 0x81, 0x4a, 0xb7, 0x89, 0x25, 0xb8,
        0xe9, 0x44, 0x59, 0x13, 0, 0, 1, 0,
    ];
    locator.extend(32_u32.to_le_bytes());
    locator.extend((32 + key.len() as u32).to_le_bytes());
    locator.extend((key.len() as u16).to_le_bytes());
    locator.extend((value.len() as u16).to_le_bytes());
    locator.extend(key);
    locator.extend(value);
    let item = 2 * MIB + 32 + 5 * 32;
    child[item..item + 16].copy_from_slice(&[
        0x2d, 0x5f, 0xd3, 0xa8, 0x0b, 0xb3, 0x4d, 0x45, 0xab, 0xf7, 0xd3, 0xd8,
        0x48, 0x34, 0xab, 0x0c,
    ]);
    child[item + 16..item + 20].copy_from_slice(&80_000_u32.to_le_bytes());
    let len = locator.len() as u32;
    child[item + 20..item + 24].copy_from_slice(&len.to_le_bytes());
    child[item + 24] = 4;
    let at = 2 * MIB + 80_000;
    child[at..at + locator.len()].copy_from_slice(&locator);
    // The first block is partly present; its bitmap is a new block.
    let bat = 3 * MIB;
    assert_eq!(child[bat] & 7, 6);
    child[bat] = child[bat] & !7 | 7;
    let bitmap = child.len().next_multiple_of(MIB);
    let ratio = 4096;
    let entry = bitmap as u64 | 6;
    child[bat + ratio * 8..][..8].copy_from_slice(&entry.to_le_bytes());
    child.resize(bitmap + MIB, 0);
    child[bitmap..bitmap + 256].fill(0b1010_1010);
    let path = files.path("child.vhdx");
    fs::write(&path, child).unwrap();
    let flat = files.path("expected.raw");
    fs::write(&flat, expected).unwrap();
    let image = open_as(&path, Format::Vhdx);
    assert_eq!(image.info().variant.as_deref(), Some("differencing"));
    assert_same(&image, &flat);
}

/// A VHDX whose headers say that there is a log of `len` bytes at `at`.
fn with_log(clean: &[u8], at: u64, len: u32) -> Vec<u8> {
    let mut image = clean.to_vec();
    for header in [64 << 10, 128 << 10] {
        let bytes = &mut image[header..header + 4096];
        bytes[48..64].fill(0x42);
        bytes[68..72].copy_from_slice(&len.to_le_bytes());
        bytes[72..80].copy_from_slice(&at.to_le_bytes());
        seal_vhdx(bytes);
    }
    image
}

#[test]
fn a_hostile_log_is_an_error_in_time() {
    let files = Files::new();
    let (raw, path) = (files.path("a.raw"), files.path("a.vhdx"));
    make_disk(&raw, 3_000_320, 12, 3);
    write(&raw, &path, &WriteOptions::new(Format::Vhdx));
    let clean = fs::read(&path).unwrap();
    let file_len = clean.len() as u64;
    let mib = 1 << 20;
    // The last sequence number there is, and one more entry.
    let mut image = with_log(&clean, mib, 1 << 20);
    let page = (4 << 20, &clean[4 << 20..(4 << 20) + 4096]);
    let entry = log_entry(u64::MAX, 0, file_len, page, (4 << 20, 0));
    let log = &mut image[1 << 20..2 << 20];
    log[..8192].copy_from_slice(&entry);
    log[8192..16_384].copy_from_slice(&entry);
    fs::write(&path, &image).unwrap();
    open_as(&path, Format::Vhdx);
    // Every sector claims to begin an entry as long as the log.
    let len = 32 << 20;
    let mut image = with_log(&clean, file_len, len);
    image.resize(image.len() + len as usize, 0);
    for sector in image[clean.len()..].chunks_exact_mut(4096) {
        sector[..4].copy_from_slice(b"loge");
        sector[8..12].copy_from_slice(&len.to_le_bytes());
        sector[32..48].fill(0x42);
    }
    fs::write(&path, &image).unwrap();
    let start = Instant::now();
    let error = image::open(&path, &OpenOptions::new()).unwrap_err();
    assert_eq!(error.kind(), imagewright::ErrorKind::Corrupt);
    assert!(start.elapsed() < Duration::from_secs(60));
}
