// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Partition tables: GPT and MBR, read and grown without the kernel.
//!
//! [`PartitionTable::read`] works on any [`ReadAt`](crate::block::ReadAt) and
//! never trusts it: ranges, overlaps, checksums and chains are checked, and a
//! hostile table costs a bounded amount of memory and time. [`GrowPlan`]
//! enlarges the last partition of a disk that became larger; it keeps every
//! number, GUID, name and attribute.
//!
//! The kernel's view is the reference where the specifications leave a choice
//! (Linux `block/partitions/{efi,msdos}.c`): a GPT counts only behind a
//! protective MBR, logical partitions are numbered from 5 in chain order.

mod architecture;
mod check;
pub(crate) mod field;
mod gpt;
mod grow;
mod guid;
mod kind;
mod mbr;
mod table;

pub use architecture::Architecture;
pub use grow::{GrowPlan, PartitionGrowth};
pub use guid::Guid;
pub use kind::{PartitionKind, TypeId};
pub use table::{Partition, PartitionTable, TableKind, Warning};
