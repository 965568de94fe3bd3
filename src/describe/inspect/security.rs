// SPDX-License-Identifier: Apache-2.0
//! What confines programs.

use schemars::JsonSchema;
use serde::Serialize;

use super::boot::Boot;
use super::text::{assignment, lines};
use super::unit::{Unit, UnitState};
use crate::describe::tree::FileTree;
use crate::error::Result;

/// SELinux and AppArmor.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Security {
    /// SELinux, where it is configured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selinux: Option<Selinux>,
    /// AppArmor, where it is installed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub apparmor: Option<Apparmor>,
}

/// SELinux as it will be after the start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Selinux {
    /// `enforcing`, `permissive` or `disabled`.
    pub mode: String,
    /// The policy: `targeted`.
    pub policy: String,
    /// Whether the files are labelled at the first start.
    pub relabel: bool,
}

/// AppArmor as it will be after the start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Apparmor {
    /// Whether its profiles are loaded.
    pub enabled: bool,
    /// How many files of profiles there are.
    pub profiles: usize,
    /// Those that are switched off.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub disabled: Vec<String>,
}

pub(super) fn security(
    tree: &dyn FileTree,
    boot: &Boot,
    units: &[Unit],
) -> Result<Security> {
    Ok(Security {
        selinux: selinux(tree, boot)?,
        apparmor: apparmor(tree, boot, units)?,
    })
}

fn selinux(tree: &dyn FileTree, boot: &Boot) -> Result<Option<Selinux>> {
    let text = tree.text("/etc/selinux/config")?;
    let value = |name: &str| {
        let mut all = lines(&text).filter_map(assignment);
        all.find(|(key, _)| *key == name).map(|(_, value)| value)
    };
    let Some(mode) = value("SELINUX") else {
        return Ok(None);
    };
    let mode = match mode.to_ascii_lowercase() {
        _ if boot.tells("selinux=0") => "disabled".to_owned(),
        mode if mode == "enforcing" && boot.tells("enforcing=0") => {
            "permissive".to_owned()
        }
        mode => mode,
    };
    Ok(Some(Selinux {
        mode,
        policy: value("SELINUXTYPE").unwrap_or_default().to_owned(),
        relabel: tree.exists("/.autorelabel")?,
    }))
}

fn apparmor(
    tree: &dyn FileTree,
    boot: &Boot,
    units: &[Unit],
) -> Result<Option<Apparmor>> {
    let unit = units.iter().find(|unit| unit.name == "apparmor.service");
    let Some(unit) = unit else {
        return Ok(None);
    };
    let mut profiles = 0_usize;
    for name in tree.names("/etc/apparmor.d")? {
        let path = format!("/etc/apparmor.d/{name}");
        let entry = tree.metadata(path.as_ref())?;
        if entry.is_some_and(|entry| entry.is_file()) {
            profiles = profiles.saturating_add(1);
        }
    }
    Ok(Some(Apparmor {
        enabled: unit.state == UnitState::Enabled && !boot.tells("apparmor=0"),
        profiles,
        disabled: tree.names("/etc/apparmor.d/disable")?,
    }))
}
