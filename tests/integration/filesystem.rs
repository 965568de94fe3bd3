// SPDX-License-Identifier: Apache-2.0
//! Filesystems against the tools that make and check them.

mod fat;
mod fat_random;
mod mutation;
mod probe;
