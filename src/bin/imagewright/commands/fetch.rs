// SPDX-License-Identifier: Apache-2.0
//! `imagewright fetch`.

use std::process::ExitCode;

use imagewright::Monitor;

use crate::args::{Fetch, Global};

pub(super) fn run(
    _args: Fetch,
    _global: &Global,
    _monitor: &Monitor,
) -> anyhow::Result<ExitCode> {
    anyhow::bail!("later")
}
