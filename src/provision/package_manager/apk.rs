// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! apk, of Alpine.
//!
//! `/etc/apk/world` says what is wanted; a version there holds a package.
//! Facts: apk(8), apk-world(5), apk-repositories(5), apk-keys(5).

use super::package_file::PackageFiles;
use super::{Guest, Installed, PackageManager, held, joined};
use crate::chroot::GuestCommand;
use crate::error::{Context, Error, ErrorKind, Result};
use crate::mount::{FileOwner, GuestRoot};
use crate::recipe::{Hold, PackageName, PackageSpec, Repository};

const APK: &str = "/sbin/apk";
const KEYS: &str = "/etc/apk/keys";
const REPOSITORIES: &str = "/etc/apk/repositories";
/// What a key of apk begins with.
const PUBLIC_KEY: &[u8] = b"-----BEGIN PUBLIC KEY-----";

/// apk.
#[derive(Debug)]
struct Apk;

pub(super) fn find(
    root: &GuestRoot,
) -> Result<Option<Box<dyn PackageManager>>> {
    Ok(match root.exists(APK)? {
        true => Some(Box::new(Apk)),
        false => None,
    })
}

fn command<'e>(guest: &Guest<'e>) -> GuestCommand<'e> {
    guest.environment.command(APK).args([
        "--no-interactive",
        "--no-progress",
        "--wait",
        "120",
    ])
}

/// A constraint of apk-world(5); `~` takes a version by its first parts.
fn spec_word(name: &PackageName, version: Option<&str>) -> Result<String> {
    let name = plain(name)?;
    match version {
        None => Ok(name.to_owned()),
        Some(version) => match version.strip_suffix(".*") {
            Some(start) if !start.contains('*') => {
                Ok(format!("{name}~{start}"))
            }
            _ if version.contains('*') => Err(Error::unsupported(format!(
                "{name}={version}: apk takes a part of a version as 1.2.*"
            ))),
            _ => Ok(format!("{name}={version}")),
        },
    }
}

fn plain(name: &PackageName) -> Result<&str> {
    let name = name.as_str();
    match name.contains([':', '@']) {
        true => Err(Error::unsupported(format!(
            "{name}: apk has neither groups nor foreign architectures"
        ))),
        false => Ok(name),
    }
}

/// The line of a repository.
fn repository_line(repository: &Repository) -> Result<String> {
    let refuse = |what: &str| {
        Error::new(
            ErrorKind::Recipe,
            format!("repository {}: {what}", repository.name),
        )
        .hint("this image is Alpine's: give the URI of a repository of apk")
    };
    let apt_only = [
        &repository.suites,
        &repository.components,
        &repository.architectures,
    ];
    if apt_only.iter().any(|words| !words.is_empty()) {
        return Err(refuse("suites, components and architectures are apt's"));
    }
    if repository.trusted {
        return Err(refuse("apk cannot trust one repository without a key"));
    }
    Ok(repository.uris.join("\n"))
}

impl PackageManager for Apk {
    fn name(&self) -> &'static str {
        "apk"
    }

    fn add_repository(
        &self,
        guest: &Guest<'_>,
        repository: &Repository,
        key: Option<&[u8]>,
    ) -> Result<()> {
        let root = guest.root();
        let lines = repository_line(repository)?;
        if let Some(key) = key {
            if !key.trim_ascii_start().starts_with(PUBLIC_KEY) {
                return Err(Error::new(
                    ErrorKind::Recipe,
                    format!(
                        "repository {}: the key is not one of apk, an RSA \
                         public key in PEM",
                        repository.name
                    ),
                ));
            }
            root.create_dir_all(KEYS, FileOwner::root(0o755))?;
            let path = format!("{KEYS}/{}.rsa.pub", repository.name);
            root.write(path, key, FileOwner::root(0o644))?;
        }
        let before = root.read_if_exists(REPOSITORIES)?.unwrap_or_default();
        let end = match before.is_empty() || before.ends_with(b"\n") {
            true => "",
            false => "\n",
        };
        let text = format!("{end}{lines}\n");
        root.append(REPOSITORIES, text.as_bytes(), FileOwner::root(0o644))
    }

    fn refresh(&self, guest: &Guest<'_>) -> Result<()> {
        command(guest)
            .arg("update")
            .run(guest.monitor)
            .during("refreshing the package lists")
    }

    fn upgrade(&self, guest: &Guest<'_>) -> Result<()> {
        command(guest)
            .arg("upgrade")
            .run(guest.monitor)
            .during("upgrading the packages")
    }

    fn install(
        &self,
        guest: &Guest<'_>,
        packages: &[PackageSpec],
    ) -> Result<()> {
        let mut files = PackageFiles::new(guest, "apk");
        let words = files.words(packages, spec_word)?;
        let mut command = command(guest).arg("add");
        if words.iter().any(|word| word.starts_with('/')) {
            command = command.arg("--allow-untrusted");
        }
        let done = command
            .args(words)
            .run(guest.monitor)
            .during("installing packages");
        files.remove()?;
        done
    }

    fn install_command(&self, packages: &[PackageName]) -> String {
        let names = joined(packages, ToString::to_string);
        format!("{APK} add {names}")
    }

    fn remove(
        &self,
        guest: &Guest<'_>,
        packages: &[PackageName],
    ) -> Result<()> {
        let names: Result<Vec<&str>> = packages.iter().map(plain).collect();
        command(guest)
            .args(["del", "--purge"])
            .args(names?)
            .run(guest.monitor)
            .during("removing packages")
    }

    fn hold(&self, guest: &Guest<'_>, hold: &Hold) -> Result<()> {
        let held = held(hold, self.installed(guest)?)?;
        if held.is_empty() {
            return Ok(());
        }
        let words = held.iter().map(|p| format!("{}={}", p.name, p.version));
        command(guest)
            .arg("add")
            .args(words)
            .run(guest.monitor)
            .during("holding packages")
    }

    fn installed(&self, guest: &Guest<'_>) -> Result<Vec<Installed>> {
        let output = guest
            .environment
            .command(APK)
            .args(["list", "--installed"])
            .output(guest.monitor)
            .during("listing the installed packages")?;
        let text = String::from_utf8_lossy(&output.stdout);
        Ok(text.lines().filter_map(parse_installed).collect())
    }

    fn downloads(&self) -> &'static [&'static str] {
        &["/var/cache/apk/*.apk"]
    }
}

/// `NAME-VERSION-rN ARCHITECTURE {ORIGIN} (LICENSE) [installed]`.
pub(super) fn parse_installed(line: &str) -> Option<Installed> {
    let mut words = line.split_whitespace();
    let (whole, architecture) = (words.next()?, words.next()?);
    let (rest, release) = whole.rsplit_once('-')?;
    let (name, version) = rest.rsplit_once('-')?;
    release.starts_with('r').then(|| Installed {
        name: name.to_owned(),
        version: format!("{version}-{release}"),
        architecture: architecture.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!(word("a=1.2-r0").unwrap(), "a=1.2-r0");
        assert_eq!(word("a=1.2.*").unwrap(), "a~1.2");
        for spec in ["a=1.2*", "@core", "a:x86"] {
            let error = word(spec).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{spec}");
        }
    }

    #[test]
    fn lists() {
        let line = "ca-certificates-bundle-20240705-r0 x86_64 \
            {ca-certificates} (MPL-2.0 AND MIT) [installed]";
        let found = parse_installed(line).unwrap();
        assert_eq!(found.name, "ca-certificates-bundle");
        assert_eq!(found.version, "20240705-r0");
        assert_eq!(found.architecture, "x86_64");
        assert_eq!(parse_installed("WARNING: x"), None);
    }

    #[test]
    fn repositories() {
        let line = |text: &str| repository_line(&text.parse().unwrap());
        assert_eq!(
            line("c https://h/v3.22/community").unwrap(),
            "https://h/v3.22/community"
        );
        for text in ["c https://h/ main", "c https://h/ trusted"] {
            assert_eq!(line(text).unwrap_err().kind(), ErrorKind::Recipe);
        }
    }
}
