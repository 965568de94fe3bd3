// SPDX-License-Identifier: Apache-2.0
//! Where cloud-init looks for what a machine is to be.
//!
//! Facts: cloud-init, "Configuration sources": `cloud.cfg`, then the files of
//! `cloud.cfg.d` by name, of which the last one that has a key wins.

use std::path::PathBuf;

use serde_json::Value;

use super::{Check, Finding, Outcome, Severity, Subject};
use crate::describe::drop_in::read_text;
use crate::error::Result;
use crate::mount::GuestRoot;

pub(super) const CHECK: Check = Check {
    id: "recipe-cloud-init",
    summary: "cloud-init looks where the recipe says",
    severity: Severity::Failure,
    run,
};

const PROGRAM: [&str; 2] = ["/usr/bin/cloud-init", "/usr/local/bin/cloud-init"];
const MAIN: &str = "/etc/cloud/cloud.cfg";

fn run(subject: &Subject<'_>) -> Result<Outcome> {
    let Some(recipe) = subject.recipe else {
        return Outcome::not("no recipe was given");
    };
    let wanted = recipe.cloud_init.datasources.iter();
    let wanted: Vec<&str> = wanted.map(|source| source.as_str()).collect();
    if wanted.is_empty() {
        return Outcome::not("the recipe has no datasources");
    }
    let root = subject.root;
    let mut there = false;
    for program in PROGRAM {
        there |= root.exists(program)?;
    }
    let finding = match datasources(root)? {
        _ if !there => Finding::new("there is no cloud-init"),
        None => Finding::new("no file has a list of datasources").at(MAIN),
        Some((_, own)) if own == wanted => {
            return Ok(Outcome::Checked(Vec::new()));
        }
        Some((path, own)) => {
            let (own, wanted) = (own.join(", "), wanted.join(", "));
            let what = format!("has the datasources {own} instead of {wanted}");
            Finding::new(what).at(path)
        }
    };
    Ok(Outcome::Checked(vec![finding]))
}

/// The list that wins, and where it is.
fn datasources(root: &GuestRoot) -> Result<Option<(PathBuf, Vec<String>)>> {
    let mut files = vec![PathBuf::from(MAIN)];
    files.extend(root.glob("/etc/cloud/cloud.cfg.d/*.cfg")?);
    let mut winner = None;
    for path in files {
        let Some(text) = read_text(root, &path)? else {
            continue;
        };
        // Only a list in YAML is one to cloud-init, too.
        let Ok(document) = serde_saphyr::from_str::<Value>(&text) else {
            continue;
        };
        if let Some(Value::Array(list)) = document.get("datasource_list") {
            let names = list.iter().filter_map(Value::as_str);
            winner = Some((path, names.map(str::to_owned).collect()));
        }
    }
    Ok(winner)
}
