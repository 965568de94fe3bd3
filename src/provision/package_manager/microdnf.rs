// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! microdnf, the small one of minimal images.
//!
//! It reads `/etc/dnf/dnf.conf`, has no plugins and installs from
//! repositories only. Facts: microdnf(8).

use super::versionlock::VersionLock;
use super::{Guest, Installed, PackageManager, held, joined, rpm};
use crate::error::{Context, Error, Result};
use crate::mount::GuestRoot;
use crate::recipe::{Hold, PackageName, PackageSpec, Repository};

const MICRODNF: &str = "/usr/bin/microdnf";
const REPOSITORIES: &str = "/etc/yum.repos.d";
const LOCK: VersionLock = VersionLock::Exclude("/etc/dnf/dnf.conf");

/// microdnf.
#[derive(Debug)]
struct Microdnf;

pub(super) fn find(
    root: &GuestRoot,
) -> Result<Option<Box<dyn PackageManager>>> {
    Ok(match root.exists(MICRODNF)? {
        true => Some(Box::new(Microdnf)),
        false => None,
    })
}

fn run(guest: &Guest<'_>, args: Vec<String>, doing: &str) -> Result<()> {
    guest
        .environment
        .command(MICRODNF)
        .arg("-y")
        .args(args)
        .run(guest.monitor)
        .during(doing.to_owned())
}

/// The words of what it can install.
fn words(packages: &[PackageSpec]) -> Result<Vec<String>> {
    let word = |spec: &PackageSpec| match spec {
        PackageSpec::File(path) => {
            Err(Error::unsupported("microdnf installs no package files")
                .at(path.as_path())
                .hint(
                    "put the file into a repository, or `install: [dnf]` first",
                ))
        }
        PackageSpec::Named { name, .. } if name.as_str().starts_with('@') => {
            Err(Error::unsupported(format!(
                "{name}: microdnf knows no groups"
            )))
        }
        PackageSpec::Named { name, version } => {
            Ok(rpm::spec_word(name, version.as_deref()))
        }
    };
    packages.iter().map(word).collect()
}

impl PackageManager for Microdnf {
    fn name(&self) -> &'static str {
        "microdnf"
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
        let args = vec!["--refresh".to_owned(), "makecache".to_owned()];
        run(guest, args, "refreshing the package lists")
    }

    fn upgrade(&self, guest: &Guest<'_>) -> Result<()> {
        run(guest, vec!["upgrade".to_owned()], "upgrading the packages")
    }

    fn install(
        &self,
        guest: &Guest<'_>,
        packages: &[PackageSpec],
    ) -> Result<()> {
        // It has no option that would pass over excludes.
        let mut args = vec!["install".to_owned()];
        args.extend(words(packages)?);
        let done = run(guest, args, "installing packages");
        let query = (MICRODNF, ["repoquery"].as_slice());
        match done {
            Err(error) => Err(rpm::diagnose(guest, query, packages, error)?),
            Ok(()) => Ok(()),
        }
    }

    fn install_command(&self, packages: &[PackageName]) -> String {
        let names = joined(packages, rpm::name_word);
        format!("{MICRODNF} -y install {names}")
    }

    fn remove(
        &self,
        guest: &Guest<'_>,
        packages: &[PackageName],
    ) -> Result<()> {
        let mut args = vec!["remove".to_owned()];
        args.extend(packages.iter().map(rpm::name_word));
        run(guest, args, "removing packages")
    }

    fn hold(&self, guest: &Guest<'_>, hold: &Hold) -> Result<()> {
        let held = held(hold, rpm::installed(guest)?)?;
        LOCK.add(guest.root(), &held)
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
    use crate::error::ErrorKind;

    #[test]
    fn what_it_cannot_do_is_an_error() {
        let words = |spec: &str| words(&[spec.parse().unwrap()]);
        assert_eq!(words("a=1.0").unwrap(), ["a-1.0"]);
        for spec in ["/x/a.rpm", "@core"] {
            let error = words(spec).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{spec}");
        }
    }
}
