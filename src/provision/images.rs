// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Container images into the node image, by its own containerd.
//!
//! containerd runs in the contained root with a configuration for this work
//! alone. It cannot mount there, so images are not unpacked: the content is
//! in the image, and the CRI plugin unpacks it when a container is made of
//! it. containerd ends in order when the work is done, and with its namespace
//! whatever happens.

mod daemon;

use std::collections::BTreeSet;
use std::fmt;
use std::fs::File;
use std::path::Path;

use super::containerd::Generation;
use super::package_manager::{Guest, Supplies};
use super::steps::archive::{after, feed};
use super::{KubeadmImages, spaced};
use crate::chroot::GuestCommand;
use crate::error::{Context, Error, ErrorKind, Result};
use crate::recipe::{HostPath, ImageName, Sha256};
use daemon::Daemon;

/// Where the CRI plugin, and so the kubelet, looks for images.
const NAMESPACE: &str = "k8s.io";
/// The kubelet does not collect an image with this label.
const LABELS: [&str; 2] = [
    "io.cri-containerd.image=managed",
    "io.cri-containerd.pinned=pinned",
];
/// Registries and mirrors that recipes configure.
const HOSTS: &str = "/etc/containerd/certs.d";

/// Container images to have in the node image.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct PreloadImages {
    /// All that kubeadm names.
    pub kubeadm: Option<KubeadmImages>,
    /// OCI or docker archives of the host.
    pub archives: Vec<HostPath>,
    /// Images of registries.
    pub references: Vec<ImageName>,
    /// The architecture, as Go has it.
    pub architecture: &'static str,
}

impl fmt::Display for PreloadImages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("preload container images:")?;
        if let Some(kubeadm) = &self.kubeadm {
            write!(f, " those of kubeadm for v{}", kubeadm.version)?;
            if let Some(repository) = &kubeadm.repository {
                write!(f, " in {repository}")?;
            }
        }
        if !self.archives.is_empty() {
            write!(f, " from {}", spaced(&self.archives))?;
        }
        if !self.references.is_empty() {
            write!(f, " {}", spaced(&self.references))?;
        }
        Ok(())
    }
}

/// Brings all of them, pinned.
pub(super) fn preload(
    guest: &Guest<'_>,
    images: &PreloadImages,
    supplies: &dyn Supplies,
) -> Result<()> {
    let mut wanted: BTreeSet<ImageName> =
        images.references.iter().map(ImageName::normal).collect();
    if let Some(kubeadm) = &images.kubeadm {
        wanted.extend(kubeadm.list(guest)?);
    }
    let generation = super::containerd::generation(guest)?;
    Daemon::run(guest, generation, |socket| {
        let store = Store {
            guest,
            socket,
            generation,
        };
        for archive in &images.archives {
            store.import(archive.as_path())?;
        }
        let there = store.names()?;
        for name in wanted.difference(&there) {
            match supplies.image_archive(name) {
                Some(archive) => store.import(&archive)?,
                None => {
                    let digest = supplies.image_digest(name);
                    store.fetch(name, digest, images.architecture)?;
                    supplies.pulled(name, images.architecture);
                }
            }
        }
        let there = store.names()?;
        if let Some(name) = wanted.difference(&there).next() {
            return Err(Error::internal(format!(
                "containerd does not have {name}"
            )));
        }
        there.iter().try_for_each(|name| store.pin(name))
    })
    .during("preloading container images")
}

/// The images of a running containerd.
struct Store<'a> {
    guest: &'a Guest<'a>,
    socket: &'a str,
    generation: Generation,
}

impl<'a> Store<'a> {
    fn ctr(&self) -> GuestCommand<'a> {
        self.guest.environment.command("ctr").args([
            "--address",
            self.socket,
            "--namespace",
            NAMESPACE,
        ])
    }

    /// Without the daemon's transfer service, which containerd 2 has: it wants
    /// to unpack.
    fn by_itself(&self, command: GuestCommand<'a>) -> GuestCommand<'a> {
        match self.generation {
            Generation::One => command,
            Generation::Two { .. } => command.arg("--local"),
        }
    }

    /// Every image in an archive; the names must be whole.
    fn import(&self, path: &Path) -> Result<()> {
        let before = self.names()?;
        let file = File::open(path).at(path)?;
        let command = self.ctr().args(["images", "import", "--no-unpack"]);
        let command = self.by_itself(command);
        // A pipe: through a descriptor of the file itself, the image's
        // programs could open it to write.
        let (stdin, feeder) = feed(file)?;
        let command = command.arg("-").stdin_from(stdin);
        after(command.run(self.guest.monitor), feeder)
            .during("importing container images")
            .at(path)?;
        for name in self.names()?.difference(&before) {
            self.complete_name(name).at(path)?;
        }
        Ok(())
    }

    /// The kubelet asks for whole names; archives may have short ones.
    fn complete_name(&self, name: &ImageName) -> Result<()> {
        if name.as_str().starts_with("import-") {
            return Err(Error::invalid(
                "the archive does not say what its image is called",
            )
            .hint(
                "write it anew with a name: skopeo copy ... \
                 oci-archive:FILE:registry.example/image:tag",
            ));
        }
        let whole = name.normal();
        if whole == *name {
            return Ok(());
        }
        self.rename(name, &whole)
    }

    /// By its digest where that is known, and named as it is wanted.
    fn fetch(
        &self,
        name: &ImageName,
        digest: Option<Sha256>,
        architecture: &str,
    ) -> Result<()> {
        let pulled = match digest {
            Some(digest) => name.with_digest(&digest),
            None => name.clone(),
        };
        let mut command = self
            .ctr()
            .args(["content", "fetch", "--platform"])
            .arg(format!("linux/{architecture}"));
        if self.guest.root().exists(HOSTS)? {
            command = command.args(["--hosts-dir", HOSTS]);
        }
        command
            .arg(pulled.as_str())
            .run(self.guest.monitor)
            .map_err(|error| match error.kind() {
                ErrorKind::Command => error.hint(
                    "see that the registry can be reached; without one, give \
                     the images as archives: `kubernetes: {images: \
                     {archives: [...]}}`",
                ),
                _ => error,
            })
            .during(format!("pulling {pulled}"))?;
        match pulled == *name {
            true => Ok(()),
            false => self.rename(&pulled, name),
        }
    }

    fn rename(&self, from: &ImageName, to: &ImageName) -> Result<()> {
        let tag = self.ctr().args(["images", "tag", "--force"]);
        self.by_itself(tag)
            .args([from.as_str(), to.as_str()])
            .run(self.guest.monitor)?;
        self.ctr()
            .args(["images", "rm", from.as_str()])
            .run(self.guest.monitor)
    }

    fn pin(&self, name: &ImageName) -> Result<()> {
        self.ctr()
            .args(["images", "label", name.as_str()])
            .args(LABELS)
            .run(self.guest.monitor)
    }

    fn names(&self) -> Result<BTreeSet<ImageName>> {
        let said = self
            .ctr()
            .args(["images", "ls", "-q"])
            .output(self.guest.monitor)?;
        if !said.status.success() {
            return Err(Error::new(
                ErrorKind::Command,
                "containerd does not tell its images",
            ));
        }
        let text = String::from_utf8_lossy(&said.stdout);
        text.lines().map(str::parse).collect()
    }
}
