// SPDX-License-Identifier: Apache-2.0
//! `imagewright fetch`.

use std::process::ExitCode;

use imagewright::source::{self, FetchOptions};
use imagewright::{Event, Monitor};

use crate::args::{Fetch, Global, Verification};
use crate::render;

pub(super) fn run(
    args: Fetch,
    global: &Global,
    monitor: &Monitor,
) -> anyhow::Result<ExitCode> {
    let options = options(FetchOptions::new(), args.verification, global)?;
    let reference = args.source.parse()?;
    monitor.event(&Event::Step {
        number: 1,
        total: 1,
        name: "fetch and verify the image",
    });
    let fetched = source::fetch(&reference, &options, monitor)?;
    monitor.event(&Event::Finished);
    match global.json {
        true => render::print_json(&fetched)?,
        false => render::print(&format!("{}\n", fetched.path.display()))?,
    }
    Ok(ExitCode::SUCCESS)
}

/// `base` with what the arguments say instead.
pub(super) fn options(
    base: FetchOptions,
    arguments: Verification,
    global: &Global,
) -> anyhow::Result<FetchOptions> {
    let mut options = base;
    options.cache_dir.clone_from(&global.cache_dir);
    if let Some(digest) = arguments.sha256 {
        options.sha256 = Some(digest.parse()?);
    }
    if let Some(file) = arguments.checksums {
        options.checksums = Some(file.parse()?);
    }
    if let Some(file) = arguments.signature {
        options.signature = Some(file.parse()?);
    }
    if let Some(file) = arguments.keyring {
        options.keyring = Some(file.into());
    }
    options.insecure_no_checksum = arguments.insecure_no_checksum;
    Ok(options)
}
