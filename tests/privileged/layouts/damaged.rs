// SPDX-License-Identifier: Apache-2.0
//! Tables that are damaged, hostile or odd: a clear error, and a repair only
//! where it is asked for.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::{LINUX, volume};
use crate::support::{
    Disk, Finished, Lab, Layout, in_own_mounts, run, tiny_raw,
};

fn copy(lab: &Lab, name: &str) -> PathBuf {
    let to = lab.join(name);
    fs::copy(tiny_raw(), &to).unwrap();
    to
}

fn write(disk: &Path, offset: u64, bytes: &[u8]) {
    let file = fs::File::options().write(true).open(disk).unwrap();
    file.write_all_at(bytes, offset).unwrap();
}

fn enter(lab: &Lab, disk: &Path) -> Finished {
    lab.cli()
        .args(["shell", "--insecure-no-checksum", "--read-only"])
        .arg(disk)
        .args(["--", "cat", "/etc/debian_version"])
        .run()
}

/// Changes bytes of a valid GPT and its checksums, by Python's crc32: what a
/// hostile image would have.
fn forge(disk: &Path, entry: u32, field: u32, value: u64) {
    let script = "import struct, sys, zlib
path, entry, field, value = sys.argv[1], *map(int, sys.argv[2:])
f = open(path, 'r+b')
size = f.seek(0, 2)
for lba in (1, size // 512 - 1):
    f.seek(lba * 512); head = bytearray(f.read(512))
    at, count, length = struct.unpack_from('<QII', head, 72)
    f.seek(at * 512); array = bytearray(f.read(count * length))
    struct.pack_into('<Q', array, entry * length + field, value)
    f.seek(at * 512); f.write(array)
    struct.pack_into('<I', head, 88, zlib.crc32(array))
    struct.pack_into('<I', head, 16, 0)
    struct.pack_into('<I', head, 16, zlib.crc32(head[:92]))
    f.seek(lba * 512); f.write(head)
";
    let numbers = [u64::from(entry), u64::from(field), value];
    let mut args = vec!["-c".to_owned(), script.to_owned()];
    args.push(disk.display().to_string());
    args.extend(numbers.map(|number| number.to_string()));
    run("python3", args);
}

#[test]
fn privileged_layouts_tables_that_are_refused() {
    let lab = Lab::new();
    // The first and last sector of an entry, by the UEFI specification.
    const FIRST: u32 = 32;
    const LAST: u32 = 40;
    let mbr_loop = lab.join("loop.raw");
    run("truncate", ["-s", "64M", mbr_loop.to_str().unwrap()]);
    in_own_mounts(
        "printf '1: size=10M\\n2: type=5\\n5: size=9M\\n6: size=9M\\n' | \
         sfdisk --quiet --no-reread --label dos \"$1\"\n\
         at=$(sfdisk --json \"$1\" | python3 -c 'import json, sys\n\
parts = json.load(sys.stdin)[\"partitiontable\"][\"partitions\"]\n\
print(parts[1][\"start\"])')\n\
         # The second entry of the first record leads to itself.\n\
         printf '\\000\\000\\000\\000\\005\\000\\000\\000\\000\\000\\000\\000\\377\\000\\000\\000' | \
         dd of=\"$1\" bs=1 seek=$((at * 512 + 462)) conv=notrunc status=none",
        [mbr_loop.to_str().unwrap()],
    )
    .success();

    let overlapping = copy(&lab, "overlapping.raw");
    forge(&overlapping, 13, LAST, 60_000);
    let past_the_end = copy(&lab, "past.raw");
    forge(&past_the_end, 0, LAST, 400_000);
    let reversed = copy(&lab, "reversed.raw");
    forge(&reversed, 14, FIRST, 40_000);
    let larger = copy(&lab, "larger.raw");
    forge(&larger, 0, LAST, 36_864 + 99_999);
    let truncated = copy(&lab, "truncated.raw");
    run("truncate", ["-s", "48M", truncated.to_str().unwrap()]);
    let both = copy(&lab, "both.raw");
    let end = fs::metadata(&both).unwrap().len();
    write(&both, 512 + 16, &[1, 2, 3, 4]);
    write(&both, end - 512 + 16, &[1, 2, 3, 4]);

    for (disk, says) in [
        (&mbr_loop, "loop"),
        (&overlapping, "overlap"),
        (&past_the_end, "outside of the usable sectors"),
        (&reversed, "partition 15"),
        (&larger, "but its partition only"),
        (&truncated, "GPT"),
        (&both, "GPT"),
    ] {
        let done = enter(&lab, disk);
        let name = disk.display();
        assert_eq!(done.code(), 5, "{name}: {done:?}");
        assert!(done.stderr.contains(says), "{name}: {done:?}");
    }
    lab.assert_nothing_left();
}

/// The copy of the header that is good counts; the other is written anew when
/// it is asked for.
#[test]
fn privileged_layouts_gpt_with_one_damaged_copy() {
    let lab = Lab::new();
    let disk = copy(&lab, "primary.raw");
    write(&disk, 512 + 16, &[1, 2, 3, 4]);
    let tree = Disk::new(tiny_raw()).tree();
    let seen = enter(&lab, &disk);
    assert_eq!(seen.stdout, "12.0\n", "{seen:?}");

    let recipe = lab.recipe(
        "recipe.yaml",
        "disk: {size: 128M}\nartifacts: [{format: raw, name: n.raw}]\n",
    );
    let refused = lab.build(&disk, &recipe, &lab.join("out")).run();
    assert_eq!(refused.code(), 5, "{refused:?}");
    assert!(refused.stderr.contains("--repair-table"), "{refused:?}");
    lab.build(&disk, &recipe, &lab.join("out"))
        .arg("--repair-table")
        .run()
        .success();
    let grown = Disk::new(lab.join("out/n.raw"));
    grown.assert_sound();
    assert_valid(grown.path());
    assert!(grown.partition(1).len > 100 << 20);

    // Without growing: the same table, whole again.
    let repaired = lab.join("repaired.raw");
    lab.cli()
        .args(["customize", "--insecure-no-checksum", "--repair-table"])
        .arg(&disk)
        .arg("--output")
        .arg(&repaired)
        .args(["--write", "/etc/made:x"])
        .run()
        .success();
    assert_valid(&repaired);
    let mut now = Disk::new(&repaired).tree();
    now.remove("etc/made").unwrap();
    let all = now.keys().chain(tree.keys());
    // A change leaves the machine without an identity.
    let other: Vec<_> = all
        .filter(|path| now.get(*path) != tree.get(*path))
        .filter(|path| path.as_str() != "etc/machine-id")
        .collect();
    assert!(other.is_empty(), "{other:?}");
    lab.assert_nothing_left();
}

/// By sgdisk, which does not use our code.
fn assert_valid(disk: &Path) {
    let said = run("sgdisk", ["--verify".as_ref(), disk.as_os_str()]);
    assert!(said.contains("No problems found"), "{said}");
}

#[test]
fn privileged_layouts_gpt_with_256_entries() {
    let lab = Lab::new();
    let disk = copy(&lab, "wide.raw");
    // Room for the longer array, which is before the first partition.
    run("sgdisk", ["--resize-table=256".as_ref(), disk.as_os_str()]);
    assert_valid(&disk);
    let recipe = lab.recipe(
        "recipe.yaml",
        "disk: {size: 128M}\nartifacts: [{format: raw, name: n.raw}]\n",
    );
    lab.build(&disk, &recipe, &lab.join("out")).run().success();
    let built = lab.join("out/n.raw");
    assert_valid(&built);
    let said = run("sgdisk", ["--print".as_ref(), built.as_os_str()]);
    assert!(said.contains("holds up to 256 entries"), "{said}");
    Disk::new(&built).assert_sound();
    lab.assert_nothing_left();
}

/// The head of what needs a key or the device mapper: made here by the
/// published formats, and taken for it by blkid.
fn container_head(kind: &str, uuid: &str) -> Vec<u8> {
    let mut head = vec![0_u8; 4096];
    let mut put = |at: usize, bytes: &[u8]| {
        head[at..at + bytes.len()].copy_from_slice(bytes);
    };
    match kind {
        "LVM2_member" => {
            put(512, b"LABELONE");
            put(520, &1_u64.to_le_bytes());
            put(532, &32_u32.to_le_bytes());
            put(536, b"LVM2 001");
            put(544, uuid.replace('-', "").as_bytes());
            let sum = lvm_crc(&head[532..1024]);
            head[528..532].copy_from_slice(&sum.to_le_bytes());
        }
        _ => {
            put(0, b"LUKS\xba\xbe\x00\x01");
            put(8, b"aes");
            put(40, b"xts-plain64");
            put(72, b"sha256");
            put(168, uuid.as_bytes());
        }
    }
    head
}

/// CRC-32 as LVM begins it.
fn lvm_crc(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0xf597_a6cf, |crc: u32, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg())
        })
    })
}

/// By libblkid, what begins at `offset`.
fn blkid(disk: &Path, offset: u64, tag: &str) -> String {
    let offset = offset.to_string();
    let path = disk.to_str().unwrap();
    let words = ["-p", "-O", &offset, "-o", "value", "-s", tag, path];
    run("blkid", words).trim().to_owned()
}

/// The root in it, or a part of the system without which nothing can be
/// installed.
#[test]
fn privileged_layouts_encrypted_and_logical_volumes_are_refused() {
    let lab = Lab::new();
    let uuid = "5d0c1a7e-91f3-4a52-8f0e-1c2d3e4f5a6b";
    let place = Disk::new(tiny_raw()).partition(1).offset;
    for (kind, needs) in [
        (
            "crypto_LUKS",
            "is encrypted (LUKS); reading it needs its key",
        ),
        ("LVM2_member", "needs LVM and the device mapper"),
    ] {
        let disk = copy(&lab, &format!("{kind}.raw"));
        write(&disk, place, &container_head(kind, uuid));
        assert_eq!(blkid(&disk, place, "TYPE"), kind);
        let refused = enter(&lab, &disk);
        assert_eq!(refused.code(), 4, "{refused:?}");
        assert!(refused.stderr.contains(needs), "{refused:?}");
        assert!(refused.stderr.contains("partition 1"), "{refused:?}");
    }
    let layout = Layout {
        name: "locked-var",
        table: "gpt",
        sector: 512,
        len: 160,
        volumes: vec![
            volume(1, (2, 64), LINUX, "ext4", "/"),
            volume(2, (70, 64), LINUX, "ext4", "/var"),
        ],
    };
    let disk = layout.make(&lab);
    let (start, _) = layout.place(&layout.volumes[1], &disk);
    let uuid = blkid(&disk, start, "UUID");
    write(&disk, start, &container_head("crypto_LUKS", &uuid));
    assert_eq!(blkid(&disk, start, "TYPE"), "crypto_LUKS");
    let refused = enter(&lab, &disk);
    assert_eq!(refused.code(), 4, "{refused:?}");
    for text in ["/var", "LUKS"] {
        assert!(refused.stderr.contains(text), "{refused:?}");
    }
    lab.assert_nothing_left();
}
