// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! The keys in rpm's database.
//!
//! dnf adds the key that a repository names when it first meets a package
//! that is signed with it. A locked build compares digests instead, so the
//! key is added from the lock.
//!
//! Facts: rpm(8), "QUERY OPTIONS"; rpmkeys(8).

use super::super::Guest;
use crate::error::{Context, Error, ErrorKind, Result};
use crate::mount::FileOwner;
use crate::provision::PackageKey;

/// rpm's name for all of them.
const NAME: &str = "gpg-pubkey";
/// Asked of rpm: a line with the name, and the key.
const FORMAT: &str = "%{NAME}-%{VERSION}-%{RELEASE}\\n%{DESCRIPTION}\\n";
const END: &str = "-----END PGP PUBLIC KEY BLOCK-----";

/// All of them, sorted.
pub(in super::super) fn keys(guest: &Guest<'_>) -> Result<Vec<PackageKey>> {
    let said = guest
        .environment
        .command("rpm")
        .args(["-qa", "--qf", FORMAT, NAME])
        .output(guest.monitor)
        .during("listing the keys of packages")?;
    if !said.status.success() {
        return Err(Error::new(
            ErrorKind::Command,
            "`rpm -qa` failed: the image's package database cannot be read",
        ));
    }
    let mut keys = parse(&String::from_utf8_lossy(&said.stdout));
    keys.sort();
    Ok(keys)
}

/// Adds those of `keys` that are not there.
pub(in super::super) fn trust(
    guest: &Guest<'_>,
    keys: &[PackageKey],
) -> Result<()> {
    if keys.is_empty() {
        return Ok(());
    }
    let known = self::keys(guest)?;
    let path = guest.environment.private_path("key.asc");
    for key in keys {
        if known.iter().any(|known| known.name == key.name) {
            continue;
        }
        let readable = FileOwner::root(0o644);
        guest.root().write(&path, key.text.as_bytes(), readable)?;
        guest
            .environment
            .command("rpm")
            .args(["--import".to_owned(), path.display().to_string()])
            .run(guest.monitor)
            .during(format!("importing the locked {}", key.name))?;
    }
    Ok(())
}

fn parse(said: &str) -> Vec<PackageKey> {
    let mut keys = Vec::new();
    let mut key: Option<PackageKey> = None;
    for line in said.lines() {
        match &mut key {
            None if line.starts_with(NAME) => {
                key = Some(PackageKey {
                    name: line.to_owned(),
                    text: String::new(),
                });
            }
            None => {}
            Some(key) => {
                key.text.push_str(line);
                key.text.push('\n');
            }
        }
        if line == END {
            keys.extend(key.take());
        }
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_told_apart() {
        let said = format!(
            "gpg-pubkey-1-2\n-----BEGIN\n\nabc\n{END}\n\n\
             gpg-pubkey-3-4\nx\n{END}\n"
        );
        let keys = parse(&said);
        assert_eq!(keys.len(), 2);
        assert_eq!(keys[0].name, "gpg-pubkey-1-2");
        assert_eq!(keys[0].text, format!("-----BEGIN\n\nabc\n{END}\n"));
        assert_eq!(keys[1].text, format!("x\n{END}\n"));
    }
}
