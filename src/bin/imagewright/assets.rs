// SPDX-License-Identifier: Apache-2.0
//! The man page and the completions, made of the command line itself, and the
//! schema of recipes.

use std::fs;
use std::path::Path;

use anyhow::Context;
use clap::{CommandFactory, ValueEnum};
use clap_complete::Shell;
use imagewright::recipe::Recipe;

use crate::args::Args;

/// Writes one man page for the command and each of its subcommands, and the
/// completions of every shell, and the schema of recipes.
pub(crate) fn write(directory: &Path) -> anyhow::Result<()> {
    let man = directory.join("man");
    let completions = directory.join("completions");
    for directory in [&man, &completions] {
        fs::create_dir_all(directory)
            .with_context(|| format!("making {}", directory.display()))?;
    }
    let schema = directory.join("recipe.schema.json");
    fs::write(&schema, Recipe::json_schema())
        .with_context(|| format!("writing {}", schema.display()))?;
    let command = Args::command();
    clap_mangen::generate_to(command.clone(), &man)
        .context("writing the man pages")?;
    for shell in Shell::value_variants() {
        clap_complete::generate_to(
            *shell,
            &mut command.clone(),
            "imagewright",
            &completions,
        )
        .with_context(|| format!("writing completions for {shell}"))?;
    }
    Ok(())
}
