// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Sizes as people write them.

use std::fmt;
use std::str::FromStr;

use super::text::text_serde;
use crate::error::{Error, Result};

/// A number of bytes, written `10G`, `512MiB` or `4096`.
///
/// As qemu-img does it, `K`, `M`, `G`, `T`, `P` and `E` (either case, with or
/// without `iB`) are powers of 1024. `KB`, `MB`… are refused, since half of
/// the world means 1000 by them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(u64);

const UNITS: [char; 6] = ['K', 'M', 'G', 'T', 'P', 'E'];

impl ByteSize {
    /// `bytes` bytes.
    pub fn new(bytes: u64) -> Self {
        Self(bytes)
    }

    /// The number of bytes.
    pub fn bytes(self) -> u64 {
        self.0
    }
}

impl FromStr for ByteSize {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = || {
            Error::invalid(format!(
                "`{text}` is not a size such as `10G`, `512MiB` or `4096`"
            ))
        };
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, suffix) = text.split_at(digits);
        let number: u64 = number.parse().map_err(|_| wrong())?;
        let mut suffix = suffix.chars();
        let shift = match suffix.next().map(|c| c.to_ascii_uppercase()) {
            None | Some('B') => 0,
            Some(unit) => {
                let power = UNITS.iter().position(|u| *u == unit);
                10 * (power.ok_or_else(wrong)? + 1)
            }
        };
        match (suffix.as_str(), shift) {
            ("", _) => {}
            ("iB" | "ib", 10..) => {}
            ("B" | "b", 10..) => {
                return Err(Error::invalid(format!(
                    "`{text}`: write `{}` for powers of 1024",
                    &text[..text.len() - 1]
                )));
            }
            _ => return Err(wrong()),
        }
        u32::try_from(shift)
            .ok()
            .and_then(|shift| 1u64.checked_shl(shift))
            .and_then(|unit| number.checked_mul(unit))
            .map(Self)
            .ok_or_else(|| Error::invalid(format!("`{text}` is too large")))
    }
}

impl fmt::Display for ByteSize {
    /// With the largest unit that needs no fraction.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut number = self.0;
        let mut unit = None;
        for next in UNITS {
            if number == 0 || !number.is_multiple_of(1024) {
                break;
            }
            number /= 1024;
            unit = Some(next);
        }
        write!(f, "{number}")?;
        unit.map_or(Ok(()), |unit| write!(f, "{unit}"))
    }
}

text_serde!(ByteSize, "a size such as `10G`");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("0", 0),
            ("4096", 4096),
            ("4096B", 4096),
            ("1k", 1024),
            ("512MiB", 512 << 20),
            ("10G", 10 << 30),
            ("3T", 3 << 40),
            ("15E", 15 << 60),
        ] {
            let size: ByteSize = text.parse().unwrap();
            assert_eq!(size.bytes(), bytes, "{text}");
            let again: ByteSize = size.to_string().parse().unwrap();
            assert_eq!(again, size);
        }
        assert_eq!(ByteSize::new(10 << 30).to_string(), "10G");
        assert_eq!(ByteSize::new(1025).to_string(), "1025");
    }

    #[test]
    fn not_sizes() {
        for text in [
            "", "G", "1.5G", "-1", "10Q", "16E", "1KK", "1BiB", "1 G", "é",
        ] {
            assert!(text.parse::<ByteSize>().is_err(), "{text}");
        }
        let error = "10GB".parse::<ByteSize>().unwrap_err();
        insta::assert_snapshot!(error, @"`10GB`: write `10G` for powers of 1024");
    }
}
