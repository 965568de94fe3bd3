// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Kernel modules that a boot would load by name.
//!
//! Facts: modules-load.d(5), modprobe.d(5).

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::drop_in::{drop_ins, read_text};
use crate::error::Result;
use crate::mount::GuestRoot;

const DIRECTORIES: [&str; 4] = [
    "/etc/modules-load.d",
    "/usr/local/lib/modules-load.d",
    "/usr/lib/modules-load.d",
    "/lib/modules-load.d",
];

/// The modules, with `_` for `-`, and the file that names each.
pub(super) fn loaded_at_boot(
    root: &GuestRoot,
) -> Result<BTreeMap<String, PathBuf>> {
    let mut modules = BTreeMap::new();
    for path in drop_ins(root, &DIRECTORIES, ".conf")? {
        let text = read_text(root, &path)?.unwrap_or_default();
        for line in text.lines().map(str::trim) {
            if !line.is_empty() && !line.starts_with(['#', ';']) {
                modules.entry(normal(line)).or_insert(path.clone());
            }
        }
    }
    Ok(modules)
}

/// The kernel takes both for one.
pub(super) fn normal(name: &str) -> String {
    name.replace('-', "_")
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn names_are_normal_and_files_hide_others() {
        let dir = tempfile::tempdir().unwrap();
        let at = |path: &str| dir.path().join(path);
        for path in ["etc/modules-load.d", "usr/lib/modules-load.d"] {
            fs::create_dir_all(at(path)).unwrap();
        }
        let text = "# x\noverlay\nbr-netfilter\n";
        fs::write(at("etc/modules"), text).unwrap();
        symlink("../modules", at("etc/modules-load.d/modules.conf")).unwrap();
        fs::write(at("usr/lib/modules-load.d/a.conf"), "loop\n").unwrap();
        symlink("/dev/null", at("etc/modules-load.d/a.conf")).unwrap();
        let root = GuestRoot::open(dir.path()).unwrap();
        let found = loaded_at_boot(&root).unwrap();
        let names: Vec<_> = found.keys().map(String::as_str).collect();
        assert_eq!(names, ["br_netfilter", "overlay"]);
    }
}
