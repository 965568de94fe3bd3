// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! What is wanted: the recipe, parsed, checked, typed.
//!
//! ```
//! let recipe = imagewright::recipe::Recipe::parse(
//!     "apiVersion: imagewright/v1alpha1
//! kind: NodeImage
//! source: {image: debian-12.qcow2}
//! disk: {size: 10G}
//! packages: {install: [containerd, ./tool_1.0_all.deb]}
//! files:
//!   - {path: /etc/motd, content: hello, mode: 0644}
//! steps:
//!   - run-command: systemctl enable containerd
//! ",
//!     "node.yaml",
//! )?;
//! assert_eq!(recipe.steps[0].name(), "run-command");
//! # Ok::<(), imagewright::Error>(())
//! ```
//!
//! YAML is read; JSON is YAML. A field that is not known is an error, as is
//! any value that cannot be meant, and each error begins with
//! `file:line:column`. Nothing is touched before all of this has passed;
//! what needs the host's files is [`Recipe::check_host_files`], what needs
//! the tables of later modules is [`Sysprep::check`], [`Artifact::check`] and
//! [`Verify::check`].

mod cloud_init;
mod containerd;
mod decode;
mod digest;
mod file;
mod host_path;
mod image_name;
mod kernel;
mod kubernetes;
mod layer;
mod node;
mod package;
mod path;
mod preset;
mod proxy;
mod repository;
mod sbom;
mod schema;
mod secret;
mod section;
mod size;
mod step;
mod suggest;
mod text;
mod unit;
mod user;
mod validate;
mod verify;

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use cloud_init::{CloudInit, Datasource};
pub use containerd::{Containerd, ContainerdSource};
pub use digest::Sha256;
pub use file::{FileEntry, Mode, Principal};
pub use image_name::ImageName;
pub use kernel::{Kernel, ModuleName, SysctlKey, SysctlValue};
pub use kubernetes::{
    Component, Images, Kubernetes, KubernetesSource, KubernetesVersion, Version,
};
pub use layer::RecipeLayers;
pub use package::{Hold, PackageName, PackageSpec, Packages};
pub use path::{GuestPath, HostPath, Location};
pub(crate) use path::{percent_decode, without_user};
pub use preset::Preset;
pub use proxy::Proxy;
pub use repository::{Key, Repository};
pub use sbom::{SbomFormat, SbomRequest};
pub use secret::Secret;
pub use section::{Artifact, Compression, Disk, Metadata, Source, Sysprep};
pub use size::ByteSize;
pub use step::{
    ImageSource, KernelArguments, Operation, PasswordCrypto, PasswordSelector,
    PasswordSource, SelinuxMode, SshKey, Step, Sysctl, UnitAction, UnitName,
    UserSpec,
};
pub use suggest::suggest;
pub use unit::Units;
pub use user::{Account, PublicKey, Sudo, User};
pub use verify::Verify;

use crate::error::{Error, ErrorKind, Result};
use decode::write_path;
use node::Node;

/// The version of the format this crate reads.
pub const API_VERSION: &str = "imagewright/v1alpha1";
/// The kind of document this crate reads.
pub const KIND: &str = "NodeImage";

/// A node image, described.
///
/// The default describes the source itself: nothing is added, the default
/// clean-up runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct Recipe {
    /// Always [`API_VERSION`].
    pub api_version: String,
    /// Always [`KIND`].
    pub kind: String,
    /// What the image is called.
    #[serde(default, skip_serializing_if = "is_default")]
    pub metadata: Metadata,
    /// Partial recipes that come with the program, to lie beneath this one:
    /// `kubernetes` where there is a section of that name, unless said. Empty
    /// once they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub presets: Option<Vec<String>>,
    /// What to begin with, unless the caller says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
    /// The disk of the result.
    #[serde(default, skip_serializing_if = "is_default")]
    pub disk: Disk,
    /// Work for the package manager.
    #[serde(default, skip_serializing_if = "is_default")]
    pub packages: Packages,
    /// The Kubernetes of the node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kubernetes: Option<Kubernetes>,
    /// The container runtime.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub containerd: Option<Containerd>,
    /// What the kernel is booted with, loads and is set to.
    #[serde(default, skip_serializing_if = "is_default")]
    pub kernel: Kernel,
    /// Users to add or to change.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub users: Vec<User>,
    /// Files to put into the image.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<FileEntry>,
    /// Units of systemd, and whether they start at boot.
    #[serde(default, skip_serializing_if = "is_default")]
    pub units: Units,
    /// How cloud-init finds what an instance is.
    #[serde(default, skip_serializing_if = "is_default")]
    pub cloud_init: CloudInit,
    /// Operations, run in this order after all of the above.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<Step>,
    /// Changes to the default clean-up.
    #[serde(default, skip_serializing_if = "is_default")]
    pub sysprep: Sysprep,
    /// Checks of the result, before it is published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verify: Option<Verify>,
    /// Outputs; one in the format of the source when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub artifacts: Vec<Artifact>,
    /// Bills of materials beside the artifacts, and in the image.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sbom: Vec<SbomRequest>,
    /// Proxies for the time of the build.
    #[serde(default, skip_serializing_if = "is_default")]
    pub proxy: Proxy,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl Default for Recipe {
    fn default() -> Self {
        Self {
            api_version: API_VERSION.to_owned(),
            kind: KIND.to_owned(),
            metadata: Metadata::default(),
            presets: None,
            source: None,
            disk: Disk::default(),
            packages: Packages::default(),
            kubernetes: None,
            containerd: None,
            kernel: Kernel::default(),
            users: Vec::new(),
            files: Vec::new(),
            units: Units::default(),
            cloud_init: CloudInit::default(),
            steps: Vec::new(),
            sysprep: Sysprep::default(),
            verify: None,
            artifacts: Vec::new(),
            sbom: Vec::new(),
            proxy: Proxy::default(),
        }
    }
}

impl Recipe {
    /// Parses and checks a recipe; `origin` names it in messages.
    ///
    /// Host paths stay relative to the working directory; see
    /// [`load`](Self::load).
    ///
    /// # Errors
    /// `Recipe`, with `origin:line:column` at the front.
    pub fn parse(text: &str, origin: &str) -> Result<Self> {
        RecipeLayers::new().text(text, origin)?.finish()
    }

    /// Reads a recipe; its relative host paths are relative to its directory.
    ///
    /// # Errors
    /// `NotFound` and `Io` when it cannot be read, else as
    /// [`parse`](Self::parse).
    pub fn load(path: &Path) -> Result<Self> {
        RecipeLayers::new().file(path)?.finish()
    }

    fn decode(tree: &Node) -> Result<Self> {
        let recipe = Self::deserialize(tree)
            .map_err(|error| wrong(error.to_string()))?;
        validate::validate(&recipe).map_err(|problem| {
            let place = &tree.closest(&problem.path).place;
            let path = write_path(problem.path.iter());
            wrong(format!("{place}: {path}: {}", problem.message))
        })?;
        Ok(recipe)
    }

    /// Takes relative host paths as relative to `base`.
    pub fn resolve(&mut self, base: &Path) {
        for path in self.host_paths_mut() {
            path.resolve(base);
        }
    }

    /// The files on the host the recipe needs, in its order.
    pub fn host_paths(&self) -> Vec<HostPath> {
        self.clone()
            .host_paths_mut()
            .into_iter()
            .map(|p| p.clone())
            .collect()
    }

    fn host_paths_mut(&mut self) -> Vec<&mut HostPath> {
        let placed = self.placed_host_paths_mut();
        placed.into_iter().map(|(_, path)| path).collect()
    }

    /// Checks that every file of the host it needs is there.
    ///
    /// # Errors
    /// `NotFound`, naming all that are missing.
    pub fn check_host_files(&self) -> Result<()> {
        let missing: Vec<_> = self
            .host_paths()
            .into_iter()
            .filter(|path| !path.as_path().exists())
            .map(|path| path.as_path().display().to_string())
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::NotFound,
            format!(
                "the recipe needs what is not there: {}",
                missing.join(", ")
            ),
        )
        .hint(
            "paths are relative to the directory of the recipe; \
             check their spelling",
        ))
    }

    /// The SHA-256 of what the recipe says: same meaning, same digest,
    /// whatever its layout, comments, and the place it lies in.
    ///
    /// The content of host files is not part of it.
    ///
    /// # Errors
    /// `Internal`.
    pub fn digest(&self) -> Result<Sha256> {
        let value = serde_json::to_value(self)
            .map_err(|error| Error::internal(error.to_string()))?;
        Ok(Sha256::of(digest::canonical_json(&value).as_bytes()))
    }
}

fn wrong(message: String) -> Error {
    Error::new(ErrorKind::Recipe, message)
}

/// Another version may know other fields: say so before naming one unknown.
fn check_version(tree: &Node) -> Result<()> {
    for (field, expected) in [("apiVersion", API_VERSION), ("kind", KIND)] {
        let Some(node) = tree.get(field) else {
            continue;
        };
        if !matches!(
            &node.value,
            node::Value::Scalar { text, .. } if text == expected
        ) {
            return Err(wrong(format!(
                "{}: {field}: must be `{expected}`",
                node.place
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
