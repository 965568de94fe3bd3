// SPDX-License-Identifier: Apache-2.0
//! Progress on standard error: bars on a terminal, lines elsewhere.

use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use imagewright::{Event, Progress};
use indicatif::{ProgressBar, ProgressStyle};

use crate::args::{Global, ProgressMode};
use crate::render;

/// The progress the arguments ask for.
pub(crate) fn of(global: &Global) -> Arc<dyn Progress> {
    let verbose = global.verbose > 0;
    match global.progress {
        _ if global.quiet => Arc::new(Nothing),
        ProgressMode::None => Arc::new(Nothing),
        ProgressMode::Json => Arc::new(Json(Mutex::new(Throttle::default()))),
        ProgressMode::Auto if io::stderr().is_terminal() => {
            Arc::new(Bars::new(verbose))
        }
        ProgressMode::Auto | ProgressMode::Plain => {
            Arc::new(Plain::new(verbose))
        }
    }
}

struct Nothing;

impl Progress for Nothing {
    fn event(&self, event: &Event<'_>) {
        if let Event::Warning(message) = event {
            let message = render::visible(message);
            let _ = writeln!(io::stderr(), "warning: {message}");
        }
    }
}

/// Lets a byte count through now and then.
#[derive(Default)]
struct Throttle(Option<Instant>);

impl Throttle {
    fn pass(&mut self, every: Duration) -> bool {
        let due = self.0.is_none_or(|last| last.elapsed() >= every);
        if due {
            self.0 = Some(Instant::now());
        }
        due
    }
}

/// A line when a step begins and one when it ended, with what it moved.
struct Plain {
    verbose: bool,
    running: Mutex<Running>,
}

#[derive(Default)]
struct Running {
    started: Option<Instant>,
    moved: u64,
}

impl Plain {
    fn new(verbose: bool) -> Self {
        Self {
            verbose,
            running: Mutex::default(),
        }
    }
}

impl Progress for Plain {
    fn event(&self, event: &Event<'_>) {
        let lock = self.running.lock();
        let mut running = lock.unwrap_or_else(PoisonError::into_inner);
        let mut stderr = io::stderr().lock();
        let _ = match event {
            Event::Step {
                number,
                total,
                name,
            } => {
                end(&mut running, &mut stderr);
                running.started = Some(Instant::now());
                writeln!(stderr, "[{number}/{total}] {name}")
            }
            Event::Bytes { done, .. } => {
                running.moved = *done;
                Ok(())
            }
            Event::Output(line) if self.verbose => {
                writeln!(stderr, "    {line}")
            }
            Event::Warning(message) => {
                writeln!(stderr, "warning: {}", render::visible(message))
            }
            Event::Finished => {
                end(&mut running, &mut stderr);
                Ok(())
            }
            _ => Ok(()),
        };
    }
}

fn end(running: &mut Running, stderr: &mut impl Write) {
    let Some(started) = running.started.take() else {
        return;
    };
    let seconds = started.elapsed().as_secs_f64();
    let _ = match std::mem::take(&mut running.moved) {
        0 => writeln!(stderr, "      {seconds:.1} s"),
        moved => {
            let rate = HumanRate { moved, seconds };
            writeln!(stderr, "      {seconds:.1} s, {rate}")
        }
    };
}

struct HumanRate {
    moved: u64,
    seconds: f64,
}

impl std::fmt::Display for HumanRate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let amount = render::bytes(self.moved);
        // Whole bytes a second are exact enough for a person.
        #[allow(clippy::cast_precision_loss)]
        let mega = self.moved as f64 / 1e6 / self.seconds.max(0.001);
        write!(f, "{amount} ({mega:.0} MB/s)")
    }
}

/// One JSON document a line.
struct Json(Mutex<Throttle>);

impl Progress for Json {
    fn event(&self, event: &Event<'_>) {
        if let Event::Bytes { done, total } = event {
            let lock = self.0.lock();
            let mut throttle = lock.unwrap_or_else(PoisonError::into_inner);
            if done != total && !throttle.pass(Duration::from_millis(200)) {
                return;
            }
        }
        let document = serde_json::to_string(event).unwrap_or_default();
        let _ = writeln!(io::stderr(), "{document}");
    }
}

/// A bar for what is counted, a spinner for what is not.
struct Bars {
    verbose: bool,
    bar: ProgressBar,
}

impl Bars {
    fn new(verbose: bool) -> Self {
        let bar = ProgressBar::no_length();
        bar.set_style(Self::spinner());
        bar.enable_steady_tick(Duration::from_millis(100));
        Self { verbose, bar }
    }

    fn spinner() -> ProgressStyle {
        ProgressStyle::with_template("{spinner} {prefix} {wide_msg} {elapsed}")
            .unwrap_or_else(|_| ProgressStyle::default_spinner())
    }

    fn counted() -> ProgressStyle {
        ProgressStyle::with_template(
            "{spinner} {prefix} {msg} {wide_bar} {bytes}/{total_bytes} \
             {binary_bytes_per_sec}",
        )
        .unwrap_or_else(|_| ProgressStyle::default_bar())
    }
}

impl Progress for Bars {
    fn event(&self, event: &Event<'_>) {
        match event {
            Event::Step {
                number,
                total,
                name,
            } => {
                self.bar.set_style(Self::spinner());
                self.bar.reset();
                self.bar.set_prefix(format!("[{number}/{total}]"));
                self.bar.set_message((*name).to_owned());
            }
            Event::Bytes { done, total } if *total > 0 => {
                if self.bar.length() != Some(*total) {
                    self.bar.set_style(Self::counted());
                    self.bar.set_length(*total);
                }
                self.bar.set_position(*done);
            }
            Event::Bytes { done, .. } => self.bar.set_position(*done),
            Event::Output(line) if self.verbose => self.bar.println(*line),
            Event::Warning(message) => {
                let message = render::visible(message);
                self.bar.println(format!("warning: {message}"));
            }
            Event::Finished => self.bar.finish_and_clear(),
            _ => {}
        }
    }
}

impl Drop for Bars {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
