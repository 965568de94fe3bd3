// SPDX-License-Identifier: Apache-2.0
//! containerd's metadata store, written anew; and a store of any content. In
//! both cases what was written is read again.

use imagewright::describe::fuzzing::{
    Bucket, Content, rewritten_database, written_database,
};

use crate::OneFile;

const PATH: &str = "/var/lib/containerd/io.containerd.metadata.v1.bolt/meta.db";

/// Buckets in buckets, at most: those of containerd are not deeper than ten.
const MAX_DEPTH: u32 = 20;

/// Keys and values as the bytes say: an operation, the length of a key, the
/// key; for a value its length and the byte it is made of.
fn content(data: &mut &[u8], depth: u32) -> Bucket {
    let mut bucket = Bucket::default();
    while let Some((operation, len, rest)) = two(*data) {
        let len = usize::from(len).min(rest.len());
        let (key, rest) = rest.split_at(len);
        *data = rest;
        let content = match operation % 4 {
            0 if depth > 0 => return bucket,
            1 if depth < MAX_DEPTH => Content::Bucket(content(data, depth + 1)),
            // A value that does not fit into a page.
            2 => Content::Value(vec![operation; len * 97]),
            _ => {
                let (value, rest) = data.split_at(data.len().min(len));
                *data = rest;
                Content::Value(value.to_vec())
            }
        };
        bucket.0.push((key.to_vec(), content));
    }
    bucket
}

fn two(data: &[u8]) -> Option<(u8, u8, &[u8])> {
    match data {
        [first, second, rest @ ..] => Some((*first, *second, rest)),
        _ => None,
    }
}

/// Runs one input.
pub fn run(data: &[u8]) {
    let Some((kind, mut data)) = data.split_first() else {
        return;
    };
    match kind {
        b'w' => written_database(content(&mut data, 0), 4096),
        b'x' => written_database(content(&mut data, 0), 65_536),
        _ => rewritten_database(&OneFile::new(PATH, data), PATH),
    }
}
