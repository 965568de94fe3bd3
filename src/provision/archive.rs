// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Package files: what a package manager unpacks.

use serde::{Deserialize, Serialize};

use crate::recipe::Sha256;

/// A package file.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PackageArchive {
    /// The package.
    pub name: String,
    /// Its architecture.
    pub architecture: String,
    /// Its whole version, epoch included.
    pub version: String,
    /// What its file name ends in: `deb`, `rpm`.
    pub suffix: String,
    /// SHA-256 of the package file.
    pub sha256: Sha256,
    /// Bytes of the package file.
    pub size: u64,
    /// The repository it was had from, where the image's package manager
    /// knows repositories by a name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,
    /// Where it was had from, without user and password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
}

impl PackageArchive {
    /// Whether it is the file of this package.
    pub fn is_of(&self, name: &str, architecture: &str, version: &str) -> bool {
        self.name == name
            && self.architecture == architecture
            && self.version == version
    }

    /// A name for the package file in which no program sees an escape.
    pub(crate) fn plain_name(&self) -> String {
        format!("{}.{}", self.sha256, quoted(&self.suffix))
    }

    /// A name for the package file, which is never a path, nor hidden.
    pub fn file_name(&self) -> String {
        format!(
            "{}_{}_{}.{}",
            quoted(&self.name),
            quoted(&self.version),
            quoted(&self.architecture),
            quoted(&self.suffix)
        )
    }
}

/// As apt has it in the names of its cache.
fn quoted(text: &str) -> String {
    let mut name = String::new();
    for byte in text.bytes() {
        let plain = byte.is_ascii_alphanumeric() || b".+~-".contains(&byte);
        match plain && !(name.is_empty() && byte == b'.') {
            true => name.push(char::from(byte)),
            false => name.push_str(&format!("%{byte:02x}")),
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_names_lead_nowhere() {
        let mut archive = PackageArchive {
            name: "a".to_owned(),
            architecture: "amd64".to_owned(),
            version: "1:2~x-3".to_owned(),
            suffix: "deb".to_owned(),
            sha256: Sha256::of(b"a"),
            size: 1,
            repository: None,
            uri: None,
        };
        assert_eq!(archive.file_name(), "a_1%3a2~x-3_amd64.deb");
        archive.name = "../../a".to_owned();
        archive.suffix = "/".to_owned();
        let name = archive.file_name();
        assert_eq!(name, "%2e.%2f..%2fa_1%3a2~x-3_amd64.%2f");
    }
}
