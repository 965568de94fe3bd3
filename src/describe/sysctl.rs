// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Kernel parameters as a boot would set them.
//!
//! Facts: sysctl.d(5), systemd-sysctl(8). What a program sets later, and what
//! the kernel starts with, is not in any file.

use std::path::{Path, PathBuf};

use super::drop_in::{drop_ins, read_text};
use crate::error::Result;
use crate::mount::GuestRoot;

const DIRECTORIES: [&str; 4] = [
    "/etc/sysctl.d",
    "/usr/local/lib/sysctl.d",
    "/usr/lib/sysctl.d",
    "/lib/sysctl.d",
];

/// One line of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Setting {
    /// With dots, and perhaps `*`.
    key: String,
    /// None for a key that patterns are not to touch.
    value: Option<String>,
    path: PathBuf,
}

/// Every setting, the later of two of one key last.
#[derive(Debug, Default)]
pub(super) struct Sysctl {
    settings: Vec<Setting>,
}

impl Sysctl {
    /// Reads the files in the order of systemd-sysctl.
    pub(super) fn read(root: &GuestRoot) -> Result<Self> {
        let mut this = Self::default();
        for path in drop_ins(root, &DIRECTORIES, ".conf")? {
            let text = read_text(root, &path)?.unwrap_or_default();
            this.add(&text, &path);
        }
        Ok(this)
    }

    /// What one more file says.
    pub(super) fn add(&mut self, text: &str, path: &Path) {
        self.settings.extend(parse(text, path));
    }

    /// What a parameter is set to, and where.
    pub(super) fn get(&self, key: &str) -> Option<(&str, &PathBuf)> {
        let key = with_dots(key);
        let last = |wanted: &dyn Fn(&Setting) -> bool| {
            self.settings.iter().rev().find(|one| wanted(one))
        };
        // A key that is written out goes before every pattern.
        let found = last(&|one| one.key == key).or_else(|| {
            last(&|one| one.value.is_some() && matches(&one.key, &key))
        })?;
        Some((found.value.as_deref()?, &found.path))
    }
}

fn parse(text: &str, path: &Path) -> Vec<Setting> {
    let lines = text.lines().map(str::trim);
    lines
        .filter(|line| !line.is_empty() && !line.starts_with(['#', ';']))
        .filter_map(|line| {
            let (key, value) = match line.split_once('=') {
                Some((key, value)) => (key.trim(), Some(value.trim())),
                None => (line.strip_prefix('-')?, None),
            };
            // A failure to set it is no failure.
            let key = key.strip_prefix('-').unwrap_or(key).trim();
            Some(Setting {
                key: with_dots(key),
                value: value.map(str::to_owned),
                path: path.to_owned(),
            })
        })
        .collect()
}

/// The first separator says which one separates.
fn with_dots(key: &str) -> String {
    let swap = |c| match c {
        '/' => '.',
        '.' => '/',
        c => c,
    };
    match key.find(['/', '.']).and_then(|at| key.get(at..=at)) {
        Some("/") => key.chars().map(swap).collect(),
        _ => key.to_owned(),
    }
}

/// Whether a pattern with `*` means the key; a `*` stays in its component.
fn matches(pattern: &str, key: &str) -> bool {
    let (patterns, parts) = (pattern.split('.'), key.split('.'));
    patterns.clone().count() == parts.clone().count()
        && patterns.zip(parts).all(|(pattern, part)| {
            match pattern.split_once('*') {
                None => pattern == part,
                Some((start, end)) => {
                    part.len() >= start.len() + end.len()
                        && part.starts_with(start)
                        && part.ends_with(end)
                }
            }
        })
}

/// Whether two values mean one: the kernel takes any blanks between numbers.
pub(super) fn same_value(one: &str, other: &str) -> bool {
    one.split_whitespace().eq(other.split_whitespace())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_last_file_by_name_and_the_first_directory_win() {
        let dir = tempfile::tempdir().unwrap();
        let put = |path: &str, text: &str| {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        put(
            "usr/lib/sysctl.d/10-a.conf",
            "net.ipv4.ip_forward = 0\nkernel.panic=5\n\
             net.ipv4.conf.*.rp_filter = 2\n-net.ipv4.conf.lo.rp_filter\n",
        );
        put(
            "etc/sysctl.d/90-b.conf",
            "# x = y\n; z\nnet/ipv4/ip_forward=1\n\
             net.ipv4.conf.eth0.rp_filter=1\n-user.x=7\n",
        );
        put("usr/lib/sysctl.d/95-c.conf", "kernel.panic=9\n");
        put("etc/sysctl.d/95-c.conf", "");
        let sysctl =
            Sysctl::read(&GuestRoot::open(dir.path()).unwrap()).unwrap();
        let value = |key| sysctl.get(key).map(|(value, _)| value);
        assert_eq!(value("net.ipv4.ip_forward"), Some("1"));
        assert_eq!(value("kernel.panic"), Some("5"));
        assert_eq!(value("net.ipv4.conf.all.rp_filter"), Some("2"));
        assert_eq!(value("net.ipv4.conf.eth0.rp_filter"), Some("1"));
        assert_eq!(value("net.ipv4.conf.lo.rp_filter"), None);
        assert_eq!(value("user.x"), Some("7"));
        assert_eq!(value("vm.swappiness"), None);
        let (_, path) = sysctl.get("net.ipv4.ip_forward").unwrap();
        assert_eq!(path.to_str(), Some("/etc/sysctl.d/90-b.conf"));
        assert!(same_value("1 2\t3", "1  2 3"));
        assert_eq!(
            with_dots("net/ipv4/conf/eth0.1/x"),
            "net.ipv4.conf.eth0/1.x"
        );
    }
}
