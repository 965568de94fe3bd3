// SPDX-License-Identifier: Apache-2.0
//! What a registry answers: indexes and manifests, challenges, tokens. The
//! first byte chooses.

use imagewright::source::fuzzing;

/// Runs one input.
pub fn run(data: &[u8]) {
    let Some((kind, answer)) = data.split_first() else {
        return;
    };
    match kind {
        b'c' => fuzzing::challenge(&String::from_utf8_lossy(answer)),
        b't' => fuzzing::token(answer),
        _ => fuzzing::image_manifest(answer),
    }
}
