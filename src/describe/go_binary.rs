// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! What Go's linker wrote into a program: its version and its modules.
//!
//! Facts: Go, `src/debug/buildinfo/buildinfo.go` and
//! `src/runtime/debug/mod.go`. Little-endian ELF of 32 and 64 bits.

mod elf;
mod version;

use std::collections::BTreeMap;

use serde::Serialize;

use super::field::{u32_at, u64_at};
use super::tree::TreeFile;
use crate::block::{to_u64, to_usize};
use crate::error::Result;
use elf::Elf;

const MAGIC: &[u8] = b"\xff Go buildinf:";
const HEADER: usize = 32;
/// The strings stand behind the header, as since Go 1.18.
const INLINE: u8 = 2;
const BIG_ENDIAN: u8 = 1;
/// Kubernetes' programs have some 20 KiB of modules.
const MAX_TEXT: usize = 1 << 20;
const MAX_MODULES: usize = 1 << 14;
/// Around the text of the modules, for tools that look for it.
const MARK: usize = 16;
/// Where the linker puts it when there are no sections: the beginning of the
/// first writable segment.
const SEARCHED: usize = 1 << 16;
const ALIGNMENT: usize = 16;

/// What a Go program says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct GoBuildInfo {
    /// The toolchain: `go1.22.3`.
    pub go_version: String,
    /// The package of the program: `k8s.io/kubernetes/cmd/kubelet`.
    pub package: Option<String>,
    /// The module it is in.
    pub main: Option<GoModule>,
    /// The modules it was linked of.
    pub modules: Vec<GoModule>,
    /// How it was built: `GOARCH`, `vcs.revision`, `-ldflags`.
    pub settings: BTreeMap<String, String>,
}

/// A module of Go.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[non_exhaustive]
pub struct GoModule {
    /// Its path: `golang.org/x/sys`.
    pub path: String,
    /// Its version: `v0.20.0`; `(devel)` for one that was not released.
    pub version: String,
    /// Its checksum: `h1:...`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sum: Option<String>,
}

impl GoModule {
    /// The version, where it is a real one.
    pub fn released(&self) -> Option<&str> {
        let real = !self.version.is_empty() && self.version != "(devel)";
        real.then_some(self.version.as_str())
    }
}

/// A little-endian program of ELF that is linked against nothing, and what
/// Go says of it.
#[derive(Debug, Clone)]
pub(super) struct Program {
    /// Whether the kernel starts it without a loader.
    pub(super) is_static: bool,
    pub(super) go: Option<GoBuildInfo>,
}

/// Looks into a file; `None` when it is no ELF program.
pub(super) fn look(file: &mut dyn TreeFile) -> Result<Option<Program>> {
    let Some(elf) = Elf::read(file)? else {
        return Ok(None);
    };
    let go = match find(file, &elf)? {
        Some(place) => read_info(file, &elf, place)?,
        None => None,
    };
    Ok(Some(Program {
        is_static: elf.is_static(),
        go,
    }))
}

/// The version that the program's own strings tell, where they agree.
pub(super) fn embedded_version(
    file: &mut dyn TreeFile,
) -> Result<Option<String>> {
    let Some(elf) = Elf::read(file)? else {
        return Ok(None);
    };
    match elf.section(".rodata") {
        Some(range) => version::embedded(file, range),
        None => Ok(None),
    }
}

/// Where the header is in the file.
fn find(file: &mut dyn TreeFile, elf: &Elf) -> Result<Option<u64>> {
    let (start, len) = match elf.section(".go.buildinfo") {
        Some(range) => (range.start, MAGIC.len()),
        None => match elf.first_writable() {
            Some(start) => (start, SEARCHED),
            None => return Ok(None),
        },
    };
    let piece = read(file, start, len)?;
    let places = (0..piece.len()).step_by(ALIGNMENT);
    let mut found = places.filter(|place| piece[*place..].starts_with(MAGIC));
    Ok(found
        .next()
        .map(|place| start.saturating_add(to_u64(place))))
}

fn read_info(
    file: &mut dyn TreeFile,
    elf: &Elf,
    place: u64,
) -> Result<Option<GoBuildInfo>> {
    let header = read(file, place, HEADER)?;
    let (Some(&pointer_size), Some(&flags)) = (header.get(14), header.get(15))
    else {
        return Ok(None);
    };
    let texts = if flags & INLINE != 0 {
        let after = place.saturating_add(to_u64(HEADER));
        inline_texts(file, after)?
    } else if flags & BIG_ENDIAN == 0 {
        let pointers = header.get(16..).unwrap_or_default();
        pointed_texts(file, elf, pointers, pointer_size)?
    } else {
        None
    };
    Ok(texts.map(|(version, modules)| parse(&version, &modules)))
}

/// Two strings, each after its length.
fn inline_texts(
    file: &mut dyn TreeFile,
    mut at: u64,
) -> Result<Option<(Vec<u8>, Vec<u8>)>> {
    let mut texts = [Vec::new(), Vec::new()];
    for text in &mut texts {
        let head = read(file, at, 10)?;
        let Some((len, used)) = uvarint(&head) else {
            return Ok(None);
        };
        if len > to_u64(MAX_TEXT) {
            return Ok(None);
        }
        at = at.saturating_add(to_u64(used));
        *text = read(file, at, to_usize(len))?;
        at = at.saturating_add(len);
    }
    let [version, modules] = texts;
    Ok(Some((version, modules)))
}

/// Two pointers to Go's strings, which are a pointer and a length.
fn pointed_texts(
    file: &mut dyn TreeFile,
    elf: &Elf,
    pointers: &[u8],
    pointer_size: u8,
) -> Result<Option<(Vec<u8>, Vec<u8>)>> {
    let word = |bytes: &[u8], index: usize| match pointer_size {
        4 => Some(u64::from(u32_at(bytes, index * 4))),
        8 => Some(u64_at(bytes, index * 8)),
        _ => None,
    };
    let mut texts = [Vec::new(), Vec::new()];
    for (index, text) in texts.iter_mut().enumerate() {
        let at = word(pointers, index).and_then(|at| elf.offset_of(at));
        let Some(at) = at else { return Ok(None) };
        let string = read(file, at, 16)?;
        let (Some(start), Some(len)) = (word(&string, 0), word(&string, 1))
        else {
            return Ok(None);
        };
        if len == 0 {
            continue;
        }
        match elf.offset_of(start) {
            Some(start) if len <= to_u64(MAX_TEXT) => {
                *text = read(file, start, to_usize(len))?;
            }
            _ => return Ok(None),
        }
    }
    let [version, modules] = texts;
    Ok(Some((version, modules)))
}

fn parse(version: &[u8], modules: &[u8]) -> GoBuildInfo {
    let mut info = GoBuildInfo {
        go_version: String::from_utf8_lossy(version).into_owned(),
        ..GoBuildInfo::default()
    };
    let inside = modules.get(MARK..modules.len().saturating_sub(MARK));
    let text = String::from_utf8_lossy(inside.unwrap_or_default());
    // Whether `=>` replaces the main module or the last of the others.
    let mut last_is_main = false;
    for line in text.lines().take(MAX_MODULES) {
        let Some((word, rest)) = line.split_once('\t') else {
            continue;
        };
        match word {
            "path" => info.package = Some(rest.to_owned()),
            "mod" => {
                info.main = module(rest);
                last_is_main = true;
            }
            "dep" => {
                info.modules.extend(module(rest));
                last_is_main = false;
            }
            "=>" => {
                let replaced = match last_is_main {
                    true => info.main.as_mut(),
                    false => info.modules.last_mut(),
                };
                if let (Some(replaced), Some(by)) = (replaced, module(rest)) {
                    *replaced = by;
                }
            }
            "build" => {
                if let Some((key, value)) = rest.split_once('=') {
                    let value = value.trim_matches('"').to_owned();
                    info.settings.insert(key.to_owned(), value);
                }
            }
            _ => {}
        }
    }
    info.modules.sort();
    info
}

fn module(text: &str) -> Option<GoModule> {
    let mut fields = text.split('\t');
    let path = fields.next().filter(|path| !path.is_empty())?;
    let version = fields.next().unwrap_or_default();
    let sum = fields.next().filter(|sum| !sum.is_empty());
    Some(GoModule {
        path: path.to_owned(),
        version: version.to_owned(),
        sum: sum.map(str::to_owned),
    })
}

/// Go's `binary.Uvarint`: the value, and how many bytes it takes.
fn uvarint(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut value = 0_u64;
    for (index, byte) in bytes.iter().take(9).enumerate() {
        let shift = u32::try_from(index).ok()?.checked_mul(7)?;
        value |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some((value, index + 1));
        }
    }
    None
}

/// At most `len` bytes from a place; fewer where the file ends.
fn read(file: &mut dyn TreeFile, offset: u64, len: usize) -> Result<Vec<u8>> {
    let left = file.len().saturating_sub(offset);
    let len = len.min(usize::try_from(left).unwrap_or(usize::MAX));
    let mut bytes = vec![0; len];
    let read = file.read_at(offset, &mut bytes)?;
    bytes.truncate(read);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_and_replacements() {
        let text = "0123456789abcdefpath\tk8s.io/x/cmd\n\
            mod\tk8s.io/x\t(devel)\t\n\
            dep\tgolang.org/x/sys\tv0.20.0\th1:aa=\n\
            dep\told\tv1.0.0\n=>\tnew\tv1.0.1\th1:bb=\n\
            build\t-compiler=gc\nbuild\tCGO_ENABLED=0\n\
            0123456789abcdef";
        let info = parse(b"go1.22.3", text.as_bytes());
        assert_eq!(info.package.as_deref(), Some("k8s.io/x/cmd"));
        assert_eq!(info.main.as_ref().unwrap().released(), None);
        assert_eq!(info.modules.len(), 2);
        assert_eq!(info.modules[1].path, "new");
        assert_eq!(info.modules[1].sum.as_deref(), Some("h1:bb="));
        assert_eq!(info.settings["CGO_ENABLED"], "0");
    }

    #[test]
    fn lengths() {
        assert_eq!(uvarint(&[0x05]), Some((5, 1)));
        assert_eq!(uvarint(&[0xac, 0x02, 9]), Some((300, 2)));
        assert_eq!(uvarint(&[0xff; 12]), None);
    }
}
