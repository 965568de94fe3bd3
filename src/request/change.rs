// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Requests that change one image.

use std::path::PathBuf;

use serde::Deserialize;
use serde_json::{Value, json};

use super::build::network;
use super::document::{Document, Input, Output, Text};
use super::{answer, parse};
use crate::error::Result;
use crate::pipeline::{self, CustomizeOptions};
use crate::progress::Monitor;
use crate::recipe::{self, ByteSize, PasswordCrypto, Recipe};

/// Which image, and how it is changed.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Change {
    input: Input,
    /// The image itself unless said.
    output: Option<PathBuf>,
    format: Option<Output>,
    /// The plan is the answer, and nothing is done.
    #[serde(default)]
    dry_run: bool,
    work_dir: Option<PathBuf>,
    #[serde(default)]
    no_network: bool,
    #[serde(default)]
    no_selinux_relabel: bool,
    #[serde(default)]
    repair_table: bool,
    #[serde(default)]
    own_fat: bool,
}

impl Change {
    fn run(self, recipe: Recipe, monitor: &Monitor) -> Result<Value> {
        let mut input = self.input.into_options(self.work_dir.clone());
        input.repair_table = self.repair_table;
        let mut options = CustomizeOptions::new(input, recipe);
        options.output = self.output;
        options.format = self.format.map(Output::pair);
        options.relabel = !self.no_selinux_relabel;
        options.work_dir = self.work_dir;
        options.network = network(self.no_network);
        options.own_fat = self.own_fat;
        match self.dry_run {
            true => answer(&pipeline::plan_customize(&options, monitor)?),
            false => answer(&pipeline::customize(&options, monitor)?),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Provision {
    recipe: Document,
    #[serde(flatten)]
    change: Change,
}

pub(super) fn provision(request: &str, monitor: &Monitor) -> Result<Value> {
    let request: Provision = parse(request)?;
    let recipe = request.recipe.recipe()?;
    request.change.run(recipe, monitor)
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Customize {
    /// As those of a recipe.
    #[serde(default)]
    steps: Vec<Value>,
    disk_size: Option<Text<ByteSize>>,
    password_crypto: Option<Text<PasswordCrypto>>,
    #[serde(flatten)]
    change: Change,
}

pub(super) fn customize(request: &str, monitor: &Monitor) -> Result<Value> {
    let request: Customize = parse(request)?;
    let document = json!({
        "apiVersion": recipe::API_VERSION,
        "kind": recipe::KIND,
        "steps": request.steps,
    });
    let mut recipe = Recipe::parse(&document.to_string(), "request")?;
    recipe.disk.size = request.disk_size.map(|text| text.0);
    if let Some(Text(crypto)) = request.password_crypto {
        for step in &mut recipe.steps {
            step.set_password_crypto(crypto);
        }
    }
    request.change.run(recipe, monitor)
}
