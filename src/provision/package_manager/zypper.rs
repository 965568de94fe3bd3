// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! zypper, of openSUSE and SLES.
//!
//! Its status tells more than success: 0 done; 100 and 101 (updates, or
//! security updates, are needed), 102 (reboot needed), 103 (run it again:
//! the package manager itself was updated), 106 (some repositories were
//! skipped) and 107 (a package's script failed). Facts: zypper(8).

use super::package_file::PackageFiles;
use super::{Guest, Installed, PackageManager, held, joined, rpm};
use crate::chroot::GuestCommand;
use crate::error::{Error, ErrorKind, Result};
use crate::mount::GuestRoot;
use crate::recipe::{Hold, PackageName, PackageSpec, Repository};

const ZYPPER: &str = "/usr/bin/zypper";
const REPOSITORIES: &str = "/etc/zypp/repos.d";
/// It runs once more, as it asks for; not for ever.
const MAX_RUNS: usize = 2;

/// zypper.
#[derive(Debug)]
struct Zypper;

pub(super) fn find(
    root: &GuestRoot,
) -> Result<Option<Box<dyn PackageManager>>> {
    Ok(match root.exists(ZYPPER)? {
        true => Some(Box::new(Zypper)),
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

fn command<'e>(guest: &Guest<'e>, args: &[String]) -> GuestCommand<'e> {
    guest
        .environment
        .command(ZYPPER)
        .env("ZYPP_LOCK_TIMEOUT", "120")
        .args(["--non-interactive", "--gpg-auto-import-keys"])
        .args(args.iter().cloned())
}

fn run(guest: &Guest<'_>, args: &[String], doing: &str) -> Result<()> {
    for _ in 0..MAX_RUNS {
        let command = command(guest, args);
        let line = command.to_string();
        let (status, tail) = command.status(guest.monitor)?;
        match outcome(status.code()) {
            Outcome::Done => return Ok(()),
            Outcome::Again => {}
            Outcome::NotFound => {
                return Err(Error::new(
                    ErrorKind::NotFound,
                    format!("`{line}`: no such package; it said:\n{tail}"),
                )
                .during(doing.to_owned()));
            }
            Outcome::Failed(why) => {
                return Err(Error::new(
                    ErrorKind::Command,
                    format!("`{line}` ended with {status}, {why}:\n{tail}"),
                )
                .during(doing.to_owned()));
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

fn install_args(words: Vec<String>) -> Vec<String> {
    let mut args: Vec<String> = [
        "install",
        "--auto-agree-with-licenses",
        "--oldpackage",
        "--allow-unsigned-rpm",
    ]
    .map(str::to_owned)
    .to_vec();
    // Files have no repository that could vouch for them; packages of
    // repositories are still checked against these.
    if !words.iter().any(|word| word.starts_with('/')) {
        args.pop();
    }
    args.extend(words);
    args
}

impl PackageManager for Zypper {
    fn name(&self) -> &'static str {
        "zypper"
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
        let args = ["refresh", "--force"].map(str::to_owned).to_vec();
        run(guest, &args, "refreshing the package lists")
    }

    fn upgrade(&self, guest: &Guest<'_>) -> Result<()> {
        let args = ["update", "--auto-agree-with-licenses"];
        let args = args.map(str::to_owned).to_vec();
        run(guest, &args, "upgrading the packages")
    }

    fn install(
        &self,
        guest: &Guest<'_>,
        packages: &[PackageSpec],
    ) -> Result<()> {
        let mut files = PackageFiles::new(guest, "rpm");
        let words = files.words(packages, spec_word)?;
        let done = run(guest, &install_args(words), "installing packages");
        files.remove()?;
        done
    }

    fn install_command(&self, packages: &[PackageName]) -> String {
        let names = joined(packages, rpm::name_word);
        format!("{ZYPPER} --non-interactive install {names}")
    }

    fn remove(
        &self,
        guest: &Guest<'_>,
        packages: &[PackageName],
    ) -> Result<()> {
        let mut args = vec!["remove".to_owned(), "--clean-deps".to_owned()];
        args.extend(packages.iter().map(rpm::name_word));
        run(guest, &args, "removing packages")
    }

    /// A lock is on the name; it keeps whatever version is installed.
    fn hold(&self, guest: &Guest<'_>, hold: &Hold) -> Result<()> {
        let held = held(hold, rpm::installed(guest)?)?;
        if held.is_empty() {
            return Ok(());
        }
        let mut args = vec!["addlock".to_owned()];
        args.extend(held.into_iter().map(|package| package.name));
        run(guest, &args, "holding packages")
    }

    fn installed(&self, guest: &Guest<'_>) -> Result<Vec<Installed>> {
        rpm::installed(guest)
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
        let unsigned =
            |word: &str| install_args(vec![word.to_owned()]).join(" ");
        assert!(!unsigned("a").contains("unsigned"));
        assert!(unsigned("/run/a.rpm").contains("--allow-unsigned-rpm"));
    }
}
