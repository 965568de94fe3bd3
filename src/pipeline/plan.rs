// SPDX-License-Identifier: Apache-2.0
//! What a build will do, before it does anything.

use std::fmt;
use std::path::Path;

use serde::Serialize;

use super::BuildOptions;
use super::input::Input;
use super::provision_plan::ProvisionPlan;
use super::verify::load_checks;
use crate::describe::verify;
use crate::error::{Error, ErrorKind, Result};
use crate::finalise;
use crate::image::{Compression, Format};
use crate::progress::Monitor;
use crate::recipe::{self, HostPath, Recipe};

/// Every action of a build, in order.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct BuildPlan {
    /// Phase 1.
    #[serde(flatten)]
    pub provision: ProvisionPlan,
    /// The clean-up operations.
    pub cleanup: Vec<&'static str>,
    /// The checks of the result.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verify: Option<VerifyPlan>,
    /// The files that come out.
    pub outputs: Vec<OutputPlan>,
}

/// What is checked before anything is published.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct VerifyPlan {
    /// The checks of every image, those of the clean-up among them.
    pub checks: Vec<String>,
    /// Files of further checks.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub goss: Vec<HostPath>,
    /// Those that may fail.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allow: Vec<String>,
}

impl VerifyPlan {
    fn new(recipe: &Recipe, cleanup: &[&str]) -> Result<Option<Self>> {
        let Some(wanted) = &recipe.verify else {
            return Ok(None);
        };
        load_checks(Some(recipe))?;
        let made = |rule: &String| match rule.strip_prefix("sysprep/") {
            Some(operation) => cleanup.contains(&operation),
            None => true,
        };
        Ok(Some(Self {
            checks: verify::rules().into_iter().filter(made).collect(),
            goss: wanted.goss.clone(),
            allow: wanted.allow.clone(),
        }))
    }
}

impl fmt::Display for VerifyPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of_files = self.checks.iter();
        let of_files = of_files.filter(|rule| !rule.starts_with("sysprep/"));
        let names: Vec<&str> = of_files.map(String::as_str).collect();
        write!(f, "verify     {}", names.join(", "))?;
        write!(f, "\n           that nothing is left to clean up")?;
        for file in &self.goss {
            write!(f, "\n           {file}")?;
        }
        match self.allow.is_empty() {
            true => Ok(()),
            false => {
                write!(f, "\n           may fail: {}", self.allow.join(", "))
            }
        }
    }
}

/// One output file.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct OutputPlan {
    /// Its name in the output directory.
    pub name: String,
    /// Its format.
    pub format: Format,
    /// How its data is compressed.
    #[serde(serialize_with = "as_text")]
    pub compression: Compression,
}

impl fmt::Display for OutputPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "output     {} ({}, compression {})",
            self.name, self.format, self.compression
        )
    }
}

fn as_text<T: fmt::Display, S: serde::Serializer>(
    value: &T,
    serializer: S,
) -> std::result::Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

/// What a build with these options would do.
///
/// The image is fetched and looked into; nothing is changed. No privilege is
/// needed where the root is an ext filesystem.
///
/// # Errors
/// As [`build`](super::build), as far as they can be known before.
pub fn plan(options: &BuildOptions, monitor: &Monitor) -> Result<BuildPlan> {
    let scratch = options.work_base();
    let input = Input::fetch(&options.input, &scratch, monitor)?;
    BuildPlan::new(options, &input)
}

impl BuildPlan {
    pub(super) fn new(options: &BuildOptions, input: &Input) -> Result<Self> {
        let sysprep = &options.recipe.sysprep;
        let operations = finalise::select(&sysprep.enable, &sysprep.disable)?;
        let cleanup: Vec<_> =
            operations.iter().map(|entry| entry.name).collect();
        let provision = ProvisionPlan::new(&options.recipe, input)?;
        Ok(Self {
            provision,
            verify: VerifyPlan::new(&options.recipe, &cleanup)?,
            cleanup,
            outputs: Outputs {
                recipe: &options.recipe,
                formats: &options.formats,
                directory: &options.output,
                suffix: "-node",
            }
            .plan(input)?,
        })
    }
}

/// What decides which outputs there are.
pub(super) struct Outputs<'a> {
    pub(super) recipe: &'a Recipe,
    pub(super) formats: &'a [(Format, Option<Compression>)],
    pub(super) directory: &'a Path,
    /// Ends the names that are made of that of the input.
    pub(super) suffix: &'static str,
}

impl Outputs<'_> {
    /// The recipe's artifacts and the formats besides; one in the format of
    /// the input when there are none.
    pub(super) fn plan(&self, input: &Input) -> Result<Vec<OutputPlan>> {
        let stem = match &self.recipe.metadata.name {
            Some(name) => name.clone(),
            None => format!("{}{}", stem_of(&input.record.name), self.suffix),
        };
        let planned = planned(self.recipe, self.formats, input, &stem)?;
        refuse_input_as_output(self.directory, input, &planned)?;
        Ok(planned)
    }
}

fn planned(
    recipe: &Recipe,
    formats: &[(Format, Option<Compression>)],
    input: &Input,
    stem: &str,
) -> Result<Vec<OutputPlan>> {
    let mut outputs = Vec::new();
    for artifact in &recipe.artifacts {
        let format: Format =
            artifact.format.parse().map_err(|error: Error| {
                error.with_kind(ErrorKind::Recipe).during("artifacts")
            })?;
        let compression = artifact.compression.map(compression_of);
        let name = artifact.name.clone();
        outputs.push((name, format, compression));
    }
    for (format, compression) in formats {
        outputs.push((None, *format, *compression));
    }
    if outputs.is_empty() {
        outputs.push((None, input.image.format(), None));
    }
    let mut planned: Vec<OutputPlan> = Vec::new();
    for (name, format, compression) in outputs {
        let compression = compression.unwrap_or_default();
        let suffix = format.suffix_with(compression);
        let name = name.unwrap_or_else(|| format!("{stem}.{suffix}"));
        if planned.iter().any(|other| other.name == name) {
            return Err(Error::new(
                ErrorKind::Recipe,
                format!("two artifacts would both be called {name}"),
            )
            .hint("give one of them a `name`"));
        }
        planned.push(OutputPlan {
            name,
            format,
            compression,
        });
    }
    Ok(planned)
}

/// The input is never written, not even by a rename over it.
fn refuse_input_as_output(
    directory: &Path,
    input: &Input,
    outputs: &[OutputPlan],
) -> Result<()> {
    let Ok(taken) = input.path.canonicalize() else {
        return Ok(());
    };
    for output in outputs {
        let path = directory.join(&output.name);
        if path.canonicalize().is_ok_and(|path| path == taken) {
            return Err(Error::invalid(
                "the output would replace the image it is made of",
            )
            .at(path)
            .hint("choose another --output, or set metadata.name"));
        }
    }
    Ok(())
}

fn compression_of(compression: recipe::Compression) -> Compression {
    match compression {
        recipe::Compression::Zlib(level) => {
            Compression::Zlib(level.map_or(Compression::ZLIB_LEVEL, i32::from))
        }
        recipe::Compression::Zstd(level) => {
            Compression::Zstd(level.map_or(Compression::ZSTD_LEVEL, i32::from))
        }
        recipe::Compression::Xz(level) => {
            Compression::Xz(level.map_or(Compression::XZ_LEVEL, i32::from))
        }
        recipe::Compression::None => Compression::None,
    }
}

fn stem_of(name: &str) -> &str {
    name.rsplit_once('.').map_or(name, |(stem, _)| stem)
}

impl fmt::Display for BuildPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.provision)?;
        writeln!(f, "clean up   {}", self.cleanup.join(", "))?;
        if let Some(verify) = &self.verify {
            writeln!(f, "{verify}")?;
        }
        for output in &self.outputs {
            writeln!(f, "{output}")?;
        }
        write!(f, "output     manifest.json, provenance.json, SHA256SUMS")
    }
}
