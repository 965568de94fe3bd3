// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! A small cache that many threads share: tables and inflated clusters.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use crate::error::Result;

/// Threads that ask for different keys rarely meet on one shard.
const SHARDS: usize = 16;

/// Keeps the entries used last, up to a number of entries.
pub(crate) struct Cache<T> {
    shards: Vec<Mutex<Shard<T>>>,
    per_shard: usize,
}

struct Shard<T> {
    entries: HashMap<u64, (u64, Arc<T>)>,
    clock: u64,
}

impl<T> fmt::Debug for Cache<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache").finish_non_exhaustive()
    }
}

impl<T> Cache<T> {
    /// A cache of about `capacity` entries, at least one.
    pub(crate) fn new(capacity: usize) -> Self {
        // Entries may be large: no more shards than entries.
        let shards = capacity.clamp(1, SHARDS);
        let shard = || {
            Mutex::new(Shard {
                entries: HashMap::new(),
                clock: 0,
            })
        };
        Self {
            shards: std::iter::repeat_with(shard).take(shards).collect(),
            per_shard: capacity.div_ceil(shards).max(1),
        }
    }

    /// The entry of `key`, made by `load` when it is not there.
    ///
    /// No lock is held while `load` runs: two threads may load one entry.
    pub(crate) fn get(
        &self,
        key: u64,
        load: impl FnOnce() -> Result<T>,
    ) -> Result<Arc<T>> {
        // Multiplied, so that keys which share low bits spread.
        let spread = key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 60;
        let index = usize::try_from(spread).unwrap_or(0) % self.shards.len();
        let lock = || {
            self.shards[index]
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
        };
        if let Some(entry) = lock().touch(key) {
            return Ok(entry);
        }
        let entry = Arc::new(load()?);
        lock().insert(key, Arc::clone(&entry), self.per_shard);
        Ok(entry)
    }
}

impl<T> Shard<T> {
    fn touch(&mut self, key: u64) -> Option<Arc<T>> {
        self.clock += 1;
        let (used, entry) = self.entries.get_mut(&key)?;
        *used = self.clock;
        Some(Arc::clone(entry))
    }

    fn insert(&mut self, key: u64, entry: Arc<T>, capacity: usize) {
        if self.entries.len() >= capacity {
            let oldest = self.entries.iter().min_by_key(|(_, (used, _))| used);
            if let Some((&oldest, _)) = oldest {
                self.entries.remove(&oldest);
            }
        }
        self.entries.insert(key, (self.clock, entry));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forgets_the_oldest() {
        let cache = Cache::new(2);
        for key in 0..1000 {
            assert_eq!(*cache.get(key, || Ok(key)).unwrap(), key);
            assert_eq!(*cache.get(key, || Ok(0)).unwrap(), key);
        }
        let kept: usize = cache
            .shards
            .iter()
            .map(|shard| shard.lock().unwrap().entries.len())
            .sum();
        assert!(kept <= 2);
    }
}
