// SPDX-License-Identifier: Apache-2.0
//! Reading a few files of a root.

use super::Candidate;
use crate::error::Result;

/// Opens a candidate to look into it; see
/// [`Survey::assemble`](super::Survey::assemble).
pub type OpenRoot<'a> =
    dyn FnMut(&Candidate) -> Result<Option<Box<dyn RootReader>>> + 'a;

/// Access to the files of one filesystem, whose root is `/`.
///
/// Symbolic links, absolute ones included, are resolved inside of it and
/// never lead out.
pub trait RootReader {
    /// The first `limit` bytes of a regular file at an absolute path; `None`
    /// when there is no such file (nothing there, a dangling link, a loop of
    /// links, or no regular file).
    ///
    /// # Errors
    /// `Io`, `Corrupt`.
    fn read_head(&self, path: &str, limit: usize) -> Result<Option<Vec<u8>>>;

    /// Whether there is a directory at an absolute path.
    ///
    /// # Errors
    /// `Io`, `Corrupt`.
    fn is_dir(&self, path: &str) -> Result<bool>;
}

impl<T: RootReader + ?Sized> RootReader for Box<T> {
    fn read_head(&self, path: &str, limit: usize) -> Result<Option<Vec<u8>>> {
        (**self).read_head(path, limit)
    }

    fn is_dir(&self, path: &str) -> Result<bool> {
        (**self).is_dir(path)
    }
}
