// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! From a recipe to tasks: the one order in which everything is done.
//!
//! Packages come first, since what follows changes what they bring; the
//! recipe's own files go over files of packages and of ours; units need the
//! unit files; `steps` see all of it; holds are for what is there then, and a
//! password is for a user that is there.

use super::{Target, Task, order};
use crate::error::{Error, Result};
use crate::recipe::{CloudInit, FileEntry, Kernel, Recipe, Step, Sysctl};

const CLOUD_INIT: &str = "/etc/cloud/cloud.cfg.d/95-imagewright.cfg";

/// The tasks of a recipe, in order.
///
/// Files of operations are read, and the passwords of users and steps come
/// last.
///
/// # Errors
/// `NotFound`, `InvalidArgument` and others for files of operations;
/// `Unsupported` for what there is not for this system.
pub fn plan(recipe: &Recipe, target: &Target) -> Result<Vec<Task>> {
    let _ = target;
    if recipe.kubernetes.is_some() || recipe.containerd.is_some() {
        return Err(Error::unsupported(
            "the sections kubernetes and containerd are not done yet",
        ));
    }
    let packages = &recipe.packages;
    let mut tasks: Vec<Task> = packages
        .repositories
        .iter()
        .cloned()
        .map(Task::AddRepository)
        .collect();
    if packages.needs_update() {
        tasks.push(Task::Refresh);
    }
    if packages.upgrade {
        tasks.push(Task::Upgrade);
    }
    if !packages.install.is_empty() {
        tasks.push(Task::Install(packages.install.clone()));
    }
    if !packages.remove.is_empty() {
        tasks.push(Task::Remove(packages.remove.clone()));
    }
    tasks.extend(kernel(&recipe.kernel)?);
    let (users, passwords) = users(recipe)?;
    tasks.extend(users);
    tasks.extend(cloud_init(&recipe.cloud_init));
    tasks.extend(recipe.files.iter().cloned().map(Task::File));
    tasks.extend(recipe.units.steps().into_iter().map(Task::Step));
    tasks.extend(order::step_tasks(recipe, passwords)?);
    if !packages.hold.is_none() {
        tasks.push(Task::Hold(packages.hold.clone()));
    }
    Ok(tasks)
}

fn kernel(kernel: &Kernel) -> Result<Vec<Task>> {
    let mut tasks = Vec::new();
    for name in &kernel.modules {
        tasks.push(Task::Step(Step::Module {
            name: name.to_string(),
            parameters: String::new(),
        }));
    }
    for (key, value) in &kernel.sysctl {
        let Some(value) = value else { continue };
        let sysctl: Sysctl = format!("{key}={value}").parse()?;
        tasks.push(Task::Step(Step::Sysctl(sysctl)));
    }
    if kernel.swap == Some(false) {
        tasks.push(Task::NoSwap);
    }
    if let Some(arguments) = &kernel.cmdline {
        tasks.push(Task::Step(Step::KernelCmdline(arguments.clone())));
    }
    Ok(tasks)
}

/// The users, and their passwords, which are set when all else is done.
fn users(recipe: &Recipe) -> Result<(Vec<Task>, Vec<Step>)> {
    let mut steps = Vec::new();
    for user in &recipe.users {
        steps.extend(user.steps()?);
    }
    let (passwords, steps): (Vec<_>, Vec<_>) =
        steps.into_iter().partition(order::is_password);
    Ok((steps.into_iter().map(Task::Step).collect(), passwords))
}

fn cloud_init(cloud_init: &CloudInit) -> Option<Task> {
    let mut text = String::new();
    if !cloud_init.datasources.is_empty() {
        let names: Vec<&str> =
            cloud_init.datasources.iter().map(|d| d.as_str()).collect();
        // ds-identify reads it by a pattern: one line, blanks inside.
        text.push_str(&format!("datasource_list: [ {} ]\n", names.join(", ")));
    }
    if let Some(config) = &cloud_init.config {
        text.push_str(config.trim_end());
        text.push('\n');
    }
    if text.is_empty() {
        return None;
    }
    Some(Task::File(FileEntry::text(CLOUD_INIT.parse().ok()?, text)))
}
