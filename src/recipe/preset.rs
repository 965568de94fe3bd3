// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Partial recipes that come with the program.

use super::node::{Key, Node, SyntaxError, Value};
use super::suggest::suggest;

/// A partial recipe with a name.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Preset {
    /// Its name.
    pub name: &'static str,
    /// The recipe, in YAML.
    pub text: &'static str,
}

macro_rules! presets {
    ($($name:literal),* $(,)?) => {
        &[$(Preset {
            name: $name,
            text: include_str!(concat!("preset/", $name, ".yaml")),
        }),*]
    };
}

impl Preset {
    /// Every preset.
    pub const ALL: &'static [Self] = presets![
        "aws",
        "azure",
        "gcp",
        "kubernetes",
        "kubevirt",
        "openstack",
        "quiet",
        "serial-console",
        "vsphere",
    ];

    fn tree(&self) -> Result<Node, SyntaxError> {
        Node::parse(self.text, &format!("preset {}", self.name))
    }
}

/// The preset of this name, else what may be meant.
pub(super) fn find(name: &str) -> Result<&'static Preset, String> {
    let known = Preset::ALL.iter().map(|preset| preset.name);
    let found = Preset::ALL.iter().find(|preset| preset.name == name);
    found.ok_or_else(|| {
        let meant = match suggest(name, known.clone()) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => {
                format!("known are {}", known.collect::<Vec<_>>().join(" "))
            }
        };
        format!("unknown preset `{}`; {meant}", name.escape_debug())
    })
}

/// Puts beneath a tree the presets it names; with a section `kubernetes` and
/// nothing said, the preset of that name. `more` come besides. What comes out
/// names none: it is the same recipe when it is read again.
pub(super) fn apply(tree: Node, more: &[String]) -> Result<Node, SyntaxError> {
    let mut names = match tree.get("presets") {
        Some(Node {
            value: Value::List(names),
            ..
        }) => names.clone(),
        Some(node) if !node.is_null() => {
            return Err(node.wrong("not a list of presets"));
        }
        _ => match tree.get("kubernetes") {
            Some(section) if !section.is_null() => {
                vec![section.scalar("kubernetes")]
            }
            _ if more.is_empty() => return Ok(tree),
            _ => Vec::new(),
        },
    };
    for name in more {
        let is_there = |node: &Node| node.text() == Some(name.as_str());
        if !names.iter().any(is_there) {
            names.push(tree.scalar(name));
        }
    }
    let mut base = tree.map_here(Vec::new());
    for node in names {
        let preset = find(node.text().unwrap_or_default());
        base = base.under(preset.map_err(|why| node.wrong(why))?.tree()?);
    }
    let mut tree = base.under(tree);
    let none = tree.list_here(Vec::new());
    if let Value::Map(entries) = &mut tree.value {
        let key = Key {
            place: none.place.clone(),
            text: "presets".to_owned(),
        };
        entries.retain(|(key, _)| key.text != "presets");
        entries.push((key, none));
    }
    Ok(tree)
}
