// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Where the parent of a differencing disk is.

use crate::block::{ReadAt, to_usize};
use crate::error::{Error, Result};
use crate::image::field::Fields;
use crate::image::table::read_vec;

/// Bytes of a path, at most.
const MAX_PATH: u32 = 4096;

/// The parent's path relative to the image; locators that only a Windows
/// host can follow are left out.
pub(super) fn parent_path(file: &dyn ReadAt, header: &[u8]) -> Result<String> {
    let fields = Fields(header);
    for index in 0..8 {
        let at = 576 + index * 24;
        // "W2ru": relative, UTF-16; "W2ku": absolute.
        if fields.array(at)? != *b"W2ru" {
            continue;
        }
        let len = fields.be_u32(at + 8)?;
        if len > MAX_PATH {
            return Err(Error::corrupt(format!(
                "the parent's path has {len} bytes"
            )));
        }
        let offset = fields.be_u64(at + 16)?;
        let bytes = read_vec(file, offset, u64::from(len))?;
        return from_utf16(&bytes, u16::from_le_bytes).map(|path| local(&path));
    }
    // The name alone, which every differencing disk has.
    let name = fields.bytes(64, to_usize(512))?;
    let name = from_utf16(name, u16::from_be_bytes)?;
    match name.rsplit(['\\', '/']).next() {
        Some(name) if !name.is_empty() => Ok(name.to_owned()),
        _ => Err(Error::corrupt("the disk does not say who its parent is")),
    }
}

fn from_utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<String> {
    let (units, _) = bytes.as_chunks::<2>();
    let units = units.iter().map(|pair| unit(*pair)).take_while(|u| *u != 0);
    char::decode_utf16(units)
        .collect::<Result<String, _>>()
        .map_err(|_| Error::corrupt("the parent's path is not UTF-16"))
}

/// A relative Windows path as one of ours.
pub(crate) fn local(path: &str) -> String {
    let path = path.replace('\\', "/");
    path.strip_prefix("./").unwrap_or(&path).to_owned()
}
