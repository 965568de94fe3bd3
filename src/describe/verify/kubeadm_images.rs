// SPDX-License-Identifier: Apache-2.0
//! What the image's own kubeadm says the image should have.
//!
//! kubeadm runs in the contained root, on a filesystem that is read-only,
//! without a network: it knows the names of its images by heart.

use std::collections::BTreeMap;

use super::sandbox_image::{configured, is_pause};
use super::{CheckResult, Finding, Outcome, Severity};
use crate::chroot::GuestEnvironment;
use crate::describe::{KUBERNETES_NAMESPACE, container_images};
use crate::error::{Context, Error, ErrorKind, Result};
use crate::mount::GuestRoot;
use crate::progress::Monitor;
use crate::provision::KubeadmImages;
use crate::recipe::{ImageName, Kubernetes, Recipe};

const PROGRAMS: [&str; 3] = [
    "/usr/bin/kubeadm",
    "/usr/local/bin/kubeadm",
    "/opt/bin/kubeadm",
];

const IMAGES: (&str, &str) = (
    "kubeadm-images",
    "the images that kubeadm names are there, and pinned",
);
const SANDBOX: (&str, &str) = (
    "kubeadm-sandbox",
    "containerd's sandbox image is the one that kubeadm names",
);

/// The names of these checks.
pub(super) const RULES: [&str; 2] = [IMAGES.0, SANDBOX.0];

/// Whether there is a kubeadm that could be asked.
///
/// # Errors
/// `Io`.
pub fn has_kubeadm(root: &GuestRoot) -> Result<bool> {
    for program in PROGRAMS {
        if root.exists(program)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Compares the image with what its kubeadm names; `environment` is the
/// dressed root, where it runs.
pub fn check_kubeadm(
    environment: &GuestEnvironment,
    recipe: Option<&Recipe>,
    monitor: &Monitor,
) -> Vec<CheckResult> {
    let kubernetes = recipe.and_then(|recipe| recipe.kubernetes.as_ref());
    let names = ask(environment, kubernetes, monitor);
    let names = names.map_err(|error| error.to_string());
    let root = environment.root();
    [
        (IMAGES, images(root, kubernetes, &names)),
        (SANDBOX, sandbox(root, kubernetes, &names)),
    ]
    .into_iter()
    .map(|((rule, summary), outcome)| {
        CheckResult::new(rule, summary, Severity::Failure, outcome)
    })
    .collect()
}

/// The results where kubeadm could not be asked.
pub fn kubeadm_not_asked(why: &str) -> Vec<CheckResult> {
    let result = |(rule, summary): (&str, &str)| {
        let outcome = Outcome::not(why);
        CheckResult::new(rule, summary, Severity::Failure, outcome)
    };
    [IMAGES, SANDBOX].map(result).into()
}

fn ask(
    environment: &GuestEnvironment,
    kubernetes: Option<&Kubernetes>,
    monitor: &Monitor,
) -> Result<Vec<ImageName>> {
    let question = match kubernetes {
        Some(kubernetes) => KubeadmImages::of(kubernetes),
        None => KubeadmImages {
            version: own_version(environment, monitor)?,
            repository: None,
        },
    };
    question.ask(environment, monitor)
}

/// Without a version, kubeadm would ask the network for the newest.
fn own_version(
    environment: &GuestEnvironment,
    monitor: &Monitor,
) -> Result<crate::recipe::KubernetesVersion> {
    let command = environment.command("kubeadm");
    let said = command
        .args(["version", "-o", "short"])
        .output(monitor)
        .during("asking kubeadm for its version")?;
    let text = String::from_utf8_lossy(&said.stdout);
    text.trim().parse().map_err(|error: Error| {
        error
            .with_kind(ErrorKind::Command)
            .during("reading what kubeadm says")
    })
}

type Names = std::result::Result<Vec<ImageName>, String>;

fn images(
    root: &GuestRoot,
    kubernetes: Option<&Kubernetes>,
    names: &Names,
) -> Result<Outcome> {
    let names = match names {
        Ok(names) => names,
        Err(why) => return Outcome::not(why),
    };
    if kubernetes.is_some_and(|kubernetes| !kubernetes.images.preload) {
        return Outcome::not("the recipe says not to preload them");
    }
    // Nobody asked for them: nodes may pull at their first start.
    let severity = match kubernetes {
        Some(_) => Severity::Failure,
        None => Severity::Warning,
    };
    let there = stored(root)?;
    if there.is_empty() && kubernetes.is_none() {
        return Outcome::not("there are no container images");
    }
    let findings = missing(names.iter().map(ImageName::as_str), &there);
    let findings = findings.map(|finding| finding.severity(severity));
    Ok(Outcome::Checked(findings.collect()))
}

/// The images that the kubelet sees, and whether each is pinned.
pub(super) fn stored(root: &GuestRoot) -> Result<BTreeMap<String, bool>> {
    let images = container_images(root)?.into_iter();
    let seen = images.filter(|image| image.namespace == KUBERNETES_NAMESPACE);
    Ok(seen.map(|image| (image.name, image.pinned)).collect())
}

/// What is wrong with each of `names`.
pub(super) fn missing<'a>(
    names: impl Iterator<Item = &'a str>,
    there: &BTreeMap<String, bool>,
) -> impl Iterator<Item = Finding> {
    names.filter_map(|name| match there.get(name) {
        Some(true) => None,
        Some(false) => Some(Finding::new(format!("{name} is not pinned"))),
        None => Some(Finding::new(format!("{name} is not there"))),
    })
}

fn sandbox(
    root: &GuestRoot,
    kubernetes: Option<&Kubernetes>,
    names: &Names,
) -> Result<Outcome> {
    let chosen = kubernetes.and_then(|kubernetes| kubernetes.pause.as_ref());
    let wanted = match (chosen, names) {
        (Some(chosen), _) => chosen.as_str(),
        (None, Ok(names)) => {
            let mut names = names.iter().map(ImageName::as_str);
            match names.find(|name| is_pause(name)) {
                Some(name) => name,
                None => return Outcome::not("kubeadm names none"),
            }
        }
        (None, Err(why)) => return Outcome::not(why),
    };
    let Some((path, own)) = configured(root)? else {
        return Outcome::not("containerd's own default counts");
    };
    let what = format!("has {own} instead of {wanted}");
    let finding = (own != wanted).then(|| Finding::new(what).at(path));
    Ok(Outcome::Checked(finding.into_iter().collect()))
}
