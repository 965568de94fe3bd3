// SPDX-License-Identifier: Apache-2.0
//! `imagewright sbom`.

use std::process::ExitCode;

use anyhow::Context;
use imagewright::{Monitor, pipeline};

use crate::args::{Global, Sbom};
use crate::render;

pub(super) fn run(
    args: &Sbom,
    global: &Global,
    monitor: &Monitor,
) -> anyhow::Result<ExitCode> {
    let image = super::local(&args.image, &args.opening, global);
    let bom = pipeline::sbom(&image, monitor)?;
    let text = bom.to_json(args.format)?;
    match &args.output {
        Some(path) => std::fs::write(path, text)
            .with_context(|| format!("writing {}", path.display()))?,
        None => render::print(&text)?,
    }
    Ok(ExitCode::SUCCESS)
}
