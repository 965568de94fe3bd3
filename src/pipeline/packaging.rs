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
    ArtifactRecord, CleanedRecord, InputRecord, Manifest, PackageChanges,
    Publisher, SigningKey, provenance,
};
use crate::block::ReadAt;
use crate::describe::{ContainerImage, Package};
use crate::discover::SystemLayout;
use crate::error::{Context, Error, Result, after};
use crate::finalise;
use crate::image::{self, OpenOptions, WriteOptions};
use crate::partition::Architecture;
use crate::progress::Monitor;
use crate::recipe::Recipe;

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
}

impl Packaging<'_> {
    /// Cleans, trims and lets go of the disk.
    pub(super) fn finalise(
        &self,
        disk: LeftDisk,
        epoch: Option<i64>,
        watch: &mut Stopwatch<'_>,
    ) -> Result<Vec<CleanedRecord>> {
        watch.begin("clean up the image");
        let cleaned = self.clean(&disk).and_then(|cleaned| {
            if let Some(epoch) = epoch {
                finalise::clamp_times(disk.root(), epoch)?;
            }
            Ok(cleaned)
        });
        let cleaned = match cleaned {
            Ok(cleaned) => cleaned,
            Err(error) => return after(Err(error), disk.close()),
        };
        watch.begin("trim, unmount and detach");
        let trimmed = disk.finish();
        after(trimmed, disk.close())?;
        Ok(cleaned)
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
        watch.begin("publish");
        let manifest = self.manifest(facts, artifacts)?;
        publisher.write("manifest.json", &manifest.to_json()?)?;
        let provenance = provenance(&manifest)?;
        publisher.write("provenance.json", &provenance)?;
        let sums = checksums(&manifest, &provenance)?;
        publisher.write("SHA256SUMS", &sums)?;
        if let Some(key) = self.signing_key {
            let signature = key.sign(sums.as_bytes(), "SHA256SUMS")?;
            publisher.write("SHA256SUMS.minisig", &signature)?;
        }
        self.monitor.check()?;
        Ok((manifest, publisher.publish()?))
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
            artifacts,
        })
    }
}

/// What tells of the artifacts is listed, too.
fn checksums(manifest: &Manifest, provenance: &str) -> Result<String> {
    let mut text = String::new();
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
