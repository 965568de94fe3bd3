// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! A container image as an archive in OCI's layout.
//!
//! Facts: the OCI image specification 1.1, "Image Layout"; containerd takes
//! the name of an image from `io.containerd.image.name`.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use serde_json::json;

use crate::block::{FileDisk, to_u64};
use crate::error::{Context, Error, ErrorKind, Result};
use crate::image::tar::{
    END, Member, Owner, header_bytes, padding, read_members,
};
use crate::recipe::Sha256;
use crate::source::PulledImage;

const INDEX: &str = "index.json";

/// Writes the archive; the same image gives the same bytes.
pub(super) fn write(
    image: &PulledImage,
    name: &str,
    path: &Path,
) -> Result<()> {
    let mut archive = File::create_new(path).at(path)?;
    let root = image
        .blobs
        .get(&image.digest)
        .ok_or_else(|| Error::internal("an image without its manifest"))?;
    let index = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [{
            "mediaType": image.media_type,
            "digest": format!("sha256:{}", image.digest),
            "size": fs::metadata(root).at(root)?.len(),
            "annotations": {"io.containerd.image.name": name},
        }],
    });
    let layout = json!({"imageLayoutVersion": "1.0.0"}).to_string();
    let index = index.to_string();
    let done = (|| -> Result<()> {
        for (name, text) in [("oci-layout", layout), (INDEX, index)] {
            let len = to_u64(text.len());
            archive.write_all(&header_bytes(name, len, Owner::ROOT)?)?;
            archive.write_all(text.as_bytes())?;
            archive.write_all(&padding(len))?;
        }
        for (digest, blob) in &image.blobs {
            let mut from = File::open(blob).at(blob)?;
            let len = from.metadata().at(blob)?.len();
            let name = format!("blobs/sha256/{digest}");
            archive.write_all(&header_bytes(&name, len, Owner::ROOT)?)?;
            io::copy(&mut from, &mut archive)?;
            archive.write_all(&padding(len))?;
        }
        archive.write_all(&END)?;
        Ok(())
    })();
    done.during("writing a container image").at(path)
}

/// That an archive is of the image with this digest, and whole: every blob is
/// what its name says.
///
/// # Errors
/// `Verify`, `Corrupt`, `Io`.
pub(in crate::pipeline) fn require(path: &Path, digest: &Sha256) -> Result<()> {
    let check = || -> Result<()> {
        let mut file = File::open(path)?;
        let len = file.metadata()?.len();
        let archive = FileDisk::new(file.try_clone()?)?;
        let members = read_members(&archive)
            .map_err(|error| error.with_kind(ErrorKind::Verify))?;
        let end = members.last().map_or(0, Member::end);
        if len < end.saturating_add(to_u64(END.len())) {
            return Err(wrong("it is cut off"));
        }
        let mut found = false;
        for member in members {
            let Some(named) = member.name.strip_prefix("blobs/sha256/") else {
                continue;
            };
            file.seek(SeekFrom::Start(member.offset))?;
            let mut content = (&mut file).take(member.len);
            let (actual, _) = Sha256::of_reader(&mut content)?;
            if actual.to_string() != named {
                return Err(wrong("a blob is not what its name says"));
            }
            found |= actual == *digest;
        }
        match found {
            true => Ok(()),
            false => Err(wrong("it is another image")),
        }
    };
    check().at(path)
}

fn wrong(why: &str) -> Error {
    Error::new(ErrorKind::Verify, why)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn image(directory: &Path) -> PulledImage {
        let mut blobs = BTreeMap::new();
        for content in ["manifest", "a layer"] {
            let digest = Sha256::of(content.as_bytes());
            let path = directory.join(digest.to_string());
            fs::write(&path, content).unwrap();
            blobs.insert(digest, path);
        }
        PulledImage {
            media_type: "application/x".to_owned(),
            digest: Sha256::of(b"manifest"),
            blobs,
        }
    }

    #[test]
    fn an_archive_that_was_changed_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let image = image(dir.path());
        let path = dir.path().join("a.tar");
        write(&image, "r.example/a:1", &path).unwrap();
        require(&path, &image.digest).unwrap();
        let other = Sha256::of(b"other");
        let kind = |digest: &Sha256| require(&path, digest).unwrap_err().kind();
        assert_eq!(kind(&other), ErrorKind::Verify);
        let whole = fs::read(&path).unwrap();
        let at = whole.windows(7).position(|w| w == b"a layer").unwrap();
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        fs::write(&path, bytes).unwrap();
        assert_eq!(kind(&image.digest), ErrorKind::Verify);
        fs::write(&path, &whole[..whole.len() - 1500]).unwrap();
        assert_eq!(kind(&image.digest), ErrorKind::Verify);
    }

    #[test]
    fn tar_reads_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.tar");
        write(&image(dir.path()), "r.example/a:1", &path).unwrap();
        let list = std::process::Command::new("tar")
            .arg("-xOf")
            .arg(&path)
            .arg("index.json")
            .output()
            .unwrap();
        assert!(list.status.success(), "{list:?}");
        let text = String::from_utf8(list.stdout).unwrap();
        assert!(text.contains("r.example/a:1"), "{text}");
    }
}
