// SPDX-License-Identifier: Apache-2.0
//! One function a command: options for the library, then its result.

mod build;
mod convert;
mod customize;
mod diff;
mod fetch;
mod info;
mod inspect;
mod lock;
mod package;
mod sbom;
mod shell;
mod sysprep;
mod verify;

use std::process::ExitCode;

use imagewright::Monitor;
use imagewright::pipeline::{InputOptions, LocalOptions};
use imagewright::recipe::Source;
use imagewright::source::{FetchOptions, Reference};

use crate::args::{Args, Command, Global, Opening, Verification};
use crate::assets;

/// Runs what was asked for.
pub(crate) fn run(args: Args, monitor: &Monitor) -> anyhow::Result<ExitCode> {
    let global = args.global;
    match args.command {
        Command::Build(args) => build::run(args, &global, monitor),
        Command::Fetch(args) => fetch::run(args, &global, monitor),
        Command::Shell(args) => shell::run(args, &global, monitor),
        Command::Sysprep(args) => sysprep::run(args, &global, monitor),
        Command::Verify(args) => verify::run(&args, &global, monitor),
        Command::Customize(args) => {
            customize::customize(*args, &global, monitor)
        }
        Command::Provision(args) => {
            customize::provision(args, &global, monitor)
        }
        Command::Package(args) => package::run(args, &global, monitor),
        Command::Convert(args) => convert::convert(&args, &global, monitor),
        Command::Compact(args) => convert::compact(&args, &global, monitor),
        Command::Diff(args) => diff::run(&args, &global, monitor),
        Command::Lock(args) => lock::lock(args, &global, monitor),
        Command::Bundle(args) => lock::bundle(args, &global, monitor),
        Command::Info(args) => info::run(&args, &global, monitor),
        Command::Inspect(args) => inspect::run(&args, &global, monitor),
        Command::Sbom(args) => sbom::run(&args, &global, monitor),
        Command::Assets(args) => {
            assets::write(&args.output)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// The image that the arguments name.
fn input(
    reference: &str,
    verification: Verification,
    opening: &Opening,
    global: &Global,
) -> anyhow::Result<InputOptions> {
    let mut input = InputOptions::new(reference.parse()?);
    input.format = opening.input_format;
    input.root = opening.root;
    input.spool.clone_from(&global.work_dir);
    input.fetch = fetch::options(FetchOptions::new(), verification, global)?;
    Ok(input)
}

/// As [`input`]; a file of one's own need not be vouched for: after the first
/// change no checksum file knows it.
fn changed_input(
    reference: &str,
    verification: Verification,
    opening: &Opening,
    global: &Global,
) -> anyhow::Result<InputOptions> {
    let asked = verification.asks();
    let mut input = input(reference, verification, opening, global)?;
    if !asked && matches!(input.reference, Reference::Path(_)) {
        input.fetch.as_it_is = true;
    }
    Ok(input)
}

/// The file that the arguments name.
fn local(
    path: &std::path::Path,
    opening: &Opening,
    global: &Global,
) -> LocalOptions {
    let mut options = LocalOptions::new(path);
    options.format = opening.input_format;
    options.root = opening.root;
    options.work_dir.clone_from(&global.work_dir);
    options
}

/// The image that the recipe names; arguments go before what it says.
fn recipe_input(
    source: &Source,
    verification: Verification,
    opening: &Opening,
    global: &Global,
) -> anyhow::Result<InputOptions> {
    let mut input = InputOptions::new(Reference::try_from(&source.image)?);
    input.format = opening.input_format;
    input.root = opening.root;
    input.spool.clone_from(&global.work_dir);
    let base = FetchOptions::from_recipe(source)?;
    input.fetch = fetch::options(base, verification, global)?;
    Ok(input)
}
