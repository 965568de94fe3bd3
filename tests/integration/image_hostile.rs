// SPDX-License-Identifier: Apache-2.0
//! Broken and hostile images: an error or other bytes, never a panic, a
//! hang, or much memory.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use imagewright::block::{BlockRead, FileDisk, ReadAt};
use imagewright::image::{
    self, Compression, Format, OpenOptions, WriteOptions,
};
use imagewright::{ErrorKind, Monitor};

use crate::image_support::{
    Files, Random, create, make_disk, open_as, qemu_img, scribble, text,
};

/// Longest time one broken image may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Opens bytes as an image and reads what a converter would, up to 4 MiB of
/// it, from both ends.
fn exercise(bytes: Vec<u8>, format: Format) {
    let start = Instant::now();
    let disk: Arc<dyn BlockRead> = Arc::new(bytes);
    let options = OpenOptions::new().format(format);
    if let Ok(image) = image::open_disk(disk, &options) {
        let size = image.size();
        let mut buffer = vec![0; 1 << 20];
        for offset in [0, 1 << 20, size / 2, size.saturating_sub(1 << 20)] {
            let len = size.saturating_sub(offset).min(1 << 20) as usize;
            let _ = image.read_at(offset, &mut buffer[..len]);
        }
        let mut offset = 0;
        for _ in 0..2000 {
            if offset >= size {
                break;
            }
            match image.extent_at(offset, u64::MAX) {
                Ok(extent) => {
                    assert_eq!(extent.offset, offset);
                    assert!(extent.len > 0 && extent.end() <= size);
                    offset = extent.end();
                }
                Err(_) => offset += 65_536,
            }
        }
    }
    assert!(start.elapsed() < PATIENCE, "{:?}", start.elapsed());
}

/// Changes one to four places: bits, bytes, and whole fields that are often
/// limits.
fn mutate(bytes: &mut [u8], interesting: u64, random: &mut Random) {
    for _ in 0..=random.below(4) {
        let limit = match random.below(3) {
            0 => 512,
            1 => interesting,
            _ => bytes.len() as u64,
        };
        let at = random.below(limit.min(bytes.len() as u64)) as usize;
        let value: &[u8] = match random.below(6) {
            0 => &[bytes[at] ^ (1 << random.below(8))],
            1 => &[random.next() as u8],
            2 => &[0xff; 8],
            3 => &[0; 8],
            4 => &[0x7f, 0xff, 0xff, 0xff],
            _ => &random.next().to_le_bytes(),
        };
        let len = value.len().min(bytes.len() - at);
        let value = value[..len].to_vec();
        bytes[at..at + len].copy_from_slice(&value);
    }
}

/// Small images of every format, with how many bytes in front hold tables.
fn goldens(files: &Files) -> Vec<(String, Format, u64, Vec<u8>)> {
    let raw = files.path("a.raw");
    make_disk(&raw, 3_000_320, 12, 17);
    let mut goldens = Vec::new();
    let mut add = |name: &str, format, tables, path: &Path| {
        let bytes = fs::read(path).unwrap();
        goldens.push((name.to_owned(), format, tables, bytes));
    };
    for (name, format, options) in [
        ("qcow2", Format::Qcow2, "cluster_size=4096"),
        ("qcow2", Format::Qcow2, "cluster_size=16k,extended_l2=on"),
        ("qcow2", Format::Qcow2, "compat=0.10,cluster_size=512"),
        ("qcow", Format::Qcow, "encryption=off"),
        ("vmdk", Format::Vmdk, "subformat=monolithicSparse"),
        ("vmdk", Format::Vmdk, "subformat=streamOptimized"),
        ("vpc", Format::Vhd, "subformat=dynamic"),
        ("vpc", Format::Vhd, "subformat=fixed"),
        ("vdi", Format::Vdi, "static=off"),
        ("vhdx", Format::Vhdx, "subformat=dynamic"),
    ] {
        let path = files.path("golden");
        qemu_img(&[
            "convert",
            "-f",
            "raw",
            "-O",
            name,
            "-o",
            options,
            text(&raw),
            text(&path),
        ]);
        if name == "qcow2" {
            qemu_img(&["snapshot", "-c", "snap", text(&path)]);
            scribble(&path, name, 3_000_320, 3);
        }
        add(options, format, 70_000, &path);
        if name == "vhdx" {
            // Tables are spread over the first MiBs.
            add(options, format, 4 << 20, &path);
        }
    }
    let ours = |format, compression| {
        let options = WriteOptions::new(format).compression(compression);
        let path = files.path("ours");
        let source = open_as(&raw, Format::Raw);
        let monitor = Monitor::silent();
        image::write(&source, &create(&path), &options, &monitor).unwrap();
        path
    };
    for compression in [Compression::Zlib(1), Compression::Zstd(1)] {
        let path = ours(Format::Qcow2, compression);
        add(&compression.to_string(), Format::Qcow2, 512, &path);
    }
    for format in [Format::Vmdk, Format::Ova, Format::Vhd] {
        add("ours", format, 8192, &ours(format, Compression::None));
    }
    goldens
}

#[test]
fn changed_bytes_never_break_a_reader() {
    let files = Files::new();
    let rounds = std::env::var("IMAGEWRIGHT_MUTATIONS");
    let rounds = rounds.map_or(150, |rounds| rounds.parse().unwrap());
    for (name, format, tables, golden) in goldens(&files) {
        let mut random = Random(0x5eed ^ golden.len() as u64 | 1);
        for round in 0..rounds {
            let mut bytes = golden.clone();
            mutate(&mut bytes, tables, &mut random);
            let run = std::panic::AssertUnwindSafe(|| exercise(bytes, format));
            let result = std::panic::catch_unwind(run);
            assert!(result.is_ok(), "{format} {name}, round {round}");
        }
    }
}

#[test]
fn cut_files_never_break_a_reader() {
    let files = Files::new();
    for (_, format, _, golden) in goldens(&files) {
        for len in [0, 1, 7, 63, 72, 104, 511, 512, 513, 1024, 4096, 65_536] {
            exercise(golden[..len.min(golden.len())].to_vec(), format);
        }
        for part in 1..8 {
            exercise(golden[..golden.len() * part / 8].to_vec(), format);
        }
    }
}

#[test]
fn bytes_of_another_format_never_break_a_reader() {
    let files = Files::new();
    let mut random = Random(3);
    for (_, _, _, golden) in goldens(&files) {
        for format in Format::ALL {
            exercise(golden.clone(), format);
        }
    }
    for format in Format::ALL {
        let noise = (0..100_000).map(|_| random.next() as u8).collect();
        exercise(noise, format);
    }
}

#[test]
fn descriptors_stay_beside_the_image() {
    let files = Files::new();
    let secret = files.path("secret");
    fs::write(&secret, vec![0x5a; 4096]).unwrap();
    let dir = files.path("dir");
    fs::create_dir(&dir).unwrap();
    std::os::unix::fs::symlink("../secret", dir.join("link")).unwrap();
    let absolute = text(&secret);
    for name in ["../secret", absolute, "link", "x/../../secret"] {
        let path = dir.join("a.vmdk");
        let text = format!(
            "# Disk DescriptorFile\nversion=1\nparentCID=ffffffff\n\
             createType=\"monolithicFlat\"\nRW 8 FLAT \"{name}\" 0\n"
        );
        fs::write(&path, text).unwrap();
        for gate in [image::Gate::deny(), image::Gate::beside()] {
            let options = OpenOptions::new().gate(gate);
            let error = image::open(&path, &options).unwrap_err();
            let kind = error.kind();
            assert_eq!(kind, ErrorKind::InvalidArgument);
        }
    }
}

/// An image of a small disk by our own writer.
fn written(format: Format) -> Vec<u8> {
    let files = Files::new();
    let (raw, path) = (files.path("a.raw"), files.path("image"));
    make_disk(&raw, 3_000_320, 12, 17);
    let source = open_as(&raw, Format::Raw);
    let options = WriteOptions::new(format);
    image::write(&source, &create(&path), &options, &Monitor::silent())
        .unwrap();
    fs::read(&path).unwrap()
}

fn assert_corrupt(disk: Arc<dyn BlockRead>, format: Format) {
    let options = OpenOptions::new().format(format);
    let error = image::open_disk(disk, &options).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
}

#[test]
fn places_that_overflow_are_errors() {
    let mut qcow2 = written(Format::Qcow2);
    qcow2[8..16].fill(0xff); // the place of the backing file's name
    qcow2[16..20].copy_from_slice(&9_u32.to_be_bytes());
    assert_corrupt(Arc::new(qcow2), Format::Qcow2);
    let mut vdi = written(Format::Vdi);
    vdi[0x17c..0x180].fill(0xff); // bytes before each block
    vdi[512..516].copy_from_slice(&0xffff_fffd_u32.to_le_bytes());
    assert_corrupt(Arc::new(vdi), Format::Vdi);
}

/// A sparse file can have tables of terabytes, which nobody can walk.
#[test]
fn tables_longer_than_any_disk_needs_are_errors() {
    let sparse = |head: &[u8]| {
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(head, 0).unwrap();
        file.set_len(1 << 43).unwrap();
        Arc::new(FileDisk::new(file).unwrap())
    };
    let mut vmdk = b"KDMV\x01\0\0\0\x01\0\0\0".to_vec();
    vmdk.extend((1_u64 << 38).to_le_bytes()); // sectors
    vmdk.extend(1_u64.to_le_bytes()); // sectors per grain
    vmdk.extend([0; 16]);
    vmdk.extend(1_u32.to_le_bytes()); // entries per table
    vmdk.extend(1_u64.to_le_bytes());
    vmdk.extend(1_u64.to_le_bytes()); // sector of the directory
    vmdk.resize(512, 0);
    assert_corrupt(sparse(&vmdk), Format::Vmdk);
    let mut qcow = b"QFI\xfb\0\0\0\x01".to_vec();
    qcow.resize(24, 0);
    qcow.extend((1_u64 << 54).to_be_bytes()); // bytes
    qcow.extend([9, 6, 0, 0, 0, 0, 0, 0]); // small clusters and tables
    qcow.extend(512_u64.to_be_bytes()); // place of the L1 table
    assert_corrupt(sparse(&qcow), Format::Qcow);
}
