// SPDX-License-Identifier: Apache-2.0
//! `package`: what the package manager's database lists.

use serde_json::Value;

use super::document::Resource;
use super::{Guest, Seen};
use crate::describe;
use crate::error::Result;

pub(super) fn look(
    guest: &Guest<'_>,
    resource: &Resource,
    attribute: &str,
) -> Result<Seen> {
    let name = resource.name("name");
    let all = describe::packages(guest.root)?;
    let own: Vec<Value> = all
        .iter()
        .filter(|package| package.name == name)
        .map(|package| Value::from(package.version.as_str()))
        .collect();
    Ok(match attribute {
        "installed" => Seen::is(!own.is_empty()),
        "versions" if own.is_empty() => Seen::Missing,
        "versions" => Seen::is(Value::Array(own)),
        _ => Seen::Unknown(format!(
            "`{attribute}` of a package is not known here"
        )),
    })
}
