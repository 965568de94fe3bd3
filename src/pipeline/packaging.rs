// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Phase 2: a disk becomes artifacts, manifest and checksums.

use std::fs::File;
use std::path::{Path, PathBuf};

use super::mounted::LeftDisk;
use super::plan::OutputPlan;
use super::report::Stopwatch;
use super::work_dir::WorkDir;
use crate::artifact::{
    ArtifactRecord, CleanedRecord, InputRecord, Manifest, Materials,
    PackageChanges, Publisher, SigningKey, provenance,
};
use crate::block::ReadAt;
use crate::describe::{self, Bom, BomBase, ContainerImage, Package, Snapshot};
use crate::discover::SystemLayout;
use crate::error::{Context, Error, Result, after};
use crate::finalise;
use crate::image::{self, OpenOptions, WriteOptions};
use crate::mount::FileOwner;
use crate::partition::Architecture;
use crate::progress::Monitor;
use crate::provision::PackageArchive;
use crate::recipe::{self, Recipe, SbomRequest};

/// What phase 2 works with.
pub(super) struct Packaging<'a> {
    pub(super) recipe: &'a Recipe,
    pub(super) outputs: &'a [OutputPlan],
    pub(super) directory: &'a Path,
    pub(super) signing_key: Option<&'a SigningKey>,
    pub(super) work: &'a WorkDir,
    pub(super) monitor: &'a Monitor,
}

/// What the manifest tells of the disk.
pub(super) struct DiskFacts {
    pub(super) input: InputRecord,
    pub(super) layout: SystemLayout,
    pub(super) steps: Vec<String>,
    pub(super) before: Vec<Package>,
    pub(super) after: Vec<Package>,
    pub(super) images: Vec<ContainerImage>,
    pub(super) cleaned: Vec<CleanedRecord>,
    pub(super) epoch: Option<i64>,
    /// What was taken besides the image.
    pub(super) materials: Materials,
    /// What is in it, where the recipe asks.
    pub(super) bom: Option<Bom>,
}

/// What is known of the image that was taken.
pub(super) struct Taken<'a> {
    pub(super) input: &'a InputRecord,
    pub(super) layout: &'a SystemLayout,
    /// Its files before the tasks, where they were noted.
    pub(super) files: Option<&'a Snapshot>,
    /// The package files that were unpacked.
    pub(super) archives: &'a [PackageArchive],
    /// The newest time that a file may have.
    pub(super) epoch: Option<i64>,
}

/// What was done last on the mounted disk.
pub(super) struct Finalised {
    pub(super) cleaned: Vec<CleanedRecord>,
    pub(super) bom: Option<Bom>,
}

impl Packaging<'_> {
    /// Cleans, lists, trims and lets go of the disk.
    pub(super) fn finalise(
        &self,
        disk: LeftDisk,
        taken: &Taken<'_>,
        watch: &mut Stopwatch<'_>,
    ) -> Result<Finalised> {
        watch.begin("clean up the image");
        let done = self.clean(&disk).and_then(|cleaned| {
            let bom = self.bill(&disk, taken)?;
            if let Some(epoch) = taken.epoch {
                finalise::clamp_times(disk.root(), epoch)?;
            }
            Ok(Finalised { cleaned, bom })
        });
        let done = match done {
            Ok(done) => done,
            Err(error) => return after(Err(error), disk.close()),
        };
        watch.begin("trim, unmount and detach");
        let trimmed = disk.finish();
        after(trimmed, disk.close())?;
        Ok(done)
    }

    /// The bill of materials, put into the image where that is asked for.
    pub(super) fn bill(
        &self,
        disk: &LeftDisk,
        taken: &Taken<'_>,
    ) -> Result<Option<Bom>> {
        let asked = &self.recipe.sbom;
        let (false, Some(output)) = (asked.is_empty(), self.outputs.first())
        else {
            return Ok(None);
        };
        let mut bom = describe::collect_bom(disk.root(), taken.layout)?;
        bom.name = stem(&output.name).to_owned();
        bom.base = Some(BomBase {
            name: taken.input.name.clone(),
            sha256: taken.input.sha256.clone(),
        });
        for listed in &mut bom.packages {
            let Package {
                name,
                architecture,
                version,
                ..
            } = &listed.package;
            let mut archives = taken.archives.iter();
            let archive =
                archives.find(|it| it.is_of(name, architecture, version));
            listed.archive = archive.map(|it| it.sha256.to_string());
        }
        if let Some(files) = taken.files {
            bom.files = files.unowned_changes(disk.root())?;
        }
        for request in asked.iter().filter(|request| request.in_image) {
            let directory = "/usr/share/sbom";
            let root = disk.root();
            root.create_dir_all(directory, FileOwner::root(0o755))?;
            let path = format!("{directory}/{}", bill_name(&bom, request));
            let text = bom.to_json(request.format)?;
            root.write(path, text.as_bytes(), FileOwner::root(0o644))?;
        }
        Ok(Some(bom))
    }

    fn clean(&self, disk: &LeftDisk) -> Result<Vec<CleanedRecord>> {
        let sysprep = &self.recipe.sysprep;
        let mut cleaned = Vec::new();
        for operation in finalise::select(&sysprep.enable, &sysprep.disable)? {
            self.monitor.check()?;
            let actions = finalise::apply(operation, disk.root())?;
            cleaned.push(CleanedRecord {
                operation: operation.name.to_owned(),
                entries: actions.len(),
            });
        }
        Ok(cleaned)
    }

    /// Writes the outputs, says what they are, and gives all their names.
    pub(super) fn publish(
        &self,
        disk: File,
        facts: DiskFacts,
        watch: &mut Stopwatch<'_>,
    ) -> Result<(Manifest, Vec<PathBuf>)> {
        watch.begin("write the outputs");
        let mut publisher =
            Publisher::new(&self.work.outputs(), self.directory);
        let architecture = facts.layout.architecture;
        let artifacts =
            self.write_outputs(disk, architecture, &mut publisher)?;
        let bills = self.write_bills(facts.bom.as_ref(), &mut publisher)?;
        watch.begin("publish");
        let manifest = self.manifest(facts, artifacts)?;
        publisher.write("manifest.json", &manifest.to_json()?)?;
        let provenance = provenance(&manifest)?;
        publisher.write("provenance.json", &provenance)?;
        let sums = checksums(&manifest, &bills, &provenance)?;
        publisher.write("SHA256SUMS", &sums)?;
        if let Some(key) = self.signing_key {
            let signature = key.sign(sums.as_bytes(), "SHA256SUMS")?;
            publisher.write("SHA256SUMS.minisig", &signature)?;
        }
        self.monitor.check()?;
        Ok((manifest, publisher.publish()?))
    }

    /// Names and digests of the bills of materials.
    fn write_bills(
        &self,
        bom: Option<&Bom>,
        publisher: &mut Publisher,
    ) -> Result<Vec<(String, recipe::Sha256)>> {
        let Some(bom) = bom else {
            return Ok(Vec::new());
        };
        let write = |request: &SbomRequest| {
            let text = bom.to_json(request.format)?;
            let name = bill_name(bom, request);
            publisher.write(&name, &text)?;
            Ok((name, recipe::Sha256::of(text.as_bytes())))
        };
        self.recipe.sbom.iter().map(write).collect()
    }

    fn write_outputs(
        &self,
        disk: File,
        architecture: Option<Architecture>,
        publisher: &mut Publisher,
    ) -> Result<Vec<ArtifactRecord>> {
        let open = OpenOptions::new().format(image::Format::Raw);
        let disk = image::open_file(disk, &open)?;
        let architecture = architecture.map(|it| it.go_name().to_owned());
        let mut records = Vec::new();
        for output in self.outputs {
            let OutputPlan {
                name,
                format,
                compression,
            } = output;
            let file = publisher.create(name)?;
            let options = WriteOptions::new(*format)
                .compression(*compression)
                .architecture(architecture.clone());
            let written = image::write(&disk, &file, &options, self.monitor)
                .during("writing an output")
                .at(name)?;
            records.push(ArtifactRecord {
                name: name.clone(),
                format: format.to_string(),
                compression: compression.to_string(),
                sha256: written
                    .sha256
                    .ok_or_else(|| Error::internal("no digest"))?,
                size: written.bytes,
                virtual_size: disk.size(),
            });
        }
        Ok(records)
    }

    fn manifest(
        &self,
        facts: DiskFacts,
        artifacts: Vec<ArtifactRecord>,
    ) -> Result<Manifest> {
        Ok(Manifest {
            api_version: Manifest::API_VERSION,
            input: facts.input,
            recipe_sha256: self.recipe.digest()?.to_string(),
            layout: facts.layout,
            steps: facts.steps,
            cleaned: facts.cleaned,
            source_date_epoch: facts.epoch,
            packages_changed: PackageChanges::between(
                &facts.before,
                &facts.after,
            ),
            packages_before: facts.before,
            packages_after: facts.after,
            container_images: facts.images,
            materials: facts.materials,
            artifacts,
        })
    }
}

/// What tells of the artifacts is listed, too.
fn checksums(
    manifest: &Manifest,
    bills: &[(String, recipe::Sha256)],
    provenance: &str,
) -> Result<String> {
    let mut text = String::new();
    for (name, digest) in bills {
        text.push_str(&format!("{digest}  {name}\n"));
    }
    for artifact in &manifest.artifacts {
        text.push_str(&format!("{}  {}\n", artifact.sha256, artifact.name));
    }
    let json = manifest.to_json()?;
    let digest = crate::recipe::Sha256::of(json.as_bytes());
    text.push_str(&format!("{digest}  manifest.json\n"));
    let digest = crate::recipe::Sha256::of(provenance.as_bytes());
    text.push_str(&format!("{digest}  provenance.json\n"));
    Ok(text)
}

/// `node.spdx.json` of `node`.
fn bill_name(bom: &Bom, request: &SbomRequest) -> String {
    format!("{}.{}", bom.name, request.format.suffix())
}

/// The name of an output without its suffix.
fn stem(name: &str) -> &str {
    name.rsplit_once('.').map_or(name, |(stem, _)| stem)
}
