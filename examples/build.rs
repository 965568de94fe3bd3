// SPDX-License-Identifier: Apache-2.0
//! The whole chain, with progress; Ctrl-C cancels it, and nothing is left.
//! `build IMAGE RECIPE OUTPUT`
//!
//! Needs root. The image's checksum file has to vouch for it.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use imagewright::pipeline::{self, BuildOptions, InputOptions};
use imagewright::recipe::Recipe;
use imagewright::{CancelToken, Event, Monitor, Progress, Result};

struct Steps;

impl Progress for Steps {
    fn event(&self, event: &Event<'_>) {
        match event {
            Event::Step {
                number,
                total,
                name,
            } => println!("[{number}/{total}] {name}"),
            Event::Warning(message) => println!("warning: {message}"),
            _ => {}
        }
    }
}

fn build(monitor: &Monitor) -> Result<()> {
    let mut args = std::env::args().skip(1);
    let mut next = || args.next().unwrap_or_default();
    let input = InputOptions::new(next().parse()?);
    let recipe = Recipe::load(next().as_ref())?;
    let options = BuildOptions::new(input, recipe, next());
    print!("{}", pipeline::plan(&options, monitor)?);
    let report = pipeline::build(&options, monitor)?;
    for file in &report.files {
        println!("{}", file.display());
    }
    Ok(())
}

fn main() -> ExitCode {
    let stop = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(signal_hook::consts::SIGINT, Arc::clone(&stop))
        .expect("a handler for Ctrl-C");
    let monitor = Monitor::new(Arc::new(Steps), CancelToken::from_flag(stop));
    match build(&monitor) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            if let Some(advice) = error.advice() {
                eprintln!("{advice}");
            }
            ExitCode::from(error.kind().exit_code())
        }
    }
}
