// SPDX-License-Identifier: Apache-2.0
//! A way for the fuzz targets to what the checks read of single files.

use super::{boot_config, database, sandbox_image};
use crate::describe::package::Package;

/// Reads a text as every kind of file that the checks look into.
pub(in crate::describe) fn text(text: &str) {
    for line in text.lines() {
        for bare in [false, true] {
            for (_, spec) in boot_config::parse_line(line, bare) {
                let _ = spec.to_string();
            }
        }
        if let Some(image) = sandbox_image::parse_line(line) {
            assert!(line.contains(&image), "{image}");
            let _ = sandbox_image::is_pause(&image);
        }
    }
    let package = Package {
        name: "kubelet".to_owned(),
        version: "1:1.36.0-1".to_owned(),
        architecture: "x86_64".to_owned(),
        ..Package::default()
    };
    let _ = database::in_list(text, &package);
    let _ = database::in_toml(text, &package);
    let _ = database::in_locks(text, &package);
    let _ = database::is_excluded(text, &package);
}
