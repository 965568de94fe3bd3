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
    self, BuildOptions, BuildOutcome, BuildReport, SourceDate, Stage, Stages,
    StoppedBuild,
};
use imagewright::recipe::Secret;

use crate::args::{Build, Global};
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
    options.input.repair_table = args.repair_table;
    if let Some(seconds) = source_date_epoch()? {
        options.source_date = SourceDate::At(seconds);
    }
    if let Some(path) = &args.sign_key {
        options.signing_key = Some(Arc::new(signing_key(path)?));
    }
    if args.no_network {
        options.network = Network::None;
    }
    Ok(options)
}

/// <https://reproducible-builds.org/specs/source-date-epoch/>
fn source_date_epoch() -> anyhow::Result<Option<i64>> {
    let Some(text) = std::env::var_os("SOURCE_DATE_EPOCH") else {
        return Ok(None);
    };
    let seconds = text.to_str().and_then(|text| text.parse().ok());
    match seconds {
        Some(seconds) if seconds >= 0 => Ok(Some(seconds)),
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
