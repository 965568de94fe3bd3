// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! DNF, 4 and 5, under whichever name the image has it.
//!
//! It waits for a lock until that is free, and `-y` accepts the key that a
//! `.repo` file names. Facts: dnf(8), dnf5(8), dnf.conf(5).

mod archives;

use super::rpm::{self, Dialect, OnRpm};
use super::versionlock::VersionLock;
use super::{Guest, Installed, Lockable, PackageManager};
use crate::error::Result;
use crate::mount::GuestRoot;
use crate::recipe::PackageSpec;

const DNF: &str = "/usr/bin/dnf";
const DNF5: &str = "/usr/bin/dnf5";
const YUM: &str = "/usr/bin/yum";
/// Of DNF 5: what is excluded is seen all the same, and what is locked, too.
const NO_EXCLUDES: &str = "--setopt=disable_excludes=*";
const PLUGIN: &str = "/usr/lib*/python3*/*-packages/dnf-plugins/versionlock.py";

/// Below the directory of a repository.
const DOWNLOADS: [&str; 2] = [
    "/var/cache/dnf/*/packages/*.rpm",
    "/var/cache/libdnf5/*/packages/*.rpm",
];

/// The generations differ in the words of a few options.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Generation {
    Four,
    Five,
}

/// dnf.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Dnf {
    program: &'static str,
    generation: Generation,
    lock: VersionLock,
}

/// Which generation `/usr/bin/dnf` is, its target tells.
pub(super) fn find(
    root: &GuestRoot,
) -> Result<Option<Box<dyn PackageManager>>> {
    Ok(match probe(root)? {
        Some(dnf) => Some(Box::new(OnRpm(dnf))),
        None => None,
    })
}

fn probe(root: &GuestRoot) -> Result<Option<Dnf>> {
    let five = root.exists(DNF5)?;
    let target = root.read_link(DNF)?.unwrap_or_default();
    let named_five = target.to_string_lossy().contains("dnf5");
    if five && (named_five || !root.exists(DNF)?) {
        return Ok(Some(Dnf {
            program: DNF5,
            generation: Generation::Five,
            lock: VersionLock::Dnf5,
        }));
    }
    let program = if root.exists(DNF)? {
        DNF
    } else if is_yum_of_dnf(root)? {
        YUM
    } else {
        return Ok(None);
    };
    let lock = match root.glob(PLUGIN)?.is_empty() {
        true => VersionLock::Exclude("/etc/dnf/dnf.conf"),
        false => VersionLock::Dnf4,
    };
    Ok(Some(Dnf {
        program,
        generation: Generation::Four,
        lock,
    }))
}

/// From CentOS 8 on, yum is DNF 4 by another name.
fn is_yum_of_dnf(root: &GuestRoot) -> Result<bool> {
    let target = root.read_link(YUM)?.unwrap_or_default();
    if target.to_string_lossy().contains("dnf") {
        return Ok(true);
    }
    let script = root.read_if_exists(YUM)?.unwrap_or_default();
    let script = String::from_utf8_lossy(&script);
    Ok(script.contains("import dnf") || script.contains("from dnf"))
}

impl Dialect for Dnf {
    fn name(&self) -> &'static str {
        match self.generation {
            Generation::Four => "dnf",
            Generation::Five => "dnf5",
        }
    }

    fn program(&self) -> &'static str {
        self.program
    }

    /// A repository that cannot be reached is an error, not a warning with
    /// which the build goes on.
    fn refresh(&self) -> Vec<Vec<&'static str>> {
        vec![vec![
            "--setopt=*.skip_if_unavailable=0",
            "--refresh",
            "makecache",
        ]]
    }

    fn install(&self, _: bool) -> Vec<&'static str> {
        match (self.generation, self.lock) {
            (Generation::Four, VersionLock::Dnf4) => vec![
                "--disableexcludes=all",
                "--disableplugin=versionlock",
                "install",
            ],
            (Generation::Four, _) => vec!["--disableexcludes=all", "install"],
            (Generation::Five, _) => {
                vec![NO_EXCLUDES, "install", "--allow-downgrade"]
            }
        }
    }

    /// DNF 5 leaves what is excluded where it is, and calls that success.
    fn remove(&self) -> Vec<&'static str> {
        match self.generation {
            Generation::Four => vec!["--disableexcludes=all", "remove"],
            Generation::Five => vec![NO_EXCLUDES, "remove"],
        }
    }

    fn judge(
        &self,
        guest: &Guest<'_>,
        packages: &[PackageSpec],
        done: Result<()>,
    ) -> Result<()> {
        let Err(error) = done else {
            return Ok(());
        };
        let args: &[&str] = match self.generation {
            Generation::Four => {
                &["-q", "--cacheonly", "--disableexcludes=all", "repoquery"]
            }
            Generation::Five => {
                &["-q", "--cacheonly", NO_EXCLUDES, "repoquery"]
            }
        };
        let query = (self.program, args);
        Err(rpm::diagnose(guest, query, packages, error)?)
    }

    fn keep(&self, guest: &Guest<'_>, packages: &[Installed]) -> Result<()> {
        self.lock.add(guest.root(), packages)
    }

    fn lockable(&self) -> Option<&dyn Lockable> {
        Some(self)
    }

    fn downloads(&self) -> &'static [&'static str] {
        &DOWNLOADS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dnf(generation: Generation, lock: VersionLock) -> Dnf {
        Dnf {
            program: DNF,
            generation,
            lock,
        }
    }

    #[test]
    fn arguments() {
        let four = dnf(Generation::Four, VersionLock::Dnf4);
        let bare =
            dnf(Generation::Four, VersionLock::Exclude("/etc/dnf/dnf.conf"));
        let five = dnf(Generation::Five, VersionLock::Dnf5);
        for (args, expected) in [
            (
                four.install(false),
                "--disableexcludes=all --disableplugin=versionlock install",
            ),
            (bare.install(false), "--disableexcludes=all install"),
            (
                five.install(false),
                "--setopt=disable_excludes=* install --allow-downgrade",
            ),
            (
                four.refresh().concat(),
                "--setopt=*.skip_if_unavailable=0 --refresh makecache",
            ),
            (four.upgrade(), "upgrade"),
            (four.remove(), "--disableexcludes=all remove"),
            (five.remove(), "--setopt=disable_excludes=* remove"),
        ] {
            assert_eq!(args.join(" "), expected);
        }
    }

    #[test]
    fn generations_are_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        let bin = dir.path().join("usr/bin");
        std::fs::create_dir_all(&bin).unwrap();
        let root = GuestRoot::open(dir.path()).unwrap();
        let found = || {
            let found = probe(&root).unwrap();
            found.map(|dnf| (dnf.program, dnf.generation, dnf.lock))
        };
        let exclude = VersionLock::Exclude("/etc/dnf/dnf.conf");
        assert_eq!(found(), None);
        std::fs::write(bin.join("yum"), "import yum\n").unwrap();
        assert_eq!(found(), None);
        std::fs::write(bin.join("yum"), "from dnf.cli import main\n").unwrap();
        assert_eq!(found(), Some((YUM, Generation::Four, exclude)));
        std::os::unix::fs::symlink("dnf-3", bin.join("dnf")).unwrap();
        std::fs::write(bin.join("dnf-3"), "").unwrap();
        assert_eq!(found(), Some((DNF, Generation::Four, exclude)));
        let plugins = "usr/lib/python3.9/site-packages/dnf-plugins";
        let plugins = dir.path().join(plugins);
        std::fs::create_dir_all(&plugins).unwrap();
        std::fs::write(plugins.join("versionlock.py"), "").unwrap();
        let four = Some((DNF, Generation::Four, VersionLock::Dnf4));
        assert_eq!(found(), four);
        std::fs::write(bin.join("dnf5"), "").unwrap();
        assert_eq!(found(), four);
        std::fs::remove_file(bin.join("dnf")).unwrap();
        std::os::unix::fs::symlink("dnf5", bin.join("dnf")).unwrap();
        let five = Some((DNF5, Generation::Five, VersionLock::Dnf5));
        assert_eq!(found(), five);
    }
}
