// SPDX-License-Identifier: Apache-2.0
//! Images inside of streams and archives: what the usual tools pack is read,
//! what is packed here the usual tools unpack.

use std::fs::{self, File};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use imagewright::block::ReadAt;
use imagewright::image::{
    self, Compression, Format, Image, OpenOptions, Wrapping, WriteOptions,
};
use imagewright::{ErrorKind, Monitor};

use crate::image_support::{
    Files, Random, assert_digest, assert_same, create, make_disk, open_as,
    qemu_img, run, text,
};

fn detected(path: &Path) -> imagewright::Result<Image> {
    image::open(path, &OpenOptions::new())
}

fn write(raw: &Path, path: &Path, options: &WriteOptions) -> image::Written {
    let source = open_as(raw, Format::Raw);
    let target = create(path);
    image::write(&source, &target, options, &Monitor::silent()).unwrap()
}

/// Runs a shell command in the directory of a file.
fn shell(command: &str, path: &Path) -> String {
    let command =
        format!("set -e; cd {}; {command}", text(path.parent().unwrap()));
    run("bash", &["-c", &command])
}

#[test]
fn reads_images_in_streams_of_the_usual_tools() {
    let files = Files::new();
    let raw = files.path("a.raw");
    make_disk(&raw, 9_000_448, 30, 1);
    for (format, name) in [
        (Format::Raw, "raw"),
        (Format::Qcow2, "qcow2"),
        (Format::Vmdk, "vmdk"),
        (Format::Vhd, "vpc"),
        (Format::Vhdx, "vhdx"),
        (Format::Vdi, "vdi"),
    ] {
        let path = files.path("image");
        qemu_img(&["convert", "-O", name, text(&raw), text(&path)]);
        for (wrapping, pack) in [
            (Wrapping::Gzip, "gzip -c image"),
            // Members and streams may follow one another.
            (Wrapping::Gzip, "split -b 1M image part; gzip -c part??"),
            (Wrapping::Xz, "xz -T0 --block-size=2MiB -c image"),
            (Wrapping::Xz, "xz -c image"),
            (Wrapping::Xz, "split -b 1M image part; xz -0 -c part??"),
            (Wrapping::Zstd, "zstd -q -c image"),
            (Wrapping::Zstd, "split -b 1M image part; zstd -q -c part??"),
        ] {
            // One tool will do for the formats that are not usually so.
            let usual = matches!(format, Format::Raw | Format::Qcow2);
            if !usual && pack != "gzip -c image" {
                continue;
            }
            let packed = files.path("packed");
            shell(&format!("({pack}) >packed; rm -f part*"), &packed);
            let image = detected(&packed).unwrap();
            assert_eq!(image.format(), format);
            assert_eq!(image.info().wrapping, [wrapping]);
            let flat = files.path("flat");
            qemu_img(&[
                "convert",
                "-f",
                name,
                "-O",
                "raw",
                text(&path),
                text(&flat),
            ]);
            assert_same(&image, &flat);
            // Who says the format says what is around it as well.
            let options = OpenOptions::new().format(format);
            let options = options.wrapping(wrapping);
            assert_same(&image::open(&packed, &options).unwrap(), &flat);
            assert_eq!(
                open_as(&packed, Format::Raw).size(),
                packed.metadata().unwrap().len()
            );
        }
    }
}

#[test]
fn reads_the_disk_of_an_archive() {
    let files = Files::new();
    let raw = files.path("disk.raw");
    make_disk(&raw, 9_000_448, 30, 2);
    shell(
        "echo text >readme.txt; qemu-img convert -f raw -O vpc \
           -o subformat=fixed,force_size disk.raw azure.vhd",
        &raw,
    );
    let packed = files.path("packed");
    for pack in [
        "tar -c readme.txt disk.raw",
        "tar --format=oldgnu -S -c disk.raw",
        "tar --format=gnu -S -c disk.raw",
        "tar --format=oldgnu -S -cz disk.raw",
        "tar -cJ ./disk.raw readme.txt",
        "tar -c --zstd disk.raw",
    ] {
        shell(&format!("{pack} >packed"), &raw);
        let image = detected(&packed).unwrap();
        assert_eq!(image.format(), Format::Raw);
        assert_eq!(image.info().wrapping.last(), Some(&Wrapping::Tar));
        assert_same(&image, &raw);
    }
    shell("tar -czf packed readme.txt azure.vhd", &raw);
    let image = detected(&packed).unwrap();
    assert_eq!(image.format(), Format::Vhd);
    assert_same(&image, &raw);
    shell("tar --format=pax -S -czf packed disk.raw", &raw);
    let error = detected(&packed).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    shell("tar -cf packed azure.vhd -C / etc/hostname etc/hosts", &raw);
    detected(&packed).unwrap();
    shell("cp azure.vhd b.vhd; tar -cf packed azure.vhd b.vhd", &raw);
    let error = detected(&packed).unwrap_err();
    assert!(error.advice().unwrap().contains("b.vhd"), "{error}");
    let options = OpenOptions::new().member("b.vhd".to_owned());
    assert_same(&image::open(&packed, &options).unwrap(), &raw);
}

#[test]
fn holes_of_an_archive_stay_holes() {
    let files = Files::new();
    let raw = files.path("disk.raw");
    // More runs than the header and one block of the map have.
    let file = File::create(&raw).unwrap();
    file.set_len(10 << 30).unwrap();
    for n in 0..60_u64 {
        use std::os::unix::fs::FileExt;
        file.write_all_at(&[n as u8 + 1; 5000], n * 170_000_000)
            .unwrap();
    }
    shell("tar --format=oldgnu -S -czf packed disk.raw", &raw);
    let image = detected(&files.path("packed")).unwrap();
    assert_eq!(image.size(), 10 << 30);
    let totals = image::ExtentTotals::of(&image).unwrap();
    assert!(totals.data < 2 << 20, "{totals:?}");
    let back = files.path("back.raw");
    let options = WriteOptions::new(Format::Raw).digest(image::Digest::None);
    let target = create(&back);
    image::write(&image, &target, &options, &Monitor::silent()).unwrap();
    let (raw, back) = (text(&raw), text(&back));
    qemu_img(&["compare", "-f", "raw", "-F", "raw", raw, back]);
}

/// How whole files are packed, the tool that unpacks them, and another.
fn streams() -> [(Compression, [&'static str; 2]); 3] {
    let python = |module: &str| match module {
        "gzip" => {
            "python3 -c 'import gzip, shutil; \
             shutil.copyfileobj(gzip.open(\"p\"), open(\"b\", \"wb\"))'"
        }
        _ => {
            "python3 -c 'import lzma, shutil; \
             shutil.copyfileobj(lzma.open(\"p\"), open(\"b\", \"wb\"))'"
        }
    };
    [
        (Compression::Zlib(6), ["gzip -dc p >b", python("gzip")]),
        (Compression::Xz(1), ["xz -t p; xz -dc p >b", python("lzma")]),
        (
            Compression::Zstd(3),
            ["zstd -qdc p >b", "zstd -qt p; zstd -dc p >b"],
        ),
    ]
}

#[test]
fn the_usual_tools_read_packed_raw_images() {
    for (seed, size) in [0, 1, 1000, 1 << 20, 9_000_001, 33 << 20]
        .into_iter()
        .enumerate()
    {
        let files = Files::new();
        let (raw, packed) = (files.path("a"), files.path("p"));
        make_disk(&raw, size, size.min(20), seed as u64);
        for (compression, tools) in streams() {
            let options = WriteOptions::new(Format::Raw);
            let options = options.compression(compression);
            let written = write(&raw, &packed, &options);
            assert_digest(&packed, &written);
            for tool in tools {
                shell(&format!("{tool}; cmp a b; rm b"), &raw);
            }
            let image = detected(&packed).unwrap();
            assert_eq!(image.info().wrapping.len(), 1);
            assert_same(&image, &raw);
            let one = NonZeroUsize::MIN;
            let again = write(&raw, &packed, &options.clone().workers(one));
            assert_eq!(again.sha256, written.sha256);
        }
    }
}

#[test]
fn other_readers_do_not_stop_at_a_part_of_a_stream() {
    // gzip: one member; xz: one stream, so that nobody stops too early.
    let files = Files::new();
    let (raw, packed) = (files.path("a"), files.path("p"));
    make_disk(&raw, 40 << 20, 60, 3);
    let options = |c| WriteOptions::new(Format::Raw).compression(c);
    write(&raw, &packed, &options(Compression::Zlib(1)));
    let program = "
import sys, zlib
d = zlib.decompressobj(31)
plain = d.decompress(open(sys.argv[1], 'rb').read())
assert d.eof and not d.unused_data
assert plain == open(sys.argv[2], 'rb').read()
";
    run("python3", &["-c", program, text(&packed), text(&raw)]);
    write(&raw, &packed, &options(Compression::Xz(0)));
    let list = shell("xz --robot -l p | grep ^totals", &packed);
    let fields: Vec<_> = list.split_whitespace().collect();
    assert_eq!(fields[1..3], ["1", "5"], "{list}");
}

#[test]
fn zeroes_of_a_huge_disk_cost_little() {
    let files = Files::new();
    let (raw, packed) = (files.path("a"), files.path("p"));
    make_disk(&raw, 20 << 30, 20, 4);
    let options = WriteOptions::new(Format::Raw);
    let options = options.compression(Compression::Zstd(1));
    let written = write(&raw, &packed, &options);
    assert!(written.bytes < 16 << 20, "{}", written.bytes);
    let total = shell("zstd -dc p | wc -c", &packed);
    assert_eq!(total.trim(), (20_u64 << 30).to_string());
}

#[test]
fn gce_archives_are_what_google_asks_for() {
    for (seed, size) in [0, 1000, 40 << 20].into_iter().enumerate() {
        let files = Files::new();
        let (raw, path) = (files.path("a"), files.path("a.tar.gz"));
        make_disk(&raw, size, size.min(60), seed as u64);
        let options = WriteOptions::new(Format::Gce);
        let written = write(&raw, &path, &options);
        assert_digest(&path, &written);
        let one = NonZeroUsize::MIN;
        let again = write(&raw, &path, &options.workers(one));
        assert_eq!(again.sha256, written.sha256);
        // The rest of the GiB is zero.
        shell(
            "truncate -s 1G a; mkdir -p out; tar -xzf a.tar.gz -C out",
            &raw,
        );
        let out = files.path("out/disk.raw");
        let files = (text(&raw), text(&out));
        qemu_img(&["compare", "-f", "raw", "-F", "raw", files.0, files.1]);
        use std::os::unix::fs::MetadataExt;
        assert!(out.metadata().unwrap().blocks() * 512 < 30 << 20);
        let program = "
import sys, tarfile
archive = tarfile.open(sys.argv[1], 'r:gz')
member, = archive.getmembers()
assert member.name == 'disk.raw' and member.size == 1 << 30
assert member.type == tarfile.GNUTYPE_SPARSE, member.type
";
        run("python3", &["-c", program, text(&path)]);
        let image = detected(&path).unwrap();
        assert_eq!(image.size(), 1 << 30);
        assert_eq!(open_as(&path, Format::Gce).size(), 1 << 30);
        let back = create(&out);
        let copy = imagewright::block::CopyOptions::new();
        let monitor = Monitor::silent();
        imagewright::block::copy_to_raw(&image, &back, &copy, &monitor)
            .unwrap();
        qemu_img(&["compare", "-f", "raw", "-F", "raw", files.0, files.1]);
    }
}

#[test]
fn container_disks_are_images_to_skopeo() {
    for compression in [Compression::None, Compression::Zstd(3)] {
        let files = Files::new();
        let (raw, path) = (files.path("a"), files.path("a.oci.tar"));
        make_disk(&raw, 9_000_448, 40, 5);
        let options = WriteOptions::new(Format::ContainerDisk)
            .compression(compression)
            .architecture("arm64".to_owned());
        let written = write(&raw, &path, &options);
        assert_digest(&path, &written);
        let one = NonZeroUsize::MIN;
        let again = write(&raw, &path, &options.workers(one));
        assert_eq!(again.sha256, written.sha256);
        let inspect = run(
            "skopeo",
            &[
                "inspect",
                "--config",
                &format!("oci-archive:{}", text(&path)),
            ],
        );
        let config: serde_json::Value = serde_json::from_str(&inspect).unwrap();
        assert_eq!(config["architecture"], "arm64");
        // Copying verifies every digest.
        let policy = "--insecure-policy";
        shell(
            &format!("skopeo {policy} copy -q oci-archive:a.oci.tar dir:image"),
            &path,
        );
        let layer = shell(
            "python3 -c 'import json; print(json.load(open(\
             \"image/manifest.json\"))[\"layers\"][0][\"digest\"][7:])'",
            &path,
        );
        let layer = layer.trim();
        let list =
            shell(&format!("tar --numeric-owner -tvf image/{layer}"), &path);
        let lines: Vec<_> = list.lines().collect();
        assert!(lines[0].starts_with("dr-xr-xr-x 107/107"), "{list}");
        assert!(lines[1].starts_with("-r--r----- 107/107"), "{list}");
        shell(&format!("tar -xf image/{layer}"), &path);
        let disk = files.path("disk/disk.qcow2");
        qemu_img(&["check", text(&disk)]);
        qemu_img(&["compare", text(&raw), text(&disk)]);
        let image = detected(&path).unwrap();
        assert_eq!(image.format(), Format::ContainerDisk);
        assert_same(&image, &raw);
        // As a registry gives it back: the layer packed by others.
        shell(
            &format!(
                "skopeo {policy} copy -q --dest-compress --format oci \
                 dir:image oci-archive:b.oci.tar"
            ),
            &path,
        );
        assert_same(&detected(&files.path("b.oci.tar")).unwrap(), &raw);
    }
}

/// A stream that was cut or changed, of every kind.
#[test]
fn broken_streams_are_errors() {
    let files = Files::new();
    let (raw, packed) = (files.path("a"), files.path("p"));
    make_disk(&raw, 3_000_320, 12, 6);
    let mut random = Random(77);
    for (compression, _) in streams() {
        let options = WriteOptions::new(Format::Raw).compression(compression);
        write(&raw, &packed, &options);
        let whole = fs::read(&packed).unwrap();
        for len in [whole.len() - 1, whole.len() / 2, 40] {
            fs::write(&packed, &whole[..len]).unwrap();
            let error = detected(&packed).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
        }
        let mut refused = 0;
        for _ in 0..40 {
            let mut bytes = whole.clone();
            let at = 8 + random.below(bytes.len() as u64 - 8) as usize;
            bytes[at] ^= 1 << random.below(8);
            fs::write(&packed, &bytes).unwrap();
            // What the checksums do not cover may change; the disk may not.
            match detected(&packed) {
                Ok(image) => assert_same(&image, &raw),
                Err(_) => refused += 1,
            }
        }
        assert!(refused > 30, "{compression}: {refused}");
    }
}

#[test]
fn streams_that_want_much_memory_or_room_are_refused() {
    let files = Files::new();
    let packed = files.path("p");
    let open = |options: OpenOptions| image::open(&packed, &options);
    // A window of 512 MiB, a dictionary of 512 MiB.
    for pack in [
        "head -c 1200M /dev/zero | zstd -q --long=29 >p",
        "xz --lzma2=dict=512MiB -c /etc/passwd >p",
    ] {
        shell(pack, &packed);
        let error = open(OpenOptions::new()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    }
    shell("head -c 300M /dev/zero | gzip >p", &packed);
    let error = open(OpenOptions::new().unpacked_limit(200 << 20)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    open(OpenOptions::new()).unwrap();
    // More than a GiB out of a MiB is no disk.
    shell("head -c 1500M /dev/zero | tr '\\0' a | gzip >p", &packed);
    let error = open(OpenOptions::new()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
}

#[test]
fn nothing_is_left_where_a_stream_is_unpacked() {
    let files = Files::new();
    let spool: PathBuf = files.path("spool");
    fs::create_dir(&spool).unwrap();
    let raw = files.path("a");
    make_disk(&raw, 3_000_320, 12, 7);
    shell("gzip -k a", &raw);
    let options = OpenOptions::new().spool(&spool);
    let image = image::open(&files.path("a.gz"), &options).unwrap();
    assert_eq!(fs::read_dir(&spool).unwrap().count(), 0);
    assert_same(&image, &raw);
    // One that does not exist yet is not made.
    let options = OpenOptions::new().spool(spool.join("none/at/all"));
    image::open(&files.path("a.gz"), &options).unwrap();
    assert_eq!(fs::read_dir(&spool).unwrap().count(), 0);
}
