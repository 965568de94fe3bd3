// SPDX-License-Identifier: Apache-2.0
//! Whatever is done to a filesystem: an answer or an error.

use std::fs;
use std::sync::Mutex;

use imagewright::Result;
use imagewright::block::{ReadAt, WriteAt};
use imagewright::filesystem::fat::Volume;
use imagewright::filesystem::probe;

use super::fat::{Session, assert_same_listing, formatted, listing};
use crate::partition_support::{Disk, MIB, Mutator, bounded, run, text};

/// The first bytes of a filesystem, with the size of all.
struct Head {
    bytes: Vec<u8>,
    size: u64,
}

impl ReadAt for Head {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        // What is not kept reads as zeroes.
        assert!(offset + buf.len() as u64 <= self.size);
        buf.fill(0);
        let from = usize::try_from(offset).unwrap().min(self.bytes.len());
        let len = buf.len().min(self.bytes.len() - from);
        buf[..len].copy_from_slice(&self.bytes[from..from + len]);
        Ok(())
    }
}

#[test]
fn superblocks() {
    let goldens = [
        (64, "mkfs.ext4", &["-q"][..], 1024..2048),
        (64, "mkfs.ext4", &["-q", "-O", "^metadata_csum"], 1024..2048),
        (320, "mkfs.xfs", &["-q"], 0..512),
        (320, "mkfs.xfs", &["-q", "-m", "crc=0"], 0..512),
        (128, "mkfs.btrfs", &["-q"], 65_536..69_632),
        (4, "mkfs.vfat", &["-F", "12"], 0..512),
        (64, "mkfs.vfat", &["-F", "16"], 0..512),
        (64, "mkfs.vfat", &["-F", "32"], 0..1024),
        (16, "mkswap", &["-q"], 1024..4096),
    ];
    for (len, tool, args, range) in goldens {
        let disk = Disk::new(len * MIB);
        let path = disk.path();
        run(tool, &[args, &[text(&path)]].concat());
        let golden = disk.bytes(0, 256 << 10);
        let mut mutator = Mutator::new(len);
        for round in 0..5_000_u64 {
            let mut bytes = golden.clone();
            mutator.mutate(&mut bytes, std::slice::from_ref(&range));
            let size = match round % 8 {
                0 => mutator.next() % (len * MIB),
                _ => len * MIB,
            };
            let head = Head { bytes, size };
            if let Ok(Some(found)) = bounded(tool, || probe(&head)) {
                let _ = found.check_fits(size);
                serde_json::to_string(&found).unwrap();
            }
        }
    }
}

/// Noise that begins like something.
#[test]
fn magic_before_noise() {
    let magics: [(usize, &[u8]); 14] = [
        (0, b"XFSB"),
        (0, b"hsqs"),
        (0, b"LUKS\xba\xbe\x00\x02"),
        (3, b"NTFS    "),
        (3, b"EXFAT   "),
        (510, b"\x55\xaa"),
        (512, b"LABELONE"),
        (1080, b"\x53\xef"),
        (1024, b"\x10\x20\xf5\xf2"),
        (1024, b"\xe2\xe1\xf5\xe0"),
        (4086, b"SWAPSPACE2"),
        (4096, b"\xfc\x4e\x2b\xa9\x01\0\0\0"),
        (32_769, b"CD001"),
        (65_600, b"_BHRfS_M"),
    ];
    let mut mutator = Mutator::new(3);
    for _ in 0..2_000 {
        let mut disk = vec![0; 1 << 18];
        let noise = mutator.below(disk.len());
        for byte in &mut disk[..noise] {
            *byte = mutator.next() as u8;
        }
        let (at, magic) = magics[mutator.below(magics.len())];
        disk[at..at + magic.len()].copy_from_slice(magic);
        let _ = bounded("noise", || probe(&disk));
    }
}

/// A volume in memory.
struct Memory(Mutex<Vec<u8>>);

impl ReadAt for Memory {
    fn size(&self) -> u64 {
        self.0.lock().unwrap().size()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        self.0.lock().unwrap().read_at(offset, buf)
    }
}

impl WriteAt for Memory {
    fn write_at(&self, offset: u64, buf: &[u8]) -> Result<()> {
        let at = usize::try_from(offset).unwrap();
        self.0.lock().unwrap()[at..at + buf.len()].copy_from_slice(buf);
        Ok(())
    }
}

#[test]
fn fat_volumes() {
    for (len, args) in [
        (MIB, &["-F", "12", "-s", "1"][..]),
        (5 * MIB, &["-F", "16", "-s", "1"]),
        (34 * MIB, &["-F", "32", "-s", "1"]),
    ] {
        let mut session = Session::new(formatted(len, args));
        let out = session.out.path().to_owned();
        fs::create_dir_all(out.join("EFI/a long directory name")).unwrap();
        fs::write(out.join("EFI/BOOTX64.EFI"), vec![1; 5000]).unwrap();
        let long = "EFI/a long directory name/and a long file name.conf";
        fs::write(out.join(long), vec![2; 700]).unwrap();
        fs::write(out.join("empty"), "").unwrap();
        session.try_commit().unwrap();
        let golden = session.disk.bytes(0, len as usize);
        // Wherever there is something: boot sector, tables, directories.
        let ranges: Vec<_> = golden
            .chunks(64)
            .enumerate()
            .filter(|(_, piece)| piece.iter().any(|byte| *byte > 2))
            .map(|(index, piece)| index * 64..index * 64 + piece.len())
            .collect();
        let mut mutator = Mutator::new(len);
        let mut accepted = 0;
        for _ in 0..600 {
            let mut bytes = golden.clone();
            mutator.mutate(&mut bytes, &ranges);
            accepted += u32::from(bounded("a FAT volume", || use_up(bytes)));
        }
        assert!(accepted > 60, "only {accepted} were accepted");
    }
}

/// Copies out, changes, writes back, and reads the same again.
fn use_up(bytes: Vec<u8>) -> bool {
    let memory = Memory(Mutex::new(bytes));
    let Ok(volume) = Volume::open(&memory) else {
        return false;
    };
    let _ = volume.free_extents();
    let out = tempfile::tempdir().unwrap();
    let Ok(mut tree) = volume.checkout(out.path()) else {
        return false;
    };
    fs::write(out.path().join("another"), vec![3; 3000]).unwrap();
    let first = tree.paths().find(|path| !path.contains('/'));
    if let Some(first) = first.map(|path| out.path().join(path)) {
        if first.is_dir() {
            fs::remove_dir_all(first).unwrap();
        } else {
            fs::remove_file(first).unwrap();
        }
    }
    if volume.commit(out.path(), &mut tree, None).is_err() {
        return false;
    }
    let again = tempfile::tempdir().unwrap();
    let found = volume.checkout(again.path()).unwrap();
    assert_same_listing(&listing(again.path()), &listing(out.path()));
    assert_eq!(found, tree);
    true
}
