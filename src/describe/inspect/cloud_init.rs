// SPDX-License-Identifier: Apache-2.0
//! What configures the machine at its first start.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::setting::drop_ins;
use crate::describe::tree::FileTree;
use crate::error::Result;

const MAIN: &str = "/etc/cloud/cloud.cfg";
const DROP_INS: &str = "/etc/cloud/cloud.cfg.d";
const IDENTIFY: &str = "/etc/cloud/ds-identify.cfg";

/// cloud-init, where it is installed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct CloudInit {
    /// Whether it is told not to run.
    pub disabled: bool,
    /// Where it looks for its data, where that is said.
    pub datasources: Vec<String>,
    /// The file that says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub datasources_path: Option<String>,
    /// How it decides whether there is a datasource.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identify_policy: Option<String>,
    /// The account it makes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_user: Option<String>,
    /// Data for the first start that the image has with it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub seeds: Vec<String>,
    /// Its configuration besides the main file.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub drop_ins: Vec<String>,
}

/// What is read of its configuration.
#[derive(Debug, Default, Deserialize)]
struct Config {
    datasource_list: Option<Vec<String>>,
    system_info: Option<SystemInfo>,
}

#[derive(Debug, Default, Deserialize)]
struct SystemInfo {
    default_user: Option<DefaultUser>,
}

#[derive(Debug, Default, Deserialize)]
struct DefaultUser {
    name: Option<String>,
}

/// `None` where it is not installed.
pub(super) fn cloud_init(tree: &dyn FileTree) -> Result<Option<CloudInit>> {
    if !tree.exists(MAIN)? {
        return Ok(None);
    }
    let mut found = CloudInit {
        disabled: tree.exists("/etc/cloud/cloud-init.disabled")?,
        drop_ins: drop_ins(tree, &[DROP_INS], ".cfg")?,
        ..CloudInit::default()
    };
    let mut paths = vec![MAIN.to_owned()];
    paths.extend(found.drop_ins.iter().cloned());
    for path in paths {
        // What is no YAML counts for nothing, as for cloud-init.
        let text = tree.text(&path)?;
        let Ok(config) = serde_saphyr::from_str::<Option<Config>>(&text) else {
            continue;
        };
        let config = config.unwrap_or_default();
        if let Some(list) = config.datasource_list {
            found.datasources = list;
            found.datasources_path = Some(path);
        }
        let user = config.system_info.and_then(|info| info.default_user);
        if let Some(name) = user.and_then(|user| user.name) {
            found.default_user = Some(name);
        }
    }
    let identify = tree.text(IDENTIFY)?;
    found.identify_policy = identify
        .lines()
        .find_map(|line| line.trim().strip_prefix("policy:"))
        .map(|policy| policy.trim().to_owned());
    for seed in tree.names("/var/lib/cloud/seed")? {
        found.seeds.push(format!("/var/lib/cloud/seed/{seed}"));
    }
    Ok(Some(found))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::describe::tree::memory::MemoryTree;

    #[test]
    fn the_last_list_counts() {
        let tree = MemoryTree::default()
            .file(
                MAIN,
                "# c\nusers:\n - default\nsystem_info:\n  distro: debian\n  \
                 default_user:\n    name: debian\n",
            )
            .file(
                "/etc/cloud/cloud.cfg.d/10-a.cfg",
                "datasource_list: [ NoCloud, Ec2 ]\n",
            )
            .file("/etc/cloud/cloud.cfg.d/90-b.cfg", "datasource_list: [None]")
            .file("/etc/cloud/cloud.cfg.d/95-c.cfg", "{ broken")
            .file("/var/lib/cloud/seed/nocloud/meta-data", "");
        let found = cloud_init(&tree).unwrap().unwrap();
        assert_eq!(found.datasources, ["None"]);
        assert_eq!(
            found.datasources_path.as_deref(),
            Some("/etc/cloud/cloud.cfg.d/90-b.cfg")
        );
        assert_eq!(found.default_user.as_deref(), Some("debian"));
        assert_eq!(found.seeds, ["/var/lib/cloud/seed/nocloud"]);
        assert_eq!(cloud_init(&MemoryTree::default()).unwrap(), None);
    }
}
