// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! The engine under every format that maps guest ranges to file ranges.
//!
//! A format decides ([`Map`]: where is this range?), the engine performs:
//! reads, inflates, asks the parent, fills with zeroes.

use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;

use crate::block::{
    BlockRead, Extent, ExtentKind, ReadAt, Stored, to_u64, to_usize,
};
use crate::error::{Context, Error, ErrorKind, Result};
use crate::image::cache::Cache;
use crate::image::codec::Codec;

/// Inflated clusters kept for small reads, in bytes.
const CLUSTER_CACHE: u64 = 4 << 20;

/// Packed bytes read at once, in bytes.
const PACKED_RUN: u64 = 1 << 20;

/// Bytes between two packed clusters that are read along with them.
const PACKED_GAP: u64 = 16 << 10;

/// Where a guest range is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// Nowhere, and there is no parent to ask.
    Hole,
    /// Declared to be zero.
    Zero,
    /// As it is in one of the files.
    Stored { file: usize, offset: u64 },
    /// Within a compressed cluster.
    Packed(Packed),
    /// In the parent, at the same offset.
    Parent,
}

/// A compressed cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Packed {
    pub(crate) codec: Codec,
    /// Guest offset of its first byte.
    pub(crate) start: u64,
    /// Bytes once inflated.
    pub(crate) len: u64,
    pub(crate) file: usize,
    /// Where in the file.
    pub(crate) offset: u64,
    /// Bytes in the file, at most.
    pub(crate) packed_len: u64,
}

impl Packed {
    fn packed_end(&self) -> u64 {
        self.offset.saturating_add(self.packed_len)
    }

    /// Whether `next` can be read from the file together with what was read
    /// from `first` on.
    fn run_takes(&self, first: u64, next: &Self) -> bool {
        let end = self.packed_end();
        next.file == self.file
            && next.offset >= first
            && next.offset <= end.saturating_add(PACKED_GAP)
            && next.packed_end().saturating_sub(first) <= PACKED_RUN
    }
}

/// One run of one [`Place`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mapping {
    pub(crate) len: u64,
    pub(crate) place: Place,
}

/// What a format knows.
pub(crate) trait Map: fmt::Debug + Send + Sync {
    /// Bytes the guest sees.
    fn size(&self) -> u64;

    /// Bytes that are mapped, and compressed, as one.
    fn unit(&self) -> u64;

    /// Where the range from `offset` on is; not empty, at most `max` bytes.
    fn map_at(&self, offset: u64, max: u64) -> Result<Mapping>;
}

/// A format's map with the files it points into.
pub(crate) struct Mapped<M> {
    map: M,
    files: Vec<Arc<dyn BlockRead>>,
    parent: Option<Arc<dyn BlockRead>>,
    inflated: Cache<Vec<u8>>,
}

impl<M: Map> fmt::Debug for Mapped<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mapped").field("map", &self.map).finish()
    }
}

thread_local! {
    static PACKED: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

impl<M: Map> Mapped<M> {
    pub(crate) fn new(
        map: M,
        files: Vec<Arc<dyn BlockRead>>,
        parent: Option<Arc<dyn BlockRead>>,
    ) -> Self {
        let entries = (CLUSTER_CACHE / map.unit().max(1)).clamp(1, 1024);
        Self {
            map,
            files,
            parent,
            inflated: Cache::new(to_usize(entries)),
        }
    }

    fn file(&self, index: usize) -> Result<&dyn BlockRead> {
        self.files
            .get(index)
            .map(AsRef::as_ref)
            .ok_or_else(|| Error::internal("a map names a file it lacks"))
    }

    fn map_at(&self, offset: u64, max: u64) -> Result<Mapping> {
        let left = self.map.size().saturating_sub(offset);
        let max = max.min(left);
        if max == 0 {
            return Err(Error::new(
                ErrorKind::Io,
                format!("the disk has only {} bytes", self.map.size()),
            )
            .offset(offset));
        }
        let mapping = self.map.map_at(offset, max)?;
        debug_assert!(mapping.len > 0 && mapping.len <= max, "{mapping:?}");
        Ok(mapping)
    }

    /// Reads from a file what the map says is there; the last cluster of a
    /// file may be cut where nothing was written to it.
    fn read_stored(
        &self,
        file: usize,
        offset: u64,
        buf: &mut [u8],
    ) -> Result<()> {
        let file = self.file(file)?;
        let left = file.size().saturating_sub(offset);
        if left == 0 && !buf.is_empty() {
            return Err(Error::corrupt(
                "the tables point past the end of the file",
            )
            .offset(offset));
        }
        let len = to_usize(left.min(to_u64(buf.len())));
        let (stored, missing) = buf.split_at_mut(len);
        missing.fill(0);
        file.read_at(offset, stored)
    }

    fn read_parent(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        let Some(parent) = &self.parent else {
            buf.fill(0);
            return Ok(());
        };
        let left = parent.size().saturating_sub(offset);
        let len = to_usize(left.min(to_u64(buf.len())));
        let (inside, past) = buf.split_at_mut(len);
        past.fill(0);
        match inside.is_empty() {
            true => Ok(()),
            false => parent.read_at(offset, inside),
        }
    }

    /// Reads the packed bytes from `offset` to `end`, calls `use_bytes`.
    fn with_packed<R>(
        &self,
        file: usize,
        offset: u64,
        end: u64,
        use_bytes: impl FnOnce(&[u8]) -> Result<R>,
    ) -> Result<R> {
        let file = self.file(file)?;
        let end = end.min(file.size());
        let Some(len) = end.checked_sub(offset).filter(|len| *len > 0) else {
            return Err(Error::corrupt(
                "a compressed cluster is past the end of the file",
            )
            .offset(offset));
        };
        PACKED.with_borrow_mut(|scratch| {
            let len = to_usize(len);
            if scratch.len() < len {
                scratch.resize(len, 0);
            }
            file.read_at(offset, &mut scratch[..len])?;
            use_bytes(&scratch[..len])
        })
    }

    /// Inflates the whole cluster into `out`.
    fn inflate(&self, packed: &Packed, out: &mut [u8]) -> Result<()> {
        let (offset, end) = (packed.offset, packed.packed_end());
        self.with_packed(packed.file, offset, end, |bytes| {
            packed
                .codec
                .decode(bytes, out)
                .map_err(|error| error.offset(offset))
        })
    }

    /// Reads a part of a cluster, keeping the whole of it for the next part.
    fn read_packed_part(
        &self,
        packed: &Packed,
        offset: u64,
        buf: &mut [u8],
    ) -> Result<()> {
        let cluster = self.inflated.get(packed.start, || {
            let mut out = vec![0; to_usize(packed.len)];
            self.inflate(packed, &mut out)?;
            Ok(out)
        })?;
        let start = to_usize(offset - packed.start);
        let bytes = cluster.get(start..start + buf.len()).ok_or_else(|| {
            Error::internal("a map leaves its compressed cluster")
        })?;
        buf.copy_from_slice(bytes);
        Ok(())
    }

    /// Reads whole compressed clusters from `offset` on, with as few reads
    /// of the file as their places allow; returns the bytes filled.
    fn read_packed_run(
        &self,
        first: Packed,
        offset: u64,
        buf: &mut [u8],
    ) -> Result<usize> {
        let mut run = vec![first];
        let mut last = first;
        let mut filled = first.len;
        while to_u64(buf.len()) > filled {
            let max = to_u64(buf.len()) - filled;
            let next = match self.map_at(offset + filled, max)?.place {
                Place::Packed(next) => next,
                _ => break,
            };
            let whole = next.start == offset + filled && next.len <= max;
            if !whole || !last.run_takes(first.offset, &next) {
                break;
            }
            run.push(next);
            last = next;
            filled += next.len;
        }
        let end = run.iter().map(Packed::packed_end).max().unwrap_or(0);
        self.with_packed(first.file, first.offset, end, |bytes| {
            let mut rest = &mut buf[..to_usize(filled)];
            for packed in &run {
                let (out, after) = rest.split_at_mut(to_usize(packed.len));
                rest = after;
                let start = to_usize(packed.offset - first.offset);
                let bytes = bytes.get(start..).unwrap_or_default();
                let len = bytes.len().min(to_usize(packed.packed_len));
                packed
                    .codec
                    .decode(&bytes[..len], out)
                    .map_err(|error| error.offset(packed.offset))?;
            }
            Ok(())
        })?;
        Ok(to_usize(filled))
    }
}

impl<M: Map> ReadAt for Mapped<M> {
    fn size(&self) -> u64 {
        self.map.size()
    }

    fn read_at(&self, mut offset: u64, mut buf: &mut [u8]) -> Result<()> {
        while !buf.is_empty() {
            let mapping = self.map_at(offset, to_u64(buf.len()))?;
            let mut len = to_usize(mapping.len);
            match mapping.place {
                Place::Packed(packed)
                    if packed.start == offset
                        && packed.len <= to_u64(buf.len()) =>
                {
                    len = self.read_packed_run(packed, offset, buf)?;
                }
                Place::Packed(packed) => {
                    self.read_packed_part(&packed, offset, &mut buf[..len])?;
                }
                Place::Stored { file, offset } => {
                    self.read_stored(file, offset, &mut buf[..len])?;
                }
                Place::Parent => self.read_parent(offset, &mut buf[..len])?,
                Place::Hole | Place::Zero => buf[..len].fill(0),
            }
            offset += to_u64(len);
            buf = &mut buf[len..];
        }
        Ok(())
    }
}

impl<M: Map> BlockRead for Mapped<M> {
    fn extent_at(&self, offset: u64, max: u64) -> Result<Extent> {
        let mapping = self.map_at(offset, max)?;
        let extent = |len, kind| Extent { offset, len, kind };
        Ok(match mapping.place {
            Place::Hole => extent(mapping.len, ExtentKind::Hole),
            Place::Zero => extent(mapping.len, ExtentKind::Zero),
            Place::Packed(_) => extent(mapping.len, ExtentKind::Compressed),
            Place::Stored { file, offset } => {
                let file = self.file(file)?;
                if offset >= file.size() {
                    // The read says what is wrong.
                    return Ok(extent(mapping.len, ExtentKind::Data));
                }
                let inner = file.extent_at(offset, mapping.len)?;
                let kind = match inner.kind {
                    ExtentKind::Hole => ExtentKind::Zero,
                    kind => kind,
                };
                extent(inner.len, kind)
            }
            Place::Parent => match &self.parent {
                Some(parent) if offset < parent.size() => {
                    parent.extent_at(offset, mapping.len)?
                }
                _ => extent(mapping.len, ExtentKind::Hole),
            },
        })
    }

    fn preferred_unit(&self) -> u64 {
        let parent = self.parent.as_ref().map_or(512, |p| p.preferred_unit());
        self.map.unit().max(parent)
    }

    fn stored_at(&self, offset: u64, max: u64) -> Result<Option<Stored<'_>>> {
        let mapping = self.map_at(offset, max)?;
        match (mapping.place, &self.parent) {
            (Place::Stored { file, offset }, _) => {
                self.file(file)?.stored_at(offset, mapping.len)
            }
            (Place::Parent, Some(parent)) if offset < parent.size() => {
                parent.stored_at(offset, mapping.len)
            }
            _ => Ok(None),
        }
        .during("looking for stored bytes")
    }
}
