// SPDX-License-Identifier: Apache-2.0
//! Phase 2: an image cleaned and written out, with manifest and checksums.
//! `package IMAGE OUTPUT [FORMAT]...`
//!
//! Needs root. The image is one's own: nothing has to vouch for it.

use imagewright::pipeline::{self, InputOptions, PackageOptions};
use imagewright::recipe::Recipe;
use imagewright::{Monitor, Result};

fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let mut input = InputOptions::new(args.next().unwrap_or_default().parse()?);
    input.fetch.as_it_is = true;
    let output = args.next().unwrap_or_default();
    let mut options = PackageOptions::new(input, Recipe::default(), output);
    for format in args {
        options.formats.push((format.parse()?, None));
    }
    let report = pipeline::package(&options, &Monitor::silent())?;
    for artifact in &report.manifest.artifacts {
        println!("{}  {}", artifact.sha256, artifact.name);
    }
    Ok(())
}
