// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Takes off what is around an image: a compressed stream, an archive.

use std::sync::Arc;

use crate::block::BlockRead;
use crate::error::{Context, Error, Result};
use crate::image::open::Opener;
use crate::image::wrapping::detect_stream;
use crate::image::{Format, ImageInfo, Wrapping, detect, stream, tar};

impl Opener<'_> {
    /// Takes off what is around an image; tells the image's format.
    pub(super) fn peel(
        &self,
        disk: Arc<dyn BlockRead>,
        format: Option<Format>,
    ) -> Result<(Arc<dyn BlockRead>, Format, Vec<Wrapping>)> {
        let mut wrapping = Vec::new();
        if let Some(format) = format {
            let disk = match self.options.wrapping {
                Some(stream) if self.chain.len() <= 1 => {
                    wrapping.push(stream);
                    self.unpack(stream, &disk)?
                }
                _ => disk,
            };
            return Ok((disk, format, wrapping));
        }
        let (disk, stream) = self.unpack_stream(disk)?;
        wrapping.extend(stream);
        let format = detect(&disk)?;
        if format != Format::Ova {
            return Ok((disk, format, wrapping));
        }
        let members = tar::read_members(&disk).during("reading the archive")?;
        match archive_format(&members) {
            Some(format) => Ok((disk, format, wrapping)),
            None => {
                wrapping.push(Wrapping::Tar);
                let wanted = self.options.member.as_deref();
                let member = tar::only_disk(&members, wanted)?;
                let disk = member.disk(&disk)?;
                let format = detect(&disk).at(&member.name)?;
                Ok((disk, format, wrapping))
            }
        }
    }

    /// Unpacks the compressed stream that begins a file, if one does.
    pub(crate) fn unpack_stream(
        &self,
        disk: Arc<dyn BlockRead>,
    ) -> Result<(Arc<dyn BlockRead>, Option<Wrapping>)> {
        let stream = match self.options.wrapping {
            Some(stream) => Some(stream),
            None => detect_stream(&disk)?,
        };
        Ok(match stream {
            Some(stream) => (self.unpack(stream, &disk)?, Some(stream)),
            None => (disk, None),
        })
    }

    fn unpack(
        &self,
        stream: Wrapping,
        disk: &dyn BlockRead,
    ) -> Result<Arc<dyn BlockRead>> {
        let (spool, monitor) = (&self.options.spool, &self.options.monitor);
        let disk = stream::unpack(stream, disk, spool, monitor)
            .during(format!("unpacking the {stream} stream"))?;
        Ok(Arc::new(disk))
    }

    /// Opens an image inside of another, its format detected.
    pub(crate) fn open_within(
        &mut self,
        disk: Arc<dyn BlockRead>,
    ) -> Result<(Arc<dyn BlockRead>, ImageInfo, Format)> {
        let format = detect(&disk)?;
        if matches!(format, Format::Ova) {
            return Err(Error::unsupported("an archive within an archive"));
        }
        let (disk, info) = self.open_format(disk, format)?;
        Ok((disk, info, format))
    }

    /// The disk that Google Compute Engine would import.
    pub(super) fn open_gce(
        &mut self,
        disk: &dyn BlockRead,
    ) -> Result<(Arc<dyn BlockRead>, ImageInfo)> {
        let size = disk.size();
        let disk = self.unpack(Wrapping::Gzip, disk)?;
        let members = tar::read_members(&disk).during("reading the archive")?;
        let disk = tar::only_disk(&members, None)?.disk(&disk)?;
        let info = ImageInfo::new(Format::Gce, disk.size(), size);
        Ok((disk, info))
    }
}

/// The format that an archive's members tell; `None`: it is only around a
/// disk.
fn archive_format(members: &[tar::Member]) -> Option<Format> {
    let name = |m: &tar::Member| m.name.trim_start_matches("./").to_owned();
    let has = |wanted: &dyn Fn(&str) -> bool| {
        members.iter().any(|m| wanted(&name(m)))
    };
    if has(&|name| name == "oci-layout") {
        return Some(Format::ContainerDisk);
    }
    has(&|name| name.to_ascii_lowercase().ends_with(".ovf"))
        .then_some(Format::Ova)
}
