// SPDX-License-Identifier: Apache-2.0
//! A way for the fuzz targets to a policy's labels.

use super::file_contexts::{FileContexts, FileKind, Substitutions};

/// Looks paths up, one a line, in the lines of a policy and its aliases.
pub(in crate::provision) fn labels(specs: &str, aliases: &str, paths: &str) {
    let aliases = Substitutions::parse(aliases);
    let texts = [("file_contexts", specs)];
    let local = Substitutions::default();
    let Ok(contexts) = FileContexts::parse(&texts, aliases, local) else {
        return;
    };
    for path in paths.lines().take(20) {
        for kind in [FileKind::File, FileKind::Directory] {
            if let Ok(Some(label)) = contexts.lookup(path.as_bytes(), kind) {
                assert!(specs.contains(label), "{label}");
            }
        }
    }
}
