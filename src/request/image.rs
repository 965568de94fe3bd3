// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Requests about image files.

use std::path::PathBuf;

use serde::Deserialize;
use serde_json::Value;

use super::document::{ImageDocument, Input, Text};
use super::{answer, parse};
use crate::error::{Error, Result};
use crate::image::{
    self, Compression, Digest, Format, ImageReport, WriteOptions,
};
use crate::pipeline;
use crate::progress::{Event, Monitor};
use crate::source;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fetch {
    input: Input,
}

pub(super) fn fetch(request: &str, monitor: &Monitor) -> Result<Value> {
    let Fetch { input } = parse(request)?;
    let input = input.into_options(None);
    begin(monitor, "fetch and verify the image");
    let fetched = source::fetch(&input.reference, &input.fetch, monitor)?;
    monitor.event(&Event::Finished);
    answer(&fetched)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Info {
    image: ImageDocument,
    /// Whether the data is left unread: no estimates of sizes.
    #[serde(default)]
    brief: bool,
}

pub(super) fn info(request: &str, monitor: &Monitor) -> Result<Value> {
    let Info { image, brief } = parse(request)?;
    let options = image.open_options().monitor(monitor);
    let opened = image::open(image.path(), &options)?;
    answer(&ImageReport::of(&opened, image.path(), !brief, monitor)?)
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Convert {
    image: ImageDocument,
    output: PathBuf,
    /// By the suffix of `output` unless said.
    format: Option<Text<Format>>,
    compression: Option<Text<Compression>>,
    #[serde(default)]
    digest: bool,
}

pub(super) fn convert(request: &str, monitor: &Monitor) -> Result<Value> {
    let request: Convert = parse(request)?;
    let said = request.format.map(|text| text.0);
    let (format, packed) = match (said, Format::from_name_of(&request.output)) {
        (Some(format), Some((same, packed))) if same == format => {
            (format, packed)
        }
        (Some(format), _) => (format, None),
        (None, Some(named)) => named,
        (None, None) => {
            return Err(Error::invalid(
                "the suffix of `output` names no format",
            )
            .at(&request.output)
            .hint("say `format`"));
        }
    };
    let compression = request.compression.map(|text| text.0);
    let write = WriteOptions::new(format)
        .compression(compression.or(packed).unwrap_or_default())
        .digest(match request.digest {
            true => Digest::Sha256,
            false => Digest::None,
        });
    begin(monitor, "convert the image");
    let written = pipeline::convert(
        request.image.path(),
        &request.image.open_options(),
        &request.output,
        &write,
        monitor,
    )?;
    monitor.event(&Event::Finished);
    answer(&written)
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Compact {
    image: ImageDocument,
    compression: Option<Text<Compression>>,
    work_dir: Option<PathBuf>,
}

pub(super) fn compact(request: &str, monitor: &Monitor) -> Result<Value> {
    let request: Compact = parse(request)?;
    let local = request.image.local_options(request.work_dir)?;
    let options = request.image.open_options();
    let write = match request.compression {
        Some(Text(compression)) => {
            let opened = image::open(request.image.path(), &options)?;
            let kept = WriteOptions::keeping(&opened)?;
            Some(kept.compression(compression).digest(Digest::None))
        }
        None => None,
    };
    begin(monitor, "compact the image");
    let done = pipeline::compact(&local, write.as_ref(), monitor)?;
    monitor.event(&Event::Finished);
    answer(&done)
}

fn begin(monitor: &Monitor, name: &str) {
    monitor.event(&Event::Step {
        number: 1,
        total: 1,
        name,
    });
}
