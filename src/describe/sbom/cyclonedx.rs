// SPDX-License-Identifier: Apache-2.0
//! CycloneDX 1.6, JSON.
//!
//! Facts: cyclonedx.org/docs/1.6/json, and its JSON schema.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::license::License;
use super::{Bom, BomImage, BomPackage, BomProgram};
use crate::describe::go_binary::GoModule;
use crate::describe::purl;

const IMAGE: &str = "image";
const SYSTEM: &str = "operating-system";
const BASE: &str = "base-image";

/// Components by their reference, and what each consists of.
#[derive(Default)]
struct Document {
    components: BTreeMap<String, Value>,
    dependencies: BTreeMap<String, BTreeSet<String>>,
}

pub(super) fn document(bom: &Bom) -> Value {
    let mut document = Document::default();
    document.dependencies.entry(IMAGE.to_owned()).or_default();
    document.add_system(bom);
    document.add_base(bom);
    for package in &bom.packages {
        document.add_package(bom, package);
    }
    for program in &bom.programs {
        document.add_program(program);
    }
    for image in &bom.images {
        document.add_image(image);
    }
    for file in &bom.files {
        let reference = format!("file:{}", file.path);
        document.add(
            IMAGE,
            &reference,
            json!({
                "type": "file",
                "name": file.path,
                "hashes": [
                    {"alg": "SHA-1", "content": file.sha1},
                    {"alg": "SHA-256", "content": file.sha256},
                ],
                "description":
                    "made or changed by the recipe; no package owns it",
            }),
        );
    }
    document.finish(bom)
}

impl Document {
    /// Adds a component that is a part of `whole`.
    fn add(&mut self, whole: &str, reference: &str, mut component: Value) {
        component["bom-ref"] = json!(reference);
        self.components.insert(reference.to_owned(), component);
        let parts = self.dependencies.entry(whole.to_owned()).or_default();
        parts.insert(reference.to_owned());
        self.dependencies.entry(reference.to_owned()).or_default();
    }

    fn add_system(&mut self, bom: &Bom) {
        let mut system = json!({
            "type": "operating-system",
            "name": bom.os.id,
            "description": bom.os.pretty_name,
        });
        if let Some(version) = &bom.os.version_id {
            system["version"] = json!(version);
        }
        if let Some(cpe) = bom.os.get("CPE_NAME") {
            system["cpe"] = json!(cpe);
        }
        self.add(IMAGE, SYSTEM, system);
    }

    fn add_base(&mut self, bom: &Bom) {
        if let Some(base) = &bom.base {
            self.add(IMAGE, BASE, base_component(&base.name, &base.sha256));
        }
    }

    fn add_package(&mut self, bom: &Bom, listed: &BomPackage) {
        let package = &listed.package;
        let details = &package.details;
        let purl = purl::of_package(&bom.os, package);
        let mut component = json!({
            "type": "library",
            "name": package.name,
            "version": package.version,
            "purl": purl,
        });
        let mut properties = vec![property("manager", &details.manager)];
        if let Some(license) = &listed.license {
            component["licenses"] = licenses(license);
        }
        let supplier = details.supplier.as_ref();
        if let Some(supplier) = supplier.or(details.maintainer.as_ref()) {
            component["supplier"] = json!({"name": supplier});
        }
        if let Some(name) = &details.source_name {
            properties.push(property("source-name", name));
        }
        if let Some(version) = &details.source_version {
            properties.push(property("source-version", version));
        }
        if let Some(digest) = &listed.archive {
            component["hashes"] =
                json!([{"alg": "SHA-256", "content": digest}]);
        }
        if let Some(checksum) = &details.checksum {
            // A digest of a part of the package file, not of the file.
            let name = format!("header-{}", checksum.algorithm);
            properties.push(property(&name, &checksum.value));
        }
        component["properties"] = Value::Array(properties);
        // Two of one name and version, as keys of rpm may be.
        let mut reference = purl.clone();
        let mut more = 1;
        while self.components.contains_key(&reference) {
            more += 1;
            reference = format!("{purl}#{more}");
        }
        self.add(IMAGE, &reference, component);
    }

    fn add_program(&mut self, listed: &BomProgram) {
        let program = &listed.program;
        let build = &program.build;
        let name = program.path.rsplit('/').next().unwrap_or_default();
        let mut component = json!({
            "type": "application",
            "name": name,
            "hashes": [{"alg": "SHA-256", "content": listed.sha256}],
            "evidence": {"occurrences": [{"location": program.path}]},
            "properties": [
                property("path", &program.path),
                property("go-version", &build.go_version),
                property("static", &program.is_static),
            ],
        });
        if let Some(version) = &program.version {
            component["version"] = json!(version);
        }
        if let Some(main) = &build.main {
            let main = GoModule {
                version: program.version.clone().unwrap_or_default(),
                ..main.clone()
            };
            component["purl"] = json!(purl::of_module(&main));
        }
        let own = format!("program:{}", program.path);
        self.add(IMAGE, &own, component);
        for module in &build.modules {
            let purl = purl::of_module(module);
            let mut component = json!({
                "type": "library",
                "name": module.path,
                "purl": purl,
            });
            if !module.version.is_empty() {
                component["version"] = json!(module.version);
            }
            self.add(&own, &purl, component);
        }
    }

    fn add_image(&mut self, image: &BomImage) {
        let purl = purl::of_image(&image.digest, &image.names);
        let name = image.names.first().map_or("image", String::as_str);
        let mut component = json!({
            "type": "container",
            "name": name,
            "version": image.digest,
            "purl": purl,
        });
        if let Some(digest) = image.digest.strip_prefix("sha256:") {
            component["hashes"] =
                json!([{"alg": "SHA-256", "content": digest}]);
        }
        let names = image.names.iter();
        component["properties"] =
            names.map(|name| property("image-name", name)).collect();
        self.add(IMAGE, &format!("container:{}", image.digest), component);
    }

    fn finish(self, bom: &Bom) -> Value {
        let mut image = json!({
            "type": "container",
            "bom-ref": IMAGE,
            "name": bom.name,
            "description": "a disk image of a virtual machine",
        });
        if let Some(base) = &bom.base {
            let mut ancestor = base_component(&base.name, &base.sha256);
            ancestor["bom-ref"] = json!("base-image-ancestor");
            image["pedigree"] = json!({"ancestors": [ancestor]});
            image["externalReferences"] = json!([{
                "type": "distribution",
                "url": base.name,
                "comment": "the image that was taken",
                "hashes": [{"alg": "SHA-256", "content": base.sha256}],
            }]);
        }
        let dependencies = self.dependencies.into_iter();
        let dependencies: Vec<Value> = dependencies
            .map(|(reference, parts)| {
                json!({"ref": reference, "dependsOn": parts})
            })
            .collect();
        let mut document = json!({
            "bomFormat": "CycloneDX",
            "specVersion": "1.6",
            "version": 1,
            "metadata": {
                "timestamp": bom.created_text(),
                "tools": {"components": [{
                    "type": "application",
                    "name": "imagewright",
                    "version": env!("CARGO_PKG_VERSION"),
                }]},
                "component": image,
            },
            "components": self.components.into_values().collect::<Vec<_>>(),
            "dependencies": dependencies,
        });
        let uuid = Bom::uuid_of(&document);
        document["serialNumber"] = json!(format!("urn:uuid:{uuid}"));
        document
    }
}

fn base_component(name: &str, sha256: &str) -> Value {
    json!({
        "type": "container",
        "name": name,
        "hashes": [{"alg": "SHA-256", "content": sha256}],
    })
}

fn licenses(license: &License) -> Value {
    match &license.references[..] {
        // One license that SPDX does not know goes by its own name.
        [(reference, text)] if *reference == license.expression => {
            json!([{"license": {"name": text}}])
        }
        _ => json!([{"expression": license.expression}]),
    }
}

fn property(name: &str, value: &dyn ToString) -> Value {
    json!({
        "name": format!("imagewright:{name}"),
        "value": value.to_string(),
    })
}
