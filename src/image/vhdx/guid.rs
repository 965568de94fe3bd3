// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! The identifiers that the format is made of.

/// A GUID as it stands on disk: its first three groups little-endian.
pub(super) type Guid = [u8; 16];

/// From the groups as they are written: `a-b-c-de`.
const fn guid(a: u32, b: u16, c: u16, de: u64) -> Guid {
    let (a, b, c) = (a.to_le_bytes(), b.to_le_bytes(), c.to_le_bytes());
    let d = de.to_be_bytes();
    [
        a[0], a[1], a[2], a[3], b[0], b[1], c[0], c[1], d[0], d[1], d[2], d[3],
        d[4], d[5], d[6], d[7],
    ]
}

pub(super) const BAT: Guid =
    guid(0x2dc2_7766, 0xf623, 0x4200, 0x9d64_115e_9bfd_4a08);
pub(super) const METADATA: Guid =
    guid(0x8b7c_a206, 0x4790, 0x4b9a, 0xb8fe_575f_050f_886e);

pub(super) const FILE_PARAMETERS: Guid =
    guid(0xcaa1_6737, 0xfa36, 0x4d43, 0xb3b6_33f0_aa44_e76b);
pub(super) const DISK_SIZE: Guid =
    guid(0x2fa5_4224, 0xcd1b, 0x4876, 0xb211_5dbe_d83b_f4b8);
pub(super) const DISK_ID: Guid =
    guid(0xbeca_12ab, 0xb2e6, 0x4523, 0x93ef_c309_e000_c746);
pub(super) const LOGICAL_SECTOR: Guid =
    guid(0x8141_bf1d, 0xa96f, 0x4709, 0xba47_f233_a8fa_ab5f);
pub(super) const PHYSICAL_SECTOR: Guid =
    guid(0xcda3_48c7, 0x445d, 0x4471, 0x9cc9_e988_5251_c556);
pub(super) const PARENT_LOCATOR: Guid =
    guid(0xa8d3_5f2d, 0xb30b, 0x454d, 0xabf7_d3d8_4834_ab0c);

/// The type of a locator whose parent is a VHDX.
pub(super) const LOCATOR_VHDX: Guid =
    guid(0xb04a_efb7, 0xd19e, 0x4a81, 0xb789_25b8_e944_5913);
