// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Several recipes, one on top of the other.
//!
//! Mappings are merged; of two lists, the second is added to the first; any
//! other value goes before that of a lower layer, null among them. Words that
//! a list has are not added again, but for steps.

use std::fs;
use std::path::{Path, PathBuf};

use super::node::{Key, Node, Value};
use super::{Recipe, check_version, preset, wrong};
use crate::error::{Context, Result};

/// Recipes that are laid on top of one another.
///
/// ```
/// # use imagewright::recipe::RecipeLayers;
/// let recipe = RecipeLayers::new()
///     .set("kubernetes.version=1.33.2")?
///     .set("disk.size=20G")?
///     .finish()?;
/// assert_eq!(recipe.kubernetes.unwrap().version.series(), "1.33");
/// # Ok::<(), imagewright::Error>(())
/// ```
#[derive(Debug, Default)]
#[must_use = "layers are nothing until they are finished"]
pub struct RecipeLayers {
    tree: Option<Node>,
    /// Presets besides those that the recipes name.
    presets: Vec<String>,
    /// Directories of the files, by their name in messages.
    bases: Vec<(String, PathBuf)>,
}

impl RecipeLayers {
    /// No layer.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the recipe at `path`; its relative host paths are relative to its
    /// directory.
    ///
    /// # Errors
    /// `NotFound` and `Io` when it cannot be read, else as
    /// [`text`](Self::text).
    pub fn file(mut self, path: &Path) -> Result<Self> {
        let bytes = fs::read(path).during("reading the recipe").at(path)?;
        let origin = path.display().to_string();
        let text = String::from_utf8(bytes)
            .map_err(|_| wrong(format!("{origin}: not UTF-8")))?;
        let base = path.parent().unwrap_or(Path::new(""));
        self.bases.push((origin.clone(), base.to_owned()));
        self.text(&text, &origin)
    }

    /// Adds a recipe; `origin` names it in messages. Its relative host paths
    /// are relative to the working directory.
    ///
    /// # Errors
    /// `Recipe` when it is no YAML, or of another version.
    pub fn text(mut self, text: &str, origin: &str) -> Result<Self> {
        let tree = Node::parse(text, origin)
            .map_err(|error| wrong(error.to_string()))?;
        check_version(&tree)?;
        self.add(tree);
        Ok(self)
    }

    /// Sets one field: `kubernetes.version=1.33.2`. Any value, of any layer
    /// so far, is replaced. A key with dots is quoted:
    /// `kernel.sysctl."vm.swappiness"=10`; `files[0].mode=0600` is of a list
    /// that is there.
    ///
    /// # Errors
    /// `Recipe` when it is not `FIELD=VALUE`, or there is no such item.
    pub fn set(mut self, assignment: &str) -> Result<Self> {
        let (path, value) = split_assignment(assignment)?;
        let origin = format!("--set {assignment}");
        let value = match value.trim().is_empty() {
            true => Node::parse("~", &origin),
            false => Node::parse(value, &origin),
        }
        .map_err(|error| wrong(error.to_string()))?;
        let mut tree = match self.tree.take() {
            Some(tree) => tree,
            None => value.map_here(Vec::new()),
        };
        assign(&mut tree, &path, value)
            .map_err(|message| wrong(format!("{origin}: {message}")))?;
        self.tree = Some(tree);
        Ok(self)
    }

    /// Lays a preset beneath all recipes, besides those that they have.
    ///
    /// # Errors
    /// `Recipe` when there is none of that name.
    pub fn preset(mut self, name: &str) -> Result<Self> {
        preset::find(name).map_err(|why| wrong(format!("--preset: {why}")))?;
        self.presets.push(name.to_owned());
        Ok(self)
    }

    fn add(&mut self, tree: Node) {
        self.tree = Some(match self.tree.take() {
            Some(below) => below.under(tree),
            None => tree,
        });
    }

    /// The recipe that all of them make, presets beneath.
    ///
    /// # Errors
    /// `Recipe`, with `origin:line:column` at the front.
    pub fn finish(self) -> Result<Recipe> {
        let tree = match self.tree {
            Some(tree) => tree,
            None if self.presets.is_empty() => return Ok(Recipe::default()),
            None => Node::parse("{}", "--set")
                .map_err(|error| wrong(error.to_string()))?,
        };
        let tree = preset::apply(with_version(tree), &self.presets)
            .map_err(|error| wrong(error.to_string()))?;
        let mut recipe = Recipe::decode(&tree)?;
        for (path, host) in recipe.placed_host_paths_mut() {
            let origin = tree.closest(&path).place.origin();
            if let Some((_, base)) =
                self.bases.iter().find(|(name, _)| name == origin)
            {
                host.resolve(base);
            }
        }
        Ok(recipe)
    }
}

/// Says version and kind where only fields were set.
fn with_version(mut tree: Node) -> Node {
    let said = tree.get("apiVersion").is_some() || tree.get("kind").is_some();
    let origin = tree.place.origin().to_owned();
    if said || !origin.starts_with("--set") {
        return tree;
    }
    for (field, value) in
        [("apiVersion", super::API_VERSION), ("kind", super::KIND)]
    {
        let node = tree.scalar(value);
        let key = Key {
            place: node.place.clone(),
            text: field.to_owned(),
        };
        if let Value::Map(entries) = &mut tree.value {
            entries.push((key, node));
        }
    }
    tree
}

#[derive(Debug, PartialEq, Eq)]
enum Part {
    Key(String),
    Index(usize),
}

/// `a."b.c"[2]=value` in its parts.
fn split_assignment(text: &str) -> Result<(Vec<Part>, &str)> {
    let bad = || {
        wrong(format!(
            "`{}` is not FIELD=VALUE, such as kubernetes.version=1.33.2",
            text.escape_debug()
        ))
    };
    let mut parts = Vec::new();
    let mut rest = text;
    loop {
        if let Some(quoted) = rest.strip_prefix('"') {
            let (key, after) = quoted.split_once('"').ok_or_else(bad)?;
            parts.push(Part::Key(key.to_owned()));
            rest = after;
        } else {
            let end = rest.find(['.', '[', '=']).ok_or_else(bad)?;
            let (key, after) = rest.split_at(end);
            if key.is_empty() {
                return Err(bad());
            }
            parts.push(Part::Key(key.to_owned()));
            rest = after;
        }
        while let Some(indexed) = rest.strip_prefix('[') {
            let (index, after) = indexed.split_once(']').ok_or_else(bad)?;
            parts.push(Part::Index(index.parse().map_err(|_| bad())?));
            rest = after;
        }
        if let Some(value) = rest.strip_prefix('=') {
            return Ok((parts, value));
        }
        rest = rest.strip_prefix('.').ok_or_else(bad)?;
    }
}

fn assign(tree: &mut Node, path: &[Part], value: Node) -> Result<(), String> {
    let Some((first, below)) = path.split_first() else {
        *tree = value;
        return Ok(());
    };
    match first {
        Part::Index(index) => match &mut tree.value {
            Value::List(items) => match items.get_mut(*index) {
                Some(item) => assign(item, below, value),
                None => Err(format!(
                    "the list has {} items; the first is [0]",
                    items.len()
                )),
            },
            _ => Err("an index into what is not a list".to_owned()),
        },
        Part::Key(key) => {
            if !matches!(tree.value, Value::Map(_)) {
                *tree = value.map_here(Vec::new());
            }
            let Value::Map(entries) = &mut tree.value else {
                return Ok(());
            };
            let known = entries.iter().position(|(name, _)| name.text == *key);
            let index = known.unwrap_or_else(|| {
                let key = Key {
                    place: value.place.clone(),
                    text: key.clone(),
                };
                entries.push((key, value.map_here(Vec::new())));
                entries.len() - 1
            });
            match entries.get_mut(index) {
                Some((_, node)) => assign(node, below, value),
                None => Ok(()),
            }
        }
    }
}

impl Node {
    /// This tree with `over` on top of it.
    pub(super) fn under(self, over: Self) -> Self {
        merge(self, over, true)
    }
}

fn merge(below: Node, over: Node, once: bool) -> Node {
    let place = over.place;
    let value = match (below.value, over.value) {
        (Value::Map(mut entries), Value::Map(others)) => {
            for (key, node) in others {
                let known =
                    entries.iter().position(|(k, _)| k.text == key.text);
                match known {
                    Some(index) => {
                        let (_, old) = entries.swap_remove(index);
                        let once = once && key.text != "steps";
                        entries.push((key, merge(old, node, once)));
                        let last = entries.len() - 1;
                        entries.swap(index, last);
                    }
                    None => entries.push((key, node)),
                }
            }
            Value::Map(entries)
        }
        (Value::List(mut items), Value::List(others)) => {
            for item in others {
                let is_there = |other: &Node| {
                    item.text().is_some() && other.text() == item.text()
                };
                if !once || !items.iter().any(is_there) {
                    items.push(item);
                }
            }
            Value::List(items)
        }
        (_, value) => value,
    };
    Node { place, value }
}

#[cfg(test)]
mod tests;
