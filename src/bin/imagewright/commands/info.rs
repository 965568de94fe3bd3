// SPDX-License-Identifier: Apache-2.0
//! `imagewright info`.

use std::fmt::Write;
use std::process::ExitCode;

use imagewright::Monitor;
use imagewright::image::{self, Gate, ImageReport, OpenOptions};

use crate::args::{Global, Info};
use crate::render;

pub(super) fn run(
    args: &Info,
    global: &Global,
    monitor: &Monitor,
) -> anyhow::Result<ExitCode> {
    let mut options = OpenOptions::new()
        .format(args.format)
        .gate(Gate::beside())
        .monitor(monitor);
    if let Some(directory) = &global.work_dir {
        options = options.spool(directory);
    }
    let image = image::open(&args.image, &options)?;
    let report = ImageReport::of(&image, &args.image, !args.brief, monitor)?;
    match global.json {
        true => render::print_json(&report)?,
        false => render::print(&describe(&report))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn describe(report: &ImageReport) -> String {
    let info = &report.info;
    let mut text = String::new();
    let mut line = |name: &str, value: String| {
        let _ = writeln!(text, "{name:<20} {value}");
    };
    let variant = info.variant.as_deref().unwrap_or_default();
    line("format", format!("{} {variant}", info.format).trim().into());
    if !info.wrapping.is_empty() {
        let names = info.wrapping.iter().map(ToString::to_string);
        line("inside of", names.collect::<Vec<_>>().join(", "));
    }
    line("virtual size", sized(info.virtual_size));
    line("file size", sized(info.file_size));
    if let Some(bytes) = info.allocated_size {
        line("on disk", sized(bytes));
    }
    if let Some(bytes) = info.cluster_size {
        line("cluster size", sized(bytes));
    }
    if let Some(codec) = &info.compression {
        line("compression", codec.clone());
    }
    if let Some(backing) = &info.backing {
        line("backing file", backing.path.clone());
    }
    for file in &info.data_files {
        line("data file", file.clone());
    }
    for snapshot in &info.snapshots {
        line("snapshot", format!("{} {}", snapshot.id, snapshot.name));
    }
    for bitmap in &info.bitmaps {
        line("bitmap", bitmap.name.clone());
    }
    for (name, value) in &info.details {
        line(name, value.clone());
    }
    let extents = &report.extents;
    for (name, bytes) in [
        ("data", extents.data),
        ("compressed data", extents.compressed),
        ("declared zero", extents.zero),
        ("not stored", extents.hole),
    ] {
        if bytes > 0 {
            line(name, sized(bytes));
        }
    }
    for estimate in &report.estimates {
        let how = estimate.compression.or(estimate.variant);
        let how = how.map_or(String::new(), |how| format!(" {how}"));
        let name = format!("as {}{how}", estimate.format);
        line(&name, format!("about {}", render::bytes(estimate.bytes)));
    }
    text
}

fn sized(bytes: u64) -> String {
    format!("{} ({bytes} bytes)", render::bytes(bytes))
}
