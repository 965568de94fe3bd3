// SPDX-License-Identifier: Apache-2.0
//! Keys and a signature, the two parted by a mark.

use imagewright::source::fuzzing;

/// Between the signature and the keys.
const MARK: &[u8] = b"\n====\n";

/// Runs one input.
pub fn run(data: &[u8]) {
    let at = data.windows(MARK.len()).position(|bytes| bytes == MARK);
    let (signature, keys) = match at {
        Some(at) => (&data[..at], &data[at + MARK.len()..]),
        None => (data, data),
    };
    fuzzing::openpgp(signature, keys);
}
