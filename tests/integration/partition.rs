// SPDX-License-Identifier: Apache-2.0
//! Partition tables against `sfdisk` and `sgdisk`.

mod damage;
mod grow;
mod mutation;
mod read;
