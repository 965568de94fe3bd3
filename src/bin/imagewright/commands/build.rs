// SPDX-License-Identifier: Apache-2.0
//! `imagewright build`.

use std::fmt::Write;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use imagewright::Monitor;
use imagewright::artifact::SigningKey;
use imagewright::chroot::Network;
use imagewright::describe::verify::Status;
use imagewright::pipeline::{
    self, BuildOptions, BuildOutcome, BuildReport, InputOptions, LockMode,
    SourceDate, Stage, Stages, StoppedBuild,
};
use imagewright::recipe::{Recipe, Secret};

use super::lock;
use crate::args::{Build, Global, Opening, Verification};
use crate::render;

pub(super) fn run(
    args: Build,
    global: &Global,
    monitor: &Monitor,
) -> anyhow::Result<ExitCode> {
    let dry_run = args.dry_run;
    let stages = Stages::new(args.from, args.until)?;
    let options = options(args, global)?;
    if dry_run {
        let plan = pipeline::plan(&options, monitor)?;
        match global.json {
            true => render::print_json(&plan)?,
            false => render::print(&format!("{plan}\n"))?,
        }
        return Ok(ExitCode::SUCCESS);
    }
    let outcome = pipeline::build_stages(&options, stages, monitor)?;
    match (&outcome, global.json) {
        (_, true) => render::print_json(&outcome)?,
        (BuildOutcome::Done(report), _) => render::print(&summary(report))?,
        (BuildOutcome::Stopped(stopped), _) => {
            render::print(&stopped_summary(stopped))?;
        }
        _ => {}
    }
    Ok(ExitCode::SUCCESS)
}

fn options(args: Build, global: &Global) -> anyhow::Result<BuildOptions> {
    let recipe = args.layers.load()?;
    let obeyed = lock::obeyed(&args.locking)?;
    let in_bundle = obeyed.as_ref().and_then(|obeyed| obeyed.base.clone());
    let input = input(
        args.disk_image.or(in_bundle),
        &recipe,
        args.verification,
        &args.opening,
        global,
    )?;
    let mut options = BuildOptions::new(input, recipe, args.output);
    options.formats = args.format;
    options.work_dir.clone_from(&global.work_dir);
    options.own_fat = args.own_fat;
    options.input.repair_table = args.repair_table;
    if let Some(date) = source_date()? {
        options.source_date = date;
    }
    if let Some(path) = &args.sign_key {
        options.signing_key = Some(Arc::new(signing_key(path)?));
    }
    if let Some(path) = args.locking.lock {
        options.lock = LockMode::Record(path);
    }
    if let Some(obeyed) = obeyed {
        options = options.locked(obeyed.lock, obeyed.sources);
    }
    if args.no_network || args.locking.offline {
        options.network = Network::None;
    }
    if args.locking.offline {
        options.input.require_local()?;
    }
    Ok(options)
}

/// The image that the arguments name, else that of the recipe.
pub(super) fn input(
    image: Option<String>,
    recipe: &Recipe,
    verification: Verification,
    opening: &Opening,
    global: &Global,
) -> anyhow::Result<InputOptions> {
    match (image, &recipe.source) {
        (Some(image), _) => super::input(&image, verification, opening, global),
        (None, Some(source)) => {
            super::recipe_input(source, verification, opening, global)
        }
        (None, None) => Err(imagewright::Error::new(
            imagewright::ErrorKind::InvalidArgument,
            "no image to begin with",
        )
        .hint("say --disk-image, or `source: {image: ...}` in the recipe"))
        .context("building an image"),
    }
}

/// <https://reproducible-builds.org/specs/source-date-epoch/>
pub(super) fn source_date() -> anyhow::Result<Option<SourceDate>> {
    let Some(text) = std::env::var_os("SOURCE_DATE_EPOCH") else {
        return Ok(None);
    };
    let seconds = text.to_str().and_then(|text| text.parse().ok());
    match seconds {
        Some(seconds) if seconds >= 0 => Ok(Some(SourceDate::At(seconds))),
        _ => Err(imagewright::Error::new(
            imagewright::ErrorKind::InvalidArgument,
            "SOURCE_DATE_EPOCH is no number of seconds since 1970",
        ))?,
    }
}

/// Not as an argument: every user of the host may read those.
fn signing_key(path: &Path) -> anyhow::Result<SigningKey> {
    let password = std::env::var("IMAGEWRIGHT_SIGN_PASSWORD").ok();
    let password = password.map(Secret::new);
    Ok(SigningKey::load(path, password.as_ref())?)
}

fn summary(report: &BuildReport) -> String {
    let manifest = &report.manifest;
    let changed = &manifest.packages_changed;
    let mut text = render::artifacts(&manifest.artifacts);
    let _ = writeln!(
        text,
        "packages: {} added, {} updated, {} removed",
        changed.added.len(),
        changed.updated.len(),
        changed.removed.len()
    );
    if let Some(verified) = &report.verification {
        let count = |status| verified.count(status);
        let _ = writeln!(
            text,
            "verified: {} checks passed, {} with warnings, {} not made",
            count(Status::Pass),
            count(Status::Warning),
            count(Status::NotChecked)
        );
    }
    text.push_str(&render::passwords(&report.passwords));
    text.push_str(&render::phases(&report.phases));
    text
}

fn stopped_summary(stopped: &StoppedBuild) -> String {
    let next = match stopped.stopped_after {
        Stage::Fetch => Stage::Provision,
        _ => Stage::Package,
    };
    let mut text = format!(
        "{}\nstopped after {}: continue with --from {next}\n",
        stopped.kept.display(),
        stopped.stopped_after
    );
    text.push_str(&render::passwords(&stopped.passwords));
    text.push_str(&render::phases(&stopped.phases));
    text
}
