// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Public keys a user may log in with.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::error::{Context, Error, ErrorKind, Result};
use crate::mount::{FileOwner, GuestRoot};
use crate::provision::accounts;
use crate::recipe::SshKey;

/// Appends a key to the user's `authorized_keys`, once.
pub(super) fn inject(root: &GuestRoot, user: &str, key: &SshKey) -> Result<()> {
    let Some(entry) = accounts::user(root, user)? else {
        return Err(accounts::no_user(user));
    };
    let key = load(key)?;
    let owner = |mode| FileOwner {
        mode,
        uid: entry.uid,
        gid: entry.gid,
    };
    let home = Path::new(&entry.home);
    if !root.metadata(home)?.is_some_and(|found| found.is_dir()) {
        return Err(Error::new(
            ErrorKind::NotFound,
            format!("the user {user} has no home directory in the image"),
        )
        .at(home));
    }
    let directory = home.join(".ssh");
    root.create_dir_all(&directory, owner(0o700))?;
    let path = directory.join("authorized_keys");
    let before = root.read_if_exists(&path)?.unwrap_or_default();
    let before = String::from_utf8_lossy(&before);
    if before.lines().any(|line| line.trim() == key) {
        return Ok(());
    }
    let end = match before.ends_with('\n') || before.is_empty() {
        true => "",
        false => "\n",
    };
    let text = format!("{end}{key}\n");
    root.append(&path, text.as_bytes(), owner(0o600))
}

fn load(key: &SshKey) -> Result<String> {
    let text = match key {
        SshKey::Text(text) => text.clone(),
        SshKey::File(path) => read(path.as_path())?,
        SshKey::Newest => read(&newest()?)?,
    };
    let text = text.trim();
    if text.contains("PRIVATE KEY") {
        return Err(Error::invalid("this is a private key")
            .hint("name the file whose name ends in .pub"));
    }
    if text.is_empty() {
        return Err(Error::invalid("there is no key"));
    }
    Ok(text.to_owned())
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path)
        .during("reading a public key")
        .at(path)
}

/// The newest `~/.ssh/id*.pub`, as ssh-copy-id takes it.
fn newest() -> Result<PathBuf> {
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let directory = home
        .ok_or_else(|| Error::invalid("there is no home directory"))?
        .join(".ssh");
    let mut found: Option<(SystemTime, PathBuf)> = None;
    for entry in fs::read_dir(&directory).into_iter().flatten() {
        let entry = entry.at(&directory)?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if !name.starts_with("id") || !name.ends_with(".pub") {
            continue;
        }
        let time = entry.metadata().and_then(|found| found.modified());
        let time = time.at(entry.path())?;
        if found.as_ref().is_none_or(|(newest, _)| time > *newest) {
            found = Some((time, entry.path()));
        }
    }
    found.map(|(_, path)| path).ok_or_else(|| {
        Error::new(ErrorKind::NotFound, "you have no public key")
            .at(&directory)
            .hint("name one: USER:file:FILE, or make one with ssh-keygen")
    })
}
