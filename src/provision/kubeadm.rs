// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! What the image's kubeadm knows: the container images of its version.

use super::package_manager::Guest;
use crate::chroot::GuestEnvironment;
use crate::error::{Context, Error, ErrorKind, Result};
use crate::progress::Monitor;
use crate::recipe::{ImageName, Kubernetes, KubernetesVersion};

/// The question which images a version of Kubernetes uses.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct KubeadmImages {
    /// The version.
    pub version: KubernetesVersion,
    /// Where images come from; kubeadm's default unless said.
    pub repository: Option<ImageName>,
}

impl KubeadmImages {
    /// The images of the version that a recipe asks for.
    pub fn of(kubernetes: &Kubernetes) -> Self {
        Self {
            version: kubernetes.version.clone(),
            repository: kubernetes.image_repository.clone(),
        }
    }

    /// Every image, as kubeadm names it.
    pub(super) fn list(&self, guest: &Guest<'_>) -> Result<Vec<ImageName>> {
        self.ask(guest.environment, guest.monitor)
    }

    /// Every image, as the kubeadm of a dressed root names it.
    ///
    /// # Errors
    /// `Command` when there is none, or it names none.
    pub fn ask(
        &self,
        environment: &GuestEnvironment,
        monitor: &Monitor,
    ) -> Result<Vec<ImageName>> {
        let mut command = environment
            .command("kubeadm")
            .args(["config", "images", "list", "--kubernetes-version"])
            .arg(format!("v{}", self.version));
        if let Some(repository) = &self.repository {
            command =
                command.arg("--image-repository").arg(repository.as_str());
        }
        let line = command.to_string();
        let said = command
            .output(monitor)
            .during("asking kubeadm for its images")?;
        let text = String::from_utf8_lossy(&said.stdout);
        let names: Vec<ImageName> = text
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
            .map(str::parse)
            .collect::<Result<_>>()
            .during("reading what kubeadm says")?;
        if !said.status.success() || names.is_empty() {
            return Err(Error::new(
                ErrorKind::Command,
                format!("`{line}` names no images"),
            ));
        }
        Ok(names)
    }

    /// The sandbox image.
    pub(super) fn pause(&self, guest: &Guest<'_>) -> Result<ImageName> {
        let names = self.list(guest)?;
        names
            .into_iter()
            .find(|name| name.short() == "pause")
            .ok_or_else(|| {
                Error::new(
                    ErrorKind::NotFound,
                    "kubeadm names no image called pause",
                )
                .hint("name it with `kubernetes: {pause: ...}`")
            })
    }
}
