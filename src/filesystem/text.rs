// SPDX-License-Identifier: Apache-2.0
//! Labels and UUIDs as text.

/// A label: up to the first NUL, without trailing blanks; `None` if empty.
/// Bytes that are no UTF-8 become the replacement character.
pub(super) fn label(bytes: &[u8]) -> Option<String> {
    let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
    let bytes = bytes.get(..end).unwrap_or_default();
    let label = String::from_utf8_lossy(bytes);
    let label = label.trim_end();
    (!label.is_empty()).then(|| label.to_owned())
}

/// A label of little-endian UTF-16 units.
pub(super) fn label_utf16(bytes: &[u8]) -> Option<String> {
    let units = bytes
        .chunks_exact(2)
        .filter_map(|pair| Some(u16::from_le_bytes(pair.try_into().ok()?)))
        .take_while(|unit| *unit != 0);
    let label: String = char::decode_utf16(units)
        .map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER))
        .collect();
    (!label.is_empty()).then_some(label)
}

/// A UUID in the order of its bytes; `None` if all are zero.
pub(super) fn uuid(bytes: [u8; 16]) -> Option<String> {
    if bytes == [0; 16] {
        return None;
    }
    let mut text = hex::encode(bytes);
    for at in [20, 16, 12, 8] {
        text.insert(at, '-');
    }
    Some(text)
}

/// A FAT or exFAT serial number, as `blkid` and fstab write it.
pub(super) fn serial(number: u32) -> Option<String> {
    let (high, low) = (number >> 16, number & 0xffff);
    (number != 0).then(|| format!("{high:04X}-{low:04X}"))
}

/// The names of the flags set in a word; unknown ones are left out.
pub(super) fn flags(
    word: u64,
    names: &[(u64, &'static str)],
) -> Vec<&'static str> {
    let set = names.iter().filter(|(bit, _)| word & bit != 0);
    set.map(|(_, name)| *name).collect()
}
