// SPDX-License-Identifier: Apache-2.0
//! The header of a package, as it stands in a database and in a package file.
//!
//! Facts: rpm, `docs/manual/format_header.md`, `include/rpm/rpmtag.h`.
//! Numbers are big-endian.

use crate::block::to_usize;
use crate::error::{Error, Result};
use crate::partition::field::{u16_be, u32_be};

/// Bytes of one header: rpm's own limit.
pub(crate) const MAX_HEADER: usize = 256 << 20;

/// Two counts.
pub(super) const INTRO: usize = 8;
/// Tag, type, offset, count.
pub(super) const ENTRY: usize = 16;
/// rpm's own limit.
const MAX_ENTRIES: usize = 0xffff;
/// Files of one package; kernels' headers have 30 thousand.
const MAX_FILES: usize = 1 << 21;

const TYPE_INT16: u32 = 3;
const TYPE_INT32: u32 = 4;
const TYPE_INT64: u32 = 5;
const TYPE_STRING: u32 = 6;
const TYPE_STRING_ARRAY: u32 = 8;
const TYPE_I18N: u32 = 9;

/// The tags that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tag {
    Sha1Header = 269,
    Sha256Header = 273,
    Name = 1000,
    Version = 1001,
    Release = 1002,
    Epoch = 1003,
    Summary = 1004,
    BuildTime = 1006,
    BuildHost = 1007,
    Size = 1009,
    Vendor = 1011,
    License = 1014,
    Packager = 1015,
    Group = 1016,
    Arch = 1022,
    OldFileNames = 1027,
    SourceRpm = 1044,
    ProvideName = 1047,
    RequireFlags = 1048,
    RequireName = 1049,
    RequireVersion = 1050,
    ConflictFlags = 1053,
    ConflictName = 1054,
    ConflictVersion = 1055,
    ObsoleteName = 1090,
    ProvideFlags = 1112,
    ProvideVersion = 1113,
    ObsoleteFlags = 1114,
    ObsoleteVersion = 1115,
    DirIndexes = 1116,
    BaseNames = 1117,
    DirNames = 1118,
    LongSize = 5009,
    RecommendName = 5046,
    RecommendVersion = 5047,
    RecommendFlags = 5048,
    SuggestName = 5049,
    SuggestVersion = 5050,
    SuggestFlags = 5051,
    SupplementName = 5052,
    SupplementVersion = 5053,
    SupplementFlags = 5054,
    EnhanceName = 5055,
    EnhanceVersion = 5056,
    EnhanceFlags = 5057,
}

/// A header whose lengths are those of its bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Header<'a> {
    index: &'a [u8],
    data: &'a [u8],
}

impl<'a> Header<'a> {
    pub(crate) fn parse(blob: &'a [u8]) -> Result<Self> {
        let entries = to_usize(u32_be(blob, 0).into());
        let data_len = to_usize(u32_be(blob, 4).into());
        if blob.len() < INTRO
            || entries == 0
            || entries > MAX_ENTRIES
            || data_len > MAX_HEADER
        {
            return Err(Error::corrupt("not the header of an rpm package"));
        }
        let data = INTRO + entries * ENTRY;
        match (blob.get(INTRO..data), blob.get(data..data + data_len)) {
            (Some(index), Some(data)) => Ok(Self { index, data }),
            _ => Err(Error::corrupt("the header of an rpm package is cut off")),
        }
    }

    /// Type, data from the entry on, and count.
    fn find(&self, tag: Tag) -> Option<(u32, &'a [u8], usize)> {
        // OK: the discriminants are the numbers of the tags.
        let number = tag as u32;
        let entries = self.index.chunks_exact(ENTRY);
        let entry = entries.into_iter().find(|e| u32_be(e, 0) == number)?;
        let data = self.data.get(to_usize(u32_be(entry, 8).into())..)?;
        let count = to_usize(u32_be(entry, 12).into());
        Some((u32_be(entry, 4), data, count))
    }

    /// The first string of a tag; nothing for an empty one.
    pub(crate) fn text(&self, tag: Tag) -> Option<String> {
        let (kind, data, _) = self.find(tag)?;
        if !matches!(kind, TYPE_STRING | TYPE_STRING_ARRAY | TYPE_I18N) {
            return None;
        }
        let end = data.iter().position(|byte| *byte == 0)?;
        let text = String::from_utf8_lossy(&data[..end]).into_owned();
        // What rpm prints, some packages have.
        (!text.is_empty() && text != "(none)").then_some(text)
    }

    /// The first number of a tag.
    pub(crate) fn number(&self, tag: Tag) -> Option<u64> {
        let (kind, data, count) = self.find(tag)?;
        let wide = || {
            let high = u64::from(u32_be(data, 0)) << 32;
            high | u64::from(u32_be(data, 4))
        };
        match kind {
            _ if count == 0 => None,
            TYPE_INT16 if data.len() >= 2 => Some(u16_be(data, 0).into()),
            TYPE_INT32 if data.len() >= 4 => Some(u32_be(data, 0).into()),
            TYPE_INT64 if data.len() >= 8 => Some(wide()),
            _ => None,
        }
    }

    /// The numbers of an array of 32 bits each.
    pub(crate) fn numbers(&self, tag: Tag) -> Vec<u32> {
        match self.find(tag) {
            Some((TYPE_INT32, data, count)) => data
                .chunks_exact(4)
                .take(count)
                .map(|number| u32_be(number, 0))
                .collect(),
            _ => Vec::new(),
        }
    }

    /// Version and release, with the epoch where there is one; none for what
    /// has no version.
    pub(crate) fn whole_version(&self) -> Option<String> {
        let version = self.text(Tag::Version)?;
        let release = self.text(Tag::Release).unwrap_or_default();
        Some(match self.number(Tag::Epoch) {
            Some(epoch) => format!("{epoch}:{version}-{release}"),
            None => format!("{version}-{release}"),
        })
    }

    /// The strings of an array, as text.
    pub(crate) fn texts(&self, tag: Tag) -> Vec<String> {
        let all = self.strings(tag).into_iter();
        all.map(|text| String::from_utf8_lossy(text).into_owned())
            .collect()
    }

    /// The strings of an array.
    fn strings(&self, tag: Tag) -> Vec<&'a [u8]> {
        match self.find(tag) {
            Some((TYPE_STRING_ARRAY, data, count)) => data
                .split(|byte| *byte == 0)
                .take(count.min(MAX_FILES))
                .collect(),
            _ => Vec::new(),
        }
    }

    /// Calls `visit` with the path of every file.
    pub(crate) fn files(&self, visit: &mut dyn FnMut(&str)) {
        for path in self.strings(Tag::OldFileNames) {
            visit(&String::from_utf8_lossy(path));
        }
        let directories = self.strings(Tag::DirNames);
        let indexes = match self.find(Tag::DirIndexes) {
            Some((TYPE_INT32, data, _)) => data,
            _ => return,
        };
        let names = self.strings(Tag::BaseNames);
        for (name, index) in names.iter().zip(indexes.chunks_exact(4)) {
            let index = to_usize(u32_be(index, 0).into());
            let Some(directory) = directories.get(index) else {
                continue;
            };
            let path = [*directory, *name].concat();
            visit(&String::from_utf8_lossy(&path));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A header with a name, an epoch and an array.
    fn blob() -> Vec<u8> {
        let mut blob = Vec::new();
        for number in [3, 24] {
            blob.extend(u32::to_be_bytes(number));
        }
        for entry in [[1000, 6, 0, 1], [1003, 4, 8, 1], [1118, 8, 12, 2]] {
            for number in entry {
                blob.extend(u32::to_be_bytes(number));
            }
        }
        blob.extend(b"package\0\0\0\0\x05/etc/\0/usr/\0");
        blob
    }

    #[test]
    fn values() {
        let blob = blob();
        let header = Header::parse(&blob).unwrap();
        assert_eq!(header.text(Tag::Name).as_deref(), Some("package"));
        assert_eq!(header.number(Tag::Epoch), Some(5));
        assert_eq!(header.number(Tag::Name), None);
        assert_eq!(header.text(Tag::Epoch), None);
        assert_eq!(header.strings(Tag::DirNames), [b"/etc/", b"/usr/"]);
        assert_eq!(header.text(Tag::Vendor), None);
    }

    #[test]
    fn every_cut_is_an_error() {
        let blob = blob();
        for len in 0..blob.len() {
            assert!(Header::parse(&blob[..len]).is_err(), "{len}");
        }
    }
}
