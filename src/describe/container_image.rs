// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! The container images that an image brings along.
//!
//! Facts: containerd, `core/metadata/buckets.go` (the schema of the metadata
//! store) and `internal/cri/labels`; containers/storage, `images.go`.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::bolt::{Bolt, Bucket, Item};
use super::tree::FileTree;
use crate::error::{Context, Result};

/// Where containerd keeps its metadata below its root directory.
pub(super) const META: &str = "io.containerd.metadata.v1.bolt/meta.db";
/// containerd's root directory: its own, and that of distributions of
/// Kubernetes.
pub(super) const ROOTS: [&str; 5] = [
    "/var/lib/containerd",
    "/var/lib/rancher/k3s/agent/containerd",
    "/var/lib/rancher/rke2/agent/containerd",
    "/var/lib/k0s/containerd",
    "/var/snap/microk8s/common/var/lib/containerd",
];
/// The images of CRI-O and Podman.
const STORAGE: &str = "/var/lib/containers/storage/overlay-images/images.json";
/// Where the kubelet's images are.
pub const KUBERNETES_NAMESPACE: &str = "k8s.io";
const PINNED: (&str, &str) = ("io.cri-containerd.pinned", "pinned");

/// A container image in the store of a container runtime.
///
/// The same image usually stands there under several names: its tag, its
/// name with the digest, and the digest of its configuration.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ContainerImage {
    /// The name it is found by: `registry.k8s.io/pause:3.10`.
    pub name: String,
    /// The digest of its index or manifest: `sha256:...`.
    pub digest: String,
    /// What the digest is of; empty where the store does not say.
    pub media_type: String,
    /// Bytes of the index or manifest.
    pub size: Option<u64>,
    /// containerd's namespace; the kubelet sees those of `k8s.io` alone.
    pub namespace: String,
    /// Labels of the image in the store.
    pub labels: BTreeMap<String, String>,
    /// Whether the kubelet's garbage collection passes it over.
    pub pinned: bool,
    /// The database it was found in.
    pub store: String,
}

/// The container images in the stores of containerd and CRI-O, sorted; none
/// where there is no store.
///
/// # Errors
/// `Corrupt` when a store is; as [`FileTree::open`].
pub fn container_images(tree: &dyn FileTree) -> Result<Vec<ContainerImage>> {
    let mut images = Vec::new();
    for root in ROOTS {
        let store = format!("{root}/{META}");
        read_containerd(tree, &store, &mut images)
            .at(&store)
            .during("reading containerd's metadata in the image")?;
    }
    read_storage(tree, &mut images)
        .at(STORAGE)
        .during("reading the container images in the image")?;
    images.sort();
    Ok(images)
}

fn read_containerd(
    tree: &dyn FileTree,
    store: &str,
    images: &mut Vec<ContainerImage>,
) -> Result<()> {
    let Some(file) = tree.open(Path::new(store))? else {
        return Ok(());
    };
    // containerd makes an empty file before it makes a database of it.
    if file.is_empty() {
        return Ok(());
    }
    let bolt = Bolt::open(file)?;
    let Some(schema) = bolt.bucket(&bolt.root(), b"v1")? else {
        return Ok(());
    };
    for (namespace, item) in bolt.items(&schema)? {
        let Item::Bucket(namespace_bucket) = item else {
            continue;
        };
        let Some(all) = bolt.bucket(&namespace_bucket, b"images")? else {
            continue;
        };
        for (name, item) in bolt.items(&all)? {
            if let Item::Bucket(bucket) = item {
                let mut image = containerd_image(&bolt, &bucket)?;
                image.name = text(&name);
                image.namespace = text(&namespace);
                image.store = store.to_owned();
                images.push(image);
            }
        }
    }
    Ok(())
}

fn containerd_image(
    bolt: &Bolt<'_>,
    bucket: &Bucket,
) -> Result<ContainerImage> {
    let mut image = ContainerImage {
        name: String::new(),
        digest: String::new(),
        media_type: String::new(),
        size: None,
        namespace: String::new(),
        labels: BTreeMap::new(),
        pinned: false,
        store: String::new(),
    };
    for (key, item) in bolt.items(bucket)? {
        let Item::Bucket(inner) = item else { continue };
        match key.as_slice() {
            b"target" => {
                for (key, item) in bolt.items(&inner)? {
                    let Item::Value(value) = item else { continue };
                    match key.as_slice() {
                        b"digest" => image.digest = text(&value),
                        b"mediatype" => image.media_type = text(&value),
                        b"size" => image.size = varint(&value),
                        _ => {}
                    }
                }
            }
            b"labels" => {
                for (key, item) in bolt.items(&inner)? {
                    if let Item::Value(value) = item {
                        image.labels.insert(text(&key), text(&value));
                    }
                }
            }
            _ => {}
        }
    }
    let pinned = image.labels.get(PINNED.0).map(String::as_str);
    image.pinned = pinned == Some(PINNED.1);
    Ok(image)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Go's `binary.Varint`, when it is not negative.
fn varint(bytes: &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for (index, byte) in bytes.iter().take(9).enumerate() {
        let shift = u32::try_from(index).ok()?.checked_mul(7)?;
        value |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return (value & 1 == 0).then_some(value >> 1);
        }
    }
    None
}

#[derive(Deserialize)]
struct StoredImage {
    #[serde(default)]
    names: Vec<String>,
    #[serde(default)]
    digest: Option<String>,
    id: String,
}

fn read_storage(
    tree: &dyn FileTree,
    images: &mut Vec<ContainerImage>,
) -> Result<()> {
    let Some(json) = tree.read(STORAGE)? else {
        return Ok(());
    };
    let stored: Vec<StoredImage> =
        serde_json::from_slice(&json).map_err(|error| {
            crate::error::Error::corrupt(format!("not as expected: {error}"))
        })?;
    for image in stored {
        let config = format!("sha256:{}", image.id);
        let digest = image.digest.unwrap_or_else(|| config.clone());
        let names = match image.names.is_empty() {
            true => vec![config],
            false => image.names,
        };
        for name in names {
            images.push(ContainerImage {
                name,
                digest: digest.clone(),
                media_type: String::new(),
                size: None,
                namespace: String::new(),
                labels: BTreeMap::new(),
                pinned: false,
                store: STORAGE.to_owned(),
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::describe::tree::memory::MemoryTree;

    #[test]
    fn varints_are_zigzag() {
        // Go: binary.AppendVarint(nil, n)
        assert_eq!(varint(&[0]), Some(0));
        assert_eq!(varint(&[0x02]), Some(1));
        assert_eq!(varint(&[0xb4, 0x07]), Some(474));
        assert_eq!(varint(&[0x01]), None);
        assert_eq!(varint(&[0x80; 12]), None);
        assert_eq!(varint(&[]), None);
    }

    #[test]
    fn no_store_and_an_empty_one() {
        let none = MemoryTree::default();
        assert_eq!(container_images(&none).unwrap(), []);
        let path = format!("{}/{META}", ROOTS[0]);
        let empty = MemoryTree::default().file(&path, "");
        assert_eq!(container_images(&empty).unwrap(), []);
        let noise = MemoryTree::default().file(&path, [7; 9000]);
        let error = container_images(&noise).unwrap_err();
        assert_eq!(error.kind(), crate::ErrorKind::Corrupt);
    }

    #[test]
    fn cri_o() {
        let json = r#"[{"id":"aa","digest":"sha256:bb",
            "names":["registry.k8s.io/pause:3.10"]},{"id":"cc"}]"#;
        let tree = MemoryTree::default().file(STORAGE, json);
        let found = container_images(&tree).unwrap();
        assert_eq!(found[0].name, "registry.k8s.io/pause:3.10");
        assert_eq!(found[0].digest, "sha256:bb");
        assert_eq!(found[1].digest, "sha256:cc");
    }
}
