// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Ways for the fuzz targets to parsers that nobody else calls.

use std::time::SystemTime;

use super::checksum::ChecksumFile;
use super::clearsign::Clearsigned;
use super::signature::{Keyring, Signatures};

/// Reads a checksum file, clearsigned or not, and looks into it.
pub fn checksum_file(text: &str) {
    let signed = Clearsigned::is_one(text).then(|| Clearsigned::parse(text));
    let text = match &signed {
        Some(Ok(signed)) => {
            let _ = Signatures::parse_clearsigned(&signed.signature);
            &signed.text
        }
        _ => text,
    };
    if let Ok(file) = ChecksumFile::parse(text) {
        let _ = file.find("a.qcow2", true);
        let _ = file.find("c.img", false);
        let _ = file.summary();
    }
}

/// Reads keys and a signature, and verifies it.
pub fn openpgp(signature: &[u8], keys: &[u8]) {
    let keys = Keyring::parse(keys);
    let signatures = Signatures::parse(signature);
    if let (Ok(keys), Ok(signatures)) = (keys, signatures) {
        let _ = keys.verify(b"data", &signatures, SystemTime::UNIX_EPOCH);
    }
}
