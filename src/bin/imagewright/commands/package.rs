// SPDX-License-Identifier: Apache-2.0
//! `imagewright package`.

use std::process::ExitCode;

use imagewright::Monitor;
use imagewright::pipeline::{self, PackageOptions};
use imagewright::recipe::Recipe;

use crate::args::{Global, Package};
use crate::render;

pub(super) fn run(
    args: Package,
    global: &Global,
    monitor: &Monitor,
) -> anyhow::Result<ExitCode> {
    let recipe = match &args.recipe {
        Some(path) => Recipe::load(path)?,
        None => Recipe::default(),
    };
    let dry_run = args.dry_run;
    let input = super::changed_input(
        &args.image,
        args.verification,
        &args.opening,
        global,
    )?;
    let mut options = PackageOptions::new(input, recipe, args.output);
    options.formats = args.format;
    options.clean_up = !args.no_clean_up;
    options.work_dir.clone_from(&global.work_dir);
    if dry_run {
        let plan = pipeline::plan_package(&options, monitor)?;
        match global.json {
            true => render::print_json(&plan)?,
            false => render::print(&format!("{plan}\n"))?,
        }
        return Ok(ExitCode::SUCCESS);
    }
    let report = pipeline::package(&options, monitor)?;
    match global.json {
        true => render::print_json(&report)?,
        false => {
            let mut text = render::artifacts(&report.manifest.artifacts);
            text.push_str(&render::phases(&report.phases));
            render::print(&text)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
