// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! What a command prints, line by line.

use std::collections::VecDeque;
use std::fmt::Write as _;

use crate::progress::{Event, Monitor};

/// How much of a failed command's last words goes into the error.
const TAIL: usize = 4096;
/// A line longer than this is passed on in pieces.
const MAX_LINE: usize = 16 * 1024;

/// Cuts a stream into lines and keeps its end.
#[derive(Debug, Default)]
pub(super) struct Lines {
    line: Vec<u8>,
    tail: VecDeque<u8>,
}

impl Lines {
    pub(super) fn push(&mut self, bytes: &[u8], monitor: &Monitor) {
        self.tail.extend(bytes);
        let surplus = self.tail.len().saturating_sub(TAIL);
        self.tail.drain(..surplus);
        for byte in bytes {
            match byte {
                b'\n' | b'\r' => self.flush(monitor),
                _ => self.line.push(*byte),
            }
            if self.line.len() >= MAX_LINE {
                self.flush(monitor);
            }
        }
    }

    pub(super) fn flush(&mut self, monitor: &Monitor) {
        if !self.line.is_empty() {
            let line = printable(&self.line);
            monitor.event(&Event::Output(&line));
            self.line.clear();
        }
    }

    pub(super) fn into_tail(self) -> String {
        let bytes: Vec<u8> = self.tail.into();
        let mut text = String::new();
        for line in bytes.split(|byte| matches!(byte, b'\n' | b'\r')) {
            if !line.is_empty() {
                let _ = writeln!(text, "{}", printable(line));
            }
        }
        text
    }
}

/// Text without the control characters by which an image could talk to the
/// terminal of the person who reads it.
fn printable(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes)
        .chars()
        .map(|c| match c {
            '\t' => ' ',
            c if c.is_control() => '\u{fffd}',
            c => c,
        })
        .collect()
}
