// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! apt and dpkg of the image.
//!
//! Facts: apt-get(8), sources.list(5), apt-secure(8), dpkg(1).

mod archives;

#[cfg(fuzzing)]
pub(super) use archives::{index, parse_uri, words_of};

use std::fmt::Write as _;

use super::package_file::PackageFiles;
use super::{
    Guest, Installed, KUBERNETES, Lockable, PackageManager, no_such_package,
};
use crate::chroot::GuestCommand;
use crate::error::{Context, Error, ErrorKind, Result};
use crate::mount::{FileOwner, GuestRoot};
use crate::progress::Monitor;
use crate::recipe::{Hold, PackageName, PackageSpec, Repository};

/// apt.
#[derive(Debug)]
struct Apt;

const APT_GET: &str = "/usr/bin/apt-get";
/// A configuration file changed in the image stays as it is there.
const OPTIONS: [&str; 8] = [
    "-y",
    "-q",
    "-o",
    "DPkg::Options::=--force-confdef",
    "-o",
    "DPkg::Options::=--force-confold",
    "-o",
    "DPkg::Lock::Timeout=120",
];
/// Asked of dpkg-query.
const FORMAT: &str = "${db:Status-Abbrev}\t${binary:Package}\t${Version}\t\
    ${Architecture}\n";

impl PackageManager for Apt {
    fn name(&self) -> &'static str {
        "apt"
    }

    fn downloads(&self) -> &'static [&'static str] {
        &["/var/cache/apt/archives/*.deb"]
    }

    fn installed(&self, guest: &Guest<'_>) -> Result<Vec<Installed>> {
        installed(guest, &[])
    }

    fn add_repository(
        &self,
        guest: &Guest<'_>,
        repository: &Repository,
        key: Option<&[u8]>,
    ) -> Result<()> {
        let root = guest.root();
        let directory = FileOwner::root(0o755);
        let readable = FileOwner::root(0o644);
        let mut signed_by = None;
        if let Some(key) = key {
            // apt tells the two kinds by the name.
            let suffix = match key.trim_ascii_start().starts_with(b"-----") {
                true => "asc",
                false => "gpg",
            };
            let path =
                format!("/etc/apt/keyrings/{}.{suffix}", repository.name);
            root.create_dir_all("/etc/apt/keyrings", directory)?;
            root.write(&path, key, readable)?;
            signed_by = Some(path);
        }
        let source = deb822(repository, signed_by.as_deref())?;
        root.create_dir_all("/etc/apt/sources.list.d", directory)?;
        let path =
            format!("/etc/apt/sources.list.d/{}.sources", repository.name);
        root.write(path, source.as_bytes(), readable)
    }

    fn refresh(&self, guest: &Guest<'_>) -> Result<()> {
        // Without this an unreachable source is a warning only, and the
        // build goes on with what the image happened to have.
        apt_get(guest)
            .args(["-o", "APT::Update::Error-Mode=any", "update"])
            .run(guest.monitor)
            .during("refreshing the package lists")
    }

    fn upgrade(&self, guest: &Guest<'_>) -> Result<()> {
        apt_get(guest)
            .arg("dist-upgrade")
            .run(guest.monitor)
            .during("upgrading the packages")
    }

    fn install(
        &self,
        guest: &Guest<'_>,
        packages: &[PackageSpec],
    ) -> Result<()> {
        let mut files = PackageFiles::new(guest, "deb");
        let arguments = files.words(packages, |name, version| {
            Ok(match version {
                Some(version) => format!("{name}={version}"),
                None => name.to_string(),
            })
        })?;
        let names = packages.iter().filter_map(|package| match package {
            PackageSpec::Named { name, .. } => Some(name),
            _ => None,
        });
        let names: Vec<&PackageName> = names.collect();
        let installed = apt_get(guest)
            .args(["--allow-downgrades", "--allow-change-held-packages"])
            .arg("install")
            .args(arguments)
            .run(guest.monitor)
            .during("installing packages");
        files.remove()?;
        match installed {
            Err(error) if error.kind() == ErrorKind::Command => {
                Err(diagnose(guest, &names, error)?)
            }
            result => result,
        }
    }

    fn install_command(&self, packages: &[PackageName]) -> String {
        let options: Vec<String> =
            OPTIONS.iter().map(|option| format!("'{option}'")).collect();
        let options = options.join(" ");
        let names: Vec<&str> =
            packages.iter().map(PackageName::as_str).collect();
        let names = names.join(" ");
        format!(
            "export DEBIAN_FRONTEND=noninteractive\n\
             apt-get {options} update\n\
             apt-get {options} install {names}"
        )
    }

    fn remove(
        &self,
        guest: &Guest<'_>,
        packages: &[PackageName],
    ) -> Result<()> {
        let removed = apt_get(guest)
            .args(["--autoremove", "--allow-change-held-packages", "purge"])
            .args(packages.iter().map(ToString::to_string))
            .run(guest.monitor)
            .during("removing packages");
        match removed {
            Err(error) if error.kind() == ErrorKind::Command => {
                let names: Vec<_> = packages.iter().collect();
                Err(diagnose(guest, &names, error)?)
            }
            result => result,
        }
    }

    fn lockable(&self) -> Option<&dyn Lockable> {
        Some(self)
    }

    fn hold(&self, guest: &Guest<'_>, hold: &Hold) -> Result<()> {
        let names = match hold {
            Hold::None => return Ok(()),
            Hold::These(names) => {
                names.iter().map(ToString::to_string).collect()
            }
            Hold::All => names_of(installed(guest, &[])?),
            Hold::Kubernetes => names_of(installed(guest, &KUBERNETES)?),
        };
        let mut selections = String::new();
        for name in &names {
            let _ = writeln!(selections, "{name} hold");
        }
        guest
            .environment
            .command("/usr/bin/dpkg")
            .arg("--set-selections")
            .stdin(selections)
            .run(guest.monitor)
            .during("holding packages")
    }
}

fn apt_get<'e>(guest: &Guest<'e>) -> GuestCommand<'e> {
    guest.environment.command(APT_GET).args(OPTIONS)
}

pub(super) fn find(
    root: &GuestRoot,
) -> Result<Option<Box<dyn PackageManager>>> {
    Ok(match root.exists(APT_GET)? {
        true => Some(Box::new(Apt)),
        false => None,
    })
}

/// A source in the format of sources.list(5), "DEB822-STYLE FORMAT".
fn deb822(repository: &Repository, signed_by: Option<&str>) -> Result<String> {
    if repository.suites.is_empty() {
        return Err(Error::new(
            ErrorKind::Recipe,
            format!("repository {} has no suites", repository.name),
        )
        .hint("apt needs `suites`, for a flat repository `suites: [/]`"));
    }
    let mut fields = vec![
        ("Types", "deb".to_owned()),
        ("URIs", repository.uris.join(" ")),
        ("Suites", repository.suites.join(" ")),
    ];
    if !repository.components.is_empty() {
        fields.push(("Components", repository.components.join(" ")));
    }
    if !repository.architectures.is_empty() {
        fields.push(("Architectures", repository.architectures.join(" ")));
    }
    if let Some(path) = signed_by {
        fields.push(("Signed-By", path.to_owned()));
    }
    if repository.trusted {
        fields.push(("Trusted", "yes".to_owned()));
    }
    let mut text = String::new();
    for (name, value) in fields {
        if value.contains(['\n', '\r']) {
            return Err(Error::new(
                ErrorKind::Recipe,
                format!("repository {}: a line break", repository.name),
            ));
        }
        let _ = writeln!(text, "{name}: {value}");
    }
    Ok(text)
}

fn names_of(packages: Vec<Installed>) -> Vec<String> {
    packages.into_iter().map(|package| package.name).collect()
}

/// The installed packages among `patterns`, all when there are none.
fn installed(guest: &Guest<'_>, patterns: &[&str]) -> Result<Vec<Installed>> {
    let output = guest
        .environment
        .command("/usr/bin/dpkg-query")
        .args(["-W", "-f", FORMAT])
        .args(patterns.iter().copied())
        .output(guest.monitor)
        .during("listing the installed packages")?;
    // Status 1: some pattern matched nothing.
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.lines().filter_map(parse_installed).collect())
}

/// A line of [`FORMAT`]; none when the package is not installed.
pub(super) fn parse_installed(line: &str) -> Option<Installed> {
    let mut fields = line.split('\t');
    let [status, name, version, architecture] =
        [(); 4].map(|()| fields.next().unwrap_or_default());
    (status.get(1..2) == Some("i")).then(|| Installed {
        name: name.to_owned(),
        version: version.to_owned(),
        architecture: architecture.to_owned(),
    })
}

/// Turns a failed run into "no such package" where that is why.
fn diagnose(
    guest: &Guest<'_>,
    names: &[&PackageName],
    error: Error,
) -> Result<Error> {
    let mut missing = Vec::new();
    for name in names {
        let (status, _) = guest
            .environment
            .command("/usr/bin/apt-cache")
            .args(["show", "--no-all-versions", "-q"])
            .arg(name.as_str())
            .status(&Monitor::quiet(guest.monitor))?;
        if !status.success() {
            missing.push(name.as_str());
        }
    }
    if missing.is_empty() {
        return Ok(error);
    }
    Ok(no_such_package(&missing))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::Recipe;

    fn repository(yaml: &str) -> Repository {
        let recipe = format!(
            "apiVersion: imagewright/v1alpha1\nkind: NodeImage\n\
             packages: {{repositories: [{yaml}]}}\n"
        );
        Recipe::parse(&recipe, "test")
            .unwrap()
            .packages
            .repositories
            .remove(0)
    }

    #[test]
    fn a_flat_repository_has_no_components() {
        let flat =
            repository("{name: k8s, uri: 'https://h/deb/', suites: [/]}");
        assert_eq!(
            deb822(&flat, Some("/etc/apt/keyrings/k8s.asc")).unwrap(),
            "Types: deb\nURIs: https://h/deb/\nSuites: /\n\
             Signed-By: /etc/apt/keyrings/k8s.asc\n"
        );
    }
}
