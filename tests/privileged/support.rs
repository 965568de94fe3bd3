// SPDX-License-Identifier: Apache-2.0
//! What the tests share: a directory of their own, the command, and eyes for
//! what a session must not leave behind.

mod containerd;
mod image;
mod layout;
mod leftovers;
mod run;
mod server;
mod terminal;

use std::fs;
use std::path::{Path, PathBuf};

use imagewright::pipeline::{BuildOptions, InputOptions};
use imagewright::recipe::Recipe;
use nix::unistd::geteuid;
use tempfile::TempDir;

pub(crate) use containerd::{Containerd, container_archive};
pub(crate) use image::{Disk, differences};
pub(crate) use layout::{Layout, Volume, changed};
pub(crate) use leftovers::Leftovers;
pub(crate) use run::{Cli, Finished, in_own_mounts, run, sha256, wait_for};
pub(crate) use server::Server;
pub(crate) use terminal::Terminal;

/// The built command.
pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_imagewright");

/// Where a test works; gone with it.
pub(crate) struct Lab {
    dir: TempDir,
    leftovers: Leftovers,
}

impl Lab {
    /// A new directory.
    pub(crate) fn new() -> Self {
        assert!(geteuid().is_root(), "run as root: sudo make test");
        let dir = tempfile::Builder::new()
            .prefix("lab-")
            .tempdir_in(env!("CARGO_TARGET_TMPDIR"))
            .expect("a directory for the test");
        fs::create_dir(dir.path().join("tmp")).unwrap();
        let leftovers = Leftovers::new(dir.path());
        Self { dir, leftovers }
    }

    /// The directory.
    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// A path in it.
    pub(crate) fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        self.path().join(name)
    }

    /// A file in it.
    pub(crate) fn write(
        &self,
        name: impl AsRef<Path>,
        content: impl AsRef<[u8]>,
    ) -> PathBuf {
        let path = self.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    /// A recipe that says `body` besides what every recipe says.
    ///
    /// Every command it runs carries the lab's marker in its environment.
    pub(crate) fn recipe(&self, name: &str, body: &str) -> PathBuf {
        let marker = self.marker();
        let text = format!(
            "apiVersion: imagewright/v1alpha1\nkind: NodeImage\n\
             proxy: {{no: [{marker}]}}\n{body}"
        );
        self.write(name, text)
    }

    /// In the environment of every process that this lab starts.
    pub(crate) fn marker(&self) -> &str {
        self.leftovers.marker()
    }

    /// The command, marked, with cache and temporary files in the lab.
    pub(crate) fn cli(&self) -> Cli {
        Cli::new(BINARY)
            .env("IMAGEWRIGHT_TEST", self.marker())
            .env("TMPDIR", self.join("tmp"))
            .arg("--cache-dir")
            .arg(self.join("cache"))
    }

    /// `build` of `image` by `recipe` into `output`; nothing vouches for the
    /// image.
    pub(crate) fn build(
        &self,
        image: &Path,
        recipe: &Path,
        output: &Path,
    ) -> Cli {
        self.cli()
            .args(["build", "--insecure-no-checksum", "--disk-image"])
            .arg(image)
            .arg("--recipe")
            .arg(recipe)
            .arg("--output")
            .arg(output)
    }

    /// The same by the library.
    pub(crate) fn build_options(
        &self,
        image: &Path,
        recipe: &Path,
        output: &Path,
    ) -> BuildOptions {
        let recipe = Recipe::load(recipe).unwrap();
        BuildOptions::new(self.input(image), recipe, output)
    }

    /// An image that nothing vouches for.
    pub(crate) fn input(&self, image: &Path) -> InputOptions {
        let reference = image.to_str().unwrap().parse().unwrap();
        let mut input = InputOptions::new(reference);
        input.fetch.insecure_no_checksum = true;
        input.fetch.cache_dir = Some(self.join("cache"));
        input
    }

    /// Fails if processes, mounts, loop devices or temporary files of this
    /// lab are there and do not go away.
    pub(crate) fn assert_nothing_left(&self) {
        self.leftovers.assert_none();
        assert_eq!(names_in(&self.join("tmp")), [""; 0]);
    }
}

/// A file of the fixtures.
pub(crate) fn fixture(name: &str) -> PathBuf {
    let base = std::env::var_os("IMAGEWRIGHT_FIXTURES")
        .unwrap_or_else(|| "/var/tmp/imagewright-fixtures".into());
    let path = Path::new(&base).join(name);
    assert!(
        path.exists(),
        "{} is missing: run `make fixtures`",
        path.display()
    );
    path
}

/// 96 MiB, busybox, no dpkg.
pub(crate) fn tiny_qcow2() -> PathBuf {
    fixture("tiny/tiny.qcow2")
}

/// The same, raw.
pub(crate) fn tiny_raw() -> PathBuf {
    fixture("tiny/tiny.raw")
}

/// The names in a directory, sorted; none where there is no directory.
pub(crate) fn names_in(directory: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(directory) else {
        return Vec::new();
    };
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// Random numbers from a seed that is printed, so that a failure can be
/// repeated with `IMAGEWRIGHT_TEST_SEED`.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new() -> Self {
        let seed = match std::env::var("IMAGEWRIGHT_TEST_SEED") {
            Ok(seed) => seed.parse().expect("IMAGEWRIGHT_TEST_SEED"),
            Err(_) => std::time::SystemTime::now()
                .duration_since(std::time::UNIX_EPOCH)
                .unwrap()
                .as_nanos() as u64,
        };
        println!("IMAGEWRIGHT_TEST_SEED={seed}");
        Self(seed)
    }

    /// From 0 to below 1 (splitmix64).
    pub(crate) fn fraction(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits ^= bits >> 31;
        (bits >> 11) as f64 / (1_u64 << 53) as f64
    }
}
