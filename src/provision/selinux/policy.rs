// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! The policy of an image: which one it uses, and what it says of labels.
//!
//! Facts: selinux_config(5), customizable_types(5), restorecon(8).

use std::collections::HashSet;

use super::file_contexts::{FileContexts, Substitutions};
use crate::error::{Error, Result};
use crate::mount::GuestRoot;

const CONFIG: &str = "/etc/selinux/config";

/// What the image's file contexts say.
#[derive(Debug)]
pub(super) struct Policy {
    pub(super) contexts: FileContexts,
    /// Types that an administrator gave on purpose.
    customizable: HashSet<String>,
}

impl Policy {
    /// The policy that the image loads; none where it uses no SELinux.
    pub(super) fn load(root: &GuestRoot) -> Result<Option<Self>> {
        let Some(name) = in_use(root)? else {
            return Ok(None);
        };
        let contexts = format!("/etc/selinux/{name}/contexts");
        let base = format!("{contexts}/files/file_contexts");
        let read = |suffix: &str| -> Result<Option<String>> {
            let path = format!("{base}{suffix}");
            let Some(bytes) = root.read_if_exists(&path)? else {
                return Ok(None);
            };
            let text = String::from_utf8(bytes);
            let text =
                text.map_err(|_| Error::unsupported("not UTF-8").at(&path))?;
            Ok(Some(text))
        };
        let Some(main) = read("")? else {
            return Err(Error::unsupported(
                "the policy has no readable file contexts",
            )
            .at(&base));
        };
        let homes = read(".homedirs")?.unwrap_or_default();
        let local = read(".local")?.unwrap_or_default();
        let aliases = |suffix| -> Result<Substitutions> {
            let text = read(suffix)?.unwrap_or_default();
            Ok(Substitutions::parse(&text))
        };
        let texts = [
            ("file_contexts", main.as_str()),
            ("file_contexts.homedirs", homes.as_str()),
            ("file_contexts.local", local.as_str()),
        ];
        let customizable =
            root.read_if_exists(format!("{contexts}/customizable_types"))?;
        let customizable = customizable.unwrap_or_default();
        let customizable = String::from_utf8_lossy(&customizable);
        Ok(Some(Self {
            contexts: FileContexts::parse(
                &texts,
                aliases(".subs_dist")?,
                aliases(".subs")?,
            )?,
            customizable: customizable
                .lines()
                .map(|line| line.trim().to_owned())
                .collect(),
        }))
    }

    /// The label a file gets that has `current`; none when it keeps that. As
    /// restorecon does it: only the type counts, and one that was given on
    /// purpose stays.
    pub(super) fn new_label(
        &self,
        current: Option<&str>,
        wanted: &str,
    ) -> Option<String> {
        let Some(current) = current else {
            return Some(wanted.to_owned());
        };
        let mut fields: Vec<&str> = current.splitn(4, ':').collect();
        let kind = wanted.split(':').nth(2).unwrap_or_default();
        let [_, _, own, ..] = &mut fields[..] else {
            return Some(wanted.to_owned());
        };
        if *own == kind || self.customizable.contains(*own) {
            return None;
        }
        *own = kind;
        Some(fields.join(":"))
    }
}

/// The name of the policy, where the image has one and does not disable it.
pub(super) fn in_use(root: &GuestRoot) -> Result<Option<String>> {
    let Some(config) = root.read_if_exists(CONFIG)? else {
        return Ok(None);
    };
    let config = String::from_utf8_lossy(&config);
    let off = last_value(&config, "SELINUX").is_some_and(|v| v == "disabled");
    let name = last_value(&config, "SELINUXTYPE").unwrap_or("targeted");
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if off || name.is_empty() || !name.chars().all(plain) {
        return Ok(None);
    }
    let files = format!("/etc/selinux/{name}/contexts/files");
    Ok(root.exists(files)?.then(|| name.to_owned()))
}

/// The last assignment counts.
fn last_value<'c>(config: &'c str, name: &str) -> Option<&'c str> {
    let assignments = config.lines().filter_map(|line| line.split_once('='));
    let mut values = assignments.filter(|(own, _)| own.trim() == name);
    values.next_back().map(|(_, value)| value.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_changes_by_its_type_only() {
        let policy = Policy {
            contexts: FileContexts::default(),
            customizable: HashSet::from(["public_content_t".to_owned()]),
        };
        let wanted = "system_u:object_r:etc_t:s0";
        for (current, expected) in [
            (None, Some(wanted)),
            (Some("system_u:object_r:etc_t:s0"), None),
            (Some("unconfined_u:object_r:etc_t:s0:c1"), None),
            (Some("system_u:object_r:public_content_t:s0"), None),
            (
                Some("unconfined_u:object_r:tmp_t:s0:c1,c2"),
                Some("unconfined_u:object_r:etc_t:s0:c1,c2"),
            ),
            (Some("odd"), Some(wanted)),
        ] {
            let new = policy.new_label(current, wanted);
            assert_eq!(new.as_deref(), expected, "{current:?}");
        }
    }

    #[test]
    fn a_policy_is_used_unless_disabled() {
        let dir = tempfile::tempdir().unwrap();
        let root = GuestRoot::open(dir.path()).unwrap();
        let files = dir.path().join("etc/selinux/targeted/contexts/files");
        std::fs::create_dir_all(files).unwrap();
        for (config, expected) in [
            ("SELINUX=enforcing\nSELINUXTYPE=targeted\n", true),
            ("# SELINUX=disabled\nSELINUX=permissive\n", true),
            ("SELINUX=enforcing\nSELINUX=disabled\n", false),
            ("SELINUX=enforcing\nSELINUXTYPE=../targeted\n", false),
            ("SELINUX=enforcing\nSELINUXTYPE=mls\n", false),
        ] {
            let path = dir.path().join("etc/selinux/config");
            std::fs::write(path, config).unwrap();
            let found = in_use(&root).unwrap().is_some();
            assert_eq!(found, expected, "{config}");
        }
    }
}
