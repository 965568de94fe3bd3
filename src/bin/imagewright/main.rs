// SPDX-License-Identifier: Apache-2.0
//! The `imagewright` command: arguments in, library options out, results on
//! standard output, everything for people on standard error.

mod args;
mod assets;
mod commands;
mod progress;
mod render;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clap::Parser;
use imagewright::{CancelToken, ErrorKind, Monitor};

fn main() -> ExitCode {
    let args = match args::Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            // Help goes to standard output with status 0, the rest is usage.
            let _ = error.print();
            return ExitCode::from(
                u8::try_from(error.exit_code()).unwrap_or(2),
            );
        }
    };
    start_log(&args.global);
    let monitor = match start_monitor(&args.global) {
        Ok(monitor) => monitor,
        Err(error) => return render::fail(&error.into(), args.global.json),
    };
    let json = args.global.json;
    match commands::run(args, &monitor) {
        Ok(code) => code,
        Err(error) => render::fail(&error, json),
    }
}

fn start_log(global: &args::Global) {
    let level = match (global.quiet, global.verbose) {
        (true, _) => "error",
        (false, 0) => "warn",
        (false, 1) => "info",
        (false, _) => "debug",
    };
    let filter = tracing_subscriber::EnvFilter::try_from_env("IMAGEWRIGHT_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(level));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .without_time()
        .with_target(false)
        .init();
}

/// The first signal cancels and cleans up; a second one ends us at once, and
/// the kernel cleans up.
fn start_monitor(global: &args::Global) -> std::io::Result<Monitor> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    let flag = Arc::new(AtomicBool::new(false));
    let code = i32::from(ErrorKind::Cancelled.exit_code());
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        signal_hook::flag::register_conditional_shutdown(
            signal,
            code,
            Arc::clone(&flag),
        )?;
        signal_hook::flag::register(signal, Arc::clone(&flag))?;
    }
    let progress = progress::of(global);
    Ok(Monitor::new(progress, CancelToken::from_flag(flag)))
}
