// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! The header as written: version 3, refcounts of 16 bits.

use crate::block::{round_up, to_usize};
use crate::error::{Error, Result};
use crate::image::qcow2::header::{FULL_LEN, MAGIC, extension, incompatible};
use crate::image::write::BackingFile;
use crate::image::{Format, WriteOptions};

/// Clusters when the options do not say: QEMU's choice.
const DEFAULT_CLUSTER: u64 = 64 << 10;

/// Bytes of a backing file's name, at most: it ends within the first
/// cluster, and 512 bytes are one.
const MAX_BACKING_NAME: usize = 360;

/// What the options and the source decide before anything is written.
#[derive(Debug, Clone)]
pub(super) struct Shape {
    pub(super) cluster_bits: u32,
    /// Bytes the guest sees: whole sectors.
    pub(super) size: u64,
    /// Name and format of the backing file.
    backing: Option<(String, &'static str)>,
}

impl Shape {
    pub(super) fn new(
        source_size: u64,
        options: &WriteOptions,
    ) -> Result<Self> {
        let cluster = options.cluster_size.unwrap_or(DEFAULT_CLUSTER);
        if !cluster.is_power_of_two() || !(512..=2 << 20).contains(&cluster) {
            return Err(Error::invalid(format!(
                "a cluster size of {cluster} bytes"
            ))
            .hint("use a power of two from 512 to 2097152"));
        }
        let shape = Self {
            cluster_bits: cluster.trailing_zeros(),
            size: round_up(source_size, 512),
            backing: match &options.backing {
                Some(backing) => Some(checked(backing)?),
                None => None,
            },
        };
        if shape.l1_entries() * 8 > 32 << 20 {
            return Err(Error::invalid(format!(
                "{source_size} bytes are too many for clusters of {cluster}"
            ))
            .hint("use larger clusters"));
        }
        Ok(shape)
    }

    pub(super) fn cluster(&self) -> u64 {
        1 << self.cluster_bits
    }

    pub(super) fn l2_entries(&self) -> u64 {
        self.cluster() / 8
    }

    pub(super) fn l1_entries(&self) -> u64 {
        let coverage = self.cluster() * self.l2_entries();
        self.size.div_ceil(coverage).max(1)
    }

    pub(super) fn l1_clusters(&self) -> u64 {
        (self.l1_entries() * 8).div_ceil(self.cluster())
    }
}

/// The places the header tells.
#[derive(Debug, Clone, Copy)]
pub(super) struct Places {
    pub(super) l1_offset: u64,
    pub(super) refcount_table_offset: u64,
    pub(super) refcount_table_clusters: u64,
}

/// The first cluster.
pub(super) fn header_cluster(
    shape: &Shape,
    places: Places,
    zstd: Zstd,
) -> Result<Vec<u8>> {
    let narrow = |value: u64| {
        u32::try_from(value)
            .map_err(|_| Error::internal("a table is too long to be said"))
    };
    let features = match zstd {
        Zstd::Yes => incompatible::COMPRESSION,
        Zstd::No => 0,
    };
    let mut header = Vec::with_capacity(to_usize(shape.cluster()));
    header.extend(MAGIC);
    header.extend(3_u32.to_be_bytes());
    let (extensions, name) = backing_bytes(shape);
    let name_offset = match name.is_empty() {
        true => 0,
        false => FULL_LEN + extensions.len(),
    };
    header.extend(crate::block::to_u64(name_offset).to_be_bytes());
    header.extend(narrow(crate::block::to_u64(name.len()))?.to_be_bytes());
    header.extend(shape.cluster_bits.to_be_bytes());
    header.extend(shape.size.to_be_bytes());
    header.extend([0; 4]); // not encrypted
    header.extend(narrow(shape.l1_entries())?.to_be_bytes());
    header.extend(places.l1_offset.to_be_bytes());
    header.extend(places.refcount_table_offset.to_be_bytes());
    header.extend(narrow(places.refcount_table_clusters)?.to_be_bytes());
    header.extend([0; 12]); // no snapshots
    header.extend(features.to_be_bytes());
    header.extend([0; 16]); // compatible and autoclear features
    header.extend(4_u32.to_be_bytes()); // refcounts of 2^4 bits
    header.extend(narrow(crate::block::to_u64(FULL_LEN))?.to_be_bytes());
    header.push(match zstd {
        Zstd::Yes => 1,
        Zstd::No => 0,
    });
    debug_assert_eq!(header.len(), 105);
    header.resize(FULL_LEN, 0);
    header.extend(extensions);
    header.extend(name.as_bytes());
    // The end of the header extensions is zero.
    header.resize(to_usize(shape.cluster()), 0);
    Ok(header)
}

/// The extensions, ended where a name follows, and the name.
fn backing_bytes(shape: &Shape) -> (Vec<u8>, &str) {
    let Some((name, format)) = &shape.backing else {
        return (Vec::new(), "");
    };
    let mut extensions = extension::BACKING_FORMAT.to_be_bytes().to_vec();
    let len = u32::try_from(format.len()).unwrap_or(0);
    extensions.extend(len.to_be_bytes());
    extensions.extend(format.as_bytes());
    extensions.resize(extensions.len().next_multiple_of(8), 0);
    extensions.extend([0; 8]);
    (extensions, name)
}

/// The name of a backing file, and its format as QEMU calls it.
fn checked(backing: &BackingFile) -> Result<(String, &'static str)> {
    let name = &backing.name;
    // What is left of the smallest cluster.
    if name.is_empty() || name.len() > MAX_BACKING_NAME {
        return Err(Error::invalid(format!(
            "the name of a backing file has 1 to {MAX_BACKING_NAME} bytes"
        )));
    }
    let info = backing.image.info();
    let format = match info.format {
        Format::Vhd => "vpc",
        Format::Ova | Format::Gce | Format::ContainerDisk => "",
        format => format.name(),
    };
    if format.is_empty() || !info.wrapping.is_empty() {
        return Err(Error::invalid(
            "an image inside of another file cannot be a backing file",
        ));
    }
    Ok((name.clone(), format))
}

/// Whether clusters are packed with zstd.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Zstd {
    Yes,
    No,
}
