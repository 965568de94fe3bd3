// SPDX-License-Identifier: Apache-2.0
//! The description in an OVA, with a file for it to name.

use std::sync::Arc;

use imagewright::image::Format;

/// Appends a member to a tar archive; `cfg(fuzzing)` does without checksums.
fn append(tar: &mut Vec<u8>, name: &str, bytes: &[u8]) {
    let mut header = [0; 512];
    header[..name.len()].copy_from_slice(name.as_bytes());
    let len = format!("{:011o}\0", bytes.len());
    header[124..136].copy_from_slice(len.as_bytes());
    header[148..156].copy_from_slice(b"0000000\0");
    header[156] = b'0';
    header[257..265].copy_from_slice(b"ustar\x0000");
    tar.extend(header);
    tar.extend(bytes);
    tar.resize(tar.len().next_multiple_of(512), 0);
}

/// Runs one input.
pub fn run(data: &[u8]) {
    let mut tar = Vec::new();
    append(&mut tar, "a.ovf", data);
    append(&mut tar, "a.vmdk", &[0; 1024]);
    tar.extend([0; 1024]);
    crate::disk(Arc::new(tar), Some(Format::Ova));
}
