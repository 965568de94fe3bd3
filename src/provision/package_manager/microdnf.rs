// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! microdnf, the small one of minimal images.
//!
//! It reads `/etc/dnf/dnf.conf`, has no plugins and installs from
//! repositories only. Facts: microdnf(8).

use super::rpm::{self, Dialect, OnRpm};
use super::versionlock::VersionLock;
use super::{Guest, Installed, PackageManager};
use crate::error::{Error, Result};
use crate::mount::GuestRoot;
use crate::recipe::PackageSpec;

const MICRODNF: &str = "/usr/bin/microdnf";
const LOCK: VersionLock = VersionLock::Exclude("/etc/dnf/dnf.conf");

/// microdnf.
#[derive(Debug)]
struct Microdnf;

pub(super) fn find(
    root: &GuestRoot,
) -> Result<Option<Box<dyn PackageManager>>> {
    Ok(match root.exists(MICRODNF)? {
        true => Some(Box::new(OnRpm(Microdnf))),
        false => None,
    })
}

impl Dialect for Microdnf {
    fn name(&self) -> &'static str {
        "microdnf"
    }

    fn program(&self) -> &'static str {
        MICRODNF
    }

    fn refresh(&self) -> Vec<Vec<&'static str>> {
        vec![vec!["--refresh", "makecache"]]
    }

    /// It has no option that would pass over excludes.
    fn install(&self, _: bool) -> Vec<&'static str> {
        vec!["install"]
    }

    fn refuse(&self, package: &PackageSpec) -> Result<()> {
        match package {
            PackageSpec::File(path) => {
                Err(Error::unsupported("microdnf installs no package files")
                    .at(path.as_path())
                    .hint(
                        "put the file into a repository, or `install: [dnf]` \
                         first",
                    ))
            }
            PackageSpec::Named { name, .. }
                if name.as_str().starts_with('@') =>
            {
                Err(Error::unsupported(format!(
                    "{name}: microdnf knows no groups"
                )))
            }
            PackageSpec::Named { .. } => Ok(()),
        }
    }

    fn judge(
        &self,
        guest: &Guest<'_>,
        packages: &[PackageSpec],
        done: Result<()>,
    ) -> Result<()> {
        let query = (MICRODNF, ["repoquery"].as_slice());
        match done {
            Err(error) => Err(rpm::diagnose(guest, query, packages, error)?),
            Ok(()) => Ok(()),
        }
    }

    fn keep(&self, guest: &Guest<'_>, packages: &[Installed]) -> Result<()> {
        LOCK.add(guest.root(), packages)
    }

    fn downloads(&self) -> &'static [&'static str] {
        &["/var/cache/yum/**/packages/*.rpm"]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn what_it_cannot_do_is_an_error() {
        let refuse = |spec: &str| Microdnf.refuse(&spec.parse().unwrap());
        refuse("a=1.0").unwrap();
        for spec in ["/x/a.rpm", "@core"] {
            let error = refuse(spec).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{spec}");
        }
    }
}
