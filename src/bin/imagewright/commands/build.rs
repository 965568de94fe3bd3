// SPDX-License-Identifier: Apache-2.0
//! `imagewright build`.

use std::fmt::Write;
use std::process::ExitCode;

use anyhow::Context;
use imagewright::Monitor;
use imagewright::chroot::Network;
use imagewright::pipeline::{self, BuildOptions, BuildReport};
use imagewright::recipe::Recipe;

use crate::args::{Build, Global};
use crate::render;

pub(super) fn run(
    args: Build,
    global: &Global,
    monitor: &Monitor,
) -> anyhow::Result<ExitCode> {
    let dry_run = args.dry_run;
    let options = options(args, global)?;
    if dry_run {
        let plan = pipeline::plan(&options, monitor)?;
        match global.json {
            true => render::print_json(&plan)?,
            false => render::print(&format!("{plan}\n"))?,
        }
        return Ok(ExitCode::SUCCESS);
    }
    let report = pipeline::build(&options, monitor)?;
    match global.json {
        true => render::print_json(&report)?,
        false => render::print(&summary(&report))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn options(args: Build, global: &Global) -> anyhow::Result<BuildOptions> {
    let recipe = match &args.recipe {
        Some(path) => Recipe::load(path)?,
        None => Recipe::default(),
    };
    let input = match (args.disk_image, &recipe.source) {
        (Some(image), _) => {
            super::input(&image, args.verification, &args.opening, global)?
        }
        (None, Some(source)) => super::recipe_input(
            source,
            args.verification,
            &args.opening,
            global,
        )?,
        (None, None) => {
            return Err(imagewright::Error::new(
                imagewright::ErrorKind::InvalidArgument,
                "no image to begin with",
            )
            .hint(
                "say --disk-image, or `source: {image: ...}` in the recipe",
            ))
            .context("building an image")?;
        }
    };
    let mut options = BuildOptions::new(input, recipe, args.output);
    options.formats = args.format;
    options.work_dir.clone_from(&global.work_dir);
    options.own_fat = args.own_fat;
    if args.no_network {
        options.network = Network::None;
    }
    Ok(options)
}

fn summary(report: &BuildReport) -> String {
    let manifest = &report.manifest;
    let changed = &manifest.packages_changed;
    let mut text = String::new();
    for artifact in &manifest.artifacts {
        let _ = writeln!(
            text,
            "{}  {}  {}",
            artifact.sha256,
            render::bytes(artifact.size),
            artifact.name
        );
    }
    let _ = writeln!(
        text,
        "packages: {} added, {} updated, {} removed",
        changed.added.len(),
        changed.updated.len(),
        changed.removed.len()
    );
    text.push_str(&render::passwords(&report.passwords));
    text.push_str(&render::phases(&report.phases));
    text
}
