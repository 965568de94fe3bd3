// SPDX-License-Identifier: Apache-2.0
//! A disk in memory that can be written.

use std::sync::{Mutex, PoisonError};

use imagewright::Result;
use imagewright::block::{ReadAt, WriteAt};

/// Bytes that any thread can change.
#[derive(Debug)]
pub struct Memory(Mutex<Vec<u8>>);

impl Memory {
    /// A disk with these bytes.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Mutex::new(bytes))
    }

    fn with<R>(&self, run: impl FnOnce(&mut Vec<u8>) -> R) -> R {
        run(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl ReadAt for Memory {
    fn size(&self) -> u64 {
        self.with(|bytes| bytes.len() as u64)
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        self.with(|bytes| bytes.read_at(offset, buf))
    }
}

impl WriteAt for Memory {
    fn write_at(&self, offset: u64, buf: &[u8]) -> Result<()> {
        // A write past the end is a bug of the planner: a panic here.
        let at = offset as usize;
        self.with(|bytes| bytes[at..at + buf.len()].copy_from_slice(buf));
        Ok(())
    }
}
