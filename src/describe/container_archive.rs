// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! The names of the images in an archive of the host, as `docker save` and
//! skopeo write them.
//!
//! Facts: POSIX pax, "ustar Interchange Format"; OCI image layout,
//! `index.json`; docker's image specification v1.2, `manifest.json`.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use serde_json::Value;

use crate::error::{Context, Error, Result};
use crate::recipe::ImageName;

const BLOCK: usize = 512;
/// An index of a thousand images has some hundred KiB.
const MAX_INDEX: u64 = 16 << 20;
/// Blobs of an archive; larger ones are made by nobody.
const MAX_MEMBERS: usize = 1 << 20;
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
    let file = File::open(path).at(path)?;
    let mut names = BTreeSet::new();
    let mut known = false;
    members(BufReader::new(file), &mut |name, json| {
        known = true;
        let found = match name {
            MANIFEST => docker_names(json),
            _ => oci_names(json),
        };
        for name in found {
            names.insert(name.parse::<ImageName>()?.normal());
        }
        Ok(())
    })
    .at(path)?;
    match known {
        true => Ok(names),
        false => Err(Error::unsupported(
            "neither an OCI archive nor one of docker",
        )
        .at(path)),
    }
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

/// Calls `visit` with the indexes among the members of a tar archive.
fn members(
    mut archive: impl Read + Seek,
    visit: &mut dyn FnMut(&str, &Value) -> Result<()>,
) -> Result<()> {
    let mut header = [0; BLOCK];
    for _ in 0..MAX_MEMBERS {
        if archive.read_exact(&mut header).is_err() || header[0] == 0 {
            return Ok(());
        }
        if &header[257..262] != b"ustar" {
            return Err(Error::unsupported("not a tar archive"));
        }
        let len = octal(&header[124..136])
            .ok_or_else(|| Error::corrupt("a member without its length"))?;
        let name = header[..100].split(|byte| *byte == 0).next();
        let name = String::from_utf8_lossy(name.unwrap_or_default());
        let name = name.trim_start_matches("./");
        let padded = len.div_ceil(BLOCK as u64) * BLOCK as u64;
        if ![MANIFEST, INDEX].contains(&name) || len > MAX_INDEX {
            let step = i64::try_from(padded)
                .map_err(|_| Error::corrupt("a member that is too long"))?;
            archive.seek(SeekFrom::Current(step))?;
            continue;
        }
        let mut text = Vec::new();
        (&mut archive).take(padded).read_to_end(&mut text)?;
        text.truncate(usize::try_from(len).unwrap_or(usize::MAX));
        let json = serde_json::from_slice(&text)
            .map_err(|error| Error::corrupt(format!("{name}: {error}")))?;
        visit(name, &json)?;
    }
    Err(Error::unsupported("too many members"))
}

/// A number of a header: octal, or in base 256 where its first bit says.
fn octal(field: &[u8]) -> Option<u64> {
    if field[0] & 0x80 != 0 {
        let digits = field[1..].iter();
        return digits
            .copied()
            .try_fold(u64::from(field[0] & 0x7f), |n, d| {
                n.checked_mul(256)?.checked_add(d.into())
            });
    }
    let text = std::str::from_utf8(field).ok()?;
    let digits = text.trim_matches(|c: char| c == '\0' || c == ' ');
    u64::from_str_radix(digits, 8).ok()
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn member(name: &str, content: &str) -> Vec<u8> {
        let mut block = vec![0; BLOCK];
        block[..name.len()].copy_from_slice(name.as_bytes());
        let len = format!("{:011o}", content.len());
        block[124..135].copy_from_slice(len.as_bytes());
        block[257..262].copy_from_slice(b"ustar");
        block.extend(content.as_bytes());
        block.resize(block.len().next_multiple_of(BLOCK), 0);
        block
    }

    fn names(archive: &[u8]) -> Result<Vec<String>> {
        let mut names = Vec::new();
        members(Cursor::new(archive), &mut |name, json| {
            let found = match name {
                MANIFEST => docker_names(json),
                _ => oci_names(json),
            };
            names.extend(found.into_iter().map(str::to_owned));
            Ok(())
        })?;
        Ok(names)
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
