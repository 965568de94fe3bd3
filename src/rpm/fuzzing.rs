// SPDX-License-Identifier: Apache-2.0
//! A way for the fuzz targets to package files.

use std::io::Read;

use flate2::read::GzDecoder;

use super::{Listed, PackageFile, repodata};
use crate::block::to_u64;
use crate::recipe::Sha256;

/// Lists a package as a repository does; nothing of it ends an element.
pub(crate) fn package_file(bytes: &[u8]) {
    let Ok(file) = PackageFile::read(&mut &bytes[..]) else {
        return;
    };
    assert!(file.range().end <= to_u64(bytes.len()));
    let _ = file.identity();
    let listed = Listed {
        file,
        sha256: Sha256::of(bytes),
        size: to_u64(bytes.len()),
        href: "a.rpm".to_owned(),
    };
    let Ok(files) = repodata(std::slice::from_ref(&listed)) else {
        return;
    };
    for (name, bytes) in files.iter().filter(|(name, _)| name.ends_with("gz")) {
        let mut text = String::new();
        let read = GzDecoder::new(bytes.as_slice()).read_to_string(&mut text);
        assert!(read.is_ok(), "{name}: {read:?}");
        let of = |mark| text.matches(mark).count();
        assert_eq!(of("<"), of(">"), "{name}: {text}");
        let known = ["&amp;", "&lt;", "&gt;", "&quot;"].map(of);
        assert_eq!(of("&"), known.iter().sum::<usize>(), "{name}: {text}");
        let odd = |c: char| c < ' ' && !"\t\n\r".contains(c);
        assert!(!text.contains(odd), "{name}: {text:?}");
    }
}
