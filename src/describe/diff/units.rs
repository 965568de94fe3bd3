// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! What systemd starts, and by what.
//!
//! Facts: systemd.unit(5), "UNIT FILE LOAD PATH"; systemctl(1), "enable".

use std::path::Path;

use super::snapshot::Snapshot;
use super::table::Table;

/// Of the administrator, then of packages; `/lib` is a link to the second
/// where `/usr` is merged.
const DIRECTORIES: [&str; 3] = [
    "/etc/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
];

/// Unit files, what is enabled, and what is masked.
pub(super) fn units(snapshot: &Snapshot) -> Table {
    let mut table = Table::new();
    for directory in DIRECTORIES {
        for (path, record) in snapshot.below(directory) {
            let Ok(inside) = path.strip_prefix(directory) else {
                continue;
            };
            let subject = subject_of(inside, directory);
            let shown = match (&record.target, record.sha256) {
                (Some(target), _) if target == Path::new("/dev/null") => {
                    "masked".to_owned()
                }
                (Some(target), _) => format!("-> {}", target.display()),
                (None, Some(digest)) => format!("sha256 {digest}"),
                (None, None) => continue,
            };
            table.insert(subject, shown.into());
        }
    }
    for (path, text) in snapshot.texts_in("/etc/systemd/system-preset", "") {
        table.insert(format!("preset {path}"), text.into());
    }
    table
}

/// `x.service wanted by y.target`, `x.service/z.conf`, `x.service`.
fn subject_of(inside: &Path, directory: &str) -> String {
    let mut parts = inside.iter().map(|part| part.to_string_lossy());
    let first = parts.next().unwrap_or_default();
    let rest: Vec<_> = parts.collect();
    let rest = rest.join("/");
    for (suffix, verb) in [(".wants", "wanted"), (".requires", "required")] {
        if let Some(by) = first.strip_suffix(suffix) {
            return format!("enabled {rest}, {verb} by {by}");
        }
    }
    match first.strip_suffix(".d") {
        Some(unit) if !rest.is_empty() => format!("drop-in {unit}: {rest}"),
        _ => format!("unit {directory}/{}", inside.display()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_named_by_their_meaning() {
        for (inside, subject) in [
            (
                "multi-user.target.wants/x.service",
                "enabled x.service, wanted by multi-user.target",
            ),
            ("x.service.d/10.conf", "drop-in x.service: 10.conf"),
            ("x.service", "unit /e/x.service"),
        ] {
            assert_eq!(subject_of(Path::new(inside), "/e"), subject);
        }
    }
}
