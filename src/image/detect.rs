// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Tells a format by its magic numbers.

use crate::block::{ReadAt, to_u64, to_usize};
use crate::error::{Error, Result};
use crate::image::Format;

/// Tells the format of a file by its magic numbers; what has none is raw.
///
/// Do this only with a file you trust: a guest that owns a raw disk can make
/// it look like any format, with a backing file of its choice.
///
/// # Errors
/// `Io`; `Unsupported` for what is recognised but not a disk image that can
/// be read (LUKS, COWD).
pub fn detect(file: &dyn ReadAt) -> Result<Format> {
    let mut head = [0_u8; 1024];
    let len = to_usize(file.size().min(to_u64(head.len())));
    let head = &mut head[..len];
    file.read_at(0, head)?;
    if let Some(format) = by_head(head)? {
        return Ok(format);
    }
    if is_tar(head) {
        return Ok(Format::Ova);
    }
    let fixed_vhd = match file.size().checked_sub(512) {
        Some(footer) => {
            let mut magic = [0; 8];
            file.read_at(footer, &mut magic)?;
            magic == *b"conectix"
        }
        None => false,
    };
    Ok(if fixed_vhd { Format::Vhd } else { Format::Raw })
}

fn by_head(head: &[u8]) -> Result<Option<Format>> {
    let starts = |magic: &[u8]| head.starts_with(magic);
    let format = if starts(b"QFI\xfb") {
        match head.get(4..8) {
            Some([0, 0, 0, 1]) => Format::Qcow,
            _ => Format::Qcow2,
        }
    } else if starts(b"KDMV") || starts(b"# Disk DescriptorFile") {
        Format::Vmdk
    } else if starts(b"conectix") {
        Format::Vhd
    } else if starts(b"vhdxfile") {
        Format::Vhdx
    } else if head.get(0x40..0x44) == Some(&[0x7f, 0x10, 0xda, 0xbe]) {
        Format::Vdi
    } else if starts(b"COWD") {
        return Err(Error::unsupported(
            "VMware's COWD (ESX sparse) images are not read",
        )
        .hint("convert it with qemu-img first"));
    } else if starts(b"LUKS\xba\xbe") {
        return Err(Error::unsupported("the image is encrypted (LUKS)"));
    } else {
        return Ok(None);
    };
    Ok(Some(format))
}

/// Whether a tar archive begins here; a partition table or a boot sector
/// has nothing like `ustar` at this place.
fn is_tar(head: &[u8]) -> bool {
    head.get(257..262) == Some(b"ustar")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    fn of(len: usize, at: usize, magic: &[u8]) -> Result<Format> {
        let mut bytes = vec![0; len];
        bytes[at..at + magic.len()].copy_from_slice(magic);
        detect(&bytes)
    }

    #[test]
    fn knows_every_magic() {
        for (expected, at, magic) in [
            (Format::Qcow, 0, &b"QFI\xfb\0\0\0\x01"[..]),
            (Format::Qcow2, 0, b"QFI\xfb\0\0\0\x03"),
            (Format::Vmdk, 0, b"KDMV"),
            (Format::Vmdk, 0, b"# Disk DescriptorFile\n"),
            (Format::Vhd, 0, b"conectix"),
            (Format::Vhd, 1536, b"conectix"),
            (Format::Vhdx, 0, b"vhdxfile"),
            (Format::Vdi, 0x40, b"\x7f\x10\xda\xbe"),
            (Format::Ova, 257, b"ustar"),
            (Format::Raw, 510, b"\x55\xaa"),
        ] {
            assert_eq!(of(2048, at, magic).unwrap(), expected);
        }
    }

    #[test]
    fn short_files_are_raw() {
        for len in [0, 1, 7, 511, 512] {
            assert_eq!(detect(&vec![0; len]).unwrap(), Format::Raw);
        }
    }

    #[test]
    fn encrypted_is_unsupported() {
        let error = of(2048, 0, b"LUKS\xba\xbe").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
    }
}
