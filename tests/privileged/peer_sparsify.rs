// SPDX-License-Identifier: Apache-2.0
//! `compact` beside virt-sparsify: an image out of which 400 MB were deleted.
//!
//! Not run by `make test`: the peer boots an appliance, which without KVM
//! takes a minute. `make test-slow` runs it, with what it needs.

use std::ffi::OsStr;
use std::fs;
use std::process::Command;
use std::time::Instant;

use crate::peer_customize::appliance;
use crate::support::{Disk, Lab, fixture, run};

#[test]
#[ignore = "a minute of the peer's appliance: make test-slow"]
fn peer_an_image_is_as_small_as_virt_sparsify_makes_it() {
    let lab = Lab::new();
    let base = fixture("debian-12/debian-12-base-amd64.qcow2");
    let convert = |words: &[&str], from: &OsStr, to: &OsStr| {
        let words = words.iter().map(OsStr::new);
        let convert = [OsStr::new("convert")].into_iter();
        run("qemu-img", convert.chain(words).chain([from, to]));
    };
    let disk = Disk::new(lab.join("disk.raw"));
    convert(&["-O", "raw"], base.as_os_str(), disk.path().as_os_str());
    disk.change("head -c 400M /dev/urandom >fill; sync; rm fill; sync", &[]);
    let tree = disk.tree();
    let (ours, theirs) = (lab.join("ours.qcow2"), lab.join("theirs.qcow2"));
    // The same compression on both sides: zlib, QEMU's own.
    let packed = ["-O", "qcow2", "-c"];
    convert(&packed, disk.path().as_os_str(), ours.as_os_str());
    let full = fs::metadata(&ours).unwrap().len();

    let start = Instant::now();
    lab.cli().arg("compact").arg(&ours).run().success();
    let our_time = start.elapsed();
    let start = Instant::now();
    let mut peer = Command::new("virt-sparsify");
    peer.args(["--compress", "--format", "raw", "--convert", "qcow2"])
        .arg("--tmp")
        .arg(lab.join(""))
        .args([disk.path(), theirs.as_path()]);
    appliance(&mut peer);
    let their_time = start.elapsed();

    let len = |path| fs::metadata(path).unwrap().len();
    let (our_len, their_len) = (len(&ours), len(&theirs));
    println!(
        "before {full}, ours {our_len} in {our_time:?}, theirs {their_len} \
         in {their_time:?}: {:.1} times faster",
        their_time.as_secs_f64() / our_time.as_secs_f64()
    );
    assert!(our_len <= their_len, "{our_len} {their_len}");
    assert!(full > our_len + (380 << 20), "{full} {our_len}");
    let back = Disk::new(lab.join("back.raw"));
    convert(&["-O", "raw"], ours.as_os_str(), back.path().as_os_str());
    back.assert_sound();
    assert_eq!(back.tree(), tree);
    lab.assert_nothing_left();
}
