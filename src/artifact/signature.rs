// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! A signature over the checksums, in the format of minisign(1).

use std::fmt;
use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use minisign::{SecretKey, SecretKeyBox};

use crate::error::{Context, Error, Result};
use crate::recipe::Secret;

/// A secret key is some hundred bytes.
const MAX_KEY: u64 = 4096;

/// A secret key of minisign.
pub struct SigningKey(SecretKey);

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey([secret])")
    }
}

impl SigningKey {
    /// Reads a key as `minisign -G` writes it; `password` is for one that is
    /// encrypted.
    ///
    /// # Errors
    /// `NotFound`, `Io`; `InvalidArgument` when it is no such key, or the
    /// password is not its own.
    pub fn load(path: &Path, password: Option<&Secret>) -> Result<Self> {
        let load = || -> Result<Self> {
            if fs::metadata(path)?.len() > MAX_KEY {
                return Err(Error::invalid("not a secret key of minisign"));
            }
            Self::parse(&fs::read_to_string(path)?, password)
        };
        load().at(path).during("reading the signing key")
    }

    pub(super) fn parse(text: &str, password: Option<&Secret>) -> Result<Self> {
        let wrong = || Error::invalid("not a secret key of minisign");
        let encoded = text.lines().nth(1).ok_or_else(wrong)?;
        let bytes = STANDARD.decode(encoded.trim()).map_err(|_| wrong())?;
        // "Ed", then the derivation of the key's encryption: two zeros for
        // none. The crate wants a checksum there that minisign 0.11 does not
        // write.
        if bytes.get(2..4) == Some(&[0, 0]) {
            return SecretKey::from_bytes(&bytes)
                .map(Self)
                .map_err(|_| wrong());
        }
        // Without one, the crate would ask on the terminal.
        let Some(password) = password else {
            return Err(Error::invalid("the key is encrypted").hint(
                "say its password (the command takes it from the environment \
                 variable IMAGEWRIGHT_SIGN_PASSWORD), or make a key without \
                 one: minisign -G -W",
            ));
        };
        SecretKeyBox::from_string(text)
            .map_err(|_| wrong())?
            .into_secret_key(Some(password.expose().to_owned()))
            .map(Self)
            .map_err(|_| Error::invalid("the password is not the key's"))
    }

    /// A detached signature of `data`, to be written to `NAME.minisig`.
    ///
    /// No time is in it.
    ///
    /// # Errors
    /// `Internal`.
    pub fn sign(&self, data: &[u8], name: &str) -> Result<String> {
        let trusted = format!("file:{name}");
        let untrusted = "signature of a build by imagewright";
        minisign::sign(None, &self.0, data, Some(&trusted), Some(untrusted))
            .map(|signature| signature.into_string())
            .map_err(|error| Error::internal(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn minisign_takes_what_is_signed() {
        let dir = tempfile::tempdir().unwrap();
        let minisign = |args: &[&str]| {
            let mut command = Command::new("minisign");
            command.args(args).current_dir(dir.path());
            command.output().expect("minisign: run fixtures/setup.sh")
        };
        let made = minisign(&["-G", "-W", "-p", "key.pub", "-s", "key"]);
        assert!(made.status.success(), "{made:?}");
        let key = SigningKey::load(&dir.path().join("key"), None).unwrap();
        let signature = key.sign(b"what\n", "SHA256SUMS").unwrap();
        assert!(signature.contains("trusted comment: file:SHA256SUMS\n"));
        fs::write(dir.path().join("SHA256SUMS"), "what\n").unwrap();
        fs::write(dir.path().join("SHA256SUMS.minisig"), signature).unwrap();
        let verify = ["-V", "-p", "key.pub", "-m", "SHA256SUMS"];
        let said = minisign(&verify);
        assert!(said.status.success(), "{said:?}");
        fs::write(dir.path().join("SHA256SUMS"), "other\n").unwrap();
        assert!(!minisign(&verify).status.success());
    }

    #[test]
    fn an_encrypted_key_needs_its_own_password() {
        let pair = minisign::KeyPair::generate_unencrypted_keypair().unwrap();
        let plain = pair.sk.to_box(None).unwrap().into_string();
        assert!(SigningKey::parse(&plain, None).is_ok());
        let pair = minisign::KeyPair::generate_encrypted_keypair(Some(
            "right".to_owned(),
        ))
        .unwrap();
        let text = pair.sk.to_box(None).unwrap().into_string();
        let parse = |password: Option<&str>| {
            SigningKey::parse(&text, password.map(Secret::new).as_ref())
        };
        assert!(parse(Some("right")).is_ok());
        for wrong in [None, Some("wrong")] {
            let error = parse(wrong).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        }
        assert!(SigningKey::parse("no key", None).is_err());
    }
}
