// SPDX-License-Identifier: Apache-2.0
//! `imagewright sysprep`.

use std::fmt::Write;
use std::process::ExitCode;

use imagewright::Monitor;
use imagewright::finalise::{self, Operation};
use imagewright::pipeline::{self, SysprepOptions, SysprepReport};

use crate::args::{Global, Sysprep};
use crate::render;

pub(super) fn run(
    args: Sysprep,
    global: &Global,
    monitor: &Monitor,
) -> anyhow::Result<ExitCode> {
    let operations = chosen(&args)?;
    let Some(image) = args.image.filter(|_| !args.list) else {
        list(global)?;
        return Ok(ExitCode::SUCCESS);
    };
    let image = super::local(&image, &args.opening, global);
    let mut options = SysprepOptions::new(image, operations);
    options.output = args.output;
    options.dry_run = args.dry_run;
    let report = pipeline::sysprep(&options, monitor)?;
    match global.json {
        true => render::print_json(&report)?,
        false => render::print(&summary(&report))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn chosen(args: &Sysprep) -> anyhow::Result<Vec<&'static Operation>> {
    if !args.operations.is_empty() {
        let words = args.operations.iter().map(String::as_str);
        return Ok(finalise::select_words(words)?);
    }
    let chosen = finalise::select(&args.enable, &args.disable);
    // The same list in a recipe is the recipe's fault.
    let kind = imagewright::ErrorKind::InvalidArgument;
    Ok(chosen.map_err(|error| error.with_kind(kind))?)
}

fn list(global: &Global) -> anyhow::Result<()> {
    if global.json {
        return render::print_json(&finalise::operations());
    }
    let mut text = String::new();
    for operation in finalise::operations() {
        let mark = if operation.default { "*" } else { " " };
        let Operation { name, summary, .. } = operation;
        let _ = writeln!(text, "{mark} {name:<24} {summary}");
    }
    text.push_str("* by default\n");
    render::print(&text)
}

fn summary(report: &SysprepReport) -> String {
    let mut text = String::new();
    for cleaned in &report.operations {
        for action in &cleaned.actions {
            let path = action.path().to_string_lossy();
            let path = path.escape_debug();
            let verb = action.verb();
            let _ =
                writeln!(text, "{:<24} {verb:<8} {path}", cleaned.operation);
        }
    }
    match &report.output {
        Some(output) => {
            let _ = writeln!(text, "{}", output.display());
        }
        None => text.push_str("nothing was changed\n"),
    }
    text
}
