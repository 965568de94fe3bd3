// SPDX-License-Identifier: Apache-2.0
//! The packages the recipe holds.

use super::recipe_packages::is;
use super::{Check, Finding, Outcome, Severity, Subject};
use crate::describe::dpkg::{self, Entry};
use crate::error::Result;
use crate::provision::KUBERNETES_PACKAGES;
use crate::recipe::Hold;

pub(super) const CHECK: Check = Check {
    id: "recipe-holds",
    summary: "the recipe's packages are held",
    severity: Severity::Failure,
    run,
};

fn run(subject: &Subject<'_>) -> Result<Outcome> {
    let Some(recipe) = subject.recipe else {
        return Outcome::not("no recipe was given");
    };
    let hold = &recipe.packages.hold;
    if hold.is_none() {
        return Outcome::not("the recipe holds no packages");
    }
    let Some(status) = subject.root.read_if_exists(dpkg::STATUS)? else {
        return Outcome::not("the image has no dpkg");
    };
    let all = dpkg::parse_all(&status);
    let wanted = |entry: &Entry| match hold {
        Hold::None => false,
        Hold::All => true,
        Hold::Kubernetes => {
            KUBERNETES_PACKAGES.contains(&entry.package.name.as_str())
        }
        Hold::These(names) => names.iter().any(|name| is(entry, name)),
    };
    let loose = all
        .iter()
        .filter(|entry| entry.is_there() && wanted(entry) && !entry.is_held());
    let findings = loose.map(|entry| {
        let what = format!("{} is not held", entry.package.name);
        Finding::new(what).at(dpkg::STATUS)
    });
    Ok(Outcome::Checked(findings.collect()))
}
