// SPDX-License-Identifier: Apache-2.0
//! Kernel calls: the only module of the library with `unsafe` code.
//!
//! Everything here is a thin, typed wrapper that keeps its arguments in the
//! error. What `nix` offers as a safe function is called where it is used.

pub(crate) mod attributes;
pub(crate) mod binfmt;
pub(crate) mod block_device;
pub(crate) mod capability;
pub(crate) mod file;
pub(crate) mod filesystem;
pub(crate) mod guest;
pub(crate) mod host_command;
pub(crate) mod loop_device;
pub(crate) mod namespace;
pub(crate) mod terminal;
