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
    id: "cloud-init",
    summary: "cloud-init runs, and looks where the recipe says",
    severity: Severity::Failure,
    run,
};

const PROGRAM: [&str; 2] = ["/usr/bin/cloud-init", "/usr/local/bin/cloud-init"];
const MAIN: &str = "/etc/cloud/cloud.cfg";
const OFF: &str = "/etc/cloud/cloud-init.disabled";

fn run(subject: &Subject<'_>) -> Result<Outcome> {
    let root = subject.root;
    let section = subject.recipe.map(|recipe| &recipe.cloud_init);
    let wanted: Vec<&str> = section
        .iter()
        .flat_map(|section| &section.datasources)
        .map(|datasource| datasource.as_str())
        .collect();
    let mut there = false;
    for program in PROGRAM {
        there |= root.exists(program)?;
    }
    if !there {
        return match wanted.is_empty() {
            true => Outcome::not("the image has no cloud-init"),
            false => {
                let what = "there is no cloud-init";
                Ok(Outcome::Checked(vec![Finding::new(what)]))
            }
        };
    }
    let mut findings = Vec::new();
    if root.exists(OFF)? {
        findings.push(Finding::new("turns cloud-init off").at(OFF));
    }
    let found = datasources(root)?;
    if let Some((path, own)) = &found
        && !wanted.is_empty()
        && *own != wanted
    {
        let (own, wanted) = (own.join(", "), wanted.join(", "));
        let what = format!("has the datasources {own} instead of {wanted}");
        findings.push(Finding::new(what).at(path));
    }
    if found.is_none() && !wanted.is_empty() {
        let what = "no file has a list of datasources";
        findings.push(Finding::new(what).at(MAIN));
    }
    Ok(Outcome::Checked(findings))
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
