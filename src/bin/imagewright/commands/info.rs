// SPDX-License-Identifier: Apache-2.0
//! `imagewright info`.

use std::fmt::Write;
use std::process::ExitCode;

use imagewright::image::{self, Gate, ImageInfo, OpenOptions};

use crate::args::{Global, Info};
use crate::render;

pub(super) fn run(args: &Info, global: &Global) -> anyhow::Result<ExitCode> {
    let options = OpenOptions::new().format(args.format).gate(Gate::beside());
    let image = image::open(&args.image, &options)?;
    match global.json {
        true => render::print_json(image.info())?,
        false => render::print(&describe(image.info()))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn describe(info: &ImageInfo) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: String| {
        let _ = writeln!(text, "{name:<14} {value}");
    };
    let variant = info.variant.as_deref().unwrap_or_default();
    line("format", format!("{} {variant}", info.format).trim().into());
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
    for (name, value) in &info.details {
        line(name, value.clone());
    }
    text
}

fn sized(bytes: u64) -> String {
    format!("{} ({bytes} bytes)", render::bytes(bytes))
}
