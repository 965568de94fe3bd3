// SPDX-License-Identifier: Apache-2.0
//! Finds the system on a disk: partitions, superblocks, files of an ext
//! root.

use std::sync::Arc;

use imagewright::block::ReadAt;
use imagewright::discover::{DiscoverOptions, discover};

use crate::Sparse;

/// Runs one input.
pub fn run(data: &[u8]) {
    let disk: Arc<dyn ReadAt> = Arc::new(Sparse::decode(data, 1 << 50));
    let _ = discover(&disk, &DiscoverOptions::default().incomplete(true));
}
