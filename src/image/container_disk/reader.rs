// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Finds the disk in the archive.

use std::sync::Arc;

use serde_json::Value;

use crate::block::BlockRead;
use crate::error::{Context, Error, Result};
use crate::image::container_disk::{DIRECTORY, INDEX_FILE, LAYOUT_FILE, blob};
use crate::image::open::Opener;
use crate::image::table::read_vec;
use crate::image::tar::{Member, read_members};
use crate::image::{Format, ImageInfo};

/// Bytes of a document, at most.
const MAX_DOCUMENT: u64 = 4 << 20;

/// Layers of an image, at most: no runtime takes more.
const MAX_LAYERS: usize = 128;

/// Opens the disk of an OCI archive.
pub(crate) fn open(
    file: &Arc<dyn BlockRead>,
    opener: &mut Opener<'_>,
) -> Result<(Arc<dyn BlockRead>, ImageInfo)> {
    let members = read_members(file).during("reading the archive")?;
    let archive = Archive { file, members };
    archive.member(LAYOUT_FILE)?;
    let index = archive.document(INDEX_FILE)?;
    let manifest = digest_in(&index["manifests"][0])?;
    let manifest = archive.document(&blob(manifest))?;
    let layers = manifest["layers"].as_array();
    let layers = layers.map(Vec::as_slice).unwrap_or_default();
    if layers.len() > MAX_LAYERS {
        return Err(Error::unsupported(format!(
            "the container image has more than {MAX_LAYERS} layers"
        )));
    }
    for layer in layers.iter().rev() {
        let layer = archive.disk(&blob(digest_in(layer)?))?;
        let (layer, _) = opener.unpack_stream(layer)?;
        let members = read_members(&layer).during("reading the layer")?;
        let is_disk = |m: &&Member| {
            m.name.trim_start_matches("./").starts_with(DIRECTORY)
        };
        let Some(disk) = members.iter().find(is_disk) else {
            continue;
        };
        let inner = opener.open_within(disk.disk(&layer)?).at(&disk.name)?;
        let size = inner.0.size();
        let mut info = ImageInfo {
            format: Format::ContainerDisk,
            file_size: file.size(),
            ..inner.1
        };
        info.virtual_size = size;
        info.detail("disk", &disk.name);
        info.detail("disk-format", &inner.2);
        return Ok((inner.0, info));
    }
    Err(Error::unsupported(
        "the container image has nothing in /disk",
    ))
}

struct Archive<'a> {
    file: &'a Arc<dyn BlockRead>,
    members: Vec<Member>,
}

impl Archive<'_> {
    fn member(&self, name: &str) -> Result<&Member> {
        let is_it = |m: &&Member| m.name.trim_start_matches("./") == name;
        self.members.iter().find(is_it).ok_or_else(|| {
            Error::corrupt(format!("the OCI archive has no {name:?}"))
        })
    }

    fn disk(&self, name: &str) -> Result<Arc<dyn BlockRead>> {
        self.member(name)?.disk(self.file)
    }

    fn document(&self, name: &str) -> Result<Value> {
        let disk = self.disk(name)?;
        if disk.size() > MAX_DOCUMENT {
            return Err(Error::corrupt(format!("{name:?} is too long")));
        }
        let bytes = read_vec(&disk, 0, disk.size())?;
        serde_json::from_slice(&bytes)
            .map_err(|error| Error::corrupt(format!("{name:?}: {error}")))
    }
}

/// The digest of a descriptor, in hexadecimal.
fn digest_in(descriptor: &Value) -> Result<&str> {
    let digest = descriptor["digest"].as_str();
    digest
        .and_then(|digest| digest.strip_prefix("sha256:"))
        .ok_or_else(|| Error::corrupt("a descriptor has no SHA-256 digest"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::tar::{END, Owner, header_bytes, padding};
    use crate::image::{OpenOptions, open_disk};

    fn archive(files: &[(&str, &str)]) -> Vec<u8> {
        let mut archive = Vec::new();
        for (name, content) in files {
            let len = content.len() as u64;
            archive.extend(header_bytes(name, len, Owner::ROOT).unwrap());
            archive.extend(content.bytes());
            archive.extend(padding(len));
        }
        archive.extend(END);
        archive
    }

    #[test]
    fn one_layer_is_not_unpacked_a_thousand_times() {
        let layer = r#"{"digest":"sha256:b"},"#.repeat(1000);
        let layers = layer.trim_end_matches(',');
        let bytes = archive(&[
            (LAYOUT_FILE, "{}"),
            (INDEX_FILE, r#"{"manifests":[{"digest":"sha256:a"}]}"#),
            ("blobs/sha256/a", &format!(r#"{{"layers":[{layers}]}}"#)),
            ("blobs/sha256/b", ""),
        ]);
        let options = OpenOptions::new().format(Format::ContainerDisk);
        let error = open_disk(Arc::new(bytes), &options).unwrap_err();
        assert!(error.to_string().contains("more than"), "{error}");
    }
}
