// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! What boots: kernels, their command line, modules, parameters, the disk.
//!
//! Facts: bootparam(7), modules-load.d(5), modprobe.d(5), sysctl.d(5).

use std::collections::BTreeMap;

use super::quote;
use super::snapshot::Snapshot;
use super::table::Table;

/// Kernels and the command line they get.
pub(super) fn kernel(snapshot: &Snapshot) -> Table {
    let mut table = Table::new();
    for (path, record) in snapshot.below("/boot") {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let boots = ["vmlinuz", "initrd", "initramfs"]
            .iter()
            .any(|start| name.starts_with(start));
        if let Some(digest) = record.sha256.filter(|_| boots) {
            table.insert(
                path.display().to_string(),
                format!("sha256 {digest}").into(),
            );
        }
    }
    for path in ["/boot/grub/grub.cfg", "/boot/grub2/grub.cfg"] {
        for line in snapshot.text(path).lines() {
            let mut words = line.split_whitespace();
            let linux = words.next().is_some_and(|w| w.starts_with("linux"));
            if let Some(kernel) = words.next().filter(|_| linux) {
                let arguments: Vec<&str> = words.collect();
                table.insert(
                    format!("{path}: {kernel} {}", arguments.join(" ")),
                    String::new().into(),
                );
            }
        }
    }
    for (path, text) in snapshot.texts_in("/boot/loader/entries", ".conf") {
        for line in text.lines() {
            if let Some(options) = line.strip_prefix("options ") {
                table.insert(
                    format!("{path}: options"),
                    options.trim().to_owned().into(),
                );
            }
        }
    }
    let cmdline = snapshot.text("/etc/kernel/cmdline");
    if !cmdline.is_empty() {
        let line = cmdline.trim().to_owned();
        table.insert("/etc/kernel/cmdline".to_owned(), line.into());
    }
    let mut defaults = snapshot.texts_in("/etc/default/grub.d", ".cfg");
    let own = "/etc/default/grub".to_owned();
    defaults.insert(0, (own.clone(), snapshot.text(own)));
    for (path, text) in defaults {
        for line in text.lines().map(str::trim) {
            if let Some((name, value)) = line.split_once('=')
                && name.starts_with("GRUB_CMDLINE_LINUX")
            {
                table
                    .insert(format!("{path}: {name}"), value.to_owned().into());
            }
        }
    }
    table
}

/// Lines of modules-load.d and modprobe.d.
pub(super) fn modules(snapshot: &Snapshot) -> Table {
    let mut table = Table::new();
    let mut files =
        vec![("/etc/modules".to_owned(), snapshot.text("/etc/modules"))];
    for directory in ["/usr/lib/modules-load.d", "/etc/modules-load.d"] {
        files.extend(snapshot.texts_in(directory, ".conf"));
    }
    for (path, text) in files {
        for line in settings(&text) {
            table.insert(format!("load {line}"), path.clone().into());
        }
    }
    for directory in ["/usr/lib/modprobe.d", "/etc/modprobe.d"] {
        for (path, text) in snapshot.texts_in(directory, ".conf") {
            for line in settings(&text) {
                table.insert(line.to_owned(), path.clone().into());
            }
        }
    }
    table
}

/// What sysctl.d(5) sets in the end: of two files of a name the one in
/// `/etc`, of two settings the one in the later name.
pub(super) fn sysctl(snapshot: &Snapshot) -> Table {
    let mut files: BTreeMap<String, String> = BTreeMap::new();
    for directory in ["/usr/lib/sysctl.d", "/etc/sysctl.d"] {
        for (path, text) in snapshot.texts_in(directory, ".conf") {
            let name = path.rsplit('/').next().unwrap_or_default();
            files.insert(name.to_owned(), text);
        }
    }
    let main = snapshot.text("/etc/sysctl.conf");
    files.entry("99-sysctl.conf".to_owned()).or_insert(main);
    let mut table = Table::new();
    for text in files.values() {
        for line in settings(text).filter(|line| !line.starts_with(';')) {
            if let Some((key, value)) = line.split_once('=') {
                let key = key.trim().trim_start_matches('-');
                table.insert(
                    key.replace('/', "."),
                    quote::without_secrets(value.trim()).into(),
                );
            }
        }
    }
    table
}

/// Lines that say something.
fn settings(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// Partitions and filesystems.
pub(super) fn partitions(snapshot: &Snapshot) -> Table {
    let layout = &snapshot.layout;
    let mut table = Table::new();
    let size = format!("{} bytes", layout.disk_len);
    table.insert("disk".to_owned(), size.into());
    let code = |number: u32| {
        let digest = snapshot.boot_code.get(&number);
        digest.map_or_else(String::new, |digest| {
            format!(", content sha256 {digest}")
        })
    };
    let first = code(0).trim_start_matches(", ").to_owned();
    table.insert("boot code of the first sector".to_owned(), first.into());
    for entry in &layout.partitions {
        let partition = &entry.partition;
        let mut shown = format!(
            "start {}, {} bytes, {:?} {} {}",
            partition.start,
            partition.len,
            partition.kind,
            partition.name,
            partition.uuid
        );
        if let Some(filesystem) = &entry.filesystem {
            shown.push_str(&format!(
                ", {} {} {}",
                filesystem.kind,
                filesystem.label.as_deref().unwrap_or_default(),
                filesystem.uuid.as_deref().unwrap_or_default()
            ));
        }
        shown.push_str(&code(partition.number));
        table.insert(
            format!("partition {}", partition.number),
            shown.trim_end().to_owned().into(),
        );
    }
    table
}
