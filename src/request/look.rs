// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Requests about the system on an image.

use std::path::PathBuf;

use serde::Deserialize;
use serde_json::Value;

use super::document::{Document, ImageDocument, Text};
use super::{answer, parse};
use crate::describe::goss::GossFile;
use crate::error::{Error, ErrorKind, Result};
use crate::finalise;
use crate::image::Compression;
use crate::pipeline::{self, DiffOptions, SysprepOptions, VerifyOptions};
use crate::progress::Monitor;
use crate::recipe::SbomFormat;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Inspect {
    image: ImageDocument,
    work_dir: Option<PathBuf>,
}

pub(super) fn inspect(request: &str, monitor: &Monitor) -> Result<Value> {
    let request: Inspect = parse(request)?;
    let image = request.image.local_options(request.work_dir)?;
    answer(&pipeline::inspect(&image, monitor)?)
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Sbom {
    image: ImageDocument,
    /// SPDX unless said.
    format: Option<Text<SbomFormat>>,
    work_dir: Option<PathBuf>,
}

/// The document itself.
pub(super) fn sbom(request: &str, monitor: &Monitor) -> Result<Value> {
    let request: Sbom = parse(request)?;
    let image = request.image.local_options(request.work_dir)?;
    let format = request.format.map_or(SbomFormat::Spdx, |text| text.0);
    let text = pipeline::sbom(&image, monitor)?.to_json(format)?;
    serde_json::from_str(&text)
        .map_err(|error| Error::internal(error.to_string()))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Diff {
    before: ImageDocument,
    after: ImageDocument,
    #[serde(default)]
    strict: bool,
    work_dir: Option<PathBuf>,
}

/// The report; `identical` says whether there is anything in it.
pub(super) fn diff(request: &str, monitor: &Monitor) -> Result<Value> {
    let request: Diff = parse(request)?;
    let before = request.before.local_options(request.work_dir.clone())?;
    let after = request.after.local_options(request.work_dir)?;
    let mut options = DiffOptions::new(before, after);
    options.strict = request.strict;
    answer(&pipeline::diff(&options, monitor)?)
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Verify {
    image: ImageDocument,
    recipe: Option<Document>,
    /// Files of further checks, in goss's format.
    #[serde(default)]
    goss: Vec<PathBuf>,
    work_dir: Option<PathBuf>,
}

/// The report; `passed` says whether all is well.
pub(super) fn verify(request: &str, monitor: &Monitor) -> Result<Value> {
    let request: Verify = parse(request)?;
    let recipe = request.recipe.as_ref().map(Document::recipe);
    let image = request.image.local_options(request.work_dir)?;
    let mut options = VerifyOptions::new(image);
    options.recipe = recipe.transpose()?;
    options.goss = request
        .goss
        .iter()
        .map(|path| GossFile::load(path))
        .collect::<Result<_>>()?;
    answer(&pipeline::verify(&options, monitor)?)
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Sysprep {
    image: ImageDocument,
    #[serde(default)]
    enable: Vec<String>,
    #[serde(default)]
    disable: Vec<String>,
    /// The image itself unless said.
    output: Option<PathBuf>,
    compression: Option<Text<Compression>>,
    #[serde(default)]
    dry_run: bool,
    work_dir: Option<PathBuf>,
}

pub(super) fn sysprep(request: &str, monitor: &Monitor) -> Result<Value> {
    let request: Sysprep = parse(request)?;
    let operations = finalise::select(&request.enable, &request.disable)
        .map_err(|error| error.with_kind(ErrorKind::InvalidArgument))?;
    let image = request.image.local_options(request.work_dir)?;
    let mut options = SysprepOptions::new(image, operations);
    options.output = request.output;
    options.compression = request.compression.map(|text| text.0);
    options.dry_run = request.dry_run;
    answer(&pipeline::sysprep(&options, monitor)?)
}
