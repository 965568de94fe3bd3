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

impl Preset {
    /// Every preset.
    pub const ALL: &'static [Self] = &[Self {
        name: "kubernetes",
        text: include_str!("preset/kubernetes.yaml"),
    }];

    fn find(name: &str) -> Option<&'static Self> {
        Self::ALL.iter().find(|preset| preset.name == name)
    }

    fn tree(&self) -> Result<Node, SyntaxError> {
        Node::parse(self.text, &format!("preset {}", self.name))
    }
}

/// Puts beneath a tree the presets it names; with a section `kubernetes` and
/// nothing said, the preset of that name. What comes out names none: it is
/// the same recipe when it is read again.
pub(super) fn apply(tree: Node) -> Result<Node, SyntaxError> {
    let names = match tree.get("presets") {
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
            _ => return Ok(tree),
        },
    };
    let mut base = tree.map_here(Vec::new());
    for node in names {
        let name = node.text().unwrap_or_default();
        let Some(preset) = Preset::find(name) else {
            let known = Preset::ALL.iter().map(|preset| preset.name);
            let meant = match suggest(name, known.clone()) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => {
                    format!("known are {}", known.collect::<Vec<_>>().join(" "))
                }
            };
            return Err(node.wrong(format!(
                "unknown preset `{}`; {meant}",
                name.escape_debug()
            )));
        };
        base = base.under(preset.tree()?);
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
