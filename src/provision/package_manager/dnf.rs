// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! DNF, 4 and 5, under whichever name the image has it.
//!
//! It waits for a lock until that is free, and `-y` accepts the key that a
//! `.repo` file names. Facts: dnf(8), dnf5(8), dnf.conf(5).

use super::package_file::PackageFiles;
use super::versionlock::VersionLock;
use super::{Guest, Installed, PackageManager, held, joined, rpm};
use crate::chroot::GuestCommand;
use crate::error::{Context, Error, Result};
use crate::mount::GuestRoot;
use crate::recipe::{Hold, PackageName, PackageSpec, Repository};

const DNF: &str = "/usr/bin/dnf";
const DNF5: &str = "/usr/bin/dnf5";
const YUM: &str = "/usr/bin/yum";
const REPOSITORIES: &str = "/etc/yum.repos.d";
const PLUGIN: &str = "/usr/lib*/python3*/*-packages/dnf-plugins/versionlock.py";

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
        Some(dnf) => Some(Box::new(dnf)),
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

impl Dnf {
    /// The arguments of everything.
    fn common() -> Vec<String> {
        vec!["-y".to_owned()]
    }

    /// A repository that cannot be reached is an error, not a warning with
    /// which the build goes on.
    fn refresh_args(&self) -> Vec<String> {
        let mut args = Self::common();
        args.push("--setopt=*.skip_if_unavailable=0".to_owned());
        args.push("--refresh".to_owned());
        args.push("makecache".to_owned());
        args
    }

    /// What is held may be installed by name all the same.
    fn install_args(&self, words: Vec<String>) -> Vec<String> {
        let mut args = Self::common();
        match self.generation {
            Generation::Four => {
                args.push("--disableexcludes=all".to_owned());
                if self.lock == VersionLock::Dnf4 {
                    args.push("--disableplugin=versionlock".to_owned());
                }
                args.push("install".to_owned());
            }
            Generation::Five => {
                args.push("--setopt=disable_excludes=*".to_owned());
                args.push("install".to_owned());
                args.push("--allow-downgrade".to_owned());
            }
        }
        args.extend(words);
        args
    }

    fn upgrade_args() -> Vec<String> {
        let mut args = Self::common();
        args.push("upgrade".to_owned());
        args
    }

    fn remove_args(&self, packages: &[PackageName]) -> Vec<String> {
        let mut args = Self::common();
        if self.generation == Generation::Four {
            args.push("--disableexcludes=all".to_owned());
        }
        args.push("remove".to_owned());
        args.extend(packages.iter().map(rpm::name_word));
        args
    }

    fn command<'e>(
        &self,
        guest: &Guest<'e>,
        args: Vec<String>,
    ) -> GuestCommand<'e> {
        guest.environment.command(self.program).args(args)
    }

    fn diagnose(
        &self,
        guest: &Guest<'_>,
        specs: &[PackageSpec],
        error: Error,
    ) -> Result<Error> {
        let args: &[&str] = match self.generation {
            Generation::Four => {
                &["-q", "--cacheonly", "--disableexcludes=all", "repoquery"]
            }
            Generation::Five => &["-q", "--cacheonly", "repoquery"],
        };
        rpm::diagnose(guest, (self.program, args), specs, error)
    }
}

impl PackageManager for Dnf {
    fn name(&self) -> &'static str {
        match self.generation {
            Generation::Four => "dnf",
            Generation::Five => "dnf5",
        }
    }

    fn add_repository(
        &self,
        guest: &Guest<'_>,
        repository: &Repository,
        key: Option<&[u8]>,
    ) -> Result<()> {
        rpm::add_repository(guest, repository, key, REPOSITORIES)
    }

    fn refresh(&self, guest: &Guest<'_>) -> Result<()> {
        self.command(guest, self.refresh_args())
            .run(guest.monitor)
            .during("refreshing the package lists")
    }

    fn upgrade(&self, guest: &Guest<'_>) -> Result<()> {
        self.command(guest, Self::upgrade_args())
            .run(guest.monitor)
            .during("upgrading the packages")
    }

    fn install(
        &self,
        guest: &Guest<'_>,
        packages: &[PackageSpec],
    ) -> Result<()> {
        let mut files = PackageFiles::new(guest, "rpm");
        let words = files.words(packages, |name, version| {
            Ok(rpm::spec_word(name, version))
        })?;
        let installed = self
            .command(guest, self.install_args(words))
            .run(guest.monitor)
            .during("installing packages");
        files.remove()?;
        match installed {
            Err(error) => Err(self.diagnose(guest, packages, error)?),
            Ok(()) => Ok(()),
        }
    }

    fn install_command(&self, packages: &[PackageName]) -> String {
        let names = joined(packages, rpm::name_word);
        format!("{} -y install {names}", self.program)
    }

    fn remove(
        &self,
        guest: &Guest<'_>,
        packages: &[PackageName],
    ) -> Result<()> {
        self.command(guest, self.remove_args(packages))
            .run(guest.monitor)
            .during("removing packages")
    }

    fn hold(&self, guest: &Guest<'_>, hold: &Hold) -> Result<()> {
        let held = held(hold, rpm::installed(guest)?)?;
        self.lock.add(guest.root(), &held)
    }

    fn installed(&self, guest: &Guest<'_>) -> Result<Vec<Installed>> {
        rpm::installed(guest)
    }

    fn downloads(&self) -> &'static [&'static str] {
        &[
            "/var/cache/dnf/*/packages/*.rpm",
            "/var/cache/libdnf5/*/packages/*.rpm",
        ]
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
        let words = || vec!["kubelet-1.36.0".to_owned()];
        let four = dnf(Generation::Four, VersionLock::Dnf4);
        let bare =
            dnf(Generation::Four, VersionLock::Exclude("/etc/dnf/dnf.conf"));
        let five = dnf(Generation::Five, VersionLock::Dnf5);
        for (args, expected) in [
            (
                four.install_args(words()),
                "-y --disableexcludes=all --disableplugin=versionlock \
                 install kubelet-1.36.0",
            ),
            (
                bare.install_args(words()),
                "-y --disableexcludes=all install kubelet-1.36.0",
            ),
            (
                five.install_args(words()),
                "-y --setopt=disable_excludes=* install --allow-downgrade \
                 kubelet-1.36.0",
            ),
            (
                four.refresh_args(),
                "-y --setopt=*.skip_if_unavailable=0 --refresh makecache",
            ),
            (Dnf::upgrade_args(), "-y upgrade"),
            (
                four.remove_args(&["a:i686".parse().unwrap()]),
                "-y --disableexcludes=all remove a.i686",
            ),
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
