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
use crate::pipeline::{self, BuildOptions, CustomizeOptions, InputOptions};
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
            Some(input) => input.into_options(),
            None => recipe_input(&recipe)?,
        };
        let mut options = BuildOptions::new(input, recipe, self.output);
        options.formats = self
            .formats
            .into_iter()
            .map(|one| (one.format.0, one.compression.map(|text| text.0)))
            .collect();
        options.work_dir = self.work_dir;
        options.network = network(self.no_network);
        options.own_fat = self.own_fat;
        Ok(options)
    }
}

fn load(recipe: Option<&RecipeDocument>) -> Result<Recipe> {
    recipe.map_or_else(|| Ok(Recipe::default()), RecipeDocument::load)
}

fn recipe_input(recipe: &Recipe) -> Result<InputOptions> {
    let source = recipe.source.as_ref().ok_or_else(|| {
        Error::invalid("no image to begin with")
            .hint("say `input`, or `source: {image: ...}` in the recipe")
    })?;
    let mut input = InputOptions::new(Reference::try_from(&source.image)?);
    input.fetch = FetchOptions::from_recipe(source)?;
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
    let input = request.input.into_options();
    let mut options = CustomizeOptions::new(input, recipe);
    options.output = request.output;
    options.format = request
        .format
        .map(|one| (one.format.0, one.compression.map(|text| text.0)));
    options.work_dir = request.work_dir;
    options.network = network(request.no_network);
    options.own_fat = request.own_fat;
    answer(&pipeline::customize(&options, monitor)?)
}
