// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Finds zeroes at memory speed.

/// Bytes folded before a decision: one early exit per 256 bytes costs
/// nothing and lets the compiler use its widest registers.
const STRIDE: usize = 256;

/// Whether every byte is zero.
pub(crate) fn is_zero(bytes: &[u8]) -> bool {
    let (strides, rest) = bytes.as_chunks::<STRIDE>();
    strides.iter().all(stride_is_zero) && rest.iter().all(|byte| *byte == 0)
}

fn stride_is_zero(stride: &[u8; STRIDE]) -> bool {
    let (words, _) = stride.as_chunks::<16>();
    words
        .iter()
        .fold(0, |all, word| all | u128::from_ne_bytes(*word))
        == 0
}

/// Calls `run(start, end)` for each run of `grain`-sized pieces of `bytes`
/// that are not all zero; zero gaps below `min_gap` bytes do not part runs.
pub(crate) fn for_each_run<E>(
    bytes: &[u8],
    grain: usize,
    min_gap: usize,
    mut run: impl FnMut(usize, usize) -> Result<(), E>,
) -> Result<(), E> {
    let mut open: Option<(usize, usize)> = None;
    for (index, piece) in bytes.chunks(grain).enumerate() {
        if is_zero(piece) {
            continue;
        }
        let start = index * grain;
        let end = start + piece.len();
        open = match open {
            Some((first, last)) if start - last < min_gap.max(1) => {
                Some((first, end))
            }
            Some((first, last)) => {
                run(first, last)?;
                Some((start, end))
            }
            None => Some((start, end)),
        };
    }
    match open {
        Some((first, last)) => run(first, last),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sees_a_single_bit_anywhere() {
        for len in [0, 1, 15, 16, 255, 256, 257, 1000] {
            let mut bytes = vec![0; len];
            assert!(is_zero(&bytes));
            for at in 0..len {
                bytes[at] = 1;
                assert!(!is_zero(&bytes), "{len} {at}");
                bytes[at] = 0;
            }
        }
    }

    #[test]
    fn parts_runs_at_wide_gaps_only() {
        let mut bytes = vec![0_u8; 100];
        for at in [12, 25, 71, 99] {
            bytes[at] = 1;
        }
        let mut runs = Vec::new();
        for_each_run(&bytes, 10, 30, |start, end| {
            runs.push((start, end));
            Ok::<_, ()>(())
        })
        .unwrap();
        assert_eq!(runs, [(10, 30), (70, 100)]);
        runs.clear();
        for_each_run(&bytes, 10, 0, |start, end| {
            runs.push((start, end));
            Ok::<_, ()>(())
        })
        .unwrap();
        assert_eq!(runs, [(10, 30), (70, 80), (90, 100)]);
    }
}
