// SPDX-License-Identifier: Apache-2.0
//! Short and long names.

use super::record::Record;
use crate::error::{Error, Result};

/// UTF-16 units of a long name.
const MAX_UNITS: usize = 255;
/// Units of one record.
const UNITS: usize = 13;
/// Numbers tried for a short name's tail (`~1`).
const MAX_TAIL: u32 = 9;
/// Digits made of the name that are tried after that; of 65536, most are free
/// in the fullest directory.
const MAX_SALT: u32 = 999;
/// In the ordinal of the record that holds the end of the name.
const LAST: u8 = 0x40;

/// Code page 437 from 0x80 on: what firmware and Linux take short names for.
const CP437: &str = "\
ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐\
└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u{a0}";

/// What tells names apart: FAT ignores case.
pub(super) fn key(name: &str) -> String {
    name.to_uppercase()
}

/// The checksum of a short name in the records of its long name.
pub(super) fn checksum(short: &[u8]) -> u8 {
    short
        .iter()
        .fold(0_u8, |sum, byte| sum.rotate_right(1).wrapping_add(*byte))
}

/// The text of a short name.
pub(super) fn of_short(record: &Record) -> String {
    let short = record.short();
    let (base, extension) = short.split_at(8);
    let (lower_base, lower_extension) = record.lower_case();
    let mut name = part(base, lower_base);
    let extension = part(extension, lower_extension);
    if !extension.is_empty() {
        name.push('.');
        name.push_str(&extension);
    }
    name
}

fn part(bytes: &[u8], lower: bool) -> String {
    let text: String = bytes
        .iter()
        .map(|byte| match byte.checked_sub(0x80) {
            None => char::from(*byte),
            Some(index) => {
                CP437.chars().nth(index.into()).unwrap_or('\u{fffd}')
            }
        })
        .collect();
    let text = text.trim_end_matches(' ');
    match lower {
        true => text.to_lowercase(),
        false => text.to_owned(),
    }
}

/// Collects the records of a long name, which come last part first.
#[derive(Debug, Default)]
pub(super) struct LongName {
    records: Vec<Record>,
}

impl LongName {
    /// Takes the next record; one that does not continue begins anew.
    pub(super) fn push(&mut self, record: Record) {
        let ordinal = record.ordinal();
        let continues = self.records.last().is_some_and(|last| {
            last.ordinal() & !LAST == ordinal.saturating_add(1)
                && last.checksum() == record.checksum()
        });
        if ordinal & LAST != 0 {
            self.records.clear();
        } else if !continues {
            self.records.clear();
            return;
        }
        self.records.push(record);
    }

    /// The name and its records, if they are complete and belong to a short
    /// name; what was collected is gone then.
    pub(super) fn take(
        &mut self,
        short: &Record,
    ) -> Result<Option<(String, Vec<Record>)>> {
        let records = std::mem::take(&mut self.records);
        let belongs = records.last().is_some_and(|last| {
            last.ordinal() & !LAST == 1
                && last.checksum() == checksum(short.stored_short())
        });
        if !belongs {
            return Ok(None);
        }
        let units: Vec<u16> = records
            .iter()
            .rev()
            .flat_map(Record::units)
            .take_while(|unit| *unit != 0)
            .take(MAX_UNITS)
            .collect();
        let name = String::from_utf16(&units).map_err(|_| {
            Error::unsupported(format!(
                "the long name of {} is no text",
                of_short(short)
            ))
        })?;
        Ok(Some((name, records)))
    }
}

/// Refuses a name of a volume that no directory of the host should get.
pub(super) fn check_readable(name: &str) -> Result<()> {
    let odd = name.is_empty()
        || matches!(name, "." | "..")
        || name.chars().any(|c| matches!(c, '/' | '\0'));
    if odd {
        return Err(Error::corrupt(format!("{name:?} cannot be a name")));
    }
    if name.len() > 255 {
        return Err(Error::unsupported(format!(
            "the name {name} is longer than 255 bytes"
        )));
    }
    Ok(())
}

/// Why FAT cannot hold a name; `None` if it can.
pub(super) fn defect(name: &str) -> Option<&'static str> {
    let forbidden = |c: char| {
        c < ' '
            || matches!(
                c,
                '"' | '*' | '/' | ':' | '<' | '>' | '?' | '\\' | '|' | '\x7f'
            )
    };
    if name.chars().any(forbidden) {
        Some("FAT allows none of \" * / : < > ? \\ | and control characters")
    } else if name.ends_with(['.', ' ']) {
        Some("FAT drops dots and blanks at the end")
    } else if name.encode_utf16().count() > MAX_UNITS {
        Some("FAT allows 255 UTF-16 units")
    } else {
        None
    }
}

/// The short name for a new name, unlike all that are `taken`, and whether the
/// name needs a long one beside it.
pub(super) fn shorten(
    name: &str,
    taken: impl Fn(&[u8; 11]) -> bool,
) -> Option<([u8; 11], bool)> {
    let (base, extension) = match name.rfind('.') {
        Some(at) if at > 0 => name.split_at(at),
        _ => (name, ""),
    };
    let extension = extension.trim_start_matches('.');
    let (short_base, base_fits) = squeeze(base, 8);
    let (short_extension, extension_fits) = squeeze(extension, 3);
    let fits = base_fits && extension_fits;
    let compose = |base: &str| {
        let mut short = [b' '; 11];
        for (to, from) in short.iter_mut().zip(base.bytes()) {
            *to = from;
        }
        for (to, from) in short[8..].iter_mut().zip(short_extension.bytes()) {
            *to = from;
        }
        short
    };
    let plain = compose(&short_base);
    if fits && !taken(&plain) {
        let is_upper = !name.chars().any(|c| c.is_ascii_lowercase());
        return Some((plain, !is_upper));
    }
    let tailed = |start: &str, tail: &str| {
        let keep = 8_usize.saturating_sub(tail.len());
        let kept: String = start.chars().take(keep).collect();
        let short = compose(&format!("{kept}{tail}"));
        (!taken(&short)).then_some((short, true))
    };
    // As Windows does: a few numbers, then digits made of the name, so that
    // many names that begin alike do not take ever longer.
    let numbered = (1..=MAX_TAIL)
        .find_map(|number| tailed(&short_base, &format!("~{number}")));
    numbered.or_else(|| {
        let start: String = short_base.chars().take(2).collect();
        (0..=MAX_SALT).find_map(|salt| {
            let digits = crc32fast::hash(format!("{salt}{name}").as_bytes());
            tailed(&start, &format!("{:04X}~1", digits & 0xffff))
        })
    })
}

/// At most `max` characters a short name can have, in upper case; and whether
/// nothing but the case was lost.
fn squeeze(text: &str, max: usize) -> (String, bool) {
    let mut fits = true;
    let mut out = String::new();
    for c in text.chars() {
        if matches!(c, ' ' | '.') {
            fits = false;
            continue;
        }
        let allowed = c.is_ascii_alphanumeric()
            || matches!(
                c,
                '$' | '%'
                    | '\''
                    | '-'
                    | '_'
                    | '@'
                    | '~'
                    | '`'
                    | '!'
                    | '('
                    | ')'
                    | '{'
                    | '}'
                    | '^'
                    | '#'
                    | '&'
            );
        fits &= allowed;
        out.push(if allowed { c.to_ascii_uppercase() } else { '_' });
    }
    fits &= out.len() <= max;
    out.truncate(max);
    if out.is_empty() && !text.is_empty() {
        out.push('_');
    }
    (out, fits)
}

/// The records of a long name, in the order of the directory.
pub(super) fn long_records(name: &str, short: &[u8; 11]) -> Vec<Record> {
    let checksum = checksum(short);
    let mut units: Vec<u16> = name.encode_utf16().collect();
    // Ended by a zero and filled up, unless the name fills its records.
    if !units.len().is_multiple_of(UNITS) {
        units.push(0);
        units.resize(units.len().next_multiple_of(UNITS), 0xffff);
    }
    let parts: Vec<_> = units.chunks_exact(UNITS).collect();
    let count = parts.len();
    let mut records = Vec::new();
    for (ordinal, part) in (1_u8..).zip(parts) {
        let last = usize::from(ordinal) == count;
        let mark = if last { LAST } else { 0 };
        let part = part.try_into().unwrap_or(&[0; UNITS]);
        records.push(Record::long(ordinal | mark, checksum, part));
    }
    records.reverse();
    records
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filesystem::fat::stamp::Stamp;

    fn short(name: &str, taken: &[&str]) -> (String, bool) {
        let taken: Vec<[u8; 11]> = taken
            .iter()
            .map(|t| t.as_bytes().try_into().unwrap())
            .collect();
        let (short, long) =
            shorten(name, |short| taken.contains(short)).unwrap();
        (String::from_utf8(short.to_vec()).unwrap(), long)
    }

    #[test]
    fn short_names() {
        for (name, expected, long) in [
            ("BOOTX64.EFI", "BOOTX64 EFI", false),
            ("EFI", "EFI        ", false),
            ("grub.cfg", "GRUB    CFG", true),
            ("Grubx64.EFI", "GRUBX64 EFI", true),
            ("debian", "DEBIAN     ", true),
            ("fallback_entry.cfg", "FALLBA~1CFG", true),
            ("a.b.c", "AB~1    C  ", true),
            (".hidden", "HIDDEN~1   ", true),
            ("with space", "WITHSP~1   ", true),
            ("\u{fc}ber.txt", "_BER~1  TXT", true),
            ("long.extension", "LONG~1  EXT", true),
            ("\u{65e5}\u{672c}", "__~1       ", true),
            ("...x", "_~1     X  ", true),
        ] {
            assert_eq!(short(name, &[]), (expected.to_owned(), long), "{name}");
        }
        let taken = ["FALLBA~1CFG", "FALLBA~2CFG"];
        assert_eq!(short("fallback_entry.cfg", &taken).0, "FALLBA~3CFG");
        assert_eq!(short("grub.cfg", &["GRUB    CFG"]).0, "GRUB~1  CFG");
        let taken: Vec<_> = (1..10).map(|n| format!("FALLBA~{n}   ")).collect();
        let taken: Vec<_> = taken.iter().map(String::as_str).collect();
        assert_eq!(short("fallback_entry", &taken).0, "FA6EA6~1   ");
    }

    #[test]
    fn long_names_there_and_back() {
        for length in [1, 12, 13, 14, 25, 26, 27, 254, 255] {
            let name: String = ('a'..='z').cycle().take(length).collect();
            let (short, _) = shorten(&name, |_| false).unwrap();
            let records = long_records(&name, &short);
            assert_eq!(records.len(), length.div_ceil(13));
            let stamp = Stamp { date: 33, time: 0 };
            let record = Record::new(&short, 0, stamp);
            let mut long = LongName::default();
            for record in &records {
                long.push(*record);
            }
            let (found, kept) = long.take(&record).unwrap().unwrap();
            assert_eq!((found, kept), (name, records));
            assert!(long.take(&record).unwrap().is_none());
        }
    }

    #[test]
    fn incomplete_long_names_do_not_count() {
        let name = "a name that takes three records";
        let (short, _) = shorten(name, |_| false).unwrap();
        let records = long_records(name, &short);
        let record = Record::new(&short, 0, Stamp { date: 33, time: 0 });
        for left_out in 0..records.len() {
            let mut long = LongName::default();
            for (index, record) in records.iter().enumerate() {
                if index != left_out {
                    long.push(*record);
                }
            }
            assert!(long.take(&record).unwrap().is_none(), "{left_out}");
        }
        let mut long = LongName::default();
        records.iter().for_each(|record| long.push(*record));
        let other = Record::new(b"OTHER      ", 0, record.modified());
        assert!(long.take(&other).unwrap().is_none());
    }

    #[test]
    fn names_fat_cannot_hold() {
        for name in ["a:b", "a\\b", "a?", "dot.", "blank ", "bell\x07"] {
            assert!(defect(name).is_some(), "{name:?}");
        }
        assert!(defect(&"x".repeat(256)).is_some());
        assert!(defect(&"\u{1f427}".repeat(128)).is_some());
        for name in ["a b", "a+b,c;d=e[f]", ".a", "\u{1f427}"] {
            assert_eq!(defect(name), None, "{name:?}");
        }
        for name in ["", ".", "..", "a/b", "a\0"] {
            assert!(check_readable(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn code_page_has_128_characters() {
        assert_eq!(CP437.chars().count(), 128);
        assert_eq!(CP437.chars().nth(0x81 - 0x80), Some('\u{fc}'));
        assert_eq!(CP437.chars().nth(0xe1 - 0x80), Some('\u{df}'));
    }
}
