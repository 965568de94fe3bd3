// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Requests that change images.

use std::path::PathBuf;

use serde::Deserialize;
use serde_json::Value;

use super::document::{Input, Output, RecipeDocument};
use super::{answer, parse};
use crate::chroot::Network;
use crate::error::{Error, Result};
use crate::pipeline::{
    self, BuildOptions, CustomizeOptions, InputOptions, PackageOptions,
};
use crate::progress::Monitor;
use crate::recipe::Recipe;
use crate::source::{FetchOptions, Reference};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Build {
    /// The recipe's `source` unless said.
    input: Option<Input>,
    recipe: Option<RecipeDocument>,
    output: PathBuf,
    #[serde(default)]
    formats: Vec<Output>,
    work_dir: Option<PathBuf>,
    #[serde(default)]
    no_network: bool,
    #[serde(default)]
    own_fat: bool,
}

impl Build {
    fn into_options(self) -> Result<BuildOptions> {
        let recipe = load(self.recipe.as_ref())?;
        let input = match self.input {
            Some(input) => input.into_options(self.work_dir.clone()),
            None => recipe_input(&recipe, self.work_dir.clone())?,
        };
        let mut options = BuildOptions::new(input, recipe, self.output);
        options.formats = self.formats.into_iter().map(Output::pair).collect();
        options.work_dir = self.work_dir;
        options.network = network(self.no_network);
        options.own_fat = self.own_fat;
        Ok(options)
    }
}

fn load(recipe: Option<&RecipeDocument>) -> Result<Recipe> {
    recipe.map_or_else(|| Ok(Recipe::default()), RecipeDocument::load)
}

fn recipe_input(
    recipe: &Recipe,
    spool: Option<PathBuf>,
) -> Result<InputOptions> {
    let source = recipe.source.as_ref().ok_or_else(|| {
        Error::invalid("no image to begin with")
            .hint("say `input`, or `source: {image: ...}` in the recipe")
    })?;
    let mut input = InputOptions::new(Reference::try_from(&source.image)?);
    input.fetch = FetchOptions::from_recipe(source)?;
    input.spool = spool;
    Ok(input)
}

fn network(none: bool) -> Network {
    match none {
        true => Network::None,
        false => Network::Host,
    }
}

pub(super) fn plan(request: &str, monitor: &Monitor) -> Result<Value> {
    let options = parse::<Build>(request)?.into_options()?;
    answer(&pipeline::plan(&options, monitor)?)
}

pub(super) fn build(request: &str, monitor: &Monitor) -> Result<Value> {
    let options = parse::<Build>(request)?.into_options()?;
    answer(&pipeline::build(&options, monitor)?)
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Provision {
    input: Input,
    recipe: RecipeDocument,
    /// The image itself unless said.
    output: Option<PathBuf>,
    format: Option<Output>,
    work_dir: Option<PathBuf>,
    #[serde(default)]
    no_network: bool,
    #[serde(default)]
    own_fat: bool,
}

pub(super) fn provision(request: &str, monitor: &Monitor) -> Result<Value> {
    let request: Provision = parse(request)?;
    let recipe = request.recipe.load()?;
    let input = request.input.into_options(request.work_dir.clone());
    let mut options = CustomizeOptions::new(input, recipe);
    options.output = request.output;
    options.format = request.format.map(Output::pair);
    options.work_dir = request.work_dir;
    options.network = network(request.no_network);
    options.own_fat = request.own_fat;
    answer(&pipeline::customize(&options, monitor)?)
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Package {
    input: Input,
    /// Of it, the name, the clean-up, the artifacts and the bills.
    recipe: Option<RecipeDocument>,
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
    let recipe = load(request.recipe.as_ref())?;
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
