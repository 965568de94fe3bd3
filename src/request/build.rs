// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Requests that make images.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;

use super::document::{Document, Input, Output, Password};
use super::lock::{Locking, Sources};
use super::{answer, parse};
use crate::artifact::SigningKey;
use crate::chroot::Network;
use crate::error::{Error, Result};
use crate::pipeline::{
    self, BuildOptions, InputOptions, LockMode, PackageOptions, SourceDate,
    Stage, Stages,
};
use crate::progress::Monitor;
use crate::recipe::Recipe;
use crate::source::{FetchOptions, Reference};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Build {
    /// The recipe's `source` unless said.
    input: Option<Input>,
    recipe: Option<Document>,
    output: PathBuf,
    #[serde(default)]
    formats: Vec<Output>,
    /// The stage that a stopped build continues with.
    from: Option<Stage>,
    /// The stage after which the build stops.
    until: Option<Stage>,
    #[serde(flatten)]
    locking: Locking,
    #[serde(flatten)]
    sources: Sources,
    source_date: Option<u64>,
    /// A file of minisign.
    sign_key: Option<PathBuf>,
    sign_password: Option<Password>,
    work_dir: Option<PathBuf>,
    #[serde(default)]
    no_network: bool,
    #[serde(default)]
    repair_table: bool,
    #[serde(default)]
    own_fat: bool,
}

impl Build {
    fn stages(&self) -> Result<Stages> {
        Stages::new(
            self.from.unwrap_or(Stages::ALL.from()),
            self.until.unwrap_or(Stages::ALL.until()),
        )
    }

    fn into_options(self) -> Result<BuildOptions> {
        let recipe = Document::recipe_or_none(self.recipe.as_ref())?;
        let (mode, base) = self.locking.resolve(self.sources)?;
        if self.source_date.is_some() && matches!(mode, LockMode::Use(..)) {
            return Err(Error::invalid("a lock says the `sourceDate` itself")
                .hint("leave it out, or lock anew with it"));
        }
        let mut input = match (self.input, base) {
            (Some(_), Some(_)) => Err(Error::invalid(
                "only one of `input` and `bundle` can be said",
            )),
            (None, Some(base)) => Ok(InputOptions::new(Reference::Path(base))),
            (said, None) => input(said, &recipe, self.work_dir.as_deref()),
        }?;
        input.repair_table = self.repair_table;
        let mut options = BuildOptions::new(input, recipe, self.output);
        options.formats = self.formats.into_iter().map(Output::pair).collect();
        options.source_date = source_date(self.source_date)?;
        options.signing_key = signing_key(self.sign_key, self.sign_password)?;
        options.work_dir = self.work_dir;
        options.network = network(self.no_network);
        options.own_fat = self.own_fat;
        match mode {
            LockMode::Use(lock, sources) => {
                if sources.offline {
                    options.input.require_local()?;
                }
                Ok(options.locked(*lock, sources))
            }
            mode => {
                options.lock = mode;
                Ok(options)
            }
        }
    }
}

/// The image that is said, else that of the recipe.
pub(super) fn input(
    said: Option<Input>,
    recipe: &Recipe,
    spool: Option<&Path>,
) -> Result<InputOptions> {
    let spool = spool.map(Path::to_owned);
    if let Some(input) = said {
        return Ok(input.into_options(spool));
    }
    let source = recipe.source.as_ref().ok_or_else(|| {
        Error::invalid("no image to begin with")
            .hint("say `input`, or `source: {image: ...}` in the recipe")
    })?;
    let mut input = InputOptions::new(Reference::try_from(&source.image)?);
    input.fetch = FetchOptions::from_recipe(source)?;
    input.spool = spool;
    Ok(input)
}

/// Seconds since 1970; the time of the base's newest file unless said.
pub(super) fn source_date(seconds: Option<u64>) -> Result<SourceDate> {
    match seconds.map(i64::try_from) {
        None => Ok(SourceDate::default()),
        Some(Ok(seconds)) => Ok(SourceDate::At(seconds)),
        Some(Err(_)) => Err(Error::invalid("`sourceDate` is too late")),
    }
}

fn signing_key(
    key: Option<PathBuf>,
    password: Option<Password>,
) -> Result<Option<Arc<SigningKey>>> {
    let password = password.map(|password| password.0);
    match key {
        Some(path) => {
            let key = SigningKey::load(&path, password.as_ref())?;
            Ok(Some(Arc::new(key)))
        }
        None if password.is_some() => {
            Err(Error::invalid("`signPassword` is that of a `signKey`"))
        }
        None => Ok(None),
    }
}

pub(super) fn network(none: bool) -> Network {
    match none {
        true => Network::None,
        false => Network::Host,
    }
}

pub(super) fn plan(request: &str, monitor: &Monitor) -> Result<Value> {
    let request: Build = parse(request)?;
    request.stages()?;
    answer(&pipeline::plan(&request.into_options()?, monitor)?)
}

pub(super) fn build(request: &str, monitor: &Monitor) -> Result<Value> {
    let request: Build = parse(request)?;
    let stages = request.stages()?;
    let options = request.into_options()?;
    answer(&pipeline::build_stages(&options, stages, monitor)?)
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Package {
    input: Input,
    /// Of it, the name, the clean-up, the artifacts and the bills.
    recipe: Option<Document>,
    output: PathBuf,
    #[serde(default)]
    formats: Vec<Output>,
    /// The image is shipped as it is, neither cleaned nor trimmed.
    #[serde(default)]
    no_clean_up: bool,
    /// The plan is the answer, and nothing is done.
    #[serde(default)]
    dry_run: bool,
    work_dir: Option<PathBuf>,
    #[serde(default)]
    own_fat: bool,
}

pub(super) fn package(request: &str, monitor: &Monitor) -> Result<Value> {
    let request: Package = parse(request)?;
    let recipe = Document::recipe_or_none(request.recipe.as_ref())?;
    let input = request.input.into_options(request.work_dir.clone());
    let mut options = PackageOptions::new(input, recipe, request.output);
    options.formats = request.formats.into_iter().map(Output::pair).collect();
    options.clean_up = !request.no_clean_up;
    options.work_dir = request.work_dir;
    options.own_fat = request.own_fat;
    match request.dry_run {
        true => answer(&pipeline::plan_package(&options, monitor)?),
        false => answer(&pipeline::package(&options, monitor)?),
    }
}
