// SPDX-License-Identifier: Apache-2.0
//! The container images of the recipe.

use super::kubeadm_images::{missing, stored};
use super::{Check, Finding, Outcome, Severity, Subject};
use crate::describe::container_archive::image_names;
use crate::error::Result;
use crate::provision::{PreloadImages, Task};
use crate::recipe::ImageName;

pub(super) const CHECK: Check = Check {
    id: "recipe-images",
    summary: "the recipe's container images are there, and pinned",
    severity: Severity::Failure,
    run,
};

fn run(subject: &Subject<'_>) -> Result<Outcome> {
    let Some(tasks) = subject.tasks() else {
        return Outcome::not("no recipe was given");
    };
    let mut names: Vec<ImageName> = Vec::new();
    let mut findings = Vec::new();
    let mut concerned = false;
    let mut take = |images: &PreloadImages| {
        concerned = true;
        names.extend(images.references.iter().map(ImageName::normal));
        for archive in &images.archives {
            match image_names(archive.as_path()) {
                Ok(found) => names.extend(found),
                // It may have been there for the build alone.
                Err(error) => findings.push(
                    Finding::new(format!("{archive} is not checked: {error}"))
                        .severity(Severity::Note),
                ),
            }
        }
    };
    for task in tasks {
        if let Task::PreloadImages(images) = task {
            take(images);
        }
    }
    if !concerned {
        return Outcome::not("the recipe names no container images");
    }
    names.sort();
    names.dedup();
    let there = stored(subject.root)?;
    findings.extend(missing(names.iter().map(ImageName::as_str), &there));
    Ok(Outcome::Checked(findings))
}
