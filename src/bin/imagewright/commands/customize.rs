// SPDX-License-Identifier: Apache-2.0
//! `imagewright customize` and `imagewright provision`.

use std::fmt::Write;
use std::process::ExitCode;

use imagewright::Monitor;
use imagewright::chroot::Network;
use imagewright::pipeline::{self, CustomizeOptions, CustomizeReport};
use imagewright::recipe::Recipe;

use crate::args::{Change, Customize, Global, Provision};
use crate::render;

pub(super) fn customize(
    args: Customize,
    global: &Global,
    monitor: &Monitor,
) -> anyhow::Result<ExitCode> {
    let mut recipe = Recipe::default();
    recipe.steps = args.steps.0;
    recipe.disk.size = args.disk_size;
    if let Some(crypto) = args.password_crypto {
        for step in &mut recipe.steps {
            step.set_password_crypto(crypto);
        }
    }
    change(args.change, recipe, global, monitor)
}

pub(super) fn provision(
    args: Provision,
    global: &Global,
    monitor: &Monitor,
) -> anyhow::Result<ExitCode> {
    if args.layers.is_empty() {
        let error = imagewright::Error::invalid("nothing to do in the image");
        return Err(error.hint("say --recipe, --kubernetes or --set").into());
    }
    let recipe = args.layers.load()?;
    change(args.change, recipe, global, monitor)
}

fn change(
    args: Change,
    recipe: Recipe,
    global: &Global,
    monitor: &Monitor,
) -> anyhow::Result<ExitCode> {
    let dry_run = args.dry_run;
    let options = options(args, recipe, global)?;
    if dry_run {
        let plan = pipeline::plan_customize(&options, monitor)?;
        match global.json {
            true => render::print_json(&plan)?,
            false => render::print(&format!("{plan}\n"))?,
        }
        return Ok(ExitCode::SUCCESS);
    }
    let report = pipeline::customize(&options, monitor)?;
    match global.json {
        true => render::print_json(&report)?,
        false => render::print(&summary(&report))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn options(
    args: Change,
    recipe: Recipe,
    global: &Global,
) -> anyhow::Result<CustomizeOptions> {
    let input = super::changed_input(
        &args.image,
        args.verification,
        &args.opening,
        global,
    )?;
    let mut options = CustomizeOptions::new(input, recipe);
    options.output = args.output;
    options.format = args.format;
    options.work_dir.clone_from(&global.work_dir);
    options.relabel = !args.no_selinux_relabel;
    options.own_fat = args.own_fat;
    options.input.repair_table = args.repair_table;
    if args.no_network {
        options.network = Network::None;
    }
    Ok(options)
}

fn summary(report: &CustomizeReport) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "{}", report.output.display());
    text.push_str(&render::passwords(&report.passwords));
    text.push_str(&render::phases(&report.phases));
    text
}
