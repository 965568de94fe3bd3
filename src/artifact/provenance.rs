// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! `provenance.json`: of what, and by what, the artifacts were made.
//!
//! An in-toto statement v1 with a SLSA provenance predicate v1. Like the
//! manifest it is the same for the same inputs, and holds no secret: of the
//! recipe there is its digest and what was done, which leaves secrets out.
//!
//! Facts: <https://in-toto.io/Statement/v1>, <https://slsa.dev/provenance/v1>,
//! the package-url specification.

use serde_json::{Value, json};

use super::Manifest;
use crate::describe::Package;
use crate::error::{Error, Result};

/// What kind of build this is: the meaning of the parameters.
const BUILD_TYPE: &str = "urn:imagewright:build:v1alpha1";
const BUILDER: &str = "urn:imagewright:builder";

/// The statement about what `manifest` lists, ended by a newline.
///
/// # Errors
/// `Internal`.
pub fn provenance(manifest: &Manifest) -> Result<String> {
    let subjects: Vec<Value> = manifest
        .artifacts
        .iter()
        .map(|artifact| {
            json!({
                "name": artifact.name,
                "digest": {"sha256": artifact.sha256},
            })
        })
        .collect();
    let statement = json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": subjects,
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {
                "buildType": BUILD_TYPE,
                "externalParameters": {
                    "recipeSha256": manifest.recipe_sha256,
                    "steps": manifest.steps,
                },
                "internalParameters": {
                    "sourceDateEpoch": manifest.source_date_epoch,
                },
                "resolvedDependencies": dependencies(manifest),
            },
            "runDetails": {
                "builder": {
                    "id": BUILDER,
                    "version": {"imagewright": env!("CARGO_PKG_VERSION")},
                },
            },
        },
    });
    let mut text = serde_json::to_string_pretty(&statement)
        .map_err(|error| Error::internal(error.to_string()))?;
    text.push('\n');
    Ok(text)
}

/// The base image, the recipe, and every package that was unpacked.
fn dependencies(manifest: &Manifest) -> Vec<Value> {
    let mut all = vec![
        json!({
            "name": manifest.input.name,
            "digest": {"sha256": manifest.input.sha256},
            "annotations": {"role": "base image"},
        }),
        json!({
            "name": "recipe",
            "digest": {"sha256": manifest.recipe_sha256},
            "annotations": {"role": "recipe, as canonical JSON"},
        }),
    ];
    let changes = &manifest.packages_changed;
    let updated = changes
        .updated
        .iter()
        .map(|update| (&update.name, &update.to, &update.architecture));
    let added = changes.added.iter().map(
        |Package {
             name,
             version,
             architecture,
             ..
         }| { (name, version, architecture) },
    );
    let mut packages: Vec<_> = added.chain(updated).collect();
    packages.sort();
    let os = &manifest.layout.os;
    let kind = match &manifest.layout.family {
        Some(crate::discover::Family::Debian) => "deb",
        _ => "rpm",
    };
    for (name, version, architecture) in packages {
        all.push(json!({
            "uri": format!(
                "pkg:{kind}/{}/{}@{}?arch={}",
                quote(&os.id),
                quote(name),
                quote(version),
                quote(architecture)
            ),
            "annotations": {"role": "package"},
        }));
    }
    all
}

/// As the package-url specification escapes a name or a version.
fn quote(text: &str) -> String {
    let mut quoted = String::new();
    for byte in text.bytes() {
        match byte {
            b'.' | b'-' | b'_' | b'~' | b':' => quoted.push(char::from(byte)),
            _ if byte.is_ascii_alphanumeric() => quoted.push(char::from(byte)),
            _ => quoted.push_str(&format!("%{byte:02X}")),
        }
    }
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_url_is_escaped() {
        assert_eq!(quote("1:1.6~ds1-1+deb12u3"), "1:1.6~ds1-1%2Bdeb12u3");
        assert_eq!(quote("a/b@c d"), "a%2Fb%40c%20d");
    }
}
