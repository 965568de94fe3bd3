// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! What all package managers on top of rpm share; how they differ, a
//! [`Dialect`] says.
//!
//! Facts: rpm(8), rpmkeys(8), dnf.conf(5), yum.conf(5).

mod keys;

use std::fmt::{Debug, Write as _};

use super::package_file::PackageFiles;
use super::{
    Guest, Installed, Lockable, PackageManager, held, joined, no_such_package,
};
use crate::error::{Context, Error, ErrorKind, Result};
use crate::mount::FileOwner;
use crate::recipe::{Hold, PackageName, PackageSpec, Repository};

pub(super) use keys::{keys, trust};

/// Asked of rpm.
const FORMAT: &str = "%{NAME}\t%{EPOCHNUM}:%{VERSION}-%{RELEASE}\t%{ARCH}\\n";
const KEYS: &str = "/etc/pki/rpm-gpg";

/// The words of one package manager, and what it cannot do.
pub(super) trait Dialect: Debug {
    /// Its name.
    fn name(&self) -> &'static str;

    /// Where it is.
    fn program(&self) -> &'static str;

    /// Where it looks for `.repo` files.
    fn repositories(&self) -> &'static str {
        "/etc/yum.repos.d"
    }

    /// The arguments that say yes to everything.
    fn yes(&self) -> &'static [&'static str] {
        &["-y"]
    }

    /// The commands that read the package lists anew.
    fn refresh(&self) -> Vec<Vec<&'static str>>;

    /// The command that brings all packages to their newest versions.
    fn upgrade(&self) -> Vec<&'static str> {
        vec!["upgrade"]
    }

    /// What comes before the words of packages to install; what is held may
    /// be installed by name all the same.
    fn install(&self, files: bool) -> Vec<&'static str>;

    /// What comes before the names of packages to remove.
    fn remove(&self) -> Vec<&'static str> {
        vec!["remove"]
    }

    /// How it takes a package by name and version.
    ///
    /// # Errors
    /// `Unsupported` when it cannot.
    fn word(
        &self,
        name: &PackageName,
        version: Option<&str>,
    ) -> Result<String> {
        Ok(spec_word(name, version))
    }

    /// Refuses what it cannot install.
    ///
    /// # Errors
    /// `Unsupported`.
    fn refuse(&self, _: &PackageSpec) -> Result<()> {
        Ok(())
    }

    /// Runs it.
    ///
    /// # Errors
    /// `Command` with its last words.
    fn run(&self, guest: &Guest<'_>, args: &[String]) -> Result<()> {
        guest
            .environment
            .command(self.program())
            .args(args.iter().cloned())
            .run(guest.monitor)
    }

    /// What an installation came to, when its end is not the whole truth.
    ///
    /// # Errors
    /// `NotFound` naming the packages that are in no repository.
    fn judge(
        &self,
        guest: &Guest<'_>,
        packages: &[PackageSpec],
        done: Result<()>,
    ) -> Result<()>;

    /// Keeps the versions of packages that are installed.
    ///
    /// # Errors
    /// As [`run`](Self::run); `Io`.
    fn keep(&self, guest: &Guest<'_>, packages: &[Installed]) -> Result<()>;

    /// What a lock asks of it.
    fn lockable(&self) -> Option<&dyn Lockable> {
        None
    }

    /// Patterns of downloaded packages.
    fn downloads(&self) -> &'static [&'static str];
}

/// A package manager on top of rpm.
#[derive(Debug)]
pub(super) struct OnRpm<D>(pub(super) D);

impl<D: Dialect> PackageManager for OnRpm<D> {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn add_repository(
        &self,
        guest: &Guest<'_>,
        repository: &Repository,
        key: Option<&[u8]>,
    ) -> Result<()> {
        add_repository(guest, repository, key, self.0.repositories())
    }

    fn refresh(&self, guest: &Guest<'_>) -> Result<()> {
        for command in self.0.refresh() {
            run(&self.0, guest, command, Vec::new())
                .during("refreshing the package lists")?;
        }
        Ok(())
    }

    fn upgrade(&self, guest: &Guest<'_>) -> Result<()> {
        run(&self.0, guest, self.0.upgrade(), Vec::new())
            .during("upgrading the packages")
    }

    fn install(
        &self,
        guest: &Guest<'_>,
        packages: &[PackageSpec],
    ) -> Result<()> {
        for package in packages {
            self.0.refuse(package)?;
        }
        let mut files = PackageFiles::new(guest, "rpm");
        let words = files
            .words(packages, |name, version| self.0.word(name, version))?;
        let any = words.iter().any(|word| word.starts_with('/'));
        let done = run(&self.0, guest, self.0.install(any), words)
            .during("installing packages");
        files.remove()?;
        self.0.judge(guest, packages, done)
    }

    fn install_command(&self, packages: &[PackageName]) -> String {
        format!(
            "{} {} install {}",
            self.0.program(),
            self.0.yes().join(" "),
            joined(packages, name_word)
        )
    }

    fn remove(
        &self,
        guest: &Guest<'_>,
        packages: &[PackageName],
    ) -> Result<()> {
        let words = packages.iter().map(name_word).collect();
        run(&self.0, guest, self.0.remove(), words).during("removing packages")
    }

    fn hold(&self, guest: &Guest<'_>, hold: &Hold) -> Result<()> {
        let held = held(hold, installed(guest)?)?;
        match held.is_empty() {
            true => Ok(()),
            false => self.0.keep(guest, &held),
        }
    }

    fn installed(&self, guest: &Guest<'_>) -> Result<Vec<Installed>> {
        installed(guest)
    }

    fn lockable(&self) -> Option<&dyn Lockable> {
        self.0.lockable()
    }

    fn downloads(&self) -> &'static [&'static str] {
        self.0.downloads()
    }
}

fn run(
    dialect: &dyn Dialect,
    guest: &Guest<'_>,
    command: Vec<&str>,
    words: Vec<String>,
) -> Result<()> {
    let yes = dialect.yes().iter().copied();
    let mut args: Vec<String> = yes.chain(command).map(str::to_owned).collect();
    args.extend(words);
    dialect.run(guest, &args)
}

/// Adds a `.repo` file to `directory`, and the key to those rpm trusts.
pub(super) fn add_repository(
    guest: &Guest<'_>,
    repository: &Repository,
    key: Option<&[u8]>,
    directory: &str,
) -> Result<()> {
    let root = guest.root();
    let mut key_path = None;
    if key.is_some() {
        key_path = Some(format!("{KEYS}/RPM-GPG-KEY-{}", repository.name));
    }
    let text = repository_file(repository, key_path.as_deref())?;
    if let (Some(key), Some(path)) = (key, &key_path) {
        root.create_dir_all(KEYS, FileOwner::root(0o755))?;
        root.write(path, key, FileOwner::root(0o644))?;
        guest
            .environment
            .command("rpm")
            .args(["--import", path.as_str()])
            .run(guest.monitor)
            .during("importing the key of a repository")?;
    }
    root.create_dir_all(directory, FileOwner::root(0o755))?;
    let path = format!("{directory}/{}.repo", repository.name);
    root.write(path, text.as_bytes(), FileOwner::root(0o644))
}

/// A section of a `.repo` file. Packages must be signed unless the recipe
/// trusts the source; whether its metadata is signed, nothing tells.
fn repository_file(
    repository: &Repository,
    key_path: Option<&str>,
) -> Result<String> {
    let name = &repository.name;
    if name == "main" {
        return Err(Error::new(
            ErrorKind::Recipe,
            "a repository cannot be called main: a section of that name is \
             the configuration of dnf itself",
        ));
    }
    let apt_only = [
        ("suites", &repository.suites),
        ("components", &repository.components),
        ("architectures", &repository.architectures),
    ];
    for (field, words) in apt_only {
        if !words.is_empty() {
            return Err(Error::new(
                ErrorKind::Recipe,
                format!("repository {name}: `{field}` is for apt"),
            )
            .hint(
                "this image takes rpm packages: give the directory that \
                 holds `repodata/` as `uri`; `$releasever` and `$basearch` \
                 stand for release and architecture",
            ));
        }
    }
    let mut text = format!("[{name}]\nname={name}\nbaseurl=");
    // Further lines of a value begin with a blank.
    text.push_str(&repository.uris.join("\n    "));
    let check = match repository.trusted {
        true => "0",
        false => "1",
    };
    let _ = write!(text, "\nenabled=1\ngpgcheck={check}\n");
    if let Some(path) = key_path {
        let _ = writeln!(text, "gpgkey=file://{path}");
    }
    Ok(text)
}

/// `name.arch`, from `name` or `name:arch`.
pub(super) fn name_word(name: &PackageName) -> String {
    name.as_str().replace(':', ".")
}

/// What dnf, yum and microdnf understand: `name`, `name-version`.
pub(super) fn spec_word(name: &PackageName, version: Option<&str>) -> String {
    match (version, name.as_str().split_once(':')) {
        (None, _) => name_word(name),
        (Some(version), None) => format!("{name}-{version}"),
        // An architecture stands behind version and release.
        (Some(version), Some((bare, architecture))) => {
            let dash = match version.contains('-') || version.ends_with('*') {
                true => "",
                false => "-*",
            };
            format!("{bare}-{version}{dash}.{architecture}")
        }
    }
}

/// The installed packages; keys, which are entries of the same database,
/// left out.
pub(super) fn installed(guest: &Guest<'_>) -> Result<Vec<Installed>> {
    let output = guest
        .environment
        .command("rpm")
        .args(["-qa", "--qf", FORMAT])
        .output(guest.monitor)
        .during("listing the installed packages")?;
    if !output.status.success() {
        return Err(Error::new(
            ErrorKind::Command,
            "`rpm -qa` failed: the image's package database cannot be read",
        ));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let mut packages: Vec<_> =
        text.lines().filter_map(parse_installed).collect();
    packages.sort();
    Ok(packages)
}

pub(super) fn parse_installed(line: &str) -> Option<Installed> {
    let mut fields = line.split('\t');
    let (name, version) = (fields.next()?, fields.next()?);
    let architecture = fields.next()?;
    (name != "gpg-pubkey").then(|| Installed {
        name: name.to_owned(),
        version: version.to_owned(),
        architecture: architecture.to_owned(),
    })
}

/// Turns a failed installation into "no such package" where that is why:
/// `query` is a command that prints what matches its last word.
pub(super) fn diagnose(
    guest: &Guest<'_>,
    query: (&str, &[&str]),
    specs: &[PackageSpec],
    error: Error,
) -> Result<Error> {
    if error.kind() != ErrorKind::Command {
        return Ok(error);
    }
    let (program, args) = query;
    let mut missing = Vec::new();
    for spec in specs {
        let PackageSpec::Named { name, version } = spec else {
            continue;
        };
        if name.as_str().starts_with('@') {
            continue;
        }
        let output = guest
            .environment
            .command(program)
            .args(args.iter().copied())
            .arg(spec_word(name, version.as_deref()))
            .output(guest.monitor)?;
        if output.status.success() && output.stdout.trim_ascii().is_empty() {
            missing.push(spec.to_string());
        }
    }
    if missing.is_empty() {
        return Ok(error);
    }
    let missing: Vec<&str> = missing.iter().map(String::as_str).collect();
    Ok(no_such_package(&missing))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::Repository;

    fn file(text: &str, key: Option<&str>) -> Result<String> {
        let repository: Repository = text.parse().unwrap();
        repository_file(&repository, key)
    }

    #[test]
    fn repositories() {
        let key = "/etc/pki/rpm-gpg/RPM-GPG-KEY-k8s";
        assert_eq!(
            file("k8s https://h/rpm/", Some(key)).unwrap(),
            "[k8s]\nname=k8s\nbaseurl=https://h/rpm/\nenabled=1\n\
             gpgcheck=1\ngpgkey=file:///etc/pki/rpm-gpg/RPM-GPG-KEY-k8s\n"
        );
        let trusted = file("x https://h/$basearch trusted", None).unwrap();
        assert!(trusted.contains("gpgcheck=0\n"), "{trusted}");
        let mut mirrors: Repository = "m https://a/".parse().unwrap();
        mirrors.uris.push("https://b/".to_owned());
        let text = repository_file(&mirrors, None).unwrap();
        assert!(text.contains("=https://a/\n    https://b/\n"), "{text}");
        let error = file("main https://h/", None).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Recipe);
        let error = file("k8s https://h/ stable main", None).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Recipe);
        assert!(error.to_string().contains("`suites` is for apt"), "{error}");
    }

    #[test]
    fn words() {
        for (spec, expected) in [
            ("kubelet", "kubelet"),
            ("kubelet=1.36.0", "kubelet-1.36.0"),
            ("kubelet=1.36.0-150500.1.1", "kubelet-1.36.0-150500.1.1"),
            ("kubelet=1.36.*", "kubelet-1.36.*"),
            ("iw=1:3.0-2", "iw-1:3.0-2"),
            ("glibc:i686", "glibc.i686"),
            ("glibc:i686=2.39", "glibc-2.39-*.i686"),
            ("glibc:i686=2.39-1", "glibc-2.39-1.i686"),
            ("@core", "@core"),
        ] {
            let PackageSpec::Named { name, version } = spec.parse().unwrap()
            else {
                panic!("{spec}");
            };
            assert_eq!(spec_word(&name, version.as_deref()), expected);
        }
    }

    #[test]
    fn lists() {
        let bash = parse_installed("bash\t0:5.2-1\tx86_64").unwrap();
        assert_eq!(bash.name, "bash");
        assert_eq!(bash.version, "0:5.2-1");
        assert_eq!(bash.architecture, "x86_64");
        assert_eq!(parse_installed("gpg-pubkey\t0:1-1\t(none)"), None);
        assert_eq!(parse_installed("noise"), None);
    }
}
