// SPDX-License-Identifier: Apache-2.0
//! `imagewright lock`, `imagewright bundle`, and the locks of `build`.

use std::process::ExitCode;

use imagewright::artifact::Lock;
use imagewright::pipeline::{
    self, BuildOptions, Bundle, BundleOptions, BundleReport, LockSources,
};
use imagewright::{Error, Monitor};

use crate::args::{self, Global};
use crate::render;

pub(super) fn lock(
    args: args::Lock,
    global: &Global,
    monitor: &Monitor,
) -> anyhow::Result<ExitCode> {
    let recipe = args.layers.load()?;
    let input = super::build::input(
        args.disk_image,
        &recipe,
        args.verification,
        &args.opening,
        global,
    )?;
    let mut options = BuildOptions::for_lock(input, recipe, &args.output);
    options.work_dir.clone_from(&global.work_dir);
    if let Some(date) = super::build::source_date()? {
        options.source_date = date;
    }
    let lock = pipeline::lock(&options, monitor)?;
    lock.save(&args.output)?;
    match global.json {
        true => render::print_json(&lock)?,
        false => render::print(&format!("{}\n", args.output.display()))?,
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) fn bundle(
    args: args::Bundle,
    global: &Global,
    monitor: &Monitor,
) -> anyhow::Result<ExitCode> {
    let lock = Lock::load(&args.locked)?;
    let input =
        super::input(&args.image, args.verification, &args.opening, global)?;
    let mut options = BundleOptions::new(input, lock, args.output);
    options.sources = sources(args.sources);
    let report = pipeline::bundle(&options, monitor)?;
    match global.json {
        true => render::print_json(&report)?,
        false => render::print(&summary(&report))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn summary(report: &BundleReport) -> String {
    format!(
        "{}: the base image, {} packages, {} container images, {} other \
         files\n",
        report.output.display(),
        report.packages,
        report.images,
        report.files
    )
}

fn sources(args: args::LockSources) -> LockSources {
    let mut sources = LockSources::default();
    sources.directories = args.packages;
    sources.mirror = args.mirror;
    sources
}

/// A lock to obey, and where what it names may be.
pub(super) struct Obeyed {
    pub(super) lock: Lock,
    pub(super) sources: LockSources,
    /// The base image, where a bundle has it.
    pub(super) base: Option<String>,
}

/// What the arguments of a build say.
pub(super) fn obeyed(args: &args::Locking) -> anyhow::Result<Option<Obeyed>> {
    let mut sources = sources(args.sources.clone());
    sources.offline = args.offline;
    let (lock, base) = match (&args.locked, &args.bundle) {
        (Some(path), _) => (Lock::load(path)?, None),
        (None, Some(directory)) => {
            let bundle = Bundle::open(directory)?;
            let base = bundle.base().display().to_string();
            sources.directories.push(bundle.directory);
            (bundle.lock, Some(base))
        }
        (None, None) => {
            if !sources.directories.is_empty() || sources.mirror.is_some() {
                let message = "--packages and --mirror are for locks";
                let error = Error::invalid(message);
                return Err(error.hint("say --locked FILE, too").into());
            }
            return Ok(None);
        }
    };
    Ok(Some(Obeyed {
        lock,
        sources,
        base,
    }))
}
