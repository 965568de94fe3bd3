// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Passwords in `/etc/shadow`.
//!
//! The hash is made here: no program gets to see the password. Facts:
//! shadow(5), crypt(5).

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use serde::ser::{Serialize, SerializeStruct, Serializer};
use sha_crypt::{PasswordHasher as _, ShaCrypt};
use yescrypt::Yescrypt;

use super::file::owner_of;
use crate::discover::OsRelease;
use crate::error::{Context, Error, ErrorKind, Result};
use crate::mount::GuestRoot;
use crate::provision::accounts;
use crate::recipe::{
    PasswordCrypto, PasswordSelector, PasswordSource, Secret, Sha256,
};

const SHADOW: &str = "/etc/shadow";
/// Of a password that is made up: about 119 bits.
const RANDOM_LEN: usize = 20;
/// None that are taken for one another; 62 or fewer, so that a byte's six
/// low bits choose or are thrown away.
const ALPHABET: &[u8] =
    b"ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789";

/// A password that was made up for a user.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct NewPassword {
    /// The user.
    pub user: String,
    /// What the user logs in with.
    pub password: Secret,
}

/// Exposes the password: this is how the person gets to know it.
impl Serialize for NewPassword {
    fn serialize<S: Serializer>(
        &self,
        serializer: S,
    ) -> std::result::Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("NewPassword", 2)?;
        fields.serialize_field("user", &self.user)?;
        fields.serialize_field("password", self.password.expose())?;
        fields.end()
    }
}

/// Sets a user's password, hashed with a salt made of `salt`, or a random
/// one; returns a password that was made up.
pub(super) fn set(
    root: &GuestRoot,
    user: &str,
    selector: &PasswordSelector,
    salt: Option<Sha256>,
) -> Result<Option<NewPassword>> {
    if accounts::user(root, user)?.is_none() {
        return Err(accounts::no_user(user)
            .hint("add the user with a step `user` before"));
    }
    let (field, made_up) = match &selector.source {
        None => ("*".to_owned(), None),
        Some(PasswordSource::Hash(hash)) => (hash.expose().to_owned(), None),
        Some(source) => {
            let (password, made_up) = match source {
                PasswordSource::Random => {
                    let password = make_up()?;
                    (password.clone(), Some(password))
                }
                PasswordSource::Text(password) => (password.clone(), None),
                PasswordSource::File(path) => (first_line(path)?, None),
                _ => return Err(Error::internal("an unknown selector")),
            };
            let crypto = match selector.crypto {
                Some(crypto) => crypto,
                None => usual_crypto(root)?,
            };
            (hash(&password, crypto, salt)?, made_up)
        }
    };
    let lock = if selector.locked { "!!" } else { "" };
    let before = root.read(SHADOW)?;
    let after = replace_field(&before, user, &format!("{lock}{field}"))
        .ok_or_else(|| {
            Error::new(
                ErrorKind::NotFound,
                format!("the user {user} has no line there"),
            )
            .at(SHADOW)
            .hint("make one with a step `run-command: pwconv` before")
        })?;
    // In place: mode, owner and extended attributes stay.
    root.write(SHADOW, &after, owner_of(root, Path::new(SHADOW))?)?;
    Ok(made_up.map(|password| NewPassword {
        user: user.to_owned(),
        password,
    }))
}

/// The file with the second field of `user`'s line replaced.
pub(in crate::provision) fn replace_field(
    shadow: &[u8],
    user: &str,
    field: &str,
) -> Option<Vec<u8>> {
    let mut found = false;
    let mut text = Vec::with_capacity(shadow.len() + field.len());
    for line in shadow.split_inclusive(|byte| *byte == b'\n') {
        let mut parts = line.splitn(3, |byte| *byte == b':');
        match (parts.next(), parts.next(), parts.next()) {
            (Some(name), Some(_), Some(rest)) if name == user.as_bytes() => {
                found = true;
                for piece in [name, b":", field.as_bytes(), b":", rest] {
                    text.extend_from_slice(piece);
                }
            }
            _ => text.extend_from_slice(line),
        }
    }
    found.then_some(text)
}

fn first_line(path: &crate::recipe::HostPath) -> Result<Secret> {
    let path = path.as_path();
    let text = fs::read_to_string(path)
        .during("reading a password")
        .at(path)?;
    match text.lines().next() {
        Some(line) if !line.is_empty() => Ok(Secret::new(line)),
        _ => Err(Error::invalid("there is no password in the file").at(path)),
    }
}

fn random<const LEN: usize>() -> Result<[u8; LEN]> {
    let mut bytes = [0; LEN];
    File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut bytes))
        .at("/dev/urandom")?;
    Ok(bytes)
}

fn make_up() -> Result<Secret> {
    let mut password = String::new();
    while password.len() < RANDOM_LEN {
        for byte in random::<32>()? {
            // Each letter is as likely as any other.
            let letter = ALPHABET.get(usize::from(byte & 0x3f));
            if let Some(letter) = letter
                && password.len() < RANDOM_LEN
            {
                password.push(char::from(*letter));
            }
        }
    }
    Ok(Secret::new(password))
}

fn hash(
    password: &Secret,
    crypto: PasswordCrypto,
    salt: Option<Sha256>,
) -> Result<String> {
    let salt = match salt {
        Some(salt) => *salt.as_bytes(),
        None => random::<32>()?,
    };
    let password = password.expose().as_bytes();
    // crypt(5): 16 characters of salt, 12 bytes.
    let (long, short) = (&salt[..16], &salt[..12]);
    let hash = match crypto {
        PasswordCrypto::Yescrypt => {
            Yescrypt::default().hash_password_with_salt(password, long)
        }
        PasswordCrypto::Sha512 => {
            ShaCrypt::SHA512.hash_password_with_salt(password, short)
        }
        PasswordCrypto::Sha256 => {
            ShaCrypt::SHA256.hash_password_with_salt(password, short)
        }
    };
    match hash {
        Ok(hash) => Ok(hash.as_str().to_owned()),
        // The error is not shown: it might be about the password.
        Err(_) => Err(Error::invalid("the password cannot be hashed")),
    }
}

/// What the system hashes new passwords with.
fn usual_crypto(root: &GuestRoot) -> Result<PasswordCrypto> {
    let os = root.read_if_exists("/etc/os-release")?.unwrap_or_default();
    Ok(crypto_of(&OsRelease::parse(&os)))
}

/// The versions from which yescrypt is the default, or at least known.
fn crypto_of(os: &OsRelease) -> PasswordCrypto {
    let since = |id: &str| match id {
        "debian" => Some(11),
        "ubuntu" => Some(20),
        "fedora" => Some(30),
        "rhel" | "centos" | "rocky" | "almalinux" | "ol" => Some(9),
        "sles" | "opensuse-leap" => Some(15),
        "opensuse-tumbleweed" | "arch" => Some(0),
        _ => None,
    };
    // Rolling ones have no version.
    match since(&os.id) {
        Some(since) if os.major_version().unwrap_or(u32::MAX) >= since => {
            PasswordCrypto::Yescrypt
        }
        _ => PasswordCrypto::Sha512,
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn only_the_field_of_the_user_changes() {
        let shadow = b"root:*:1:0:99999:7:::\nroo:!:1::::::\nx\n";
        assert_eq!(
            replace_field(shadow, "roo", "$6$a").unwrap(),
            b"root:*:1:0:99999:7:::\nroo:$6$a:1::::::\nx\n"
        );
        assert_eq!(replace_field(shadow, "r", "$6$a"), None);
        assert_eq!(replace_field(shadow, "x", "$6$a"), None);
    }

    #[test]
    fn hashes_are_those_of_openssl() {
        for (crypto, option) in [
            (PasswordCrypto::Sha256, "-5"),
            (PasswordCrypto::Sha512, "-6"),
        ] {
            let password = Secret::new("pä ss:w\u{f6}rd");
            let hash = hash(&password, crypto, None).unwrap();
            let fields: Vec<&str> = hash.split('$').collect();
            let [.., salt, _] = fields[..] else {
                panic!("{hash}")
            };
            let said = Command::new("openssl")
                .args(["passwd", option, "-salt", salt, password.expose()])
                .output()
                .expect("openssl: run fixtures/setup.sh");
            let said = String::from_utf8(said.stdout).unwrap();
            let plain = hash.replace("rounds=5000$", "");
            assert_eq!(plain, said.trim());
        }
    }

    #[test]
    fn two_hashes_of_one_password_differ() {
        let password = Secret::new("x");
        let crypto = PasswordCrypto::Yescrypt;
        let one = hash(&password, crypto, None).unwrap();
        let two = hash(&password, crypto, None).unwrap();
        assert!(one.starts_with("$y$j9T$"), "{one}");
        assert_ne!(one, two);
        let salt = Some(Sha256::of(b"seed"));
        let one = hash(&password, crypto, salt).unwrap();
        assert_eq!(one, hash(&password, crypto, salt).unwrap());
        let other = Some(Sha256::of(b"other"));
        assert_ne!(one, hash(&password, crypto, other).unwrap());
    }

    #[test]
    fn made_up_passwords() {
        let one = make_up().unwrap();
        assert_eq!(one.expose().len(), RANDOM_LEN);
        assert_ne!(one, make_up().unwrap());
        assert_eq!(format!("{one:?} {one}"), "[secret] [secret]");
    }

    #[test]
    fn the_usual_hash_of_each_system() {
        for (release, expected) in [
            ("ID=debian\nVERSION_ID=12\n", PasswordCrypto::Yescrypt),
            ("ID=debian\n", PasswordCrypto::Yescrypt),
            ("ID=ubuntu\nVERSION_ID=18.04\n", PasswordCrypto::Sha512),
            ("ID=rocky\nVERSION_ID=8.9\n", PasswordCrypto::Sha512),
            ("ID=amzn\nVERSION_ID=2023\n", PasswordCrypto::Sha512),
            ("", PasswordCrypto::Sha512),
        ] {
            let os = OsRelease::parse(release.as_bytes());
            assert_eq!(crypto_of(&os), expected, "{release}");
        }
    }
}
