// SPDX-License-Identifier: Apache-2.0
//! What `run.sh` builds: see `fuzzer.rs`.
#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
mod fuzzer;

#[cfg(not(fuzzing))]
fn main() {
    eprintln!("fuzz: build it by tests/fuzz/run.sh");
    std::process::exit(2);
}
