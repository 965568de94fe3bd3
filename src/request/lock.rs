// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Requests about locks, and what a build does about one.

use std::path::PathBuf;

use serde::Deserialize;
use serde_json::Value;

use super::build::{input, source_date};
use super::document::{Document, Input};
use super::{answer, parse};
use crate::error::{Error, Result};
use crate::pipeline::{
    self, BuildOptions, Bundle, BundleOptions, LockMode, LockSources,
};
use crate::progress::Monitor;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Lock {
    /// The recipe's `source` unless said.
    input: Option<Input>,
    recipe: Option<Document>,
    /// The file to write.
    output: PathBuf,
    source_date: Option<u64>,
    work_dir: Option<PathBuf>,
}

/// The lock, which is also in the file.
pub(super) fn lock(request: &str, monitor: &Monitor) -> Result<Value> {
    let request: Lock = parse(request)?;
    let recipe = Document::recipe_or_none(request.recipe.as_ref())?;
    let input = input(request.input, &recipe, request.work_dir.as_deref())?;
    let mut options = BuildOptions::for_lock(input, recipe, &request.output);
    options.work_dir = request.work_dir;
    options.source_date = source_date(request.source_date)?;
    let lock = pipeline::lock(&options, monitor)?;
    lock.save(&request.output)?;
    answer(&lock)
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Gather {
    input: Input,
    locked: Document,
    /// The directory to make.
    output: PathBuf,
    #[serde(flatten)]
    sources: Sources,
}

pub(super) fn bundle(request: &str, monitor: &Monitor) -> Result<Value> {
    let request: Gather = parse(request)?;
    let input = request.input.into_options(None);
    let lock = request.locked.lock()?;
    let mut options = BundleOptions::new(input, lock, request.output);
    options.sources = request.sources.into_options();
    answer(&pipeline::bundle(&options, monitor)?)
}

/// Where package files may be, besides the places that a lock remembers.
#[derive(Debug, Deserialize)]
pub(super) struct Sources {
    #[serde(default)]
    packages: Vec<PathBuf>,
    mirror: Option<String>,
}

impl Sources {
    fn into_options(self) -> LockSources {
        LockSources {
            directories: self.packages,
            mirror: self.mirror,
            ..LockSources::default()
        }
    }
}

/// What a build does about a lock: one of the first three, or nothing.
#[derive(Debug, Deserialize)]
pub(super) struct Locking {
    /// The file that one is written to.
    lock: Option<PathBuf>,
    /// The one that is obeyed.
    locked: Option<Document>,
    /// The bundle whose lock is obeyed, with the base image in it.
    bundle: Option<PathBuf>,
    /// Whether the bundle and `packages` are all that is looked at.
    #[serde(default)]
    offline: bool,
}

impl Locking {
    /// What that is, and the base image of the bundle.
    pub(super) fn resolve(
        self,
        sources: Sources,
    ) -> Result<(LockMode, Option<PathBuf>)> {
        let mut sources = sources.into_options();
        sources.offline = self.offline;
        match (self.lock, self.locked, self.bundle) {
            (None, Some(locked), None) => {
                let lock = Box::new(locked.lock()?);
                Ok((LockMode::Use(lock, sources), None))
            }
            (None, None, Some(directory)) => {
                let bundle = Bundle::open(directory)?;
                let base = bundle.base();
                sources.directories.push(bundle.directory);
                let lock = Box::new(bundle.lock);
                Ok((LockMode::Use(lock, sources), Some(base)))
            }
            (_, None, None) if is_said(&sources) => Err(Error::invalid(
                "`packages`, `mirror` and `offline` are for locked builds",
            )
            .hint("say `locked` or `bundle`, too")),
            (lock, None, None) => {
                Ok((lock.map_or(LockMode::Off, LockMode::Record), None))
            }
            _ => Err(Error::invalid(
                "only one of `lock`, `locked` and `bundle` can be said",
            )),
        }
    }
}

fn is_said(sources: &LockSources) -> bool {
    sources.offline
        || sources.mirror.is_some()
        || !sources.directories.is_empty()
}
