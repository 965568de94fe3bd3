// SPDX-License-Identifier: Apache-2.0
//! Images that others made, where `IMAGEWRIGHT_CORPUS` says
//! (`make test-corpus CORPUS=dir`).

use std::env;
use std::fs;
use std::path::PathBuf;

use imagewright::Monitor;
use imagewright::block::{CopyOptions, copy_to_raw};
use imagewright::image::{self, Gate, OpenOptions};

use crate::image_support::{Files, create, run, text};

#[test]
#[ignore = "needs IMAGEWRIGHT_CORPUS"]
fn corpus_images_have_the_bytes_they_should() {
    let dir = env::var_os("IMAGEWRIGHT_CORPUS")
        .map(PathBuf::from)
        .expect("set IMAGEWRIGHT_CORPUS to the corpus directory")
        .join("image");
    let sums = fs::read_to_string(dir.join("SHA256SUMS.content")).unwrap();
    assert!(sums.lines().count() > 0);
    for line in sums.lines() {
        let (sum, name) = line.split_once("  ").unwrap();
        let files = Files::new();
        let options = OpenOptions::new().gate(Gate::beside());
        let image = image::open(&dir.join(name), &options).unwrap();
        let raw = files.path("raw");
        let copy = CopyOptions::new();
        let monitor = Monitor::silent();
        copy_to_raw(&image, &create(&raw), &copy, &monitor).unwrap();
        let ours = run("sha256sum", &[text(&raw)]);
        assert!(ours.starts_with(sum), "{name}: {:?}", image.info());
    }
}
