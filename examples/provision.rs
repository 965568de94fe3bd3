// SPDX-License-Identifier: Apache-2.0
//! Phase 1: an image changed by a recipe. `provision IMAGE RECIPE OUTPUT`
//!
//! Needs root. The image's checksum file has to vouch for it.

use imagewright::pipeline::{self, CustomizeOptions, InputOptions};
use imagewright::recipe::Recipe;
use imagewright::{Monitor, Result};

fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let mut next = || args.next().unwrap_or_default();
    let input = InputOptions::new(next().parse()?);
    let recipe = Recipe::load(next().as_ref())?;
    let mut options = CustomizeOptions::new(input, recipe);
    options.output = Some(next().into());
    let report = pipeline::customize(&options, &Monitor::silent())?;
    for step in &report.steps {
        println!("{step}");
    }
    println!("{}: {}", report.output.display(), report.format);
    Ok(())
}
