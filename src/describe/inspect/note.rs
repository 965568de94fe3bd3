// SPDX-License-Identifier: Apache-2.0
//! Documents in the image that say how it was made.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::describe::tree::FileTree;
use crate::error::Result;

const DIRECTORY: &str = "/usr/share/sbom";
const MAX_LEN: u64 = 64 << 20;

/// A bill of materials in the image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct SbomNote {
    /// The file.
    pub path: String,
    /// `SPDX-2.3`, `CycloneDX 1.6`; none for what is neither.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// What wrote it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub creators: Vec<String>,
    /// The image that was taken, where it says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base: Option<String>,
}

pub(super) fn notes(tree: &dyn FileTree) -> Result<Vec<SbomNote>> {
    let mut notes = Vec::new();
    for name in tree.names(DIRECTORY)? {
        let path = format!("{DIRECTORY}/{name}");
        let Some(head) = tree.read_head(&path, MAX_LEN)? else {
            continue;
        };
        let document: Value = serde_json::from_slice(&head).unwrap_or_default();
        notes.push(note(path, &document));
    }
    Ok(notes)
}

fn note(path: String, document: &Value) -> SbomNote {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let list = |value: &Value| -> Vec<Value> {
        value.as_array().cloned().unwrap_or_default()
    };
    if let Some(format) = text(&document["spdxVersion"]) {
        let packages = list(&document["packages"]);
        let base = packages
            .iter()
            .find(|package| package["SPDXID"] == "SPDXRef-base-image");
        return SbomNote {
            path,
            format: Some(format),
            creators: list(&document["creationInfo"]["creators"])
                .iter()
                .filter_map(text)
                .collect(),
            base: base.and_then(|base| text(&base["name"])),
        };
    }
    let is_cyclonedx = document["bomFormat"] == "CycloneDX";
    let version = text(&document["specVersion"]).filter(|_| is_cyclonedx);
    let tools = list(&document["metadata"]["tools"]["components"]);
    let components = list(&document["components"]);
    let base = components.iter().find(|c| c["bom-ref"] == "base-image");
    SbomNote {
        path,
        format: version.map(|version| format!("CycloneDX {version}")),
        creators: tools.iter().filter_map(|t| text(&t["name"])).collect(),
        base: base.and_then(|base| text(&base["name"])),
    }
}
