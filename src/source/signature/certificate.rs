// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Whether a key, with its self-signatures, may have made a signature.

use std::time::SystemTime;

use pgp::composed::{SignedPublicKey, SignedPublicSubKey};
use pgp::packet::{KeyFlags, Signature, SignatureType, SubpacketData};
use pgp::types::{KeyDetails, Tag};

use super::{
    CLOCK_SKEW, check_critical, created, ends, is_expired, is_good_enough,
};

type Check = Result<(), String>;

/// Whether `signature` says that `key` or one of its subkeys made it.
pub(super) fn has_issuer(key: &SignedPublicKey, signature: &Signature) -> bool {
    names(signature, &key.primary_key)
        || key
            .public_subkeys
            .iter()
            .any(|sub| names(signature, &sub.key))
}

fn names(signature: &Signature, key: &impl KeyDetails) -> bool {
    let fingerprints = signature.issuer_fingerprint();
    if !fingerprints.is_empty() {
        return fingerprints.contains(&&key.fingerprint());
    }
    signature.issuer_key_id().contains(&&key.legacy_key_id())
}

/// A user ID for people to read.
pub(super) fn user(key: &SignedPublicKey) -> String {
    let users = &key.details.users;
    let primary = users.iter().find(|user| user.is_primary());
    match primary.or(users.first()) {
        Some(user) => String::from_utf8_lossy(user.id.id()).into_owned(),
        None => String::new(),
    }
}

/// Verifies `signature`, made at `made`, by `key` or one of its subkeys.
pub(super) fn verify(
    key: &SignedPublicKey,
    signature: &Signature,
    data: &[u8],
    made: SystemTime,
    now: SystemTime,
) -> Check {
    let primary = &key.primary_key;
    let name = hex::encode_upper(key.fingerprint().as_bytes());
    let say = |why: &str| format!("the key {name} {why}");

    let newest = check_primary(key, made, now).map_err(|why| say(&why))?;
    if names(signature, primary) {
        if !may_sign(newest, true) {
            return Err(say("may not sign"));
        }
        return signature
            .verify(primary, data)
            .map_err(|_| say("did not sign this: it was altered"));
    }
    for subkey in &key.public_subkeys {
        if !names(signature, &subkey.key) {
            continue;
        }
        check_subkey(key, subkey, made, now)
            .map_err(|why| say(&format!("has a subkey that {why}")))?;
        return signature
            .verify(&subkey.key, data)
            .map_err(|_| say("did not sign this: it was altered"));
    }
    Err(say("did not make the signature"))
}

/// Checks that the primary key is alive; returns its newest self-signature.
fn check_primary(
    key: &SignedPublicKey,
    made: SystemTime,
    now: SystemTime,
) -> Result<&Signature, String> {
    let primary = &key.primary_key;
    let revoked = key
        .details
        .revocation_signatures
        .iter()
        .any(|revocation| revocation.verify_key(primary).is_ok());
    if revoked {
        return Err("is revoked".into());
    }
    let direct = key.details.direct_signatures.iter().filter(|signature| {
        signature.typ() == Some(SignatureType::Key)
            && signature.verify_key(primary).is_ok()
    });
    let certifications = key.details.users.iter().flat_map(|user| {
        let valid = |signature: &&Signature| {
            signature
                .verify_certification(primary, Tag::UserId, &user.id)
                .is_ok()
        };
        let revocation = |signature: &&Signature| {
            signature.typ() == Some(SignatureType::CertRevocation)
        };
        let revoked = newest(
            user.signatures.iter().filter(revocation).filter(valid),
            |_| true,
        );
        user.signatures
            .iter()
            .filter(move |signature| !revocation(signature))
            .filter(valid)
            .filter(move |signature| {
                revoked.is_none_or(|r| created(r) < created(signature))
            })
    });
    let newest = newest(direct.chain(certifications), |s| counts(s, now))
        .ok_or("has no valid self-signature")?;
    check_life(primary.created_at().into(), newest, made, now)?;
    Ok(newest)
}

/// Checks that the subkey is bound, alive, and meant to sign.
fn check_subkey(
    key: &SignedPublicKey,
    subkey: &SignedPublicSubKey,
    made: SystemTime,
    now: SystemTime,
) -> Check {
    let primary = &key.primary_key;
    let valid = |signature: &&Signature| {
        signature
            .verify_subkey_binding(primary, &subkey.key)
            .is_ok()
    };
    let of_type = |wanted: SignatureType| {
        subkey
            .signatures
            .iter()
            .filter(move |signature| signature.typ() == Some(wanted))
            .filter(valid)
    };
    if of_type(SignatureType::SubkeyRevocation).next().is_some() {
        return Err("is revoked".into());
    }
    let binding = newest(of_type(SignatureType::SubkeyBinding), |signature| {
        counts(signature, now)
    })
    .ok_or("is not bound to it")?;
    if !may_sign(binding, false) {
        return Err("may not sign".into());
    }
    let back = binding
        .embedded_signature()
        .ok_or("does not acknowledge the key")?;
    back.verify_primary_key_binding(&subkey.key, primary)
        .map_err(|_| "does not acknowledge the key")?;
    if !counts(back, now) {
        return Err("acknowledges the key by a weak signature".into());
    }
    check_life(subkey.key.created_at().into(), binding, made, now)
}

/// Whether a self-signature is to be taken into account.
fn counts(signature: &Signature, now: SystemTime) -> bool {
    let (Some(made), Some(hash)) = (created(signature), signature.hash_alg())
    else {
        return false;
    };
    made <= now + CLOCK_SKEW
        && is_good_enough(hash, made)
        && !is_expired(signature, made, now)
        && check_critical(signature).is_ok()
}

fn newest<'a>(
    signatures: impl Iterator<Item = &'a Signature>,
    counts: impl Fn(&Signature) -> bool,
) -> Option<&'a Signature> {
    signatures
        .filter(|signature| counts(signature))
        .max_by_key(|signature| created(signature))
}

/// Checks the life of a key from `born` as `binding` limits it.
fn check_life(
    born: SystemTime,
    binding: &Signature,
    made: SystemTime,
    now: SystemTime,
) -> Check {
    if born > now + CLOCK_SKEW || born > made {
        return Err("was made after the signature".into());
    }
    match ends(born, binding.key_expiration_time()) {
        Some(end) if end <= now => Err("has expired".into()),
        Some(end) if end <= made => Err("had expired".into()),
        _ => Ok(()),
    }
}

/// By the key flags in the signed part; `default` where there are none.
fn may_sign(binding: &Signature, default: bool) -> bool {
    let flags: Option<KeyFlags> = binding.config().and_then(|config| {
        config
            .hashed_subpackets()
            .find_map(|subpacket| match &subpacket.data {
                SubpacketData::KeyFlags(flags) => Some(flags.clone()),
                _ => None,
            })
    });
    flags.map_or(default, |flags| flags.sign())
}
