// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! The one error of the library.
//!
//! Rules:
//!
//! - Every public function that can fail returns [`Error`]; its
//!   [`kind`](Error::kind) is what a program matches on, its text is what a
//!   person reads.
//! - [`ErrorKind::Io`] (the medium failed), [`ErrorKind::Unsupported`] (valid,
//!   but not implemented here) and [`ErrorKind::Corrupt`] (the input is
//!   wrong) are never mixed up.
//! - A message says what was wrong, without repeating its source; context is
//!   added on the way up with [`during`](Error::during), [`at`](Error::at),
//!   [`offset`](Error::offset); what the person can do stands in
//!   [`hint`](Error::hint).
//! - Inside a parser, a small `thiserror` enum with data fields; it is
//!   converted once, at the edge of its module.
//! - When a clean-up fails after a failure, both are kept
//!   ([`with_cleanup`](Error::with_cleanup)).

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Serialize, Serializer};

/// Result of every fallible function of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, in the words a caller can act on.
///
/// Each kind has a stable [`exit_code`](ErrorKind::exit_code) and
/// [`name`](ErrorKind::name).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Reading or writing failed.
    Io,
    /// The input is valid but not implemented, or this kernel cannot do it.
    Unsupported,
    /// The input breaks its own format.
    Corrupt,
    /// An argument or a combination of arguments makes no sense.
    InvalidArgument,
    /// The recipe is wrong.
    Recipe,
    /// A checksum, a signature or an offline check failed.
    Verify,
    /// A privilege is missing.
    Privilege,
    /// A command, on the host or in the image, failed.
    Command,
    /// Somebody else holds what is needed.
    Busy,
    /// A file, package or partition is not there.
    NotFound,
    /// No space is left, on the host or in the image.
    NoSpace,
    /// The network or a server failed.
    Network,
    /// The work was done, but not everything could be released.
    Cleanup,
    /// The caller asked to stop.
    Cancelled,
    /// A defect of imagewright.
    Internal,
}

impl ErrorKind {
    /// Every kind, in the order of the exit codes.
    pub const ALL: [Self; 15] = [
        Self::Internal,
        Self::InvalidArgument,
        Self::Io,
        Self::Unsupported,
        Self::Corrupt,
        Self::Recipe,
        Self::Verify,
        Self::Privilege,
        Self::Command,
        Self::Busy,
        Self::NotFound,
        Self::NoSpace,
        Self::Network,
        Self::Cleanup,
        Self::Cancelled,
    ];

    /// The stable name, as printed by `--json`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Internal => "internal",
            Self::InvalidArgument => "invalid-argument",
            Self::Io => "io",
            Self::Unsupported => "unsupported",
            Self::Corrupt => "corrupt",
            Self::Recipe => "recipe",
            Self::Verify => "verify",
            Self::Privilege => "privilege",
            Self::Command => "command",
            Self::Busy => "busy",
            Self::NotFound => "not-found",
            Self::NoSpace => "no-space",
            Self::Network => "network",
            Self::Cleanup => "cleanup",
            Self::Cancelled => "cancelled",
        }
    }

    /// The exit code of the command.
    ///
    /// 1 is a defect, 2 a usage error as everywhere, 130 an interruption.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Internal => 1,
            Self::InvalidArgument => 2,
            Self::Io => 3,
            Self::Unsupported => 4,
            Self::Corrupt => 5,
            Self::Recipe => 6,
            Self::Verify => 7,
            Self::Privilege => 8,
            Self::Command => 9,
            Self::Busy => 10,
            Self::NotFound => 11,
            Self::NoSpace => 12,
            Self::Network => 13,
            Self::Cleanup => 14,
            Self::Cancelled => 130,
        }
    }

    fn of_io(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::NotFound,
            io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::FileTooLarge => Self::NoSpace,
            io::ErrorKind::ResourceBusy => Self::Busy,
            _ => Self::Io,
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for ErrorKind {
    fn serialize<S: Serializer>(
        &self,
        serializer: S,
    ) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// What failed, where, and what to do about it.
///
/// As JSON, it is an object: kind, message, path, offset, hint, errno.
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    kind: ErrorKind,
    message: String,
    /// Innermost first.
    during: Vec<String>,
    path: Option<PathBuf>,
    offset: Option<u64>,
    hint: Option<String>,
    source: Option<Box<dyn StdError + Send + Sync>>,
    cleanup: Option<Error>,
}

impl Error {
    /// An error of `kind` that says what is wrong.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            message: message.into(),
            during: Vec::new(),
            path: None,
            offset: None,
            hint: None,
            source: None,
            cleanup: None,
        }))
    }

    /// An error of `kind` whose message is that of `source`.
    pub fn from_source(
        kind: ErrorKind,
        source: impl StdError + Send + Sync + 'static,
    ) -> Self {
        let mut error = Self::new(kind, source.to_string());
        error.0.source = Some(Box::new(source));
        error
    }

    /// The input breaks its own format.
    pub fn corrupt(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Corrupt, message)
    }

    /// Valid input that is not implemented.
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unsupported, message)
    }

    /// A wrong argument.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidArgument, message)
    }

    /// A defect of this crate: an invariant did not hold.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Internal, message)
    }

    /// The caller cancelled.
    pub fn cancelled() -> Self {
        Self::new(ErrorKind::Cancelled, "cancelled")
    }

    /// Adds what was being done, from the inside out.
    #[must_use]
    pub fn during(mut self, operation: impl Into<String>) -> Self {
        self.0.during.push(operation.into());
        self
    }

    /// Says in which file, unless a more precise one is already known.
    #[must_use]
    pub fn at(mut self, path: impl AsRef<Path>) -> Self {
        if self.0.path.is_none() {
            self.0.path = Some(path.as_ref().to_owned());
        }
        self
    }

    /// Says at which byte of the file, unless already known.
    #[must_use]
    pub fn offset(mut self, offset: u64) -> Self {
        self.0.offset.get_or_insert(offset);
        self
    }

    /// Says what the person can do, unless already said.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        if self.0.hint.is_none() {
            self.0.hint = Some(hint.into());
        }
        self
    }

    /// Changes the kind, where the caller knows better.
    #[must_use]
    pub fn with_kind(mut self, kind: ErrorKind) -> Self {
        self.0.kind = kind;
        self
    }

    /// Keeps the error of a clean-up that failed after this one.
    #[must_use]
    pub fn with_cleanup(mut self, cleanup: Error) -> Self {
        match &mut self.0.cleanup {
            None => self.0.cleanup = Some(cleanup),
            Some(first) => {
                let taken = std::mem::replace(first, Self::cancelled());
                *first = taken.with_cleanup(cleanup);
            }
        }
        self
    }

    /// What a program matches on.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// What is wrong, without context.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The file concerned.
    pub fn path(&self) -> Option<&Path> {
        self.0.path.as_deref()
    }

    /// The byte offset concerned.
    pub fn byte_offset(&self) -> Option<u64> {
        self.0.offset
    }

    /// What the person can do.
    pub fn advice(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// The error number of the system call behind it, if there is one.
    pub fn errno(&self) -> Option<i32> {
        let mut source = StdError::source(self);
        while let Some(error) = source {
            if let Some(error) = error.downcast_ref::<io::Error>() {
                return error.raw_os_error();
            }
            if let Some(errno) = error.downcast_ref::<nix::Error>() {
                // The numbers of Linux are the values of the type.
                return io::Error::from(*errno).raw_os_error();
            }
            source = error.source();
        }
        None
    }

    /// The error of a clean-up that failed after this one.
    pub fn cleanup(&self) -> Option<&Error> {
        self.0.cleanup.as_ref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for operation in self.0.during.iter().rev() {
            write!(f, "{operation}: ")?;
        }
        if let Some(path) = &self.0.path {
            write!(f, "{}: ", path.display())?;
        }
        f.write_str(&self.0.message)?;
        if let Some(offset) = self.0.offset {
            write!(f, " (at byte {offset})")?;
        }
        if let Some(cleanup) = &self.0.cleanup {
            write!(f, "; then the clean-up failed as well: {cleanup}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for Error {
    fn serialize<S: Serializer>(
        &self,
        serializer: S,
    ) -> std::result::Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Document<'a> {
            kind: ErrorKind,
            message: String,
            path: Option<&'a Path>,
            offset: Option<u64>,
            hint: Option<&'a str>,
            errno: Option<i32>,
        }
        Document {
            kind: self.kind(),
            message: self.to_string(),
            path: self.path(),
            offset: self.byte_offset(),
            hint: self.advice(),
            errno: self.errno(),
        }
        .serialize(serializer)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        let source = self.0.source.as_deref()?;
        Some(source)
    }
}

impl From<io::Error> for Error {
    /// Keeps an [`Error`] that travelled through an [`io::Error`].
    fn from(error: io::Error) -> Self {
        if error.get_ref().is_some_and(|inner| inner.is::<Error>()) {
            let inner = error.into_inner().map(|inner| inner.downcast());
            return match inner {
                Some(Ok(error)) => *error,
                _ => Self::internal("an error lost its type"),
            };
        }
        Self::from_source(ErrorKind::of_io(&error), error)
    }
}

impl From<nix::Error> for Error {
    fn from(errno: nix::Error) -> Self {
        let kind = match errno {
            nix::Error::EPERM | nix::Error::EACCES => ErrorKind::Privilege,
            _ => ErrorKind::of_io(&io::Error::from(errno)),
        };
        Self::from_source(kind, errno)
    }
}

/// The result of `work` that was followed by a clean-up: the first failure,
/// which keeps the second.
pub(crate) fn after<T>(work: Result<T>, cleanup: Result<()>) -> Result<T> {
    match (work, cleanup) {
        (work, Ok(())) => work,
        (Ok(_), Err(error)) => Err(error),
        (Err(error), Err(second)) => Err(error.with_cleanup(second)),
    }
}

/// Adds context to a failed result.
pub(crate) trait Context<T> {
    /// See [`Error::during`].
    fn during(self, operation: impl Into<String>) -> Result<T>;
    /// See [`Error::at`].
    fn at(self, path: impl AsRef<Path>) -> Result<T>;
}

impl<T, E: Into<Error>> Context<T> for Result<T, E> {
    fn during(self, operation: impl Into<String>) -> Result<T> {
        self.map_err(|error| error.into().during(operation))
    }

    fn at(self, path: impl AsRef<Path>) -> Result<T> {
        self.map_err(|error| error.into().at(path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_own_code_and_name() {
        let mut codes: Vec<_> =
            ErrorKind::ALL.iter().map(|k| k.exit_code()).collect();
        let mut names: Vec<_> =
            ErrorKind::ALL.iter().map(|k| k.name()).collect();
        codes.sort_unstable();
        codes.dedup();
        names.sort_unstable();
        names.dedup();
        assert_eq!(codes.len(), ErrorKind::ALL.len());
        assert_eq!(names.len(), ErrorKind::ALL.len());
        assert!(!codes.contains(&0));
    }

    #[test]
    fn the_error_number_survives_context() {
        let error = io::Error::from_raw_os_error(28);
        let error = Error::from(error).during("writing").at("/x");
        assert_eq!(error.errno(), Some(28));
        assert_eq!(error.kind(), ErrorKind::NoSpace);
        let json = serde_json::to_value(&error).unwrap();
        assert_eq!(json["errno"], 28);
        assert_eq!(json["kind"], "no-space");
        assert_eq!(Error::from(nix::Error::EBUSY).errno(), Some(16));
        assert_eq!(Error::corrupt("x").errno(), None);
    }

    #[test]
    fn display_goes_from_the_outside_in() {
        let error = Error::corrupt("the magic is not QFI\\xfb")
            .during("reading the qcow2 header")
            .at("a.qcow2")
            .offset(0)
            .during("opening the image");
        assert_eq!(
            error.to_string(),
            "opening the image: reading the qcow2 header: a.qcow2: \
             the magic is not QFI\\xfb (at byte 0)"
        );
    }

    #[test]
    fn survives_a_trip_through_io_error() {
        let error = Error::from(io::Error::other(Error::corrupt("bad")));
        assert_eq!(error.kind(), ErrorKind::Corrupt);
    }

    #[test]
    fn keeps_every_failure_of_a_clean_up() {
        let error = Error::corrupt("a")
            .with_cleanup(Error::corrupt("b"))
            .with_cleanup(Error::corrupt("c"));
        let text = error.to_string();
        assert!(text.contains('b') && text.contains('c'), "{text}");
    }
}
