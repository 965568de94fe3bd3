// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! An image in another format.

use std::fs;
use std::path::Path;

use super::single_output::directory_of;
use super::work_dir::WorkDir;
use crate::artifact::Publisher;
use crate::error::{Context, Error, Result, after};
use crate::image::{self, OpenOptions, WriteOptions, Written};
use crate::progress::Monitor;

/// Writes the image at `source` as `target`, which appears when it is whole.
///
/// ```
/// use imagewright::Monitor;
/// use imagewright::image::{Compression, Format, OpenOptions, WriteOptions};
/// use imagewright::pipeline::convert;
///
/// # let dir = tempfile::tempdir().unwrap();
/// # let (source, target) = (dir.path().join("a"), dir.path().join("b"));
/// # std::fs::write(&source, vec![7; 1 << 20]).unwrap();
/// let open = OpenOptions::new().format(Format::Raw);
/// let write = WriteOptions::new(Format::Qcow2)
///     .compression(Compression::Zstd(3));
/// let written =
///     convert(&source, &open, &target, &write, &Monitor::silent())?;
/// assert_eq!(written.bytes, target.metadata().unwrap().len());
/// # Ok::<_, imagewright::Error>(())
/// ```
///
/// # Errors
/// `InvalidArgument` when both are one file, or for options the format does
/// not have; those of opening and writing.
pub fn convert(
    source: &Path,
    open: &OpenOptions,
    target: &Path,
    write: &WriteOptions,
    monitor: &Monitor,
) -> Result<Written> {
    let directory = directory_of(target);
    fs::create_dir_all(directory).at(directory)?;
    // Where the target finds room, what is unpacked does.
    let open = open.clone().spool(directory).monitor(monitor);
    let image = image::open(source, &open)
        .during("opening the image")
        .at(source)?;
    let same = source.canonicalize().ok() == target.canonicalize().ok();
    if same && target.exists() {
        return Err(Error::invalid("source and target are one file")
            .at(target)
            .hint("name another target; `compact` rewrites in place"));
    }
    let name = target
        .file_name()
        .and_then(|name| name.to_str())
        .ok_or_else(|| Error::invalid("not a file name").at(target))?;
    let work = WorkDir::create(&directory.join(".imagewright"))?;
    let mut publisher = Publisher::new(&work.outputs(), directory);
    let done = publisher.create(name).and_then(|file| {
        let written = image::write(&image, &file, write, monitor)
            .during("writing the image")
            .at(target)?;
        monitor.check()?;
        publisher.publish()?;
        Ok(written)
    });
    after(done, work.close())
}
