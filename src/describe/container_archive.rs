// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! The names of the images in an archive of the host, as `docker save` and
//! skopeo write them.
//!
//! Facts: OCI image layout, `index.json`; docker's image specification v1.2,
//! `manifest.json`.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::Path;

use serde_json::Value;

use crate::block::{FileDisk, ReadAt, to_usize};
use crate::error::{Context, Error, ErrorKind, Result};
use crate::image::tar::read_members;
use crate::recipe::ImageName;

/// An index of a thousand images has some hundred KiB.
const MAX_INDEX: u64 = 16 << 20;
const MANIFEST: &str = "manifest.json";
const INDEX: &str = "index.json";
/// Annotations of an index that name an image, the whole name first.
const NAMES: [&str; 2] = [
    "io.containerd.image.name",
    "org.opencontainers.image.ref.name",
];

/// The whole names of all images in the archive at `path`.
///
/// # Errors
/// `NotFound` and `Io`; `Unsupported` for what is no such archive.
pub(super) fn image_names(path: &Path) -> Result<BTreeSet<ImageName>> {
    let names = || -> Result<BTreeSet<ImageName>> {
        let archive = FileDisk::new(File::open(path)?)?;
        let names = names(&archive)?.ok_or_else(|| {
            Error::unsupported("neither an OCI archive nor one of docker")
        })?;
        let names = names.iter().map(|name| name.parse::<ImageName>());
        names.map(|name| name.map(|name| name.normal())).collect()
    };
    names().at(path)
}

/// The names in the indexes of an archive; none where it has no index.
pub(super) fn names(archive: &dyn ReadAt) -> Result<Option<Vec<String>>> {
    let members = read_members(archive)
        .map_err(|error| error.with_kind(ErrorKind::Unsupported))?;
    let mut names = None;
    for member in members {
        let name = member.name.trim_start_matches("./");
        if ![MANIFEST, INDEX].contains(&name) || member.len > MAX_INDEX {
            continue;
        }
        let mut text = vec![0; to_usize(member.len)];
        archive.read_at(member.offset, &mut text)?;
        let json = serde_json::from_slice(&text)
            .map_err(|error| Error::corrupt(format!("{name}: {error}")))?;
        let found = match name {
            MANIFEST => docker_names(&json),
            _ => oci_names(&json),
        };
        let all: &mut Vec<String> = names.get_or_insert_default();
        all.extend(found.into_iter().map(str::to_owned));
    }
    Ok(names)
}

fn docker_names(manifest: &Value) -> Vec<&str> {
    let images = manifest.as_array().into_iter().flatten();
    let tags = images.filter_map(|image| image["RepoTags"].as_array());
    tags.flatten().filter_map(Value::as_str).collect()
}

fn oci_names(index: &Value) -> Vec<&str> {
    let images = index["manifests"].as_array().into_iter().flatten();
    images
        .filter_map(|image| {
            let notes = &image["annotations"];
            NAMES.iter().find_map(|name| notes[*name].as_str())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::tar::{Owner, header_bytes, padding};

    fn member(name: &str, content: &str) -> Vec<u8> {
        let len = content.len() as u64;
        let mut member = header_bytes(name, len, Owner::ROOT).unwrap();
        member.extend(content.as_bytes());
        member.extend(padding(len));
        member
    }

    fn names(archive: &[u8]) -> Result<Vec<String>> {
        super::names(&archive.to_vec()).map(Option::unwrap_or_default)
    }

    #[test]
    fn both_kinds() {
        let docker = r#"[{"RepoTags":["a/b:1","c:2"]},{"RepoTags":null}]"#;
        let oci = r#"{"manifests":[{"annotations":
            {"org.opencontainers.image.ref.name":"1",
             "io.containerd.image.name":"d:1"}},{}]}"#;
        let mut archive = member("blobs/x", &"x".repeat(700));
        archive.extend(member("./manifest.json", docker));
        archive.extend(member("index.json", oci));
        archive.extend([0; 1024]);
        assert_eq!(names(&archive).unwrap(), ["a/b:1", "c:2", "d:1"]);
    }

    #[test]
    fn what_is_no_archive() {
        assert!(names(&[b'x'; 600]).is_err());
        assert_eq!(names(b"").unwrap(), [""; 0]);
        assert!(names(&member("index.json", "{")).is_err());
        let mut long = member("x", "");
        long[124..136].fill(0xff);
        assert!(names(&long).is_err());
    }
}
