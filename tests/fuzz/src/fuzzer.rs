// SPDX-License-Identifier: Apache-2.0
//! The fuzzer: libFuzzer's options, and the target's name in `FUZZ_TARGET`;
//! or the directory for new seeds in `FUZZ_SEEDS`. With neither it lists the
//! targets.

use std::sync::OnceLock;

use imagewright_fuzz::{Run, TARGETS, write_seeds};
use libfuzzer_sys::fuzz_target;

static TARGET: OnceLock<Run> = OnceLock::new();

/// The target that was asked for; ends the process where there is none.
fn target() -> Run {
    if let Some(directory) = std::env::var_os("FUZZ_SEEDS") {
        write_seeds(directory.into());
        std::process::exit(0);
    }
    let Some(wanted) = std::env::var_os("FUZZ_TARGET") else {
        for (name, _) in TARGETS {
            println!("{name}");
        }
        std::process::exit(0);
    };
    let found = TARGETS.iter().find(|(name, _)| wanted == *name);
    let Some((_, run)) = found else {
        eprintln!("fuzz: there is no target {}", wanted.display());
        std::process::exit(2);
    };
    *run
}

fuzz_target!(init: { TARGET.get_or_init(target) }, |data: &[u8]| {
    TARGET.get_or_init(target)(data);
});
