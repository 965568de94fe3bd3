// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! yum 3, of CentOS 7 and Amazon Linux 2.
//!
//! It waits for a lock until that is free. It ends with status 0 when a
//! package of several is not found, so what was asked for is looked up
//! afterwards. Facts: yum(8), yum.conf(5).

use super::package_file::PackageFiles;
use super::versionlock::VersionLock;
use super::{
    Guest, Installed, PackageManager, held, joined, no_such_package, rpm,
};
use crate::error::{Context, Result};
use crate::mount::GuestRoot;
use crate::recipe::{Hold, PackageName, PackageSpec, Repository};

const YUM: &str = "/usr/bin/yum";
const REPOSITORIES: &str = "/etc/yum.repos.d";
const PLUGIN: &str = "/usr/lib/yum-plugins/versionlock.py";

/// yum.
#[derive(Debug)]
struct Yum {
    lock: VersionLock,
}

/// Where dnf is not found, which has a command of this name, too.
pub(super) fn find(
    root: &GuestRoot,
) -> Result<Option<Box<dyn PackageManager>>> {
    if !root.exists(YUM)? {
        return Ok(None);
    }
    let lock = match root.exists(PLUGIN)? {
        true => VersionLock::Yum,
        false => VersionLock::Exclude("/etc/yum.conf"),
    };
    Ok(Some(Box::new(Yum { lock })))
}

impl Yum {
    /// What is held may be installed by name all the same.
    fn install_args(&self, words: Vec<String>) -> Vec<String> {
        let mut args =
            vec!["-y".to_owned(), "--disableexcludes=all".to_owned()];
        if self.lock == VersionLock::Yum {
            args.push("--disableplugin=versionlock".to_owned());
        }
        args.push("install".to_owned());
        args.extend(words);
        args
    }
}

fn run(guest: &Guest<'_>, args: Vec<String>, doing: &str) -> Result<()> {
    guest
        .environment
        .command(YUM)
        .args(args)
        .run(guest.monitor)
        .during(doing.to_owned())
}

fn words<const N: usize>(words: [&str; N]) -> Vec<String> {
    words.map(str::to_owned).to_vec()
}

impl PackageManager for Yum {
    fn name(&self) -> &'static str {
        "yum"
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
        run(
            guest,
            words(["-y", "clean", "expire-cache"]),
            "refreshing the package lists",
        )?;
        let strict = "--setopt=*.skip_if_unavailable=0";
        run(
            guest,
            words(["-y", strict, "makecache"]),
            "refreshing the package lists",
        )
    }

    fn upgrade(&self, guest: &Guest<'_>) -> Result<()> {
        run(guest, words(["-y", "update"]), "upgrading the packages")
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
        let done = run(guest, self.install_args(words), "installing packages");
        files.remove()?;
        done?;
        let mut missing = Vec::new();
        for spec in packages {
            let PackageSpec::Named { name, .. } = spec else {
                continue;
            };
            if name.as_str().starts_with('@') {
                continue;
            }
            let (status, _) = guest
                .environment
                .command("rpm")
                .args(["-q", "--whatprovides"])
                .arg(rpm::name_word(name))
                .status(guest.monitor)?;
            let (by_name, _) = guest
                .environment
                .command("rpm")
                .arg("-q")
                .arg(rpm::name_word(name))
                .status(guest.monitor)?;
            if !status.success() && !by_name.success() {
                missing.push(name.as_str());
            }
        }
        match missing.is_empty() {
            true => Ok(()),
            false => Err(no_such_package(&missing)),
        }
    }

    fn install_command(&self, packages: &[PackageName]) -> String {
        format!("{YUM} -y install {}", joined(packages, rpm::name_word))
    }

    fn remove(
        &self,
        guest: &Guest<'_>,
        packages: &[PackageName],
    ) -> Result<()> {
        let mut args = words(["-y", "--disableexcludes=all", "remove"]);
        args.extend(packages.iter().map(rpm::name_word));
        run(guest, args, "removing packages")
    }

    fn hold(&self, guest: &Guest<'_>, hold: &Hold) -> Result<()> {
        let held = held(hold, rpm::installed(guest)?)?;
        self.lock.add(guest.root(), &held)
    }

    fn installed(&self, guest: &Guest<'_>) -> Result<Vec<Installed>> {
        rpm::installed(guest)
    }

    fn downloads(&self) -> &'static [&'static str] {
        &["/var/cache/yum/**/packages/*.rpm"]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn held_packages_are_installed_by_name() {
        for (lock, expected) in [
            (
                VersionLock::Yum,
                "-y --disableexcludes=all --disableplugin=versionlock \
                 install a",
            ),
            (
                VersionLock::Exclude("/etc/yum.conf"),
                "-y --disableexcludes=all install a",
            ),
        ] {
            let args = Yum { lock }.install_args(words(["a"]));
            assert_eq!(args.join(" "), expected);
        }
    }
}
