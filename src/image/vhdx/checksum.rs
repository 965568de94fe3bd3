// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! CRC-32C (Castagnoli), a few KiB per image.

const TABLE: [u32; 256] = table();

const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        let mut value = index as u32; // OK: below 256.
        let mut bit = 0;
        while bit < 8 {
            let low = value & 1;
            value >>= 1;
            if low != 0 {
                value ^= 0x82f6_3b78;
            }
            bit += 1;
        }
        table[index] = value;
        index += 1;
    }
    table
}

fn update(crc: u32, bytes: &[u8]) -> u32 {
    bytes.iter().fold(crc, |crc, byte| {
        let [low, ..] = crc.to_le_bytes();
        TABLE[usize::from(low ^ byte)] ^ (crc >> 8)
    })
}

/// The checksum of a structure whose own checksum field, at byte 4, counts
/// as zero.
fn of_structure(bytes: &[u8]) -> u32 {
    let (before, rest) = bytes.split_at(bytes.len().min(4));
    let rest = rest.get(4..).unwrap_or_default();
    !update(update(update(!0, before), &[0; 4]), rest)
}

/// Whether a structure has the checksum that its field says.
pub(super) fn fits(bytes: &[u8]) -> bool {
    let sum = of_structure(bytes).to_le_bytes();
    cfg!(fuzzing) || bytes.get(4..8) == Some(&sum)
}

/// Writes the checksum to its field at byte 4.
pub(super) fn seal(bytes: &mut [u8]) {
    let sum = of_structure(bytes).to_le_bytes();
    if let Some(field) = bytes.get_mut(4..8) {
        field.copy_from_slice(&sum);
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn known_value() {
        assert_eq!(!super::update(!0, b"123456789"), 0xe306_9283);
    }
}
