// SPDX-License-Identifier: Apache-2.0
//! Files that nobody here wrote: `make test-corpus CORPUS=dir`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use imagewright::block::ReadAt;
use imagewright::describe;
use imagewright::image::{self, OpenOptions};
use imagewright::mount::GuestRoot;
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
const SUFFIXES: [&str; 3] = ["qcow2", "vmdk", "vhd"];

#[test]
#[ignore = "over files beside us: make test-corpus CORPUS=dir"]
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

/// The appliance of the corpus has no disk: its members are named.
#[test]
#[ignore = "over files beside us: make test-corpus CORPUS=dir"]
fn an_appliance_without_a_disk_is_said() -> Result<()> {
    let path = corpus()?.join("image/tiny.ova");
    let listed = std::process::Command::new("tar")
        .arg("-tf")
        .arg(&path)
        .output()
        .context("tar: run fixtures/setup.sh to install it")?;
    let listed = String::from_utf8(listed.stdout)?;
    let error = match image::open(&path, &OpenOptions::new()) {
        Ok(image) => bail!("a disk of {} bytes", image.size()),
        Err(error) => error,
    };
    let hint = error.advice().unwrap_or_default();
    for member in listed.lines() {
        ensure!(hint.contains(member), "{member} is not in {hint:?}");
    }
    Ok(())
}

/// The lines of `expected.txt`: NAME EPOCH VERSION RELEASE ARCH.
fn rpm_packages(database: &Path) -> Result<Vec<String>> {
    let root = tempfile::tempdir()?;
    let inside = root.path().join("var/lib/rpm");
    std::fs::create_dir_all(&inside)?;
    let name = database.file_name().context("no name")?;
    std::fs::copy(database, inside.join(name))?;
    let tree = GuestRoot::open(root.path())?;
    let packages = describe::packages(&tree)?;
    let mut lines: Vec<String> = packages
        .iter()
        .map(|package| {
            let epoch = match package.version.contains(':') {
                true => package.epoch().to_string(),
                false => "(none)".to_owned(),
            };
            format!(
                "{} {epoch} {} {} {}",
                package.name,
                package.upstream_version(),
                package.release(),
                package.architecture
            )
        })
        .collect();
    lines.sort();
    Ok(lines)
}

#[test]
#[ignore = "over files beside us: make test-corpus CORPUS=dir"]
fn rpm_databases_of_every_form() -> Result<()> {
    for database in [
        "cbl-mariner-2.0/rpmdb.sqlite",
        "libuuid-bdb/Packages",
        "sle15-bci/Packages.db",
    ] {
        let database = corpus()?.join("rpmdb").join(database);
        let expected = database.with_file_name("expected.txt");
        let expected = std::fs::read_to_string(expected)?;
        let found = rpm_packages(&database)?;
        let expected: Vec<&str> = expected.lines().collect();
        ensure!(!expected.is_empty(), "nothing is expected");
        ensure!(found == expected, "{}: {found:#?}", database.display());
    }
    Ok(())
}
