// SPDX-License-Identifier: Apache-2.0
//! `imagewright convert` and `imagewright compact`.

use std::process::ExitCode;

use imagewright::image::{Digest, Format, Gate, OpenOptions, WriteOptions};
use imagewright::pipeline::{self, LocalOptions};
use imagewright::{Error, Event, Monitor};

use crate::args::{Compact, Convert, Global};
use crate::render;

pub(super) fn convert(
    args: &Convert,
    global: &Global,
    monitor: &Monitor,
) -> anyhow::Result<ExitCode> {
    let format = args.format.or_else(|| Format::from_suffix(&args.target));
    let format = format.ok_or_else(|| {
        Error::invalid("the target's suffix names no format")
            .at(&args.target)
            .hint("say --format")
    })?;
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
        .compression(args.compression)
        .digest(digest);
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

pub(super) fn compact(
    args: &Compact,
    global: &Global,
    monitor: &Monitor,
) -> anyhow::Result<ExitCode> {
    let mut options = LocalOptions::new(&args.image);
    options.format = args.opening.input_format;
    options.root = args.opening.root;
    options.work_dir.clone_from(&global.work_dir);
    let format = match args.opening.input_format {
        Some(format) => format,
        None => imagewright::image::open(
            &args.image,
            &OpenOptions::new().gate(Gate::beside()),
        )?
        .format(),
    };
    let write = WriteOptions::new(format)
        .compression(args.compression)
        .digest(Digest::None);
    begin(monitor, "compact the image");
    let done = pipeline::compact(&options, &write, monitor)?;
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
