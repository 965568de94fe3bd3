// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! The JSON schema of recipes, made of the types themselves.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value, json};

use super::package::Hold;
use super::step::{Operation, Step};
use super::{API_VERSION, KIND, Preset, Recipe};

impl Recipe {
    /// The JSON schema (draft 2020-12) of recipes, ended by a newline.
    ///
    /// It is for editors: what it takes may still be wrong.
    pub fn json_schema() -> String {
        let mut schema = schemars::schema_for!(Self);
        schema.insert("title".to_owned(), json!("imagewright recipe"));
        schema.insert("required".to_owned(), json!(["apiVersion", "kind"]));
        let known: Vec<&str> = Preset::ALL.iter().map(|p| p.name).collect();
        for (pointer, value) in [
            ("/properties/apiVersion/const", json!(API_VERSION)),
            ("/properties/kind/const", json!(KIND)),
            ("/properties/presets/items/enum", json!(known)),
        ] {
            set(&mut schema, pointer, value);
        }
        format!("{:#}\n", schema.as_value())
    }
}

/// Sets a member of an object that is there.
fn set(schema: &mut Schema, pointer: &str, value: Value) {
    let Some((object, name)) = pointer.rsplit_once('/') else {
        return;
    };
    if let Some(Value::Object(object)) = schema.pointer_mut(object) {
        object.insert(name.to_owned(), value);
    }
}

/// A list of texts, or one of them.
pub(super) fn one_or_many(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "anyOf": [
            {"type": "string"},
            {"type": "array", "items": {"type": "string"}},
            {"type": "null"},
        ],
    })
}

/// Fields that may be called in the singular, too.
pub(super) fn singular_names(schema: &mut Schema) {
    const NAMES: [(&str, &str); 4] = [
        ("uris", "uri"),
        ("suites", "suite"),
        ("components", "component"),
        ("architectures", "architecture"),
    ];
    if let Some(Value::Object(properties)) = schema.pointer_mut("/properties") {
        for (many, one) in NAMES {
            if let Some(found) = properties.get(many).cloned() {
                properties.insert(one.to_owned(), found);
            }
        }
    }
    schema.insert("required".to_owned(), json!(["name"]));
}

impl JsonSchema for Hold {
    fn schema_name() -> Cow<'static, str> {
        "Hold".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [
                {"enum": ["none", "kubernetes", "all", null]},
                {"type": "array", "items": {"type": "string"}},
            ],
        })
    }
}

/// One-key mappings, and the bare names of those that take no argument.
impl JsonSchema for Step {
    fn schema_name() -> Cow<'static, str> {
        "Step".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let mut bare = Vec::new();
        let mut properties = Map::new();
        for operation in Operation::ALL {
            let mut argument = match operation.name {
                _ if !operation.takes_argument() => {
                    bare.push(operation.name);
                    json!({"type": "null"})
                }
                "install" | "uninstall" => json!({
                    "type": ["string", "array"],
                    "items": {"type": "string"},
                }),
                _ => json!({"type": ["string", "number"]}),
            };
            argument["description"] = match operation.argument {
                "" => json!(operation.summary),
                form => json!(format!("{}: {form}", operation.summary)),
            };
            properties.insert(operation.name.to_owned(), argument);
        }
        json_schema!({
            "anyOf": [
                {"enum": bare},
                {
                    "type": "object",
                    "properties": properties,
                    "additionalProperties": false,
                    "minProperties": 1,
                    "maxProperties": 1,
                },
            ],
        })
    }
}
