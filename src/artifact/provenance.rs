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

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{LockedFile, Manifest};
use crate::describe::{ContainerImage, Manager, Package, PackageDetails, purl};
use crate::error::{Error, Result};
use crate::provision::PackageArchive;

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

/// The base image, the recipe, and everything that was taken besides.
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
    all.extend(packages(manifest));
    all.extend(manifest.materials.files.iter().map(file));
    all.extend(images(&manifest.container_images));
    all
}

/// What was unpacked, and what came some other way.
fn packages(manifest: &Manifest) -> Vec<Value> {
    let os = &manifest.layout.os;
    let come = manifest.packages_come();
    let archives = &manifest.materials.archives;
    let mut packages: Vec<(String, Value)> = Vec::new();
    for archive in archives {
        let uri = match come.iter().find(|package| is_of(archive, package)) {
            Some(package) => purl::of_package(os, package),
            // Gone again.
            None => purl::of_package(os, &gone(archive)),
        };
        let mut value = json!({
            "uri": uri,
            "digest": {"sha256": archive.sha256},
            "annotations": {"role": "package"},
        });
        if let Some(location) = &archive.uri {
            value["downloadLocation"] = json!(location);
        }
        packages.push((uri, value));
    }
    for package in come {
        if archives.iter().any(|archive| is_of(archive, package)) {
            continue;
        }
        let uri = purl::of_package(os, package);
        let value = json!({"uri": uri, "annotations": {"role": "package"}});
        packages.push((uri, value));
    }
    packages.sort_by(|a, b| a.0.cmp(&b.0));
    packages.into_iter().map(|(_, value)| value).collect()
}

fn is_of(archive: &PackageArchive, package: &Package) -> bool {
    let Package {
        name,
        architecture,
        version,
        ..
    } = package;
    archive.is_of(name, architecture, version)
}

fn gone(archive: &PackageArchive) -> Package {
    Package {
        name: archive.name.clone(),
        version: archive.version.clone(),
        architecture: archive.architecture.clone(),
        details: PackageDetails {
            manager: match archive.suffix.as_str() {
                "rpm" => Manager::Rpm,
                _ => Manager::Dpkg,
            },
            ..PackageDetails::default()
        },
    }
}

fn file(file: &LockedFile) -> Value {
    let mut value = json!({
        "name": file.name,
        "digest": {"sha256": file.sha256},
        "annotations": {"role": "file of the recipe"},
    });
    if let Some(url) = &file.url {
        value["uri"] = json!(url);
    }
    value
}

/// Each once, whatever its names.
fn images(images: &[ContainerImage]) -> Vec<Value> {
    let mut by_digest: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for image in images {
        let names = by_digest.entry(&image.digest).or_default();
        names.push(image.name.clone());
    }
    let material = |(digest, names): (&str, Vec<String>)| {
        let mut value = json!({
            "uri": purl::of_image(digest, &names),
            "annotations": {"role": "container image"},
        });
        if let Some((algorithm, hex)) = digest.split_once(':') {
            value["digest"] = json!({algorithm: hex});
        }
        value
    };
    by_digest.into_iter().map(material).collect()
}
