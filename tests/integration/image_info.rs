// SPDX-License-Identifier: Apache-2.0
//! What is told of an image, against qemu-img, and sizes against what is
//! written.

use std::path::Path;

use imagewright::Monitor;
use imagewright::image::{
    self, Compression, ExtentTotals, Format, Gate, OpenOptions, Subformat,
    WriteOptions,
};
use serde_json::Value;

use crate::image_support::{
    Files, create, make_disk, open_as, qemu_img, scribble, text,
};

/// As a document, each.
fn both(path: &Path) -> (Value, Value) {
    let theirs = qemu_img(&["info", "--output=json", text(path)]);
    let options = OpenOptions::new().gate(Gate::anywhere());
    let image = image::open(path, &options).unwrap();
    let ours = serde_json::to_value(image.info()).unwrap();
    (ours, serde_json::from_str(&theirs).unwrap())
}

#[test]
fn tells_what_qemu_img_tells() {
    for (name, options) in [
        ("qcow2", "compat=1.1"),
        ("qcow2", "compat=0.10,cluster_size=4096"),
        ("qcow2", "compression_type=zstd,refcount_bits=8"),
        ("qcow2", "extended_l2=on,lazy_refcounts=on"),
        ("vmdk", "subformat=monolithicSparse"),
        ("vmdk", "subformat=streamOptimized"),
        ("vmdk", "subformat=twoGbMaxExtentFlat"),
        ("vpc", "subformat=dynamic"),
        ("vhdx", "subformat=dynamic"),
        ("vdi", "static=off"),
    ] {
        let files = Files::new();
        let path = files.path("a.image");
        qemu_img(&["create", "-f", name, "-o", options, text(&path), "40M"]);
        let (ours, theirs) = both(&path);
        let format = match name {
            "vpc" => "vhd",
            name => name,
        };
        assert_eq!(ours["format"], format);
        assert_eq!(ours["virtual-size"], theirs["virtual-size"], "{name}");
        // Of a flat VMDK QEMU adds up the files, and tells the sector.
        if !options.contains("Flat") {
            assert_eq!(ours["allocated-size"], theirs["actual-size"]);
            assert_eq!(ours["cluster-size"], theirs["cluster-size"], "{name}");
        }
        let details = &theirs["format-specific"]["data"];
        let same = |own: &Value, their: &str| {
            if let Some(value) = details.get(their) {
                let text = value.as_str().map(str::to_owned);
                let text = text.unwrap_or_else(|| value.to_string());
                let own_text = own.as_str().map(str::to_owned);
                let own = own_text.unwrap_or_else(|| own.to_string());
                assert_eq!(own, text, "{name} {options}: {their}");
            }
        };
        same(&ours["compression"], "compression-type");
        same(&ours["details"]["refcount-bits"], "refcount-bits");
        same(&ours["variant"], "create-type");
        if details["lazy-refcounts"] == true {
            same(&ours["details"]["lazy-refcounts"], "lazy-refcounts");
            same(&ours["details"]["extended-l2"], "extended-l2");
        }
        if let Some(cid) = details["cid"].as_u64() {
            let own = ours["details"]["cid"].as_str().unwrap();
            assert_eq!(u64::from_str_radix(own, 16).unwrap(), cid);
        }
    }
}

#[test]
fn tells_of_backing_files_snapshots_and_bitmaps() {
    let files = Files::new();
    let (base, path) = (files.path("base"), files.path("a.qcow2"));
    make_disk(&base, 5_000_192, 3, 1);
    let create = ["create", "-f", "qcow2", "-b", "base", "-F", "raw"];
    qemu_img(&[&create[..], &[text(&path)]].concat());
    for name in ["one", "a longer name"] {
        scribble(&path, "qcow2", 5_000_192, 1);
        qemu_img(&["snapshot", "-c", name, text(&path)]);
        let bitmap = ["bitmap", "--add", "-g", "128k", text(&path), name];
        qemu_img(&bitmap);
    }
    qemu_img(&["bitmap", "--disable", text(&path), "one"]);
    let (ours, theirs) = both(&path);
    assert_eq!(ours["backing"]["path"], theirs["backing-filename"]);
    assert_eq!(ours["backing"]["format"], theirs["backing-filename-format"]);
    assert_eq!(ours["backing"]["found"], theirs["full-backing-filename"]);
    let of = |list: &Value, fields: &[&str]| -> Vec<String> {
        let one = |entry: &Value| {
            let values = fields.iter().map(|name| entry[name].to_string());
            values.collect::<Vec<_>>().join(" ")
        };
        list.as_array().unwrap().iter().map(one).collect()
    };
    assert_eq!(
        of(&ours["snapshots"], &["id", "name", "vm-state-size", "date"]),
        of(
            &theirs["snapshots"],
            &["id", "name", "vm-state-size", "date-sec"]
        ),
    );
    let bitmaps = &theirs["format-specific"]["data"]["bitmaps"];
    let fields = ["name", "granularity"];
    assert_eq!(of(&ours["bitmaps"], &fields), of(bitmaps, &fields));
    let enabled = of(&ours["bitmaps"], &["enabled"]);
    let flags = of(bitmaps, &["flags"]);
    let theirs: Vec<_> = flags
        .iter()
        .map(|f| f.contains("auto").to_string())
        .collect();
    assert_eq!(enabled, theirs);
}

#[test]
fn extents_are_those_qemu_maps() {
    let files = Files::new();
    let (raw, path) = (files.path("a.raw"), files.path("a.qcow2"));
    make_disk(&raw, 40 << 20, 20, 3);
    qemu_img(&["convert", "-c", "-O", "qcow2", text(&raw), text(&path)]);
    scribble(&path, "qcow2", 20 << 20, 4);
    let totals = ExtentTotals::of(&open_as(&path, Format::Qcow2)).unwrap();
    let map = qemu_img(&["map", "--output=json", text(&path)]);
    let map: Vec<Value> = serde_json::from_str(&map).unwrap();
    let sum = |wanted: &dyn Fn(&Value) -> bool| -> u64 {
        let chosen = map.iter().filter(|extent| wanted(extent));
        chosen
            .map(|extent| extent["length"].as_u64().unwrap())
            .sum()
    };
    let is = |extent: &Value, name: &str| extent[name] == true;
    assert_eq!(totals.compressed, sum(&|e| is(e, "compressed")));
    assert_eq!(totals.hole, sum(&|e| !is(e, "present")));
    // What is a hole in the file is zero here and data there.
    let plain = |e: &Value| is(e, "present") && !is(e, "compressed");
    assert_eq!(totals.data + totals.zero, sum(&plain));
}

/// The size on the medium: some files have holes.
fn written(raw: &Path, options: &WriteOptions, files: &Files) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let path = files.path("out");
    let (source, target) = (open_as(raw, Format::Raw), create(&path));
    let written =
        image::write(&source, &target, options, &Monitor::silent()).unwrap();
    match (options.clone(), path.metadata().unwrap().blocks() * 512) {
        (options, blocks) if is_raw(&options) => blocks,
        _ => written.bytes,
    }
}

fn is_raw(options: &WriteOptions) -> bool {
    format!("{options:?}")
        .contains("format: Raw, subformat: None, compression: None")
}

#[test]
fn estimates_are_near_what_is_written() {
    let files = Files::new();
    let raw = files.path("a.raw");
    make_disk(&raw, 100 << 20, 200, 12);
    let disk = open_as(&raw, Format::Raw);
    let estimates = image::estimate(&disk, &Monitor::silent()).unwrap();
    assert_eq!(
        estimates,
        image::estimate(&disk, &Monitor::silent()).unwrap()
    );
    for estimate in estimates {
        let compression = match estimate.compression {
            None => Compression::None,
            Some("gzip") => Compression::Zlib(6),
            Some(name) => name.parse().unwrap(),
        };
        let variant = estimate.variant.map(|name| name.parse().unwrap());
        let options = WriteOptions::new(estimate.format)
            .compression(compression)
            .subformat(variant.map(|variant: Subformat| variant));
        let real = written(&raw, &options, &files);
        let (low, high) = (real * 85 / 100, real * 115 / 100 + 4096);
        let told = estimate.bytes;
        assert!((low..=high).contains(&told), "{estimate:?}: {real}");
    }
}
