// SPDX-License-Identifier: Apache-2.0
//! A file of goss's: resources by kind, each with attributes.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::error::{Context, Error, ErrorKind, Result};

/// Files that name files, and so on.
const MAX_DEPTH: usize = 16;
/// Written by hand, or by `goss autoadd`.
const MAX_LEN: usize = 4 << 20;

/// The resources of a file and of those it includes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct GossFile {
    pub(super) resources: Vec<Resource>,
}

/// One thing that is checked.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Resource {
    /// `file`, `package` and so on.
    pub(super) kind: String,
    /// The key it stands under.
    pub(super) id: String,
    pub(super) attributes: Map<String, Value>,
}

impl Resource {
    /// What is checked, for people.
    pub(super) fn title(&self, attribute: &str) -> String {
        match self.attributes.get("title").and_then(Value::as_str) {
            Some(title) => title.to_owned(),
            None => format!("{} {}: {attribute}", self.kind, self.id),
        }
    }

    /// What it is about; the key unless an attribute says otherwise.
    pub(super) fn name(&self, attribute: &str) -> &str {
        let said = self.attributes.get(attribute).and_then(Value::as_str);
        said.unwrap_or(&self.id)
    }

    /// The path of a file.
    pub(super) fn path(&self) -> &Path {
        Path::new(self.name("path"))
    }

    /// Whether it is said not to exist.
    pub(super) fn is_unwanted(&self) -> bool {
        let said = |key| self.attributes.get(key) == Some(&Value::Bool(false));
        said("exists") || said("installed")
    }
}

impl GossFile {
    /// Reads a file, and those it names under `gossfile`.
    ///
    /// # Errors
    /// `InvalidArgument` for what is not in goss's format, `Unsupported` for
    /// a template; `NotFound`, `Io`.
    pub fn load(path: &Path) -> Result<Self> {
        let mut this = Self::default();
        this.include(path, 0)?;
        Ok(this)
    }

    /// Reads the text of a file that includes no others.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn parse(text: &str) -> Result<Self> {
        let mut this = Self::default();
        match this.take(text)?.is_empty() {
            true => Ok(this),
            false => Err(Error::invalid("names other files")),
        }
    }

    /// Whether programs of the image are to run.
    pub fn has_commands(&self) -> bool {
        self.resources.iter().any(|one| one.kind == super::COMMAND)
    }

    fn include(&mut self, path: &Path, depth: usize) -> Result<()> {
        if depth > MAX_DEPTH {
            let message = "files of goss's that include one another";
            return Err(Error::invalid(message).at(path));
        }
        let text = fs::read_to_string(path)
            .at(path)
            .during("reading a file of checks")?;
        let directory = path.parent().unwrap_or(Path::new(""));
        for name in self.take(&text).at(path)? {
            for path in expand(directory, &name)? {
                self.include(&path, depth + 1)?;
            }
        }
        Ok(())
    }

    /// Adds what the text says; returns the files it names.
    fn take(&mut self, text: &str) -> Result<Vec<String>> {
        if text.contains("{{") {
            return Err(Error::unsupported("a template of goss's")
                .hint("render it first: goss --gossfile FILE render"));
        }
        if text.len() > MAX_LEN {
            return Err(wrong("longer than any file of goss's"));
        }
        let document: Value = serde_saphyr::from_str(text)
            .map_err(|error| wrong(&error.to_string()))?;
        let kinds = match document {
            Value::Object(kinds) => kinds,
            Value::Null => Map::new(),
            _ => return Err(wrong("not a mapping")),
        };
        let mut files = Vec::new();
        for (kind, resources) in kinds {
            let Value::Object(resources) = resources else {
                return Err(wrong(&format!("{kind}: not a mapping")));
            };
            for (id, attributes) in resources {
                let attributes = match attributes {
                    Value::Object(attributes) => attributes,
                    Value::Null => Map::new(),
                    _ => {
                        let what = format!("{kind}: {id}: not a mapping");
                        return Err(wrong(&what));
                    }
                };
                if kind == "gossfile" {
                    let named = attributes.get("file").and_then(Value::as_str);
                    files.push(named.unwrap_or(&id).to_owned());
                    continue;
                }
                self.resources.push(Resource {
                    kind: kind.clone(),
                    id,
                    attributes,
                });
            }
        }
        Ok(files)
    }
}

/// The files that a name means: it may end in a pattern, as `*.yaml`.
fn expand(directory: &Path, name: &str) -> Result<Vec<PathBuf>> {
    let path = directory.join(name);
    let last = path.file_name().and_then(|name| name.to_str());
    let Some((start, end)) = last.and_then(|last| last.split_once('*')) else {
        return Ok(vec![path]);
    };
    let directory = path.parent().unwrap_or(Path::new(""));
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).at(directory)? {
        let name = entry.at(directory)?.file_name();
        let name = name.to_string_lossy();
        let long = name.len() >= start.len() + end.len();
        if long && name.starts_with(start) && name.ends_with(end) {
            found.push(directory.join(&*name));
        }
    }
    found.sort();
    Ok(found)
}

fn wrong(what: &str) -> Error {
    let message = format!("not in goss's format: {what}");
    Error::new(ErrorKind::InvalidArgument, message)
}
