// SPDX-License-Identifier: Apache-2.0
//! Appliances: read by tar, Python's XML reader and qemu-img; those of
//! others, with several disks.

use std::fs;
use std::path::Path;
use std::process::Command;

use imagewright::block::ReadAt;
use imagewright::image::{self, Format, Machine, OpenOptions, WriteOptions};
use imagewright::{ErrorKind, Monitor};

use crate::image_support::{
    Files, assert_digest, assert_same, create, make_disk, open_as, qemu_img,
    run, text,
};

fn write(raw: &Path, path: &Path, machine: Machine) {
    let source = open_as(raw, Format::Raw);
    let options = WriteOptions::new(Format::Ova).machine(machine);
    let target = create(path);
    let monitor = Monitor::silent();
    let written = image::write(&source, &target, &options, &monitor).unwrap();
    assert_digest(path, &written);
}

#[test]
fn others_read_what_is_written() {
    let files = Files::new();
    let (raw, path) = (files.path("a.raw"), files.path("a.ova"));
    make_disk(&raw, 9_000_448, 40, 3);
    let mut machine = Machine::named("node-1.29").unwrap();
    machine.cpus = 4;
    machine.memory_mib = 8192;
    machine
        .properties
        .insert("VERSION".to_owned(), "a<b & \"c\"".to_owned());
    write(&raw, &path, machine);
    let list = run("tar", &["-tf", text(&path)]);
    let names: Vec<_> = list.lines().collect();
    let disk = "node-1.29-disk1.vmdk";
    assert_eq!(names, ["node-1.29.ovf", disk, "node-1.29.mf"]);
    let dir = files.path("out");
    fs::create_dir(&dir).unwrap();
    run("tar", &["-xf", text(&path), "-C", text(&dir)]);
    qemu_img(&["compare", text(&raw), text(&dir.join(disk))]);
    // VMware checks the digests so.
    for line in fs::read_to_string(dir.join("node-1.29.mf"))
        .unwrap()
        .lines()
    {
        let (name, sum) = line.split_once(")= ").unwrap();
        let name = name.strip_prefix("SHA256(").unwrap();
        let ours = run("sha256sum", &[text(&dir.join(name))]);
        assert!(ours.starts_with(sum), "{line}");
    }
    let program = "
import sys, os, xml.etree.ElementTree as tree
ns = '{http://schemas.dmtf.org/ovf/envelope/1}'
root = tree.parse(sys.argv[1]).getroot()
file = root.find(f'{ns}References/{ns}File')
path = os.path.join(os.path.dirname(sys.argv[1]), file.get(f'{ns}href'))
assert int(file.get(f'{ns}size')) == os.path.getsize(path)
disk = root.find(f'{ns}DiskSection/{ns}Disk')
assert disk.get(f'{ns}fileRef') == file.get(f'{ns}id')
print(disk.get(f'{ns}capacity'))
rasd = '{http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/' \\
       'CIM_ResourceAllocationSettingData}'
print(*(q.text for q in root.iter(f'{rasd}VirtualQuantity')))
print(*(p.get(f'{ns}value') for p in root.iter(f'{ns}Property')))
";
    let ovf = dir.join("node-1.29.ovf");
    let told = run("python3", &["-c", program, text(&ovf)]);
    assert_eq!(told, "9000448\n4 8192\na<b & \"c\"\n");
    let image = image::open(&path, &OpenOptions::new()).unwrap();
    assert_eq!(image.format(), Format::Ova);
    assert_same(&image, &raw);
}

#[test]
fn a_stream_is_whole_when_read_in_order() {
    // As ESXi imports it: marker by marker, without the tables.
    let files = Files::new();
    let (raw, path) = (files.path("a.raw"), files.path("a.vmdk"));
    make_disk(&raw, 40_000_000, 60, 4);
    let source = open_as(&raw, Format::Raw);
    let options = WriteOptions::new(Format::Vmdk);
    let target = create(&path);
    image::write(&source, &target, &options, &Monitor::silent()).unwrap();
    let program = "
import sys, struct, zlib
data = open(sys.argv[1], 'rb').read()
raw = bytearray(open(sys.argv[2], 'rb').read())
out = bytearray(len(raw) + 65536)
at, kinds = 128 * 512, []
while True:
    value, size, kind = struct.unpack_from('<QII', data, at)
    if size:
        grain = zlib.decompress(data[at + 12:at + 12 + size])
        assert len(grain) == 65536
        out[value * 512:value * 512 + 65536] = grain
        at += (12 + size + 511) // 512 * 512
        continue
    kinds.append(kind)
    at += 512 + value * 512
    if kind == 0:
        break
assert at == len(data), (at, len(data))
assert kinds[-3:] == [2, 3, 0] and set(kinds[:-3]) == {1}, kinds
assert out[:len(raw)] == raw
print('whole')
";
    let told = run("python3", &["-c", program, text(&path), text(&raw)]);
    assert_eq!(told, "whole\n");
}

#[test]
fn reads_appliances_with_several_disks() {
    let files = Files::new();
    let dir = files.path("dir");
    fs::create_dir(&dir).unwrap();
    for (seed, name) in [(1, "one"), (2, "two")] {
        let raw = files.path(name);
        make_disk(&raw, 3_000_320, 20, seed);
        let disk = dir.join(format!("{name}.vmdk"));
        qemu_img(&[
            "convert",
            "-O",
            "vmdk",
            "-o",
            "subformat=streamOptimized",
            text(&raw),
            text(&disk),
        ]);
    }
    let ovf = r#"<ovf:Envelope><ovf:References>
        <ovf:File ovf:id="1" ovf:href="one.vmdk"/>
        <ovf:File ovf:id="2" ovf:href="two.vmdk"/></ovf:References>
        <ovf:DiskSection><ovf:Disk ovf:fileRef="2"/><ovf:Disk ovf:fileRef="1"/>
        </ovf:DiskSection></ovf:Envelope>"#;
    fs::write(dir.join("machine.ovf"), ovf).unwrap();
    for format in ["ustar", "gnu", "pax"] {
        let path = files.path("a.ova");
        let status = Command::new("tar")
            .args(["--format", format, "-C", text(&dir), "-cf", text(&path)])
            .args(["machine.ovf", "one.vmdk", "two.vmdk"])
            .status()
            .unwrap();
        assert!(status.success());
        let first = image::open(&path, &OpenOptions::new()).unwrap();
        assert_same(&first, &files.path("two"));
        let options = OpenOptions::new().member("one.vmdk".to_owned());
        let named = image::open(&path, &options).unwrap();
        assert_same(&named, &files.path("one"));
        assert_eq!(named.info().data_files.len(), 3);
        let options = OpenOptions::new().member("three".to_owned());
        let error = image::open(&path, &options).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(named.size() > 0);
    }
}
