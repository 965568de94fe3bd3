// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Finds out what a file should be: its checksum, and who vouches for it.

use std::time::SystemTime;

use super::checksum::ChecksumFile;
use super::clearsign::Clearsigned;
use super::hash::Expected;
use super::reader::Reader;
use super::reference::Reference;
use super::signature::{Keyring, Signatures, Signer};
use super::{FetchOptions, Method, Verification};
use crate::error::{Error, ErrorKind, Result};

/// Where checksums are, in the directory of the file; the first that has it
/// counts. `{}` is the name of the file.
const NAMES: [&str; 6] = [
    "SHA256SUMS",
    "sha256sum.txt",
    "SHA512SUMS",
    "CHECKSUM",
    "{}.sha256",
    "{}.sha512",
];
/// What a detached signature adds to the name.
const SIGNATURE_SUFFIXES: [&str; 4] = [".gpg", ".sign", ".asc", ".sig"];
const MAX_CHECKSUMS: u64 = 16 << 20;
const MAX_SIGNATURE: u64 = 1 << 20;
const MAX_KEYRING: u64 = 16 << 20;

/// What a file should be, and how that is known.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) expected: Expected,
    pub(super) verification: Verification,
}

impl Found {
    /// Nothing says what the file should be.
    fn nothing() -> Self {
        Self {
            expected: Expected::default(),
            verification: Verification {
                method: Method::None,
                signer: None,
            },
        }
    }
}

/// Looks for the digest of `file`.
pub(super) fn discover(
    file: &Reference,
    options: &FetchOptions,
    reader: &Reader<'_>,
) -> Result<Found> {
    if let (Some(sha256), None) = (options.sha256, &options.keyring) {
        return Ok(Found {
            expected: Expected {
                sha256: Some(sha256),
                sha512: None,
            },
            verification: Verification {
                method: Method::Explicit,
                signer: None,
            },
        });
    }
    if options.as_it_is && matches!(file, Reference::Path(_)) {
        return Ok(Found::nothing());
    }
    let search = Search {
        name: file.file_name()?,
        keyring: read_keyring(options, reader)?,
        options,
        reader,
    };
    let mut tried = Vec::new();
    for candidate in search.candidates(file) {
        match search.try_candidate(&candidate)? {
            Ok(found) => return Ok(found),
            Err(why) if options.checksums.is_some() => {
                return Err(refused(format!("{candidate}: {why}")));
            }
            Err(why) => {
                tried.push(format!("{}: {why}", candidate.file_name()?));
            }
        }
    }
    if search.keyring.is_none() && options.insecure_no_checksum {
        return Ok(Found::nothing());
    }
    Err(search.nothing(file, &tried))
}

struct Search<'a> {
    name: String,
    keyring: Option<Keyring>,
    options: &'a FetchOptions,
    reader: &'a Reader<'a>,
}

/// Why a candidate is none.
type Tried<T> = Result<T, String>;

impl Search<'_> {
    fn candidates(&self, file: &Reference) -> Vec<Reference> {
        if let Some(checksums) = &self.options.checksums {
            return vec![checksums.clone()];
        }
        let mut names: Vec<_> = NAMES
            .iter()
            .map(|name| name.replace("{}", &self.name))
            .collect();
        // A given signature says which file it is of.
        if let Some(signature) = &self.options.signature
            && let Ok(signature) = signature.file_name()
        {
            names.sort_by_key(|name| !signature.starts_with(name.as_str()));
        }
        names.iter().map(|name| file.sibling(name)).collect()
    }

    fn try_candidate(&self, sums: &Reference) -> Result<Tried<Found>> {
        let Some(bytes) = self.reader.read(sums, MAX_CHECKSUMS)? else {
            return Ok(Err("not there".to_owned()));
        };
        let text = String::from_utf8_lossy(&bytes);
        let signed = match Clearsigned::is_one(&text) {
            true => Some(Clearsigned::parse(&text).map_err(|e| e.at_(sums))?),
            false => None,
        };
        let entries = signed.as_ref().map_or(&*text, |signed| &signed.text);
        let entries = match ChecksumFile::parse(entries) {
            Ok(entries) => entries,
            Err(error) => return Ok(Err(error.message().to_owned())),
        };
        let file_name = sums.file_name()?;
        let about_one = file_name.starts_with(&format!("{}.", self.name));
        let Some(mut expected) = entries
            .find(&self.name, about_one)
            .map_err(|error| error.at_(sums))?
        else {
            let why =
                format!("`{}` is not in it: {}", self.name, entries.summary());
            return Ok(Err(why));
        };
        let signer = match &self.keyring {
            None => None,
            Some(keyring) => {
                match self.verify(sums, &bytes, signed.as_ref(), keyring)? {
                    Ok(signer) => Some(signer),
                    Err(why) => return Ok(Err(why)),
                }
            }
        };
        let mut method = Method::ChecksumFile(file_name);
        if let Some(sha256) = self.options.sha256 {
            if *expected.sha256.get_or_insert(sha256) != sha256 {
                return Err(refused(format!(
                    "{sums}: it has another SHA-256 than the one given"
                )));
            }
            method = Method::Explicit;
        }
        Ok(Ok(Found {
            expected,
            verification: Verification { method, signer },
        }))
    }

    /// Who signed the checksum file; the inner error is that nobody did.
    fn verify(
        &self,
        sums: &Reference,
        bytes: &[u8],
        signed: Option<&Clearsigned>,
        keyring: &Keyring,
    ) -> Result<Tried<Signer>> {
        let now = SystemTime::now();
        let bad = |error: Error, of: &Reference| {
            error
                .at_(of)
                .during(format!("verifying the signature of {sums}"))
                .hint("see that the keyring is the right one, and up to date")
        };
        if let Some(given) = &self.options.signature {
            let Some(signature) = self.reader.read(given, MAX_SIGNATURE)?
            else {
                return Err(Error::new(
                    ErrorKind::NotFound,
                    format!("{given}: there is no such signature"),
                ));
            };
            return Signatures::parse(&signature)
                .and_then(|parsed| keyring.verify(bytes, &parsed, now))
                .map(Ok)
                .map_err(|error| bad(error, given));
        }
        if let Some(signed) = signed {
            return Signatures::parse_clearsigned(&signed.signature)
                .and_then(|parsed| {
                    keyring.verify(signed.text.as_bytes(), &parsed, now)
                })
                .map(Ok)
                .map_err(|error| bad(error, sums));
        }
        let name = sums.file_name()?;
        for suffix in SIGNATURE_SUFFIXES {
            let beside = sums.sibling(&format!("{name}{suffix}"));
            if let Some(signature) = self.reader.read(&beside, MAX_SIGNATURE)? {
                return Signatures::parse(&signature)
                    .and_then(|parsed| keyring.verify(bytes, &parsed, now))
                    .map(Ok)
                    .map_err(|error| bad(error, &beside));
            }
        }
        Ok(Err("it has no signature".to_owned()))
    }

    fn nothing(&self, file: &Reference, tried: &[String]) -> Error {
        let what = match self.keyring {
            Some(_) => "signed checksum",
            None => "checksum",
        };
        let error = refused(format!(
            "no {what} of `{}` in {} ({})",
            self.name,
            file.directory(),
            tried.join("; ")
        ));
        match self.keyring {
            Some(_) => error.hint(
                "give --checksums and --signature where they are elsewhere",
            ),
            None => error.hint(
                "give --sha256 or --checksums, or --insecure-no-checksum to \
                 take it as it is",
            ),
        }
    }
}

fn read_keyring(
    options: &FetchOptions,
    reader: &Reader<'_>,
) -> Result<Option<Keyring>> {
    let Some(keyring) = &options.keyring else {
        return Ok(None);
    };
    if let Reference::Url(url) = keyring
        && !url.is_https()
    {
        return Err(Error::invalid(format!(
            "{keyring}: a keyring is fetched by https only"
        )));
    }
    let Some(bytes) = reader.read(keyring, MAX_KEYRING)? else {
        return Err(Error::new(
            ErrorKind::NotFound,
            format!("{keyring}: there is no such keyring"),
        ));
    };
    Keyring::parse(&bytes).map(Some).map_err(|e| e.at_(keyring))
}

fn refused(why: String) -> Error {
    Error::new(ErrorKind::Verify, why)
}

/// Names a reference in an error.
trait AtReference {
    fn at_(self, reference: &Reference) -> Self;
}

impl AtReference for Error {
    fn at_(self, reference: &Reference) -> Self {
        self.at(reference.to_string())
    }
}
