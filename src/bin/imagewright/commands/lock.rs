// SPDX-License-Identifier: Apache-2.0
//! `imagewright lock`, `imagewright bundle`, and the locks of `build`.

use std::path::Path;
use std::process::ExitCode;

use imagewright::artifact::Lock;
use imagewright::pipeline::{
    self, BuildOptions, BundleOptions, BundleReport, LockSources,
};
use imagewright::{Error, ErrorKind, Monitor};

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
    let directory = match args.output.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let mut options = BuildOptions::new(input, recipe, directory);
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
    let args::Locking {
        locked,
        bundle,
        offline,
        ..
    } = args;
    let mut sources = sources(args.sources.clone());
    sources.offline = *offline;
    let path = match (locked, bundle) {
        (Some(path), _) => path.clone(),
        (None, Some(bundle)) => bundle.join(pipeline::BUNDLE_LOCK),
        (None, None) => {
            let named = !sources.directories.is_empty();
            if named || sources.mirror.is_some() {
                Err(wrong("--packages and --mirror are for locks")
                    .hint("say --locked FILE, too"))?;
            }
            return Ok(None);
        }
    };
    let lock = Lock::load(&path)?;
    let mut obeyed = Obeyed {
        base: None,
        lock,
        sources,
    };
    if let Some(bundle) = bundle {
        let base = bundle.join(&obeyed.lock.base.name);
        obeyed.base = Some(base.display().to_string());
        obeyed.sources.directories.push(bundle.clone());
    }
    Ok(Some(obeyed))
}

/// That an offline build begins with a file of the host.
pub(super) fn require_local(options: &BuildOptions) -> anyhow::Result<()> {
    match options.input.reference.path() {
        Some(_) => Ok(()),
        None => Err(wrong("--offline, and the image is behind a URL")
            .hint("say --bundle DIR, or --disk-image with a path"))?,
    }
}

fn wrong(message: &str) -> Error {
    Error::new(ErrorKind::InvalidArgument, message)
}
