// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Checks that are written in goss's format, made on files.
//!
//! What goss asks of a running system is answered from the files that a boot
//! would read where there are any, and said to be not checked where not: a
//! port, a process, an address. A template must be rendered before.
//!
//! Facts: goss 0.4, `docs/gossfile.md`.

mod account;
mod command;
mod document;
mod file;
#[cfg(fuzzing)]
pub mod fuzzing;
mod matcher;
mod package;
mod system;

use serde_json::Value;

use super::verify::{CheckResult, Finding, Outcome, Severity};
use crate::chroot::GuestEnvironment;
use crate::error::Result;
use crate::mount::GuestRoot;

pub use document::GossFile;
use document::Resource;
use matcher::{Actual, Verdict};

/// What the checks look at.
struct Guest<'a> {
    root: &'a GuestRoot,
    /// Where commands run, if they may.
    environment: Option<&'a GuestEnvironment>,
}

/// What an attribute of a resource is in the image.
enum Seen {
    /// It is so.
    Is(Actual),
    /// There is no such thing to have attributes.
    Missing,
    /// Files do not tell: why.
    Unknown(String),
}

impl Seen {
    fn is(value: impl Into<Value>) -> Self {
        Self::Is(Actual::Value(value.into()))
    }
}

/// Programs of the image run for these only.
const COMMAND: &str = "command";

/// Tells attributes of the resources of one kind.
type Look = fn(&Guest<'_>, &Resource, attribute: &str) -> Result<Seen>;

/// The kinds of which files tell something.
const KINDS: [(&str, Look); 8] = [
    ("file", file::look),
    ("package", package::look),
    ("service", system::service),
    ("kernel-param", system::kernel_param),
    ("user", account::user),
    ("group", account::group),
    (COMMAND, command::look),
    ("matching", system::matching),
];
/// Attributes that say how to check, not what.
const DIRECTIONS: [&str; 6] =
    ["title", "meta", "skip", "exec", "timeout", "content"];

/// Makes the checks of which files tell, and says which ones those are not;
/// a result for each attribute, as goss counts them.
pub fn check_files(root: &GuestRoot, file: &GossFile) -> Vec<CheckResult> {
    let guest = Guest {
        root,
        environment: None,
    };
    let all = file.resources.iter().filter(|one| one.kind != COMMAND);
    all.flat_map(|resource| check(&guest, resource)).collect()
}

/// Runs the commands, in the contained root of the image.
pub fn check_commands(
    environment: &GuestEnvironment,
    file: &GossFile,
) -> Vec<CheckResult> {
    let guest = Guest {
        root: environment.root(),
        environment: Some(environment),
    };
    let all = file.resources.iter().filter(|one| one.kind == COMMAND);
    all.flat_map(|resource| check(&guest, resource)).collect()
}

fn check(guest: &Guest<'_>, resource: &Resource) -> Vec<CheckResult> {
    let attributes = resource.attributes.iter();
    let asked =
        attributes.filter(|(name, _)| !DIRECTIONS.contains(&name.as_str()));
    asked
        .map(|(name, wanted)| {
            let outcome = attribute(guest, resource, name, wanted);
            let Resource { kind, id, .. } = resource;
            CheckResult::new(
                format!("goss/{kind}:{id}:{name}"),
                resource.title(name),
                Severity::Failure,
                outcome,
            )
        })
        .collect()
}

fn attribute(
    guest: &Guest<'_>,
    resource: &Resource,
    name: &str,
    wanted: &Value,
) -> Result<Outcome> {
    if resource.attributes.get("skip") == Some(&Value::Bool(true)) {
        return Outcome::not("the file says to skip it");
    }
    let known = KINDS.iter().find(|(kind, _)| *kind == resource.kind);
    let Some((_, look)) = known else {
        return Outcome::not("only a running system can show it");
    };
    let actual = match look(guest, resource, name)? {
        Seen::Is(actual) => actual,
        Seen::Missing if resource.is_unwanted() => {
            return Outcome::not("it is not to be there");
        }
        Seen::Missing => return failed(resource, "is not there".to_owned()),
        Seen::Unknown(why) => return Ok(Outcome::NotChecked(why)),
    };
    match matcher::judge(&actual, wanted) {
        Verdict::Holds => Ok(Outcome::Checked(Vec::new())),
        Verdict::Fails(what) => failed(resource, what),
        Verdict::Unknown(why) => Ok(Outcome::NotChecked(why)),
    }
}

fn failed(resource: &Resource, what: String) -> Result<Outcome> {
    let finding = Finding::new(what);
    let finding = match resource.kind.as_str() {
        "file" => finding.at(resource.path()),
        _ => finding,
    };
    Ok(Outcome::Checked(vec![finding]))
}

#[cfg(test)]
mod tests;
