// SPDX-License-Identifier: Apache-2.0
//! `imagewright convert` and `imagewright compact`.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use imagewright::image::{
    self, Digest, Format, Gate, OpenOptions, WriteOptions,
};
use imagewright::pipeline::{self, LocalOptions};
use imagewright::{Error, Event, Monitor};

use crate::args::{self, Compact, Convert, Global};
use crate::render;

pub(super) fn convert(
    args: &Convert,
    global: &Global,
    monitor: &Monitor,
) -> anyhow::Result<ExitCode> {
    let named = Format::from_name_of(&args.target);
    let (format, packed) = match (args.format, named) {
        (Some(format), Some((same, packed))) if same == format => {
            (format, packed)
        }
        (Some(format), _) => (format, None),
        (None, Some(named)) => named,
        (None, None) => {
            let message = "the target's suffix names no format";
            return Err(Error::invalid(message)
                .at(&args.target)
                .hint("say --format")
                .into());
        }
    };
    let compression = args.compression.or(packed).unwrap_or_default();
    let gate = match args.backing_anywhere {
        true => Gate::anywhere(),
        false => Gate::beside(),
    };
    let open = OpenOptions::new().format(args.input_format).gate(gate);
    let digest = match args.digest {
        true => Digest::Sha256,
        false => Digest::None,
    };
    let write = WriteOptions::new(format)
        .subformat(args.variant)
        .compression(compression)
        .cluster_size(args.cluster_size)
        .preallocation(match args.preallocation {
            args::Preallocation::Off => image::Preallocation::Off,
            args::Preallocation::Metadata => image::Preallocation::Metadata,
        })
        .digest(digest);
    let write = match &args.backing {
        Some(base) => with_backing(write, base, &args.target, gate)?,
        None => write,
    };
    begin(monitor, "convert the image");
    let written =
        pipeline::convert(&args.source, &open, &args.target, &write, monitor)?;
    monitor.event(&Event::Finished);
    match global.json {
        true => render::print_json(&written)?,
        false => {
            let size = render::bytes(written.bytes);
            let digest = written.sha256.unwrap_or_default();
            let target = args.target.display();
            let line = format!("{digest}  {size}  {target}\n");
            render::print(line.trim_start())?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The base is named as the new image finds it: beside it, or anywhere.
fn with_backing(
    write: WriteOptions,
    base: &Path,
    target: &Path,
    gate: Gate,
) -> anyhow::Result<WriteOptions> {
    let image = image::open(base, &OpenOptions::new().gate(gate))?;
    let real = base.canonicalize()?;
    let directory = match target.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let beside = real.parent() == directory.canonicalize().ok().as_deref();
    let name = match beside {
        true => real.file_name().map(Path::new).unwrap_or(&real),
        false => &real,
    };
    let name = name.to_str().context("the base's name is not UTF-8")?;
    Ok(write.backing(&image, name))
}

pub(super) fn compact(
    args: &Compact,
    global: &Global,
    monitor: &Monitor,
) -> anyhow::Result<ExitCode> {
    let mut options = LocalOptions::new(&args.image);
    options.format = args.opening.input_format;
    options.root = args.opening.root;
    options.work_dir.clone_from(&global.work_dir);
    let write = match args.compression {
        Some(compression) => {
            let how = OpenOptions::new()
                .format(args.opening.input_format)
                .gate(Gate::beside());
            let image = image::open(&args.image, &how)?;
            let kept = WriteOptions::keeping(&image)?;
            Some(kept.compression(compression).digest(Digest::None))
        }
        None => None,
    };
    begin(monitor, "compact the image");
    let done = pipeline::compact(&options, write.as_ref(), monitor)?;
    monitor.event(&Event::Finished);
    match global.json {
        true => render::print_json(&done)?,
        false => render::print(&format!(
            "{} -> {}\n",
            render::bytes(done.before),
            render::bytes(done.after)
        ))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn begin(monitor: &Monitor, name: &str) {
    monitor.event(&Event::Step {
        number: 1,
        total: 1,
        name,
    });
}
