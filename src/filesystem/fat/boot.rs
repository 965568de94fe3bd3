// SPDX-License-Identifier: Apache-2.0
//! The boot sector and the geometry it defines.

use crate::partition::field::{u8_at, u16_le, u32_le};

/// How many bits a FAT entry has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::filesystem) enum FatKind {
    Fat12,
    Fat16,
    Fat32,
}

impl FatKind {
    pub(in crate::filesystem) fn name(self) -> &'static str {
        match self {
            Self::Fat12 => "FAT12",
            Self::Fat16 => "FAT16",
            Self::Fat32 => "FAT32",
        }
    }

    /// Where the extended boot record begins in the boot sector.
    fn extended(self) -> usize {
        match self {
            Self::Fat12 | Self::Fat16 => 36,
            Self::Fat32 => 64,
        }
    }
}

/// Where what is, in bytes; all within `size`, checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::filesystem) struct Geometry {
    pub(in crate::filesystem) kind: FatKind,
    pub(in crate::filesystem) sector_size: u32,
    pub(in crate::filesystem) cluster_size: u32,
    /// First byte of the first FAT.
    pub(in crate::filesystem) fat_start: u64,
    /// Bytes of one FAT.
    pub(in crate::filesystem) fat_len: u64,
    pub(in crate::filesystem) fat_count: u8,
    /// First byte of the fixed root directory (FAT12 and FAT16).
    pub(in crate::filesystem) root_start: u64,
    /// Bytes of the fixed root directory.
    pub(in crate::filesystem) root_len: u64,
    /// First byte of cluster 2.
    pub(in crate::filesystem) data_start: u64,
    /// Data clusters; the last one's number is this plus 1.
    pub(in crate::filesystem) clusters: u32,
    /// First cluster of the root directory (FAT32).
    pub(in crate::filesystem) root_cluster: u32,
    /// Bytes of the whole filesystem.
    pub(in crate::filesystem) size: u64,
    /// The only FAT in use, where FAT32 does not mirror it.
    only_fat: Option<u8>,
    /// First byte of FAT32's count of free clusters.
    pub(in crate::filesystem) info: Option<u64>,
}

impl Geometry {
    /// The geometry a boot sector defines; `None` if it is no FAT's.
    pub(in crate::filesystem) fn parse(sector: &[u8]) -> Option<Self> {
        let jump = u8_at(sector, 0);
        let signed = sector.get(510..512) == Some(&[0x55, 0xaa]);
        let sector_size = u32::from(u16_le(sector, 11));
        let per_cluster = u32::from(u8_at(sector, 13));
        let fat_count = u8_at(sector, 16);
        let media = u8_at(sector, 21);
        if !signed
            || !matches!(jump, 0xeb | 0xe9)
            || !matches!(sector_size, 512 | 1024 | 2048 | 4096)
            || !per_cluster.is_power_of_two()
            || !matches!(fat_count, 1 | 2)
            || !matches!(media, 0xf0 | 0xf8..)
            || u16_le(sector, 14) == 0
        {
            return None;
        }
        let unit = u64::from(sector_size);
        let total = match u16_le(sector, 19) {
            0 => u64::from(u32_le(sector, 32)),
            short => u64::from(short),
        };
        let fat_sectors = match u16_le(sector, 22) {
            0 => u64::from(u32_le(sector, 36)),
            short => u64::from(short),
        };
        let root_entries = u64::from(u16_le(sector, 17));
        let root_sectors = (root_entries * 32).div_ceil(unit);
        // Sums of 32-bit numbers: no overflow.
        let fat_at = u64::from(u16_le(sector, 14));
        let root_at = fat_at + fat_sectors * u64::from(fat_count);
        let data_at = root_at + root_sectors;
        let data_sectors = total.checked_sub(data_at)?;
        let clusters = data_sectors / u64::from(per_cluster);
        let kind = match (clusters, u16_le(sector, 22)) {
            (_, 0) => FatKind::Fat32,
            (..4085, _) => FatKind::Fat12,
            (4085.., _) => FatKind::Fat16,
        };
        let geometry = Self {
            kind,
            sector_size,
            cluster_size: sector_size * per_cluster,
            fat_start: fat_at * unit,
            fat_len: fat_sectors * unit,
            fat_count,
            root_start: root_at * unit,
            root_len: root_sectors * unit,
            data_start: data_at * unit,
            clusters: u32::try_from(clusters).ok()?,
            root_cluster: match kind {
                FatKind::Fat32 => u32_le(sector, 44),
                _ => 0,
            },
            size: total * unit,
            only_fat: match (kind, u16_le(sector, 40)) {
                (FatKind::Fat32, flags) if flags & 0x80 != 0 => {
                    u8::try_from(flags & 0xf).ok()
                }
                _ => None,
            },
            info: match (kind, u16_le(sector, 48)) {
                (FatKind::Fat32, at @ 1..=0xfffe) => Some(u64::from(at) * unit),
                _ => None,
            },
        };
        geometry.is_sound().then_some(geometry)
    }

    /// The FAT has an entry for every cluster, and the root directory exists.
    fn is_sound(&self) -> bool {
        let entries = u64::from(self.clusters) + 2;
        let (needed, most) = match self.kind {
            FatKind::Fat12 => ((entries * 3).div_ceil(2), 4084),
            FatKind::Fat16 => (entries * 2, 65_524),
            FatKind::Fat32 => (entries * 4, 0x0fff_fff4),
        };
        let root_exists = match self.kind {
            FatKind::Fat32 => {
                (2..entries).contains(&u64::from(self.root_cluster))
                    && self.root_len == 0
            }
            _ => self.root_len > 0,
        };
        self.clusters > 0
            && self.only_fat.is_none_or(|only| only < self.fat_count)
            && self.info.is_none_or(|at| at < self.fat_start)
            && self.clusters <= most
            && needed <= self.fat_len
            && root_exists
    }

    /// The volume's serial number, label and state in the boot sector.
    pub(in crate::filesystem) fn extended<'a>(
        &self,
        sector: &'a [u8],
    ) -> Extended<'a> {
        let at = self.kind.extended();
        let signature = u8_at(sector, at + 2);
        Extended {
            serial: match signature {
                0x28 | 0x29 => Some(u32_le(sector, at + 3)),
                _ => None,
            },
            label: match signature {
                0x29 => sector.get(at + 7..at + 18),
                _ => None,
            },
            dirty: u8_at(sector, at + 1) & 1 != 0,
        }
    }

    /// First byte of the FAT to read.
    pub(in crate::filesystem) fn active_fat(&self) -> u64 {
        let index = u64::from(self.only_fat.unwrap_or(0));
        self.fat_start + index * self.fat_len
    }

    /// First bytes of the FATs to write.
    pub(in crate::filesystem) fn mirrored_fats(
        &self,
    ) -> impl Iterator<Item = u64> {
        let geometry = *self;
        (0..self.fat_count)
            .filter(move |fat| {
                geometry.only_fat.is_none_or(|only| only == *fat)
            })
            .map(move |fat| {
                geometry.fat_start + u64::from(fat) * geometry.fat_len
            })
    }

    /// Clusters that hold a number of bytes.
    pub(in crate::filesystem) fn clusters_for(&self, len: u64) -> u64 {
        len.div_ceil(self.cluster_size.into())
    }

    /// Where a cluster is, in bytes; `None` if there is no such cluster.
    pub(in crate::filesystem) fn cluster(&self, number: u32) -> Option<u64> {
        let index = number.checked_sub(2)?;
        (index < self.clusters).then(|| {
            self.data_start + u64::from(index) * u64::from(self.cluster_size)
        })
    }
}

/// What is in the boot sector beside the geometry.
#[derive(Debug, Clone, Copy)]
pub(in crate::filesystem) struct Extended<'a> {
    pub(in crate::filesystem) serial: Option<u32>,
    pub(in crate::filesystem) label: Option<&'a [u8]>,
    pub(in crate::filesystem) dirty: bool,
}
