// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! How large a disk would be in each format, without writing it.
//!
//! What holds something is looked for all over the disk, so that sizes
//! without compression are right but for a few tables. Compression is tried
//! on samples.

use serde::Serialize;

use crate::block::{
    BlockRead, default_workers, for_each_run, round_up, to_u64, to_usize,
};
use crate::error::{Error, Result};
use crate::image::allocation::Allocation;
use crate::image::codec::{self, Encoder};
use crate::image::{Compression, Format};
use crate::progress::Monitor;

/// The unit of qcow2 and VMDK.
const UNIT: u64 = 64 << 10;

const MIB: u64 = 1 << 20;

/// Units that are packed to see how well it goes: 16 MiB.
const SAMPLES: u64 = 256;

/// Zeroes that the raw writer leaves out, at least, and their unit.
const GAP: usize = 32 << 10;
const GRAIN: usize = 4096;

/// The level that VMDK is written with.
const VMDK_LEVEL: i32 = 5;

/// Bytes of an L2 table's reach, of 64 KiB.
const L2_REACH: u64 = 512 * MIB;

/// The size a file would have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub struct Estimate {
    /// The format.
    pub format: Format,
    /// How it is packed, at the usual level.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compression: Option<&'static str>,
    /// The variant, where the usual one is not meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variant: Option<&'static str>,
    /// Bytes on the medium.
    pub bytes: u64,
}

/// Tells about how large `disk` would be in each format that is written.
///
/// Reads what it takes to tell zeroes from data, which is all of what is
/// compressed.
///
/// ```no_run
/// use imagewright::Monitor;
/// use imagewright::image::{self, OpenOptions};
///
/// let image = image::open("disk.qcow2".as_ref(), &OpenOptions::new())?;
/// for estimate in image::estimate(&image, &Monitor::silent())? {
///     println!("{} {}", estimate.format, estimate.bytes);
/// }
/// # Ok::<_, imagewright::Error>(())
/// ```
///
/// # Errors
/// Those of reading `disk`; `Cancelled`.
pub fn estimate(
    disk: &dyn BlockRead,
    monitor: &Monitor,
) -> Result<Vec<Estimate>> {
    let workers = default_workers();
    let allocation = Allocation::scan(disk, UNIT, workers, monitor)?;
    let sizes = Sizes {
        size: round_up(disk.size(), 512),
        allocation: &allocation,
    };
    let packed = Packed::sample(disk, &allocation, monitor)?;
    Ok(sizes.estimates(&packed))
}

/// What the allocation alone tells.
struct Sizes<'a> {
    size: u64,
    allocation: &'a Allocation,
}

impl Sizes<'_> {
    /// How many units of `len` bytes hold something.
    fn units(&self, len: u64) -> u64 {
        let mut last = None;
        let mut count = 0;
        for unit in self.allocation.units() {
            let unit = unit * UNIT / len;
            if last != Some(unit) {
                last = Some(unit);
                count += 1;
            }
        }
        count
    }

    /// Tables of qcow2 for `data` bytes.
    fn qcow2(&self, data: u64) -> u64 {
        let l1 = (self.size.div_ceil(L2_REACH) * 8).div_ceil(UNIT).max(1);
        let tables = l1 + self.units(L2_REACH);
        let others = tables * UNIT + data;
        let blocks = others.div_ceil(UNIT * UNIT / 2).max(1);
        // Header and refcount table.
        round_up(others, UNIT) + (blocks + 2) * UNIT
    }

    fn estimates(&self, packed: &Packed) -> Vec<Estimate> {
        let plain = self.allocation.len() * UNIT;
        let blocks = self.size.div_ceil(MIB);
        let of = |format, compression, bytes| Estimate {
            format,
            compression,
            variant: None,
            bytes,
        };
        // A grain's marker, and what is left of its last sector.
        let stream = packed.vmdk + self.allocation.len() * 268;
        let vmdk = stream + 128 * 512 + self.size.div_ceil(32 * MIB) * 2560;
        let vhd_table = round_up(self.size.div_ceil(2 * MIB) * 4, 512);
        let vhd = self.units(2 * MIB) * (2 * MIB + 512) + vhd_table + 2048;
        let fixed = round_up(self.size, MIB).max(MIB) + 512;
        let vhdx = self.units(MIB) * MIB + 3 * MIB;
        let vdi = self.units(MIB) * MIB + round_up(512 + blocks * 4, MIB);
        let holes = (self.size - plain.min(self.size)) / 1000;
        vec![
            of(Format::Raw, None, packed.raw),
            of(Format::Raw, Some("gzip"), packed.gzip + holes),
            of(Format::Raw, Some("zstd"), packed.zstd + holes / 20),
            of(Format::Qcow2, None, self.qcow2(plain)),
            of(Format::Qcow2, Some("zlib"), self.qcow2(packed.zlib)),
            of(Format::Qcow2, Some("zstd"), self.qcow2(packed.zstd)),
            of(Format::Vmdk, None, vmdk),
            of(Format::Vhd, None, vhd),
            Estimate {
                variant: Some("fixed"),
                ..of(Format::Vhd, None, fixed)
            },
            of(Format::Vhdx, None, vhdx + round_up(blocks * 8, MIB)),
            of(Format::Vdi, None, vdi),
            of(Format::Ova, None, vmdk + 16 * 1024),
            of(Format::Gce, None, packed.gzip),
            of(Format::ContainerDisk, None, self.qcow2(plain) + 8192),
        ]
    }
}

/// Bytes of all data, packed by each codec as it is used.
#[derive(Default)]
struct Packed {
    /// Not at all, zeroes left out.
    raw: u64,
    zlib: u64,
    zstd: u64,
    vmdk: u64,
    gzip: u64,
}

impl Packed {
    /// Packs units from all over the disk, the same ones every time.
    fn sample(
        disk: &dyn BlockRead,
        allocation: &Allocation,
        monitor: &Monitor,
    ) -> Result<Self> {
        let deflate = codec::Codec::Deflate;
        let mut zlib = Encoder::new(deflate, Compression::ZLIB_LEVEL)?;
        let mut vmdk = Encoder::new(deflate, VMDK_LEVEL)?;
        let mut gzip = Encoder::new(deflate, Compression::GZIP_LEVEL)?;
        let zstd = codec::Codec::Zstd;
        let mut zstd = Encoder::new(zstd, Compression::ZSTD_LEVEL)?;
        let step = (allocation.len() / SAMPLES).max(1);
        let mut plain = vec![0; to_usize(UNIT)];
        let mut room = vec![0; to_usize(UNIT)];
        let mut packed = Self::default();
        let mut count = 0;
        for unit in allocation.units().step_by(to_usize(step)) {
            monitor.check()?;
            let offset = unit * UNIT;
            let len = to_usize((disk.size() - offset).min(UNIT));
            let (inside, past) = plain.split_at_mut(len);
            past.fill(0);
            disk.read_at(offset, inside)?;
            let raw = &mut packed.raw;
            for_each_run(&plain, GRAIN, GAP, |from, to| {
                *raw += to_u64(to - from);
                Ok::<_, Error>(())
            })?;
            let mut one = |encoder: &mut Encoder| {
                let len = encoder.encode(count, &plain, &mut room);
                len.map_or(UNIT, to_u64)
            };
            packed.zlib += one(&mut zlib);
            packed.vmdk += one(&mut vmdk);
            packed.gzip += one(&mut gzip);
            packed.zstd += one(&mut zstd);
            count += 1;
        }
        let all = |bytes: u64| bytes * allocation.len() / count.max(1);
        Ok(Self {
            raw: all(packed.raw),
            zlib: all(packed.zlib),
            zstd: all(packed.zstd),
            vmdk: all(packed.vmdk),
            gzip: all(packed.gzip),
        })
    }
}
