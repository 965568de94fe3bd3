// SPDX-License-Identifier: Apache-2.0
//! SPDX 2.3, JSON.
//!
//! Facts: spdx.github.io/spdx-spec/v2.3, and its JSON schema.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::{Bom, BomImage, BomPackage, BomProgram};
use crate::describe::go_binary::GoModule;
use crate::describe::purl;

const NO_ASSERTION: &str = "NOASSERTION";
const IMAGE: &str = "SPDXRef-image";
const SYSTEM: &str = "SPDXRef-operating-system";
const BASE: &str = "SPDXRef-base-image";

/// The parts of a document as they come together.
#[derive(Default)]
struct Document {
    packages: Vec<Value>,
    files: Vec<Value>,
    relationships: Vec<Value>,
    licenses: BTreeMap<String, String>,
}

pub(super) fn document(bom: &Bom) -> Value {
    let mut document = Document::default();
    document.relate("SPDXRef-DOCUMENT", "DESCRIBES", IMAGE);
    document.packages.push(json!({
        "SPDXID": IMAGE,
        "name": bom.name,
        "downloadLocation": NO_ASSERTION,
        "filesAnalyzed": false,
        "primaryPackagePurpose": "CONTAINER",
        "comment": "a disk image of a virtual machine",
    }));
    document.add_system(bom);
    document.add_base(bom);
    for package in &bom.packages {
        document.add_package(bom, package);
    }
    let mut modules = BTreeSet::new();
    for program in &bom.programs {
        document.add_program(program, &mut modules);
    }
    for image in &bom.images {
        document.add_image(image);
    }
    for file in &bom.files {
        let id = id("File", &file.path);
        document.files.push(json!({
            "SPDXID": id,
            "fileName": format!(".{}", file.path),
            "checksums": [
                {"algorithm": "SHA1", "checksumValue": file.sha1},
                {"algorithm": "SHA256", "checksumValue": file.sha256},
            ],
            "licenseConcluded": NO_ASSERTION,
            "copyrightText": NO_ASSERTION,
            "comment": "made or changed by the recipe; no package owns it",
        }));
        document.relate(IMAGE, "CONTAINS", &id);
    }
    document.finish(bom)
}

impl Document {
    fn relate(&mut self, from: &str, how: &str, to: &str) {
        self.relationships.push(json!({
            "spdxElementId": from,
            "relationshipType": how,
            "relatedSpdxElement": to,
        }));
    }

    fn add_system(&mut self, bom: &Bom) {
        let mut system = json!({
            "SPDXID": SYSTEM,
            "name": bom.os.id,
            "summary": bom.os.pretty_name,
            "downloadLocation": NO_ASSERTION,
            "filesAnalyzed": false,
            "primaryPackagePurpose": "OPERATING_SYSTEM",
        });
        if let Some(version) = &bom.os.version_id {
            system["versionInfo"] = json!(version);
        }
        if let Some(cpe) = bom.os.get("CPE_NAME") {
            let kind = match cpe.starts_with("cpe:2.3:") {
                true => "cpe23Type",
                false => "cpe22Type",
            };
            system["externalRefs"] = json!([{
                "referenceCategory": "SECURITY",
                "referenceType": kind,
                "referenceLocator": cpe,
            }]);
        }
        self.packages.push(system);
        self.relate(IMAGE, "CONTAINS", SYSTEM);
    }

    fn add_base(&mut self, bom: &Bom) {
        let Some(base) = &bom.base else { return };
        self.packages.push(json!({
            "SPDXID": BASE,
            "name": base.name,
            "downloadLocation": NO_ASSERTION,
            "filesAnalyzed": false,
            "checksums": [
                {"algorithm": "SHA256", "checksumValue": base.sha256},
            ],
            "comment": "the image that was taken",
        }));
        self.relate(IMAGE, "DESCENDANT_OF", BASE);
    }

    fn add_package(&mut self, bom: &Bom, listed: &BomPackage) {
        let package = &listed.package;
        let details = &package.details;
        let license = match &listed.license {
            Some(license) => {
                self.licenses.extend(license.references.iter().cloned());
                license.expression.as_str()
            }
            None => NO_ASSERTION,
        };
        let key = format!(
            "{}-{}-{}-{}",
            details.manager,
            package.name,
            package.version,
            package.architecture
        );
        let id = id("Package", &key);
        let mut value = json!({
            "SPDXID": id,
            "name": package.name,
            "versionInfo": package.version,
            "downloadLocation": NO_ASSERTION,
            "filesAnalyzed": false,
            "licenseDeclared": license,
            "licenseConcluded": NO_ASSERTION,
            "copyrightText": NO_ASSERTION,
            "externalRefs": [purl_reference(&purl::of_package(&bom.os, package))],
        });
        let supplier = details.supplier.as_ref();
        if let Some(supplier) = supplier.or(details.maintainer.as_ref()) {
            value["supplier"] = json!(organisation(supplier));
        }
        if let Some(maintainer) = &details.maintainer {
            value["originator"] = json!(organisation(maintainer));
        }
        if let Some(name) = &details.source_name {
            let version = details.source_version.as_deref();
            value["sourceInfo"] = json!(format!(
                "built of the source package {name} {}",
                version.unwrap_or_default()
            ));
        }
        if let Some(digest) = &listed.archive {
            value["checksums"] = json!([
                {"algorithm": "SHA256", "checksumValue": digest},
            ]);
        }
        if let Some(checksum) = &details.checksum {
            // A digest of a part of the package file, not of the file.
            value["comment"] = json!(format!(
                "{} of the package's header: {}",
                checksum.algorithm, checksum.value
            ));
        }
        self.packages.push(value);
        self.relate(IMAGE, "CONTAINS", &id);
    }

    fn add_program(
        &mut self,
        listed: &BomProgram,
        seen: &mut BTreeSet<String>,
    ) {
        let program = &listed.program;
        let own = id("Program", &program.path);
        let build = &program.build;
        let name = program.path.rsplit('/').next().unwrap_or_default();
        let mut value = json!({
            "SPDXID": own,
            "name": name,
            "packageFileName": program.path,
            "downloadLocation": NO_ASSERTION,
            "filesAnalyzed": false,
            "primaryPackagePurpose": "APPLICATION",
            "licenseDeclared": NO_ASSERTION,
            "licenseConcluded": NO_ASSERTION,
            "copyrightText": NO_ASSERTION,
            "checksums": [
                {"algorithm": "SHA256", "checksumValue": listed.sha256},
            ],
            "comment": format!("built by {}", build.go_version),
        });
        if let Some(version) = &program.version {
            value["versionInfo"] = json!(version);
        }
        if let Some(main) = &build.main {
            let main = GoModule {
                version: program.version.clone().unwrap_or_default(),
                ..main.clone()
            };
            let purl = purl_reference(&purl::of_module(&main));
            value["externalRefs"] = json!([purl]);
        }
        self.packages.push(value);
        self.relate(IMAGE, "CONTAINS", &own);
        for module in &build.modules {
            let key = format!("{}@{}", module.path, module.version);
            let id = id("GoModule", &key);
            if seen.insert(key) {
                let mut value = json!({
                    "SPDXID": id,
                    "name": module.path,
                    "downloadLocation": NO_ASSERTION,
                    "filesAnalyzed": false,
                    "primaryPackagePurpose": "LIBRARY",
                    "licenseDeclared": NO_ASSERTION,
                    "licenseConcluded": NO_ASSERTION,
                    "copyrightText": NO_ASSERTION,
                    "externalRefs": [purl_reference(&purl::of_module(module))],
                });
                if !module.version.is_empty() {
                    value["versionInfo"] = json!(module.version);
                }
                self.packages.push(value);
            }
            self.relate(&own, "STATIC_LINK", &id);
        }
    }

    fn add_image(&mut self, image: &BomImage) {
        let id = id("ContainerImage", &image.digest);
        let name = image.names.first().map_or("image", String::as_str);
        let mut value = json!({
            "SPDXID": id,
            "name": name,
            "versionInfo": image.digest,
            "downloadLocation": NO_ASSERTION,
            "filesAnalyzed": false,
            "primaryPackagePurpose": "CONTAINER",
            "licenseDeclared": NO_ASSERTION,
            "licenseConcluded": NO_ASSERTION,
            "copyrightText": NO_ASSERTION,
            "externalRefs": [purl_reference(&purl::of_image(&image.digest, &image.names))],
            "comment": format!("also called {}", image.names.join(" ")),
        });
        if let Some(digest) = image.digest.strip_prefix("sha256:") {
            value["checksums"] = json!([
                {"algorithm": "SHA256", "checksumValue": digest},
            ]);
        }
        self.packages.push(value);
        self.relate(IMAGE, "CONTAINS", &id);
    }

    fn finish(self, bom: &Bom) -> Value {
        let mut document = Map::new();
        let mut set = |name: &str, value: Value| {
            document.insert(name.to_owned(), value);
        };
        set("spdxVersion", json!("SPDX-2.3"));
        set("dataLicense", json!("CC0-1.0"));
        set("SPDXID", json!("SPDXRef-DOCUMENT"));
        set("name", json!(bom.name));
        set(
            "creationInfo",
            json!({
                "created": bom.created_text(),
                "creators": [format!(
                    "Tool: imagewright-{}", env!("CARGO_PKG_VERSION")
                )],
            }),
        );
        set("documentDescribes", json!([IMAGE]));
        set("packages", Value::Array(self.packages));
        if !self.files.is_empty() {
            set("files", Value::Array(self.files));
        }
        set("relationships", Value::Array(self.relationships));
        let licenses: Vec<Value> = self
            .licenses
            .into_iter()
            .map(|(id, text)| {
                json!({"licenseId": id, "extractedText": text, "name": text})
            })
            .collect();
        if !licenses.is_empty() {
            set("hasExtractedLicensingInfos", Value::Array(licenses));
        }
        let mut document = Value::Object(document);
        let uuid = Bom::uuid_of(&document);
        document["documentNamespace"] =
            json!(format!("https://spdx.org/spdxdocs/imagewright-{uuid}"));
        document
    }
}

/// An identifier of SPDX has letters, digits, dots and hyphens: what that
/// takes away, a digest gives back.
fn id(kind: &str, key: &str) -> String {
    use sha2::{Digest, Sha256};
    let plain = |c: char| c.is_ascii_alphanumeric() || ".-".contains(c);
    let name: String = key
        .chars()
        .map(|c| if plain(c) { c } else { '-' })
        .take(100)
        .collect();
    if name == key {
        return format!("SPDXRef-{kind}-{name}");
    }
    let digest = hex::encode(Sha256::digest(key));
    let digest = digest.get(..12).unwrap_or_default();
    format!("SPDXRef-{kind}-{name}-{digest}")
}

/// `NAME <MAIL>` as SPDX has it: `Organization: NAME (MAIL)`.
fn organisation(text: &str) -> String {
    match text.split_once(" <") {
        Some((name, mail)) => {
            format!("Organization: {name} ({})", mail.trim_end_matches('>'))
        }
        None => format!("Organization: {text}"),
    }
}

fn purl_reference(purl: &str) -> Value {
    json!({
        "referenceCategory": "PACKAGE-MANAGER",
        "referenceType": "purl",
        "referenceLocator": purl,
    })
}
