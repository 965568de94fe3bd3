// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! The Zstandard format: a frame per piece, one after the other.
//!
//! Facts from RFC 8878.

use zstd::zstd_safe::{CCtx, CParameter, compress_bound, get_error_name};

use crate::block::to_u64;
use crate::error::{Error, Result};
use crate::image::stream::encode::{Encode, Frame, Piece};

/// Packs pieces; one per thread.
pub(super) struct Encoder(CCtx<'static>);

impl Encoder {
    pub(super) fn new(level: i32) -> Result<Self> {
        if !(1..=22).contains(&level) {
            let message = format!("there is no zstd level {level}");
            return Err(Error::invalid(message).hint("use 1 to 22"));
        }
        let mut context = CCtx::try_create()
            .ok_or_else(|| Error::internal("no memory for zstd"))?;
        for parameter in [
            CParameter::CompressionLevel(level),
            CParameter::ChecksumFlag(true),
        ] {
            context.set_parameter(parameter).map_err(failed)?;
        }
        Ok(Self(context))
    }
}

fn failed(code: usize) -> Error {
    Error::internal(format!("zstd: {}", get_error_name(code)))
}

impl Encode for Encoder {
    fn encode(&mut self, plain: &[u8]) -> Result<Piece> {
        let mut packed = Vec::with_capacity(compress_bound(plain.len()));
        self.0.compress2(&mut packed, plain).map_err(failed)?;
        Ok(Piece {
            packed,
            plain_len: to_u64(plain.len()),
            ..Piece::default()
        })
    }
}

/// Frames need nothing around them.
#[derive(Default)]
pub(super) struct Frames {
    some: bool,
}

impl Frame for Frames {
    fn head(&self) -> Vec<u8> {
        Vec::new()
    }

    fn note(&mut self, _: &Piece) {
        self.some = true;
    }

    /// A file without a frame would not be one of Zstandard.
    fn tail(&mut self) -> Result<Vec<u8>> {
        match self.some {
            true => Ok(Vec::new()),
            false => Ok(Encoder::new(1)?.encode(&[])?.packed),
        }
    }
}
