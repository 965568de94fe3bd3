// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! How the relatives of dnf keep versions.
//!
//! The lists of the versionlock plugins are written here rather than by the
//! plugins: those want the repositories' metadata first, to find the version
//! that is installed. Where there is no plugin, a line of the configuration
//! excludes the packages from every transaction.
//!
//! Facts: dnf-versionlock(8), dnf5-versionlock(8), yum-versionlock(1),
//! dnf.conf(5).

use std::fmt::Write as _;

use super::Installed;
use crate::error::{Error, Result};
use crate::mount::{FileOwner, GuestRoot};

/// A way to keep versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum VersionLock {
    /// A plugin of DNF 4: `NAME-EPOCH:VERSION-RELEASE.*` a line.
    Dnf4,
    /// Part of DNF 5: TOML.
    Dnf5,
    /// A plugin of yum 3: `EPOCH:NAME-VERSION-RELEASE.*` a line.
    Yum,
    /// A line of the configuration file at this path.
    Exclude(&'static str),
}

const DNF4_LIST: &str = "/etc/dnf/plugins/versionlock.list";
const DNF5_LIST: &str = "/etc/dnf/versionlock.toml";
const YUM_LIST: &str = "/etc/yum/pluginconf.d/versionlock.list";
const COMMENT: &str = "kept by imagewright";

impl VersionLock {
    /// The file that says what is kept.
    pub(super) fn path(self) -> &'static str {
        match self {
            Self::Dnf4 => DNF4_LIST,
            Self::Dnf5 => DNF5_LIST,
            Self::Yum => YUM_LIST,
            Self::Exclude(path) => path,
        }
    }

    /// Keeps the versions of `packages` besides what is kept already.
    pub(super) fn add(
        self,
        root: &GuestRoot,
        packages: &[Installed],
    ) -> Result<()> {
        if packages.is_empty() {
            return Ok(());
        }
        let path = self.path();
        let before = root.read_if_exists(path)?.unwrap_or_default();
        let before = String::from_utf8(before)
            .map_err(|_| Error::unsupported("not UTF-8").at(path))?;
        let after = self.edit(&before, packages);
        if let Some(parent) = std::path::Path::new(path).parent() {
            root.create_dir_all(parent, FileOwner::root(0o755))?;
        }
        root.write(path, after.as_bytes(), FileOwner::root(0o644))
    }

    /// The list with them.
    pub(super) fn edit(self, before: &str, packages: &[Installed]) -> String {
        match self {
            Self::Dnf4 => lines(before, packages, |name, epoch, rest| {
                format!("{name}-{epoch}:{rest}.*")
            }),
            Self::Yum => lines(before, packages, |name, epoch, rest| {
                format!("{epoch}:{name}-{rest}.*")
            }),
            Self::Dnf5 => toml(before, packages),
            Self::Exclude(_) => exclude(before, packages),
        }
    }
}

/// Epoch, and version and release.
fn split(package: &Installed) -> (&str, &str) {
    package
        .version
        .split_once(':')
        .unwrap_or(("0", &package.version))
}

fn lines(
    before: &str,
    packages: &[Installed],
    line: impl Fn(&str, &str, &str) -> String,
) -> String {
    let mut text = before.to_owned();
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    for package in packages {
        let (epoch, rest) = split(package);
        let line = line(&package.name, epoch, rest);
        if !text.lines().any(|known| known == line) {
            text.push_str(&line);
            text.push('\n');
        }
    }
    text
}

fn toml(before: &str, packages: &[Installed]) -> String {
    let mut text = match before.trim().is_empty() {
        true => "version = \"1.0\"\n".to_owned(),
        false => before.to_owned(),
    };
    for package in packages {
        let (epoch, rest) = split(package);
        let name = &package.name;
        // As dnf5 compares: without an epoch that is zero.
        let evr = match epoch {
            "0" => rest.to_owned(),
            _ => format!("{epoch}:{rest}"),
        };
        let entry = format!(
            "\n[[packages]]\nname = \"{name}\"\ncomment = \"{COMMENT}\"\n\
             [[packages.conditions]]\nkey = \"evr\"\ncomparator = \"=\"\n\
             value = \"{evr}\"\n"
        );
        if !text.contains(&entry) {
            text.push_str(&entry);
        }
    }
    text
}

/// Adds names to the option of `[main]`, which may have two names.
fn exclude(before: &str, packages: &[Installed]) -> String {
    let is_option = |line: &str| {
        let name = line.split_once('=').map(|(name, _)| name.trim());
        matches!(name, Some("exclude" | "excludepkgs"))
    };
    let mut words: Vec<&str> = Vec::new();
    let mut text = String::new();
    let mut section = String::new();
    let mut continued = false;
    for line in before.lines() {
        if line.starts_with('[') {
            line.trim().clone_into(&mut section);
        }
        let main = section.is_empty() || section == "[main]";
        continued = main
            && (is_option(line)
                || (continued && line.starts_with([' ', '\t'])));
        if continued {
            let value = line.split_once('=').map_or(line, |(_, value)| value);
            words.extend(
                value
                    .split([' ', '\t', ','])
                    .filter(|word| !word.is_empty()),
            );
        } else {
            let _ = writeln!(text, "{line}");
        }
    }
    for package in packages {
        if !words.contains(&package.name.as_str()) {
            words.push(&package.name);
        }
    }
    let line = format!("exclude={}", words.join(" "));
    let mut lines: Vec<&str> = text.lines().collect();
    let main = lines.iter().position(|line| line.trim_end() == "[main]");
    if main.is_none() {
        lines.insert(0, "[main]");
    }
    // A line that begins with a blank goes on with the option before it.
    let rest = lines.iter().skip(main.unwrap_or(0) + 1);
    let blank = rest
        .take_while(|line| line.starts_with([' ', '\t']))
        .count();
    lines.insert(main.unwrap_or(0) + 1 + blank, &line);
    lines.iter().map(|line| format!("{line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packages() -> Vec<Installed> {
        [("kubelet", "0:1.36.0-1"), ("iw", "1:3.0-2")]
            .map(|(name, version)| Installed {
                name: name.to_owned(),
                version: version.to_owned(),
                architecture: "x86_64".to_owned(),
            })
            .to_vec()
    }

    #[test]
    fn every_list_is_added_to_once() {
        let dnf4 = "kubelet-0:1.36.0-1.*\niw-1:3.0-2.*\n";
        let yum = "0:kubelet-1.36.0-1.*\n1:iw-3.0-2.*\n";
        let dnf5 = "version = \"1.0\"\n\n[[packages]]\nname = \"kubelet\"\n\
            comment = \"kept by imagewright\"\n[[packages.conditions]]\n\
            key = \"evr\"\ncomparator = \"=\"\nvalue = \"1.36.0-1\"\n\n\
            [[packages]]\nname = \"iw\"\ncomment = \"kept by imagewright\"\n\
            [[packages.conditions]]\nkey = \"evr\"\ncomparator = \"=\"\n\
            value = \"1:3.0-2\"\n";
        for (lock, expected) in [
            (VersionLock::Dnf4, dnf4),
            (VersionLock::Yum, yum),
            (VersionLock::Dnf5, dnf5),
        ] {
            let once = lock.edit("", &packages());
            assert_eq!(once, expected, "{lock:?}");
            assert_eq!(lock.edit(&once, &packages()), once, "{lock:?}");
        }
        let kept = VersionLock::Dnf4.edit("old-0:1-1.*", &packages());
        assert!(kept.starts_with("old-0:1-1.*\nkubelet-"), "{kept}");
    }

    #[test]
    fn excludes_are_of_main_only() {
        let lock = VersionLock::Exclude("/etc/dnf/dnf.conf");
        let before = "[main]\ngpgcheck=1\nexclude=a,b\n  c\nbest=1\n\
            [other]\nexclude=d\n";
        let after = lock.edit(before, &packages());
        assert_eq!(
            after,
            "[main]\nexclude=a b c kubelet iw\ngpgcheck=1\nbest=1\n\
             [other]\nexclude=d\n"
        );
        assert_eq!(lock.edit(&after, &packages()), after);
        assert_eq!(lock.edit("", &packages()), "[main]\nexclude=kubelet iw\n");
        // Found by fuzzing: what goes on there is not one of them.
        let odd = "[main] \n  best=1\na[main]\nx=1\n";
        let once = "[main] \n  best=1\nexclude=kubelet iw\na[main]\nx=1\n";
        assert_eq!(lock.edit(odd, &packages()), once);
        assert_eq!(lock.edit(once, &packages()), once);
    }
}
