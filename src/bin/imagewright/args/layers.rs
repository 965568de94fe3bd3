// SPDX-License-Identifier: Apache-2.0
//! Recipes on the command line.

use std::path::PathBuf;

use imagewright::recipe::{Preset, Recipe, RecipeLayers};

/// What makes up the recipe: files, one on top of the other, then fields.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Layers {
    /// What to make of the image; of several, each is laid over those before
    #[arg(long, value_name = "FILE")]
    pub(crate) recipe: Vec<PathBuf>,
    /// Make a node of this version of Kubernetes
    #[arg(long, value_name = "VERSION")]
    pub(crate) kubernetes: Option<String>,
    #[arg(long, value_name = "NAME", help = preset_help())]
    pub(crate) preset: Vec<String>,
    /// Set a field over all recipes: disk.size=20G, packages.install=[jq]
    #[arg(long, value_name = "FIELD=VALUE")]
    pub(crate) set: Vec<String>,
}

impl Layers {
    /// Whether nothing was said.
    pub(crate) fn is_empty(&self) -> bool {
        self.recipe.is_empty()
            && self.kubernetes.is_none()
            && self.preset.is_empty()
            && self.set.is_empty()
    }

    /// The recipe they make.
    pub(crate) fn load(&self) -> imagewright::Result<Recipe> {
        let mut layers = RecipeLayers::new();
        for path in &self.recipe {
            layers = layers.file(path)?;
        }
        if let Some(version) = &self.kubernetes {
            layers = layers.set(&format!("kubernetes.version={version}"))?;
        }
        for assignment in &self.set {
            layers = layers.set(assignment)?;
        }
        for name in &self.preset {
            layers = layers.preset(name)?;
        }
        layers.finish()
    }
}

fn preset_help() -> String {
    let names: Vec<_> = Preset::ALL.iter().map(|preset| preset.name).collect();
    format!(
        "Lay a preset beneath the recipes; may be repeated [possible values: \
         {}]",
        names.join(", ")
    )
}
