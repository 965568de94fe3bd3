// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! From a recipe to tasks: the one order in which everything is done.
//!
//! Packages come first, since what follows changes what they bring; the
//! recipe's own files go over files of packages and of ours; units need the
//! unit files; `steps` see all of it; holds are for what is there then, and a
//! password is for a user that is there.

use std::collections::BTreeSet;

use super::{
    ConfigureContainerd, KubeadmImages, PreloadImages, Sandbox, Target, Task,
    containerd, kubernetes, order,
};
use crate::error::Result;
use crate::recipe::{
    CloudInit, Containerd, ContainerdSource, FileEntry, ImageSource, Kernel,
    Kubernetes, PackageSpec, Recipe, Step, Sysctl, UnitAction,
};

const CLOUD_INIT: &str = "/etc/cloud/cloud.cfg.d/95-imagewright.cfg";

/// The tasks of a recipe, in order.
///
/// Directories of packages and files of operations are read. The passwords of
/// users and steps come last.
///
/// # Errors
/// `NotFound`, `InvalidArgument` and others for files of the host;
/// `Unsupported` for what there is not for this system.
pub fn plan(recipe: &Recipe, target: &Target) -> Result<Vec<Task>> {
    let mut tasks = packages(recipe, target)?;
    tasks.extend(node(recipe, target)?);
    tasks.extend(kernel(&recipe.kernel)?);
    let (users, passwords) = users(recipe)?;
    tasks.extend(users);
    tasks.extend(cloud_init(&recipe.cloud_init)?);
    tasks.extend(recipe.files.iter().cloned().map(Task::File));
    tasks.extend(units(recipe)?);
    tasks.extend(images(recipe, target)?);
    for task in order::step_tasks(recipe, passwords)? {
        tasks.push(match task {
            Task::Step(Step::PreloadImage(image)) => {
                preload_one(image, target)?
            }
            task => task,
        });
    }
    let hold = &recipe.packages.hold;
    if !hold.is_none() {
        tasks.push(Task::Hold(hold.clone()));
    }
    Ok(tasks)
}

/// Whatever the package manager does, in one go.
fn packages(recipe: &Recipe, target: &Target) -> Result<Vec<Task>> {
    let packages = &recipe.packages;
    let mut repositories = packages.repositories.clone();
    let mut install = packages.install.clone();
    if let Some(containerd) = &recipe.containerd {
        install.extend(containerd::packages(containerd, target)?);
    }
    if let Some(kubernetes) = &recipe.kubernetes {
        repositories.extend(kubernetes::repository(kubernetes, target)?);
        install.extend(kubernetes::packages(kubernetes, target)?);
    }
    let install = once(install);
    let refresh = packages.update.unwrap_or(
        packages.upgrade || !repositories.is_empty() || !install.is_empty(),
    );
    let mut tasks: Vec<Task> =
        repositories.into_iter().map(Task::AddRepository).collect();
    if refresh {
        tasks.push(Task::Refresh);
    }
    if packages.upgrade {
        tasks.push(Task::Upgrade);
    }
    if !install.is_empty() {
        tasks.push(Task::Install(install));
    }
    if !packages.remove.is_empty() {
        tasks.push(Task::Remove(packages.remove.clone()));
    }
    Ok(tasks)
}

/// The first word about a package counts: that of the recipe's own list.
fn once(specs: Vec<PackageSpec>) -> Vec<PackageSpec> {
    let mut seen = BTreeSet::new();
    let mut once = Vec::new();
    for spec in specs {
        let name = match &spec {
            PackageSpec::Named { name, .. } => name.to_string(),
            PackageSpec::File(path) => path.to_string(),
        };
        if seen.insert(name) {
            once.push(spec);
        }
    }
    once
}

/// The programs that are no packages, and the configuration of all of them.
fn node(recipe: &Recipe, target: &Target) -> Result<Vec<Task>> {
    let mut releases = Vec::new();
    let mut files: Vec<FileEntry> = Vec::new();
    if let Some(containerd) = &recipe.containerd {
        releases.extend(containerd::release_files(containerd, target)?);
        files.extend(containerd::files(containerd)?);
    }
    if let Some(kubernetes) = &recipe.kubernetes {
        releases.extend(kubernetes::release_files(kubernetes, target)?);
        files.extend(kubernetes::files(kubernetes, target)?);
    }
    let mut tasks: Vec<Task> =
        releases.into_iter().map(Task::ReleaseFile).collect();
    if recipe.kubernetes.is_some() {
        let manifests = "/etc/kubernetes/manifests".parse()?;
        tasks.push(Task::Step(Step::Mkdir(manifests)));
    }
    tasks.extend(files.into_iter().map(Task::File));
    if let Some(containerd) = &recipe.containerd
        && containerd.source != ContainerdSource::None
    {
        tasks.push(Task::ConfigureContainerd(ConfigureContainerd {
            sandbox: sandbox(recipe.kubernetes.as_ref()),
            added: containerd.config.clone(),
        }));
    }
    Ok(tasks)
}

fn sandbox(kubernetes: Option<&Kubernetes>) -> Sandbox {
    match kubernetes {
        None => Sandbox::Default,
        Some(kubernetes) => match &kubernetes.pause {
            Some(name) => Sandbox::Image(name.clone()),
            None => Sandbox::OfKubeadm(KubeadmImages::of(kubernetes)),
        },
    }
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

fn cloud_init(cloud_init: &CloudInit) -> Result<Option<Task>> {
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
        return Ok(None);
    }
    let path = CLOUD_INIT.parse()?;
    Ok(Some(Task::File(FileEntry::text(path, text))))
}

/// The recipe's own words come last.
fn units(recipe: &Recipe) -> Result<Vec<Task>> {
    let mut steps = Vec::new();
    let mut enabled = Vec::new();
    let of_ours =
        |containerd: &Containerd| containerd.source != ContainerdSource::None;
    if recipe.containerd.as_ref().is_some_and(of_ours) {
        enabled.push("containerd.service".parse()?);
    }
    if recipe.kubernetes.is_some() {
        enabled.push("kubelet.service".parse()?);
    }
    if !enabled.is_empty() {
        steps.push(Step::Unit {
            action: UnitAction::Enable,
            units: enabled,
        });
    }
    steps.extend(recipe.units.steps());
    Ok(steps.into_iter().map(Task::Step).collect())
}

fn images(recipe: &Recipe, target: &Target) -> Result<Option<Task>> {
    let Some(kubernetes) = &recipe.kubernetes else {
        return Ok(None);
    };
    let images = &kubernetes.images;
    if images.is_empty() {
        return Ok(None);
    }
    let kubeadm = images.preload.then(|| KubeadmImages::of(kubernetes));
    Ok(Some(Task::PreloadImages(PreloadImages {
        kubeadm,
        archives: images.archives.clone(),
        references: images.references.clone(),
        architecture: target.go_architecture()?,
    })))
}

fn preload_one(image: ImageSource, target: &Target) -> Result<Task> {
    let (archives, references) = match image {
        ImageSource::Archive(file) => (vec![file], Vec::new()),
        ImageSource::Reference(name) => (Vec::new(), vec![name]),
    };
    Ok(Task::PreloadImages(PreloadImages {
        kubeadm: None,
        archives,
        references,
        architecture: target.go_architecture()?,
    }))
}

#[cfg(test)]
mod tests;
