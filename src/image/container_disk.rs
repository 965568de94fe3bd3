// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! KubeVirt's containerDisk: a container image whose one layer has a disk in
//! `/disk`, as an OCI archive.
//!
//! Facts from the OCI image specification 1.1 and KubeVirt's guide: the disk
//! belongs to user and group 107, QEMU's there.

mod reader;
mod writer;

pub(crate) use reader::open;
pub(crate) use writer::write;

/// The directory that KubeVirt looks in.
const DIRECTORY: &str = "disk/";

/// Media types.
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// Files of the layout.
const LAYOUT_FILE: &str = "oci-layout";
const INDEX_FILE: &str = "index.json";

/// The member that has the bytes of a digest.
fn blob(sha256: &str) -> String {
    format!("blobs/sha256/{sha256}")
}
