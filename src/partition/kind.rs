// SPDX-License-Identifier: Apache-2.0
//! What a partition says it is for.

use std::fmt;

use serde::{Serialize, Serializer};

use super::{Architecture, Architecture as A, Guid};

/// The type stored in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TypeId {
    /// The type GUID of a GPT entry.
    Gpt(Guid),
    /// The type byte of an MBR entry.
    Mbr(u8),
}

impl fmt::Display for TypeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gpt(guid) => guid.fmt(f),
            Self::Mbr(byte) => write!(f, "{byte:02x}"),
        }
    }
}

impl Serialize for TypeId {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

/// What the type of a partition means.
///
/// The type is a hint: images exist whose root has the type "Microsoft basic
/// data". What a partition holds is found by reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum PartitionKind {
    /// GRUB's core image on GPT disks that boot by BIOS.
    BiosBoot,
    /// The EFI system partition, a FAT filesystem.
    Esp,
    /// The root of an operating system for one architecture.
    LinuxRoot(Architecture),
    /// `/usr` of an operating system for one architecture.
    LinuxUsr(Architecture),
    /// Any Linux filesystem.
    LinuxData,
    /// `/home`.
    LinuxHome,
    /// `/srv`.
    LinuxServerData,
    /// `/var`.
    LinuxVar,
    /// Swap space.
    Swap,
    /// A physical volume of LVM.
    Lvm,
    /// A member of a software RAID.
    Raid,
    /// A LUKS container.
    Luks,
    /// The extended boot loader partition, `/boot`.
    XBootldr,
    /// PowerPC PReP boot partition.
    Prep,
    /// A FAT or NTFS data partition.
    MicrosoftData,
    /// The container of an MBR's logical partitions; holds no data itself.
    Extended,
    /// Anything else.
    Other,
}

impl From<TypeId> for PartitionKind {
    fn from(id: TypeId) -> Self {
        match id {
            TypeId::Gpt(guid) => of_guid(guid),
            TypeId::Mbr(byte) => of_byte(byte),
        }
    }
}

/// Whether an MBR type byte is that of an extended partition.
pub(super) fn is_extended(byte: u8) -> bool {
    matches!(byte, 0x05 | 0x0f | 0x85)
}

fn of_byte(byte: u8) -> PartitionKind {
    match byte {
        0x06 | 0x07 | 0x0b | 0x0c | 0x0e => PartitionKind::MicrosoftData,
        0x41 => PartitionKind::Prep,
        0x82 => PartitionKind::Swap,
        0x83 => PartitionKind::LinuxData,
        0x8e => PartitionKind::Lvm,
        0xea => PartitionKind::XBootldr,
        0xef => PartitionKind::Esp,
        0xfd => PartitionKind::Raid,
        _ if is_extended(byte) => PartitionKind::Extended,
        _ => PartitionKind::Other,
    }
}

/// UEFI 2.10, table 5.7; the Discoverable Partitions Specification.
fn of_guid(guid: Guid) -> PartitionKind {
    GPT_TYPES
        .iter()
        .find(|(known, _)| *known == guid)
        .map_or(PartitionKind::Other, |(_, kind)| *kind)
}

#[rustfmt::skip]
const GPT_TYPES: [(Guid, PartitionKind); 29] = [
    (Guid::from_groups(0xc12a7328, 0xf81f, 0x11d2, 0xba4b, 0x00a0c93ec93b), PartitionKind::Esp),
    (Guid::from_groups(0x21686148, 0x6449, 0x6e6f, 0x744e, 0x656564454649), PartitionKind::BiosBoot),
    (Guid::from_groups(0x0fc63daf, 0x8483, 0x4772, 0x8e79, 0x3d69d8477de4), PartitionKind::LinuxData),
    (Guid::from_groups(0x0657fd6d, 0xa4ab, 0x43c4, 0x84e5, 0x0933c84b4f4f), PartitionKind::Swap),
    (Guid::from_groups(0xe6d6d379, 0xf507, 0x44c2, 0xa23c, 0x238f2a3df928), PartitionKind::Lvm),
    (Guid::from_groups(0xa19d880f, 0x05fc, 0x4d3b, 0xa006, 0x743f0f84911e), PartitionKind::Raid),
    (Guid::from_groups(0xca7d7ccb, 0x63ed, 0x4c53, 0x861c, 0x1742536059cc), PartitionKind::Luks),
    (Guid::from_groups(0xbc13c2ff, 0x59e6, 0x4262, 0xa352, 0xb275fd6f7172), PartitionKind::XBootldr),
    (Guid::from_groups(0x9e1a2d38, 0xc612, 0x4316, 0xaa26, 0x8b49521e5a8b), PartitionKind::Prep),
    (Guid::from_groups(0xebd0a0a2, 0xb9e5, 0x4433, 0x87c0, 0x68b6b72699c7), PartitionKind::MicrosoftData),
    (Guid::from_groups(0x933ac7e1, 0x2eb4, 0x4f13, 0xb844, 0x0e14e2aef915), PartitionKind::LinuxHome),
    (Guid::from_groups(0x3b8f8425, 0x20e0, 0x4f3b, 0x907f, 0x1a25a76f98e8), PartitionKind::LinuxServerData),
    (Guid::from_groups(0x4d21b016, 0xb534, 0x45c2, 0xa9fb, 0x5c16e091fd2d), PartitionKind::LinuxVar),
    (Guid::from_groups(0x44479540, 0xf297, 0x41b2, 0x9af7, 0xd131d5f0458a), PartitionKind::LinuxRoot(A::I686)),
    (Guid::from_groups(0x4f68bce3, 0xe8cd, 0x4db1, 0x96e7, 0xfbcaf984b709), PartitionKind::LinuxRoot(A::X86_64)),
    (Guid::from_groups(0x69dad710, 0x2ce4, 0x4e3c, 0xb16c, 0x21a1d49abed3), PartitionKind::LinuxRoot(A::Armv7l)),
    (Guid::from_groups(0xb921b045, 0x1df0, 0x41c3, 0xaf44, 0x4c6f280d3fae), PartitionKind::LinuxRoot(A::Aarch64)),
    (Guid::from_groups(0x77055800, 0x792c, 0x4f94, 0xb39a, 0x98c91b762bb6), PartitionKind::LinuxRoot(A::Loongarch64)),
    (Guid::from_groups(0xc31c45e6, 0x3f39, 0x412e, 0x80fb, 0x4809c4980599), PartitionKind::LinuxRoot(A::Ppc64le)),
    (Guid::from_groups(0x72ec70a6, 0xcf74, 0x40e6, 0xbd49, 0x4bda08e8f224), PartitionKind::LinuxRoot(A::Riscv64)),
    (Guid::from_groups(0x5eead9a9, 0xfe09, 0x4a1e, 0xa1d7, 0x520d00531306), PartitionKind::LinuxRoot(A::S390x)),
    (Guid::from_groups(0x75250d76, 0x8cc6, 0x458e, 0xbd66, 0xbd47cc81a812), PartitionKind::LinuxUsr(A::I686)),
    (Guid::from_groups(0x8484680c, 0x9521, 0x48c6, 0x9c11, 0xb0720656f69e), PartitionKind::LinuxUsr(A::X86_64)),
    (Guid::from_groups(0x7d0359a3, 0x02b3, 0x4f0a, 0x865c, 0x654403e70625), PartitionKind::LinuxUsr(A::Armv7l)),
    (Guid::from_groups(0xb0e01050, 0xee5f, 0x4390, 0x949a, 0x9101b17104e9), PartitionKind::LinuxUsr(A::Aarch64)),
    (Guid::from_groups(0xe611c702, 0x575c, 0x4cbe, 0x9a46, 0x434fa0bf7e3f), PartitionKind::LinuxUsr(A::Loongarch64)),
    (Guid::from_groups(0x15bb03af, 0x77e7, 0x4d4a, 0xb12b, 0xc0d084f7491c), PartitionKind::LinuxUsr(A::Ppc64le)),
    (Guid::from_groups(0xbeaec34b, 0x8442, 0x439b, 0xa40b, 0x984381ed097d), PartitionKind::LinuxUsr(A::Riscv64)),
    (Guid::from_groups(0x8a4f5770, 0x50aa, 0x4ed3, 0x874a, 0x99b710db6fea), PartitionKind::LinuxUsr(A::S390x)),
];
