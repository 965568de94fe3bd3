// SPDX-License-Identifier: Apache-2.0
//! What the kernel offers: safe functions over system calls.
//!
//! The only place in `src` where `unsafe` may stand.

pub(crate) mod file;
