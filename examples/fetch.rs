// SPDX-License-Identifier: Apache-2.0
//! Phase 0: a verified image. `fetch IMAGE [SHA256]`
//!
//! Without a digest, the checksum file beside the image has to vouch for it.

use imagewright::source::{self, FetchOptions};
use imagewright::{Monitor, Result};

fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let image = args.next().unwrap_or_default().parse()?;
    let mut options = FetchOptions::new();
    options.sha256 = args.next().map(|digest| digest.parse()).transpose()?;
    let fetched = source::fetch(&image, &options, &Monitor::silent())?;
    println!("{}  {}", fetched.sha256, fetched.path.display());
    Ok(())
}
