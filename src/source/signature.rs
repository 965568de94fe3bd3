// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! OpenPGP signatures over checksum files.
//!
//! The mathematics is rPGP's; which signatures count is decided here, since
//! rPGP accepts expired and revoked keys:
//!
//! - the signature is of version 4 or 6, binary or text, made with SHA-2 or
//!   SHA-3, not expired, not from the future, without critical parts that are
//!   not understood;
//! - it is by a key of the keyring that may sign, or by a subkey of one that
//!   may sign and says so itself (back signature);
//! - key and subkey were valid when it was made, and are now: bound by a
//!   signature that is itself good, neither expired nor revoked.
//!
//! Self-signatures with SHA-1 count when made before 2019-01-19, the day
//! GnuPG draws the line at, since the keys of old distributions have no
//! others.

mod certificate;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use pgp::composed::{Deserializable, DetachedSignature, SignedPublicKey};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{Signature, SignatureType, SignatureVersion, SubpacketData};
use pgp::types::KeyDetails;
use serde::Serialize;

use crate::error::{Error, ErrorKind, Result};

/// Clocks differ; a signature may be this much ahead of ours.
const CLOCK_SKEW: Duration = Duration::from_secs(24 * 60 * 60);
/// 2019-01-19, in seconds since 1970.
const SHA1_UNTIL: u64 = 1_547_856_000;
/// Signatures looked at; a checksum file has a handful.
const MAX_SIGNATURES: usize = 64;

/// Who signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Signer {
    /// Fingerprint of the primary key, in upper case hexadecimal.
    pub fingerprint: String,
    /// A user ID of the key, as it is; may be empty.
    pub user: String,
}

/// The OpenPGP public keys that are trusted.
#[derive(Debug)]
pub(super) struct Keyring(Vec<SignedPublicKey>);

impl Keyring {
    /// Reads armored or binary keys; armored blocks may follow one another.
    ///
    /// Keys of kinds that are not known are passed over.
    ///
    /// # Errors
    /// `Verify` when no key is left.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self> {
        // The header blob of GnuPG's keybox has this magic.
        if bytes.get(8..12) == Some(b"KBXf") {
            return Err(Error::unsupported(
                "the keyring is a GnuPG keybox, not an export of keys",
            )
            .hint("run `gpg --export > keys.gpg` and give that file"));
        }
        let mut keys = Vec::new();
        let mut failure = None;
        let mut read =
            |parsed: pgp::errors::Result<SignedPublicKey>| match parsed {
                Ok(key) => keys.push(key),
                Err(error) => failure = Some(error.to_string()),
            };
        match std::str::from_utf8(bytes) {
            Ok(text) if text.contains(BEGIN_KEY) => {
                for block in text.split(BEGIN_KEY).skip(1) {
                    let block = format!("{BEGIN_KEY}{block}");
                    match SignedPublicKey::from_string_many(&block) {
                        Ok((parsed, _)) => parsed.for_each(&mut read),
                        Err(error) => read(Err(error)),
                    }
                }
            }
            _ => match SignedPublicKey::from_bytes_many(bytes) {
                Ok(parsed) => parsed.for_each(&mut read),
                Err(error) => read(Err(error)),
            },
        }
        if keys.is_empty() {
            let why = match failure {
                Some(why) => format!(": {why}"),
                None => String::new(),
            };
            return Err(refused(format!(
                "the keyring has no OpenPGP public key{why}"
            )));
        }
        Ok(Self(keys))
    }

    /// Verifies that one of `signatures` over `data` is good at time `now`.
    ///
    /// # Errors
    /// `Verify`, with the reason against each signature.
    pub(super) fn verify(
        &self,
        data: &[u8],
        signatures: &Signatures,
        now: SystemTime,
    ) -> Result<Signer> {
        let mut reasons = Vec::new();
        for signature in &signatures.0 {
            match self.verify_one(data, signature, now) {
                Ok(signer) => return Ok(signer),
                Err(reason) => reasons.push(reason),
            }
        }
        reasons.dedup();
        Err(refused(reasons.join("; ")))
    }

    fn verify_one(
        &self,
        data: &[u8],
        signature: &Signature,
        now: SystemTime,
    ) -> Result<Signer, String> {
        let made = check_signature(signature, now)?;
        let mut reason = None;
        for key in &self.0 {
            if !certificate::has_issuer(key, signature) {
                continue;
            }
            match certificate::verify(key, signature, data, made, now) {
                Ok(()) => {
                    return Ok(Signer {
                        fingerprint: hex::encode_upper(
                            key.fingerprint().as_bytes(),
                        ),
                        user: certificate::user(key),
                    });
                }
                Err(why) => reason = Some(why),
            }
        }
        Err(reason.unwrap_or_else(|| {
            format!(
                "it is signed by {}, which is not in the keyring",
                issuer(signature)
            )
        }))
    }
}

const BEGIN_KEY: &str = "-----BEGIN PGP PUBLIC KEY BLOCK-----";

/// The signatures of one detached signature file.
#[derive(Debug)]
pub(super) struct Signatures(Vec<Signature>);

impl Signatures {
    /// Reads armored or binary signatures.
    ///
    /// # Errors
    /// `Verify` when there is none.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self> {
        let mut signatures = Vec::new();
        let parsed = DetachedSignature::from_reader_many(bytes)
            .map_err(|error| refused(format!("not a signature: {error}")))?;
        for signature in parsed.0.take(MAX_SIGNATURES) {
            let signature = signature.map_err(|error| {
                refused(format!("not a signature: {error}"))
            })?;
            signatures.push(signature.signature);
        }
        if signatures.is_empty() {
            return Err(refused("there is no signature in it"));
        }
        Ok(Self(signatures))
    }

    /// Of a clearsigned text, where only text signatures make sense.
    pub(super) fn parse_clearsigned(armor: &str) -> Result<Self> {
        let mut signatures = Self::parse(armor.as_bytes())?;
        signatures
            .0
            .retain(|s| s.typ() == Some(SignatureType::Text));
        if signatures.0.is_empty() {
            return Err(refused("the signature is not one of a text"));
        }
        Ok(signatures)
    }
}

fn refused(why: impl Into<String>) -> Error {
    Error::new(ErrorKind::Verify, why)
}

/// Checks what a signature says of itself; returns when it was made.
fn check_signature(
    signature: &Signature,
    now: SystemTime,
) -> Result<SystemTime, String> {
    if !matches!(
        signature.version(),
        SignatureVersion::V4 | SignatureVersion::V6
    ) {
        return Err("its version is neither 4 nor 6".into());
    }
    if !matches!(
        signature.typ(),
        Some(SignatureType::Binary | SignatureType::Text)
    ) {
        return Err("it is not a signature of a document".into());
    }
    match signature.hash_alg() {
        Some(hash) if is_strong(hash) => {}
        Some(hash) => return Err(format!("it is made with {hash}, too weak")),
        None => return Err("its hash algorithm is not known".into()),
    }
    check_critical(signature)?;
    let made = created(signature).ok_or("it does not say when it was made")?;
    if made > now + CLOCK_SKEW {
        return Err("it is from the future".into());
    }
    if is_expired(signature, made, now) {
        return Err("it has expired".into());
    }
    Ok(made)
}

fn is_strong(hash: HashAlgorithm) -> bool {
    matches!(
        hash,
        HashAlgorithm::Sha256
            | HashAlgorithm::Sha384
            | HashAlgorithm::Sha512
            | HashAlgorithm::Sha224
            | HashAlgorithm::Sha3_256
            | HashAlgorithm::Sha3_512
    )
}

/// Refuses critical subpackets that are not understood (RFC 9580, 5.2.3.7).
fn check_critical(signature: &Signature) -> Result<(), String> {
    let Some(config) = signature.config() else {
        return Err("its version is not known".into());
    };
    let not_known = config.hashed_subpackets().any(|subpacket| {
        subpacket.is_critical
            && matches!(
                subpacket.data,
                SubpacketData::Experimental(..)
                    | SubpacketData::Other(..)
                    | SubpacketData::Notation(_)
            )
    });
    if not_known {
        return Err("it has a critical part that is not known".into());
    }
    Ok(())
}

/// From the signed part only.
fn created(signature: &Signature) -> Option<SystemTime> {
    let mut times =
        signature
            .config()?
            .hashed_subpackets()
            .filter_map(|subpacket| match subpacket.data {
                SubpacketData::SignatureCreationTime(time) => Some(time.into()),
                _ => None,
            });
    times.next()
}

/// Whether the signature itself, made at `made`, is no longer good.
fn is_expired(
    signature: &Signature,
    made: SystemTime,
    now: SystemTime,
) -> bool {
    ends(made, signature.signature_expiration_time())
        .is_some_and(|end| end <= now)
}

/// `start` plus a validity, where 0 means for ever.
fn ends(
    start: SystemTime,
    validity: Option<pgp::types::Duration>,
) -> Option<SystemTime> {
    let validity = Duration::from(validity?);
    (!validity.is_zero()).then(|| start + validity)
}

/// Whether a self-signature's hash counts for one made at `made`.
fn is_good_enough(hash: HashAlgorithm, made: SystemTime) -> bool {
    let old = made < UNIX_EPOCH + Duration::from_secs(SHA1_UNTIL);
    is_strong(hash) || (hash == HashAlgorithm::Sha1 && old)
}

/// How a signature names its maker.
fn issuer(signature: &Signature) -> String {
    let fingerprints = signature.issuer_fingerprint();
    if let Some(fingerprint) = fingerprints.first() {
        return hex::encode_upper(fingerprint.as_bytes());
    }
    match signature.issuer_key_id().first() {
        Some(id) => hex::encode_upper(id),
        None => "a key it does not name".to_owned(),
    }
}
