// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Whether systemd would start a unit, read from its files.
//!
//! Facts: systemd.unit(5), systemctl(1), "is-enabled".

use std::fmt;
use std::path::{Path, PathBuf};

use super::drop_in::read_text;
use crate::error::Result;
use crate::mount::GuestRoot;

const ETC: &str = "/etc/systemd/system";
/// In the order in which they are searched.
const DIRECTORIES: [&str; 4] = [
    ETC,
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
];
/// Directories of these names hold what a unit pulls in.
const PULLED: [&str; 3] = ["wants", "requires", "upholds"];
/// An alias of an alias is not usual.
const MAX_ALIASES: usize = 8;

/// What `systemctl is-enabled` would say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum UnitState {
    Enabled,
    Disabled,
    Masked,
    /// Has no `[Install]`: others start it, or nobody.
    Static,
    NotFound,
}

impl fmt::Display for UnitState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Enabled => "enabled",
            Self::Disabled => "disabled",
            Self::Masked => "masked",
            Self::Static => "static",
            Self::NotFound => "not there",
        })
    }
}

/// The state of a unit; a name without a suffix is a service.
pub(super) fn unit_state(root: &GuestRoot, name: &str) -> Result<UnitState> {
    let mut name = full_name(name);
    for _ in 0..MAX_ALIASES {
        let Some(path) = unit_file(root, &name)? else {
            return init_script(root, &name);
        };
        let target = root.read_link(&path)?;
        if target.as_deref() == Some(Path::new("/dev/null")) {
            return Ok(UnitState::Masked);
        }
        let other = target
            .as_deref()
            .and_then(|target| target.file_name()?.to_str())
            .filter(|other| *other != name);
        if let Some(other) = other {
            // An instance that links to its template is no alias.
            if template_of(&name).as_deref() != Some(other) {
                name = other.to_owned();
                continue;
            }
        }
        return state_of(root, &name, &path);
    }
    Ok(UnitState::NotFound)
}

fn state_of(root: &GuestRoot, name: &str, path: &Path) -> Result<UnitState> {
    if root.metadata(path)?.is_some_and(|entry| entry.len() == 0) {
        return Ok(UnitState::Masked);
    }
    if is_linked(root, name)? {
        return Ok(UnitState::Enabled);
    }
    let text = read_text(root, path)?.unwrap_or_default();
    Ok(match has_install(&text) {
        true => UnitState::Disabled,
        false => UnitState::Static,
    })
}

pub(super) fn full_name(name: &str) -> String {
    const SUFFIXES: [&str; 7] = [
        ".service", ".socket", ".timer", ".target", ".path", ".mount", ".slice",
    ];
    match SUFFIXES.iter().any(|suffix| name.ends_with(suffix)) {
        true => name.to_owned(),
        false => format!("{name}.service"),
    }
}

/// `getty@.service` of `getty@tty1.service`.
pub(super) fn template_of(name: &str) -> Option<String> {
    let (prefix, rest) = name.split_once('@')?;
    let (instance, suffix) = rest.rsplit_once('.')?;
    (!instance.is_empty()).then(|| format!("{prefix}@.{suffix}"))
}

/// The file that systemd would take.
fn unit_file(root: &GuestRoot, name: &str) -> Result<Option<PathBuf>> {
    let names = [Some(name.to_owned()), template_of(name)];
    for name in names.into_iter().flatten() {
        for directory in DIRECTORIES {
            let path = Path::new(directory).join(&name);
            if root.link_metadata(&path)?.is_some() {
                return Ok(Some(path));
            }
        }
    }
    Ok(None)
}

/// Whether something of `/etc` pulls it in, or calls it by another name.
fn is_linked(root: &GuestRoot, name: &str) -> Result<bool> {
    for kind in PULLED {
        for path in root.glob(&format!("{ETC}/*.{kind}/*"))? {
            let own = path.file_name().and_then(|name| name.to_str());
            let own = own.unwrap_or_default();
            // An instance enables its template, too.
            if own == name || template_of(own).as_deref() == Some(name) {
                return Ok(true);
            }
        }
    }
    for path in root.glob(&format!("{ETC}/*"))? {
        if path.ends_with(name) {
            continue;
        }
        let target = root.read_link(&path)?;
        if target.is_some_and(|target| target.ends_with(name)) {
            return Ok(true);
        }
    }
    Ok(false)
}

pub(super) fn has_install(text: &str) -> bool {
    let keys = ["WantedBy", "RequiredBy", "UpheldBy", "Alias", "Also"];
    let mut inside = false;
    text.lines().map(str::trim).any(|line| {
        if line.starts_with('[') {
            inside = line == "[Install]";
        }
        let key = line.split_once('=').map(|(key, _)| key.trim());
        inside && key.is_some_and(|key| keys.contains(&key))
    })
}

/// A service that only a script of System V describes.
fn init_script(root: &GuestRoot, name: &str) -> Result<UnitState> {
    let Some(script) = name.strip_suffix(".service") else {
        return Ok(UnitState::NotFound);
    };
    if !root.exists(Path::new("/etc/init.d").join(script))? {
        return Ok(UnitState::NotFound);
    }
    let links = root.glob(&format!("/etc/rc[2-5].d/S[0-9][0-9]{script}"))?;
    Ok(match links.is_empty() {
        true => UnitState::Disabled,
        false => UnitState::Enabled,
    })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn states_are_those_of_systemctl() {
        let dir = tempfile::tempdir().unwrap();
        let at = |path: &str| {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            path
        };
        let unit = |name: &str, text: &str| {
            fs::write(at(&format!("usr/lib/systemd/system/{name}")), text)
                .unwrap();
        };
        let link = |target: &str, path: &str| {
            symlink(target, at(&format!("etc/systemd/system/{path}"))).unwrap();
        };
        let install = "[Install]\nWantedBy=multi-user.target\n";
        for name in ["on", "off", "gone", "real", "tty@", "dead"] {
            unit(&format!("{name}.service"), install);
        }
        unit("fixed.service", "[Service]\n# [Install]\nType=oneshot\n");
        unit("empty.service", "");
        unit("t.timer", install);
        let lib = "/usr/lib/systemd/system";
        link(
            &format!("{lib}/on.service"),
            "multi-user.target.wants/on.service",
        );
        link(&format!("{lib}/t.timer"), "timers.target.requires/t.timer");
        link(
            &format!("{lib}/tty@.service"),
            "a.target.wants/tty@1.service",
        );
        link(&format!("{lib}/real.service"), "alias.service");
        link("/dev/null", "gone.service");
        fs::write(at("etc/init.d/old"), "#!").unwrap();
        fs::write(at("etc/init.d/older"), "#!").unwrap();
        symlink("../init.d/old", at("etc/rc3.d/S01old")).unwrap();
        let root = GuestRoot::open(dir.path()).unwrap();
        for (name, state) in [
            ("on", UnitState::Enabled),
            ("on.service", UnitState::Enabled),
            ("off", UnitState::Disabled),
            ("gone", UnitState::Masked),
            ("empty", UnitState::Masked),
            ("fixed", UnitState::Static),
            ("t.timer", UnitState::Enabled),
            ("tty@1", UnitState::Enabled),
            ("tty@2", UnitState::Disabled),
            ("real", UnitState::Enabled),
            ("alias", UnitState::Enabled),
            ("old", UnitState::Enabled),
            ("older", UnitState::Disabled),
            ("never", UnitState::NotFound),
            ("never.timer", UnitState::NotFound),
        ] {
            assert_eq!(unit_state(&root, name).unwrap(), state, "{name}");
        }
    }
}
