// SPDX-License-Identifier: Apache-2.0
//! `service`, `kernel-param` and `matching`.

use serde_json::Value;

use super::document::Resource;
use super::matcher::Actual;
use super::{Guest, Seen};
use crate::describe::sysctl::{Sysctl, same_value};
use crate::describe::unit_state::{UnitState, unit_state};
use crate::error::Result;

pub(super) fn service(
    guest: &Guest<'_>,
    resource: &Resource,
    attribute: &str,
) -> Result<Seen> {
    let state = || unit_state(guest.root, resource.name("name"));
    Ok(match attribute {
        "enabled" => Seen::is(state()? == UnitState::Enabled),
        "running" => {
            Seen::Unknown("only a running system can show it".to_owned())
        }
        _ => Seen::Unknown(format!(
            "`{attribute}` of a service is not known here"
        )),
    })
}

/// What a boot would set it to.
pub(super) fn kernel_param(
    guest: &Guest<'_>,
    resource: &Resource,
    attribute: &str,
) -> Result<Seen> {
    if attribute != "value" {
        let why = format!("`{attribute}` of a parameter is not known here");
        return Ok(Seen::Unknown(why));
    }
    let sysctl = Sysctl::read(guest.root)?;
    let Some((value, _)) = sysctl.get(resource.name("name")) else {
        let why = "no file sets it: only a running system can show it";
        return Ok(Seen::Unknown(why.to_owned()));
    };
    // As it is written there, if it is the same.
    let wanted = resource.attributes.get("value").and_then(Value::as_str);
    Ok(match wanted.filter(|wanted| same_value(wanted, value)) {
        Some(wanted) => Seen::is(wanted),
        None => Seen::is(value),
    })
}

/// Any value against any matcher: nothing of the image.
pub(super) fn matching(
    _: &Guest<'_>,
    resource: &Resource,
    attribute: &str,
) -> Result<Seen> {
    Ok(match (attribute, resource.attributes.get("content")) {
        ("matches", Some(Value::String(text))) => {
            Seen::Is(Actual::Text(text.clone()))
        }
        ("matches", Some(content)) => Seen::is(content.clone()),
        _ => Seen::Unknown("there is no content to match".to_owned()),
    })
}
