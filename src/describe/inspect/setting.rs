// SPDX-License-Identifier: Apache-2.0
//! What the kernel is told after the start: sysctl, modules.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::text::lines;
use crate::describe::tree::FileTree;
use crate::error::Result;

/// A setting of `sysctl.d`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[non_exhaustive]
pub struct Sysctl {
    /// Its name, with dots: `net.ipv4.ip_forward`.
    pub key: String,
    /// The value that counts.
    pub value: String,
    /// The file it comes from.
    pub path: String,
}

/// What `modprobe.d` and `modules-load.d` say of modules.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[non_exhaustive]
pub struct Modules {
    /// Loaded at the start.
    pub loaded: Vec<String>,
    /// Not loaded by their aliases.
    pub blacklisted: Vec<String>,
    /// Never loaded: `install MODULE /bin/false`.
    pub disabled: Vec<String>,
}

/// The files `*SUFFIX` of directories, those of one name once: the first
/// directory counts. Sorted by name, as their programs read them.
pub(super) fn drop_ins(
    tree: &dyn FileTree,
    directories: &[&str],
    suffix: &str,
) -> Result<Vec<String>> {
    let mut files = BTreeMap::new();
    for directory in directories {
        for name in tree.names(directory)? {
            if name.ends_with(suffix) {
                let path = format!("{directory}/{name}");
                files.entry(name).or_insert(path);
            }
        }
    }
    Ok(files.into_values().collect())
}

/// The settings that systemd-sysctl makes, the last of each counts.
pub(super) fn sysctl(tree: &dyn FileTree) -> Result<Vec<Sysctl>> {
    let directories = [
        "/etc/sysctl.d",
        "/usr/local/lib/sysctl.d",
        "/usr/lib/sysctl.d",
        "/lib/sysctl.d",
    ];
    let mut paths = drop_ins(tree, &directories, ".conf")?;
    // Read by procps' sysctl after the others; by systemd where a link
    // leads there.
    paths.push("/etc/sysctl.conf".to_owned());
    let mut settings = BTreeMap::new();
    for path in paths {
        for line in lines(&tree.text(&path)?) {
            let Some((key, value)) = line.split_once('=') else {
                continue;
            };
            // An error in it does not count.
            let key = key.trim().trim_start_matches('-').replace('/', ".");
            let setting = (value.trim().to_owned(), path.clone());
            settings.insert(key, setting);
        }
    }
    Ok(settings
        .into_iter()
        .map(|(key, (value, path))| Sysctl { key, value, path })
        .collect())
}

pub(super) fn modules(tree: &dyn FileTree) -> Result<Modules> {
    let mut modules = Modules::default();
    let loads = [
        "/etc/modules-load.d",
        "/usr/local/lib/modules-load.d",
        "/usr/lib/modules-load.d",
        "/lib/modules-load.d",
    ];
    let mut paths = drop_ins(tree, &loads, ".conf")?;
    paths.push("/etc/modules".to_owned());
    for path in paths {
        for line in lines(&tree.text(&path)?) {
            let name = line.split_whitespace().next().unwrap_or_default();
            modules.loaded.push(name.to_owned());
        }
    }
    let rules = [
        "/etc/modprobe.d",
        "/usr/local/lib/modprobe.d",
        "/usr/lib/modprobe.d",
        "/lib/modprobe.d",
    ];
    for path in drop_ins(tree, &rules, ".conf")? {
        for line in lines(&tree.text(&path)?) {
            let words: Vec<&str> = line.split_whitespace().collect();
            match words[..] {
                ["blacklist", name, ..] => {
                    modules.blacklisted.push(name.to_owned());
                }
                ["install", name, command, ..]
                    if command.ends_with("/false")
                        || command.ends_with("/true") =>
                {
                    modules.disabled.push(name.to_owned());
                }
                _ => {}
            }
        }
    }
    let Modules {
        loaded,
        blacklisted,
        disabled,
    } = &mut modules;
    for list in [loaded, blacklisted, disabled] {
        list.sort();
        list.dedup();
    }
    Ok(modules)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::describe::tree::memory::MemoryTree;

    #[test]
    fn the_last_setting_counts() {
        let tree = MemoryTree::default()
            .file("/usr/lib/sysctl.d/50-a.conf", "-net.x = 1\nvm/y=2\n")
            .file("/etc/sysctl.d/90-b.conf", "# c\nnet.x=3\n")
            .file("/usr/lib/sysctl.d/10-z.conf", "z=1\n")
            .file("/etc/sysctl.d/10-z.conf", "");
        let found = sysctl(&tree).unwrap();
        let found: Vec<_> =
            found.iter().map(|s| (&*s.key, &*s.value)).collect();
        assert_eq!(found, [("net.x", "3"), ("vm.y", "2")]);
    }

    #[test]
    fn modules_of_every_kind() {
        let tree = MemoryTree::default()
            .file("/etc/modules", "# c\nloop\n")
            .file("/etc/modules-load.d/k8s.conf", "overlay\nbr_netfilter\n")
            .file("/etc/modprobe.d/x.conf", "blacklist pcspkr\n")
            .file("/usr/lib/modprobe.d/y.conf", "install cramfs /bin/false");
        let found = modules(&tree).unwrap();
        assert_eq!(found.loaded, ["br_netfilter", "loop", "overlay"]);
        assert_eq!(found.blacklisted, ["pcspkr"]);
        assert_eq!(found.disabled, ["cramfs"]);
    }
}
