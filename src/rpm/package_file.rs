// SPDX-License-Identifier: Apache-2.0
//! A package file, as far as its header.
//!
//! Facts: rpm, `docs/manual/format_v4.md`: a lead of 96 bytes, a header of
//! signatures that is padded to 8 bytes, the header, the payload.

use std::io::{self, Read};
use std::ops::Range;

use super::header::{ENTRY, Header, INTRO, MAX_HEADER, Tag};
use crate::block::{to_u64, to_usize};
use crate::error::{Error, ErrorKind, Result};
use crate::partition::field::u32_be;

const LEAD: usize = 96;
const LEAD_MAGIC: [u8; 4] = [0xed, 0xab, 0xee, 0xdb];
/// A header in a file has these, and four reserved bytes, before it.
const MAGIC: [u8; 4] = [0x8e, 0xad, 0xe8, 0x01];
const PRELUDE: usize = 8;
const ALIGNMENT: usize = 8;

/// What stands before the payload of a package file.
#[derive(Debug)]
pub(crate) struct PackageFile {
    header: Vec<u8>,
    /// Where the header is in the file.
    range: Range<u64>,
}

impl PackageFile {
    /// Reads lead, signatures and header.
    ///
    /// # Errors
    /// `Corrupt` when it is no package of rpm; `Io`.
    pub(crate) fn read(file: &mut dyn Read) -> Result<Self> {
        let mut lead = [0; LEAD];
        exactly(file, &mut lead)?;
        if !lead.starts_with(&LEAD_MAGIC) {
            return Err(Error::corrupt("not a package of rpm"));
        }
        let (_, len) = intro(file)?;
        let padding = len.next_multiple_of(ALIGNMENT) - len;
        skip(file, to_u64(len + padding))?;
        let start = LEAD + PRELUDE + INTRO + len + padding;
        let (mut header, len) = intro(file)?;
        let end = start + PRELUDE + INTRO + len;
        let read =
            Read::take(&mut *file, to_u64(len)).read_to_end(&mut header)?;
        if read < len {
            return Err(cut_off());
        }
        Header::parse(&header)?;
        Ok(Self {
            header,
            range: to_u64(start)..to_u64(end),
        })
    }

    /// The header.
    ///
    /// # Errors
    /// `Corrupt`.
    pub(crate) fn header(&self) -> Result<Header<'_>> {
        Header::parse(&self.header)
    }

    /// Where the header is in the file, what stands before it included.
    pub(crate) fn range(&self) -> &Range<u64> {
        &self.range
    }

    /// Name, architecture and whole version, in rpm's words.
    ///
    /// # Errors
    /// `Corrupt` when it has none of them.
    pub(crate) fn identity(&self) -> Result<[String; 3]> {
        let header = self.header()?;
        let words = || {
            let name = header.text(Tag::Name)?;
            let architecture = header.text(Tag::Arch)?;
            Some([name, architecture, header.whole_version()?])
        };
        words().ok_or_else(|| Error::corrupt("a package without a name"))
    }
}

/// The counts of a header, and how many bytes follow them.
fn intro(file: &mut dyn Read) -> Result<(Vec<u8>, usize)> {
    let mut bytes = [0; PRELUDE + INTRO];
    exactly(file, &mut bytes)?;
    let (magic, counts) = bytes.split_at(PRELUDE);
    let entries = to_usize(u32_be(counts, 0).into());
    let data = to_usize(u32_be(counts, 4).into());
    let len = entries.saturating_mul(ENTRY).saturating_add(data);
    if !magic.starts_with(&MAGIC) || len > MAX_HEADER {
        return Err(Error::corrupt("a package of rpm without a header"));
    }
    Ok((counts.to_vec(), len))
}

fn exactly(file: &mut dyn Read, bytes: &mut [u8]) -> Result<()> {
    file.read_exact(bytes).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => cut_off(),
        _ => error.into(),
    })
}

fn skip(file: &mut dyn Read, len: u64) -> Result<()> {
    match io::copy(&mut Read::take(file, len), &mut io::sink())? == len {
        true => Ok(()),
        false => Err(cut_off()),
    }
}

fn cut_off() -> Error {
    Error::new(ErrorKind::Corrupt, "a package of rpm is cut off")
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A header of strings, numbers and arrays.
    pub(in crate::rpm) fn header(values: &[(Tag, Value<'_>)]) -> Vec<u8> {
        let (mut index, mut data) = (Vec::new(), Vec::new());
        for (tag, value) in values {
            let (kind, count) = match value {
                Value::Text(_) => (6, 1),
                Value::Texts(texts) => (8, texts.len()),
                Value::Numbers(numbers) => (4, numbers.len()),
            };
            // OK: the discriminants are the numbers of the tags.
            let tag = *tag as u32;
            let offset = u32::try_from(data.len()).unwrap();
            let count = u32::try_from(count).unwrap();
            for number in [tag, kind, offset, count] {
                index.extend(number.to_be_bytes());
            }
            match value {
                Value::Text(text) => data.extend(text.bytes().chain([0])),
                Value::Texts(texts) => {
                    for text in *texts {
                        data.extend(text.bytes().chain([0]));
                    }
                }
                Value::Numbers(numbers) => {
                    for number in *numbers {
                        data.extend(number.to_be_bytes());
                    }
                }
            }
        }
        let mut blob = Vec::new();
        for len in [values.len(), data.len()] {
            blob.extend(u32::try_from(len).unwrap().to_be_bytes());
        }
        [blob, index, data].concat()
    }

    pub(in crate::rpm) enum Value<'a> {
        Text(&'a str),
        Texts(&'a [&'a str]),
        Numbers(&'a [u32]),
    }

    /// A file with this header, and signatures of an odd length.
    pub(in crate::rpm) fn file(header_blob: &[u8]) -> Vec<u8> {
        let signatures = header(&[(Tag::Name, Value::Text("sig"))]);
        let mut file = LEAD_MAGIC.to_vec();
        file.resize(LEAD, 0);
        file.extend(MAGIC.iter().chain(&[0; 4]));
        file.extend(&signatures);
        file.resize(file.len().next_multiple_of(8), 0);
        file.extend(MAGIC.iter().chain(&[0; 4]));
        file.extend(header_blob);
        file
    }

    #[test]
    fn the_header_is_found_behind_the_signatures() {
        let blob = header(&[
            (Tag::Name, Value::Text("a")),
            (Tag::Version, Value::Text("1.0")),
            (Tag::Release, Value::Text("2")),
            (Tag::Arch, Value::Text("noarch")),
        ]);
        let mut bytes = file(&blob);
        let end = to_u64(bytes.len());
        bytes.extend(b"the payload");
        let found = PackageFile::read(&mut bytes.as_slice()).unwrap();
        assert_eq!(found.identity().unwrap(), ["a", "noarch", "1.0-2"]);
        assert_eq!(found.header, blob);
        assert_eq!(found.range().end, end);
        assert_eq!(found.range().start, end - to_u64(blob.len() + PRELUDE));
    }

    #[test]
    fn every_cut_is_an_error() {
        let bytes = file(&header(&[(Tag::Name, Value::Text("a"))]));
        for len in 0..bytes.len() {
            let error = PackageFile::read(&mut &bytes[..len]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{len}");
        }
        assert!(PackageFile::read(&mut bytes.as_slice()).is_ok());
    }
}
