// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! zypper, of openSUSE and SLES.
//!
//! Its status tells more than success: 0 done; 100 and 101 (updates, or
//! security updates, are needed), 102 (reboot needed), 103 (run it again:
//! the package manager itself was updated), 106 (some repositories were
//! skipped) and 107 (a package's script failed). Facts: zypper(8).

use super::rpm::{self, Dialect, OnRpm};
use super::{Guest, Installed, PackageManager};
use crate::error::{Error, ErrorKind, Result};
use crate::mount::GuestRoot;
use crate::recipe::{PackageName, PackageSpec};

const ZYPPER: &str = "/usr/bin/zypper";
/// It runs once more, as it asks for; not for ever.
const MAX_RUNS: usize = 2;

/// zypper.
#[derive(Debug)]
struct Zypper;

pub(super) fn find(
    root: &GuestRoot,
) -> Result<Option<Box<dyn PackageManager>>> {
    Ok(match root.exists(ZYPPER)? {
        true => Some(Box::new(OnRpm(Zypper))),
        false => None,
    })
}

/// What a status asks for.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Done,
    Again,
    NotFound,
    Failed(&'static str),
}

fn outcome(code: Option<i32>) -> Outcome {
    match code {
        Some(0 | 100 | 101 | 102) => Outcome::Done,
        Some(103) => Outcome::Again,
        Some(104) => Outcome::NotFound,
        Some(4) => Outcome::Failed("dependencies that cannot be met"),
        Some(6) => Outcome::Failed("no repositories are defined"),
        Some(7) => Outcome::Failed("the package management is locked"),
        Some(106) => Outcome::Failed("a repository could not be read"),
        Some(107) => Outcome::Failed("a package's script failed"),
        _ => Outcome::Failed("an error"),
    }
}

fn run(guest: &Guest<'_>, args: &[String]) -> Result<()> {
    for _ in 0..MAX_RUNS {
        let command = guest
            .environment
            .command(ZYPPER)
            .env("ZYPP_LOCK_TIMEOUT", "120")
            .args(args.iter().cloned());
        let line = command.to_string();
        let (status, tail) = command.status(guest.monitor)?;
        match outcome(status.code()) {
            Outcome::Done => return Ok(()),
            Outcome::Again => {}
            Outcome::NotFound => {
                return Err(Error::new(
                    ErrorKind::NotFound,
                    format!("`{line}`: no such package; it said:\n{tail}"),
                ));
            }
            Outcome::Failed(why) => {
                return Err(Error::new(
                    ErrorKind::Command,
                    format!("`{line}` ended with {status}, {why}:\n{tail}"),
                ));
            }
        }
    }
    Ok(())
}

/// What zypper understands: `name`, `name=version`, `pattern:name`.
fn spec_word(name: &PackageName, version: Option<&str>) -> Result<String> {
    if let Some(pattern) = name.as_str().strip_prefix('@') {
        return Ok(format!("pattern:{pattern}"));
    }
    let name = rpm::name_word(name);
    match version {
        None => Ok(name),
        Some(version) if version.contains('*') => Err(Error::unsupported(
            format!("{name}={version}: zypper takes whole versions only"),
        )),
        Some(version) => Ok(format!("{name}={version}")),
    }
}

impl Dialect for Zypper {
    fn name(&self) -> &'static str {
        "zypper"
    }

    fn program(&self) -> &'static str {
        ZYPPER
    }

    fn repositories(&self) -> &'static str {
        "/etc/zypp/repos.d"
    }

    fn yes(&self) -> &'static [&'static str] {
        &["--non-interactive", "--gpg-auto-import-keys"]
    }

    fn refresh(&self) -> Vec<Vec<&'static str>> {
        vec![vec!["refresh", "--force"]]
    }

    fn upgrade(&self) -> Vec<&'static str> {
        vec!["update", "--auto-agree-with-licenses"]
    }

    /// Files have no repository that could vouch for them; packages of
    /// repositories are still checked against these.
    fn install(&self, files: bool) -> Vec<&'static str> {
        let mut args =
            vec!["install", "--auto-agree-with-licenses", "--oldpackage"];
        if files {
            args.push("--allow-unsigned-rpm");
        }
        args
    }

    fn remove(&self) -> Vec<&'static str> {
        vec!["remove", "--clean-deps"]
    }

    fn word(
        &self,
        name: &PackageName,
        version: Option<&str>,
    ) -> Result<String> {
        spec_word(name, version)
    }

    fn run(&self, guest: &Guest<'_>, args: &[String]) -> Result<()> {
        run(guest, args)
    }

    /// Its status tells it all.
    fn judge(
        &self,
        _: &Guest<'_>,
        _: &[PackageSpec],
        done: Result<()>,
    ) -> Result<()> {
        done
    }

    /// A lock is on the name; it keeps whatever version is installed.
    fn keep(&self, guest: &Guest<'_>, packages: &[Installed]) -> Result<()> {
        let yes = self.yes().iter().map(|word| (*word).to_owned());
        let mut args: Vec<String> = yes.collect();
        args.push("addlock".to_owned());
        args.extend(packages.iter().map(|package| package.name.clone()));
        run(guest, &args)
    }

    fn downloads(&self) -> &'static [&'static str] {
        &["/var/cache/zypp/packages/**/*.rpm"]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses() {
        for (code, expected) in [
            (Some(0), Outcome::Done),
            (Some(102), Outcome::Done),
            (Some(103), Outcome::Again),
            (Some(104), Outcome::NotFound),
            (Some(107), Outcome::Failed("a package's script failed")),
            (Some(1), Outcome::Failed("an error")),
            (None, Outcome::Failed("an error")),
        ] {
            assert_eq!(outcome(code), expected, "{code:?}");
        }
    }

    #[test]
    fn words() {
        let word = |spec: &str| {
            let PackageSpec::Named { name, version } = spec.parse().unwrap()
            else {
                panic!("{spec}");
            };
            spec_word(&name, version.as_deref())
        };
        assert_eq!(word("a").unwrap(), "a");
        assert_eq!(word("a=1.0-2").unwrap(), "a=1.0-2");
        assert_eq!(word("@base").unwrap(), "pattern:base");
        let error = word("a=1.*").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        let unsigned = "--allow-unsigned-rpm";
        assert!(!Zypper.install(false).contains(&unsigned));
        assert!(Zypper.install(true).contains(&unsigned));
    }
}
