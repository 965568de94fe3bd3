// SPDX-License-Identifier: Apache-2.0
//! Kernels, their command lines, and what starts them.

use std::collections::BTreeSet;
use std::path::Path;

use schemars::JsonSchema;
use serde::Serialize;

use super::text::{assignment, lines};
use crate::block::ReadAt;
use crate::describe::tree::FileTree;
use crate::discover::{Role, SystemLayout};
use crate::error::Result;

const MAX_CONFIG: u64 = 4 << 20;
const GRUB_CONFIGS: [&str; 2] = ["/boot/grub/grub.cfg", "/boot/grub2/grub.cfg"];
const LOADER_ENTRIES: [&str; 2] =
    ["/boot/loader/entries", "/boot/efi/loader/entries"];
const MODULES: [&str; 2] = ["/usr/lib/modules", "/lib/modules"];

/// An installed kernel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Kernel {
    /// Its release, as `uname -r` would tell it.
    pub release: String,
    /// The file that is started; none where only its modules are there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// The initial file system that goes with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub initramfs: Option<String>,
    /// Whether its modules are there.
    pub modules: bool,
}

/// How the system starts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Boot {
    /// The boot loaders that are in place: `grub-bios`, `efi`.
    pub loaders: Vec<String>,
    /// Every command line a boot loader gives a kernel, with where it says
    /// so; the first is that of the first entry.
    pub command_lines: Vec<CommandLine>,
}

/// What a boot loader tells a kernel.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema,
)]
#[non_exhaustive]
pub struct CommandLine {
    /// The arguments.
    pub arguments: String,
    /// The file it stands in.
    pub path: String,
}

pub(super) fn kernels(tree: &dyn FileTree) -> Result<Vec<Kernel>> {
    let mut kernels: Vec<Kernel> = Vec::new();
    let in_boot = tree.names("/boot")?;
    let mut releases: Vec<String> = in_boot
        .iter()
        .filter_map(|name| name.strip_prefix("vmlinuz-"))
        .filter(|release| !release.contains("rescue"))
        .map(str::to_owned)
        .collect();
    for directory in MODULES {
        for name in tree.names(directory)? {
            let list = format!("{directory}/{name}/modules.order");
            if tree.exists(&list)? {
                releases.push(name);
            }
        }
    }
    releases.sort();
    releases.dedup();
    for release in releases {
        let images = [
            format!("/boot/vmlinuz-{release}"),
            format!("/usr/lib/modules/{release}/vmlinuz"),
        ];
        let initramfs = [
            format!("/boot/initrd.img-{release}"),
            format!("/boot/initramfs-{release}.img"),
            format!("/boot/initrd-{release}"),
        ];
        let modules = MODULES
            .iter()
            .map(|directory| format!("{directory}/{release}/modules.dep"));
        let modules: Vec<String> = modules.collect();
        kernels.push(Kernel {
            image: first_there(tree, &images)?,
            initramfs: first_there(tree, &initramfs)?,
            modules: first_there(tree, &modules)?.is_some(),
            release,
        });
    }
    Ok(kernels)
}

fn first_there(
    tree: &dyn FileTree,
    paths: &[String],
) -> Result<Option<String>> {
    for path in paths {
        if tree.exists(path)? {
            return Ok(Some(path.clone()));
        }
    }
    Ok(None)
}

pub(super) fn boot(
    tree: &dyn FileTree,
    layout: &SystemLayout,
    disk: &dyn ReadAt,
) -> Result<Boot> {
    let mut boot = Boot::default();
    let mut sector = [0; 512];
    if layout.table.is_some() && disk.size() >= 512 {
        disk.read_at(0, &mut sector)?;
        if sector[..440].windows(5).any(|part| part == b"GRUB ") {
            boot.loaders.push("grub-bios".to_owned());
        } else if sector[..440].iter().any(|byte| *byte != 0) {
            boot.loaders.push("bios".to_owned());
        }
    }
    if layout.with_role(Role::Esp).is_some() {
        boot.loaders.push("efi".to_owned());
    }
    for path in GRUB_CONFIGS {
        let text = config(tree, path)?;
        for line in lines(&text) {
            let mut words = line.split_whitespace();
            let first = words.next().unwrap_or_default();
            if matches!(first, "linux" | "linux16" | "linuxefi") {
                // The kernel itself.
                words.next();
                boot.add(words.collect::<Vec<_>>().join(" "), path);
            }
        }
    }
    for directory in LOADER_ENTRIES {
        for name in tree.names(directory)? {
            let path = format!("{directory}/{name}");
            if !name.ends_with(".conf") {
                continue;
            }
            for line in lines(&config(tree, &path)?) {
                if let Some(rest) = line.strip_prefix("options ") {
                    boot.add(rest.trim().to_owned(), &path);
                }
            }
        }
    }
    let path = "/etc/kernel/cmdline";
    if let Some(line) = lines(&tree.text(path)?).next() {
        boot.add(line.to_owned(), path);
    }
    let path = "/etc/default/grub";
    let text = tree.text(path)?;
    let defaults = lines(&text).filter_map(assignment);
    let defaults: Vec<&str> = defaults
        .filter(|(key, _)| key.starts_with("GRUB_CMDLINE_LINUX"))
        .map(|(_, value)| value)
        .filter(|value| !value.is_empty())
        .collect();
    if !defaults.is_empty() {
        boot.add(defaults.join(" "), path);
    }
    let mut seen = BTreeSet::new();
    boot.command_lines.retain(|line| seen.insert(line.clone()));
    Ok(boot)
}

fn config(tree: &dyn FileTree, path: &str) -> Result<String> {
    let head = tree.read_head(Path::new(path), MAX_CONFIG)?;
    Ok(String::from_utf8_lossy(&head.unwrap_or_default()).into_owned())
}

impl Boot {
    fn add(&mut self, arguments: String, path: &str) {
        let line = CommandLine {
            arguments,
            path: path.to_owned(),
        };
        if !line.arguments.is_empty() {
            self.command_lines.push(line);
        }
    }

    /// Whether a kernel is told `argument` by the boot loader's first entry.
    pub(super) fn tells(&self, argument: &str) -> bool {
        self.command_lines.first().is_some_and(|line| {
            line.arguments
                .split_whitespace()
                .any(|word| word == argument)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::describe::tree::memory::MemoryTree;
    use crate::discover::OsRelease;

    #[test]
    fn each_command_line_is_told_once_and_in_time() {
        let mut config = "linux /k a=0\n".repeat(2);
        for number in 0..40_000 {
            config.push_str(&format!("linux /k a={number}\n"));
        }
        let tree = MemoryTree::default().file(GRUB_CONFIGS[0], config);
        let layout = SystemLayout {
            table: None,
            sector_size: 512,
            disk_len: 0,
            partitions: Vec::new(),
            root: 0,
            os: OsRelease::parse(b""),
            family: None,
            architecture: None,
            mounts: Vec::new(),
            warnings: Vec::new(),
        };
        let start = std::time::Instant::now();
        let found = boot(&tree, &layout, &Vec::new()).unwrap();
        assert_eq!(found.command_lines.len(), 40_000);
        assert_eq!(found.command_lines[0].arguments, "a=0");
        assert!(start.elapsed().as_secs() < 5, "{:?}", start.elapsed());
    }
}
