// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! yum 3, of CentOS 7 and Amazon Linux 2.
//!
//! It waits for a lock until that is free. It ends with status 0 when a
//! package of several is not found, so what was asked for is looked up
//! afterwards. Facts: yum(8), yum.conf(5).

use super::rpm::{self, Dialect, OnRpm};
use super::versionlock::VersionLock;
use super::{Guest, Installed, PackageManager, no_such_package};
use crate::error::Result;
use crate::mount::GuestRoot;
use crate::recipe::PackageSpec;

const YUM: &str = "/usr/bin/yum";
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
    Ok(Some(Box::new(OnRpm(Yum { lock }))))
}

impl Dialect for Yum {
    fn name(&self) -> &'static str {
        "yum"
    }

    fn program(&self) -> &'static str {
        YUM
    }

    fn refresh(&self) -> Vec<Vec<&'static str>> {
        vec![
            vec!["clean", "expire-cache"],
            vec!["--setopt=*.skip_if_unavailable=0", "makecache"],
        ]
    }

    fn upgrade(&self) -> Vec<&'static str> {
        vec!["update"]
    }

    fn install(&self, _: bool) -> Vec<&'static str> {
        match self.lock {
            VersionLock::Yum => vec![
                "--disableexcludes=all",
                "--disableplugin=versionlock",
                "install",
            ],
            _ => vec!["--disableexcludes=all", "install"],
        }
    }

    fn remove(&self) -> Vec<&'static str> {
        vec!["--disableexcludes=all", "remove"]
    }

    fn judge(
        &self,
        guest: &Guest<'_>,
        packages: &[PackageSpec],
        done: Result<()>,
    ) -> Result<()> {
        done?;
        let mut missing = Vec::new();
        for spec in packages {
            let PackageSpec::Named { name, .. } = spec else {
                continue;
            };
            if name.as_str().starts_with('@') {
                continue;
            }
            let word = rpm::name_word(name);
            if !is_installed(guest, &["-q", "--whatprovides", &word])?
                && !is_installed(guest, &["-q", &word])?
            {
                missing.push(name.as_str());
            }
        }
        match missing.is_empty() {
            true => Ok(()),
            false => Err(no_such_package(&missing)),
        }
    }

    fn keep(&self, guest: &Guest<'_>, packages: &[Installed]) -> Result<()> {
        self.lock.add(guest.root(), packages)
    }

    fn downloads(&self) -> &'static [&'static str] {
        &["/var/cache/yum/**/packages/*.rpm"]
    }
}

fn is_installed(guest: &Guest<'_>, query: &[&str]) -> Result<bool> {
    let rpm = guest.environment.command("rpm");
    let (status, _) = rpm.args(query.iter().copied()).status(guest.monitor)?;
    Ok(status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn held_packages_are_installed_by_name() {
        for (lock, expected) in [
            (
                VersionLock::Yum,
                "--disableexcludes=all --disableplugin=versionlock install",
            ),
            (
                VersionLock::Exclude("/etc/yum.conf"),
                "--disableexcludes=all install",
            ),
        ] {
            let args = Yum { lock }.install(false);
            assert_eq!(args.join(" "), expected);
        }
    }
}
