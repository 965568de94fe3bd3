// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! What a rewrite of an image keeps of it.

use crate::error::{Error, Result};
use crate::image::{
    Compression, ExtentTotals, Format, Image, ImageInfo, Subformat, Wrapping,
    WriteOptions,
};

/// The hint of every refusal.
const HINT: &str = "write a new file instead of replacing the image";

impl WriteOptions {
    /// Options that write an image as `image` is: its format and variant,
    /// its unit of allocation, its compression.
    ///
    /// # Errors
    /// `Unsupported` when the image has what a new one would not:
    /// snapshots, a backing file, files of its own for data, a description
    /// of a machine. Those of looking for compressed clusters.
    pub fn keeping(image: &Image) -> Result<Self> {
        let info = image.info();
        refuse_loss(info)?;
        let (format, packed) = unwrapped(info)?;
        let options = Self::new(format).compression(packed);
        Ok(match format {
            Format::Qcow2 => options
                .compression(cluster_compression(image)?)
                .cluster_size(info.cluster_size),
            Format::Vhdx => options.cluster_size(info.cluster_size),
            Format::Vmdk => options.subformat(vmdk_variant(info)?),
            Format::Vhd if info.variant.as_deref() == Some("fixed") => {
                options.subformat(Subformat::Fixed)
            }
            _ => options,
        })
    }
}

/// What no new image would have.
fn refuse_loss(info: &ImageInfo) -> Result<()> {
    let lost = match info {
        _ if !info.snapshots.is_empty() => "snapshots",
        _ if info.backing.is_some() => "a backing file",
        _ if matches!(info.format, Format::Ova | Format::ContainerDisk) => {
            "a description of its own"
        }
        _ if !info.data_files.is_empty() => "files of its own for data",
        _ => return Ok(()),
    };
    Err(Error::unsupported(format!(
        "the image has {lost}, which a replacement would not have"
    ))
    .hint(HINT))
}

/// The format and compression that make what is around the image again.
fn unwrapped(info: &ImageInfo) -> Result<(Format, Compression)> {
    let packed = match (info.format, info.wrapping.as_slice()) {
        (format, []) => return Ok((format, Compression::None)),
        (Format::Raw, [Wrapping::Gzip]) => Some("gz"),
        (Format::Raw, [Wrapping::Xz]) => Some("xz"),
        (Format::Raw, [Wrapping::Zstd]) => Some("zst"),
        (Format::Raw, [Wrapping::Gzip, Wrapping::Tar]) => {
            return Ok((Format::Gce, Compression::None));
        }
        _ => None,
    };
    let packed = packed.and_then(Compression::of_suffix);
    let packed = packed.ok_or_else(|| {
        let format = info.format;
        Error::unsupported(format!(
            "a {format} image inside of another file is not replaced"
        ))
        .hint(HINT)
    })?;
    Ok((info.format, packed))
}

/// The codec of the clusters, where most of those with data are packed.
fn cluster_compression(image: &Image) -> Result<Compression> {
    let totals = ExtentTotals::of(image)?;
    if totals.compressed <= totals.data {
        return Ok(Compression::None);
    }
    Ok(match image.info().compression.as_deref() {
        Some("zstd") => Compression::Zstd(Compression::ZSTD_LEVEL),
        _ => Compression::Zlib(Compression::ZLIB_LEVEL),
    })
}

fn vmdk_variant(info: &ImageInfo) -> Result<Subformat> {
    let variant = info.variant.as_deref().unwrap_or_default();
    variant.parse().map_err(|error: Error| {
        error.with_kind(crate::ErrorKind::Unsupported).hint(HINT)
    })
}
