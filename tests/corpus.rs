// SPDX-License-Identifier: Apache-2.0
//! Files that nobody here wrote: `make test-corpus CORPUS=dir`.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use imagewright::block::ReadAt;
use imagewright::image::{self, OpenOptions};
use sha2::{Digest, Sha256};

fn corpus() -> Result<PathBuf> {
    let dir = std::env::var_os("IMAGEWRIGHT_CORPUS")
        .context("run it by `make test-corpus CORPUS=dir`")?;
    Ok(PathBuf::from(dir))
}

fn digest(disk: &dyn ReadAt) -> Result<String> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    let mut offset = 0;
    while offset < disk.size() {
        let left = usize::try_from(disk.size() - offset)?;
        let part = &mut buffer[..left.min(1 << 20)];
        disk.read_at(offset, part)?;
        hasher.update(&*part);
        offset += u64::try_from(part.len())?;
    }
    Ok(hex::encode(hasher.finalize()))
}

/// Formats of the corpus that are read here.
const SUFFIXES: [&str; 1] = ["qcow2"];

#[test]
fn images_have_the_content_qemu_img_sees() -> Result<()> {
    let directory = corpus()?.join("image");
    let sums = std::fs::read_to_string(directory.join("SHA256SUMS.content"))?;
    let mut checked = 0;
    for line in sums.lines() {
        let (expected, name) =
            line.split_once("  ").context("a line without two blanks")?;
        if !SUFFIXES.iter().any(|suffix| name.ends_with(suffix)) {
            continue;
        }
        let image = image::open(&directory.join(name), &OpenOptions::new())?;
        ensure!(digest(&image)? == expected, "{name} differs");
        checked += 1;
    }
    ensure!(checked >= 2, "only {checked} images in the corpus");
    Ok(())
}
