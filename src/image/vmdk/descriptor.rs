// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! The text that says what a disk is made of.

use crate::error::{Error, Result};
use crate::image::vmdk::SECTOR;

/// First line of a descriptor.
const FIRST_LINE: &str = "# Disk DescriptorFile";

/// Extents in a disk, at most. Two-gigabyte extents of the largest disk are
/// fewer.
const MAX_EXTENTS: usize = 65_536;

/// The content identifier of a disk without parent.
const NO_PARENT: &str = "ffffffff";

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Descriptor {
    pub(super) create_type: String,
    pub(super) extents: Vec<Extent>,
    /// Numbers of the content and of the parent's, as they are written.
    pub(super) content_id: String,
    pub(super) parent_id: String,
    /// The parent's file, if there is a parent.
    pub(super) parent: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Extent {
    /// Bytes.
    pub(super) len: u64,
    pub(super) kind: ExtentKind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ExtentKind {
    /// Bytes of a file, from an offset on.
    Flat { name: String, offset: u64 },
    /// A sparse extent in a file.
    Sparse { name: String },
    /// Zeroes.
    Zero,
}

impl Descriptor {
    pub(super) fn parse(bytes: &[u8]) -> Result<Self> {
        let end = bytes.iter().position(|byte| *byte == 0);
        let text = &bytes[..end.unwrap_or(bytes.len())];
        // Comments may be in any encoding; names are what counts.
        let text = std::str::from_utf8(text)
            .map_err(|_| Error::unsupported("the descriptor is not UTF-8"))?;
        let mut lines = text.lines().map(str::trim);
        if !lines
            .next()
            .is_some_and(|line| line.starts_with(FIRST_LINE))
        {
            return Err(Error::corrupt("there is no VMDK descriptor"));
        }
        let mut descriptor = Self {
            create_type: String::new(),
            content_id: String::new(),
            parent_id: String::new(),
            extents: Vec::new(),
            parent: None,
        };
        let (mut has_parent, mut parent_name) = (false, None);
        for line in lines {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if let Some((key, value)) = key_value(line) {
                match key.to_ascii_lowercase().as_str() {
                    "createtype" => descriptor.create_type = value.to_owned(),
                    "cid" => descriptor.content_id = value.to_owned(),
                    "parentcid" => {
                        has_parent = value != NO_PARENT;
                        descriptor.parent_id = value.to_owned();
                    }
                    "parentfilenamehint" => {
                        parent_name = Some(value.to_owned());
                    }
                    _ => {}
                }
            } else if let Some(extent) = Extent::parse(line)? {
                if descriptor.extents.len() == MAX_EXTENTS {
                    return Err(Error::corrupt("there are too many extents"));
                }
                descriptor.extents.push(extent);
            }
        }
        if has_parent {
            descriptor.parent = Some(parent_name.ok_or_else(|| {
                Error::corrupt("the disk has a parent it does not name")
            })?);
        }
        Ok(descriptor)
    }
}

/// `key = "value"`; an extent line has no equals sign before its quotes.
fn key_value(line: &str) -> Option<(&str, &str)> {
    let (key, value) = line.split_once('=')?;
    if key.contains('"') {
        return None;
    }
    Some((key.trim(), value.trim().trim_matches('"')))
}

impl Extent {
    /// `RW 4192256 SPARSE "disk-s001.vmdk"`; `None`: no extent.
    fn parse(line: &str) -> Result<Option<Self>> {
        let wrong =
            || Error::corrupt(format!("the extent {line:?} is not valid"));
        let (access, rest) = line.split_once(' ').ok_or_else(wrong)?;
        match access {
            "RW" | "RDONLY" => {}
            "NOACCESS" => {
                return Err(Error::unsupported("an extent is not accessible"));
            }
            _ => return Ok(None),
        }
        let rest = rest.trim_start();
        let (sectors, rest) = rest.split_once(' ').ok_or_else(wrong)?;
        let sectors: u64 = sectors.parse().map_err(|_| wrong())?;
        let len = sectors.checked_mul(SECTOR).ok_or_else(wrong)?;
        let rest = rest.trim();
        let (kind, rest) = rest.split_once(' ').unwrap_or((rest, ""));
        let name = || -> Result<(String, u64)> {
            let mut parts = rest.splitn(3, '"');
            let (Some(before), Some(name), Some(after)) =
                (parts.next(), parts.next(), parts.next())
            else {
                return Err(wrong());
            };
            if !before.trim().is_empty() || name.is_empty() {
                return Err(wrong());
            }
            let start = match after.split_whitespace().next() {
                Some(start) => start.parse().map_err(|_| wrong())?,
                None => 0_u64,
            };
            let offset = start.checked_mul(SECTOR).ok_or_else(wrong)?;
            Ok((name.to_owned(), offset))
        };
        let kind = match kind {
            "ZERO" => ExtentKind::Zero,
            "FLAT" | "VMFS" => {
                let (name, offset) = name()?;
                ExtentKind::Flat { name, offset }
            }
            "SPARSE" => ExtentKind::Sparse { name: name()?.0 },
            other => {
                return Err(Error::unsupported(format!(
                    "VMDK extents of type {other} are not read"
                )));
            }
        };
        Ok(Some(Self { len, kind }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    fn parse(lines: &str) -> Result<Descriptor> {
        let text = format!("{FIRST_LINE}\nversion=1\n{lines}\n\0\0rest");
        Descriptor::parse(text.as_bytes())
    }

    #[test]
    fn extents_of_every_kind() {
        let descriptor = parse(
            "createType=\"custom\"\nparentCID=ffffffff\n\
             RW 10 FLAT \"a = b.vmdk\" 128\nRW  20 SPARSE \"c.vmdk\"\n\
             RDONLY 5 ZERO\nddb.x = \"y\"",
        )
        .unwrap();
        assert_eq!(descriptor.create_type, "custom");
        assert_eq!(descriptor.parent, None);
        let kinds: Vec<_> = descriptor
            .extents
            .iter()
            .map(|e| (e.len, &e.kind))
            .collect();
        let flat = ExtentKind::Flat {
            name: "a = b.vmdk".to_owned(),
            offset: 65_536,
        };
        let sparse = ExtentKind::Sparse {
            name: "c.vmdk".to_owned(),
        };
        assert_eq!(
            kinds,
            [(5120, &flat), (10_240, &sparse), (2560, &ExtentKind::Zero)]
        );
    }

    #[test]
    fn wrong_lines_are_errors() {
        for line in [
            "RW",
            "RW x SPARSE \"a\"",
            "RW 1 SPARSE a",
            "RW 1 SPARSE \"\"",
            "RW 1 FLAT \"a\" b",
            "RW 18446744073709551615 ZERO",
            "parentCID=12345678",
        ] {
            let error = parse(line).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{line}: {error}");
        }
        let error = parse("RW 1 SESPARSE \"a\"").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
    }
}
