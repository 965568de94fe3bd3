// SPDX-License-Identifier: Apache-2.0
//! `file`: what lies at a path.

use std::fs::Metadata;
use std::os::unix::fs::{FileTypeExt, MetadataExt};

use sha2::{Digest as _, Sha256, Sha512};

use super::document::Resource;
use super::matcher::Actual;
use super::{Guest, Seen};
use crate::describe::account;
use crate::error::Result;

/// As goss, a symlink is the symlink for its type, and what it leads to for
/// everything else.
pub(super) fn look(
    guest: &Guest<'_>,
    resource: &Resource,
    attribute: &str,
) -> Result<Seen> {
    let (root, path) = (guest.root, resource.path());
    let link = root.link_metadata(path)?;
    if attribute == "exists" {
        return Ok(Seen::is(link.is_some()));
    }
    let (Some(link), found) = (link, root.metadata(path)?) else {
        return Ok(Seen::Missing);
    };
    let found = found.unwrap_or_else(|| link.clone());
    Ok(match attribute {
        "filetype" => Seen::is(kind(&link)),
        "linked-to" => match root.read_link(path)? {
            Some(target) => Seen::is(target.to_string_lossy().into_owned()),
            None => Seen::is("nothing: it is no symlink"),
        },
        "mode" => Seen::is(format!("{:04o}", found.mode() & 0o7777)),
        "size" => Seen::is(found.len()),
        "uid" => Seen::is(found.uid()),
        "gid" => Seen::is(found.gid()),
        "owner" => Seen::is(account::user_name(root, found.uid())?),
        "group" => Seen::is(account::group_name(root, found.gid())?),
        "contents" | "contains" | "sha256" | "sha512" if !found.is_file() => {
            Seen::is("not a file")
        }
        "contents" | "contains" => {
            let content = root.read(path)?;
            let text = String::from_utf8_lossy(&content).into_owned();
            Seen::Is(Actual::Text(text))
        }
        "sha256" => Seen::is(hex::encode(Sha256::digest(root.read(path)?))),
        "sha512" => Seen::is(hex::encode(Sha512::digest(root.read(path)?))),
        _ => {
            Seen::Unknown(format!("`{attribute}` of a file is not known here"))
        }
    })
}

fn kind(entry: &Metadata) -> &'static str {
    let kind = entry.file_type();
    match () {
        () if kind.is_symlink() => "symlink",
        () if kind.is_dir() => "directory",
        () if kind.is_block_device() => "block-device",
        () if kind.is_char_device() => "character-device",
        () if kind.is_socket() => "socket",
        () if kind.is_fifo() => "pipe",
        () => "file",
    }
}
