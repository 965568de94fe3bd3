// SPDX-License-Identifier: Apache-2.0
//! Tests of the library against independent tools; no privilege needed.

mod discover;
mod filesystem;
mod partition;
mod partition_support;
