// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Work in parallel, results in order, memory bounded.
//!
//! The calling thread feeds jobs and takes the results in the order of the
//! jobs; workers in between do the costly part. At most
//! [`Pipeline::in_flight`] jobs are unfinished at any time, so that whatever
//! they hold is bounded.

use std::collections::VecDeque;
use std::fmt;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};
use std::thread;

use crossbeam_channel::{Receiver, Sender, unbounded};

use crate::error::{Context, Error, Result};

/// One worker per processor that this process may use.
pub fn default_workers() -> NonZeroUsize {
    thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

/// How many work and how far ahead of the results.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pipeline {
    pub(crate) workers: NonZeroUsize,
    /// Jobs begun whose result was not taken, at most.
    pub(crate) in_flight: usize,
}

type Numbered<T> = (usize, T);

impl Pipeline {
    /// Enough in flight to keep `workers` busy while results wait their turn.
    pub(crate) fn new(workers: NonZeroUsize) -> Self {
        Self {
            workers,
            in_flight: workers.get().saturating_mul(3),
        }
    }

    /// Runs `work` on every job and hands each result to `sink`, in the order
    /// of `jobs`. `state` is made once per worker.
    ///
    /// # Errors
    /// The first error of `jobs`, `work` or `sink`; all workers have ended
    /// by then.
    pub(crate) fn run<J, R, S>(
        &self,
        jobs: impl Iterator<Item = Result<J>>,
        state: impl Fn() -> Result<S> + Sync,
        work: impl Fn(&mut S, J) -> Result<R> + Sync,
        sink: impl FnMut(R) -> Result<()>,
    ) -> Result<()>
    where
        J: Send,
        R: Send,
    {
        let (job_sender, job_receiver) = unbounded::<Numbered<J>>();
        let (result_sender, result_receiver) = unbounded();
        let (state, work) = (&state, &work);
        thread::scope(move |scope| {
            for number in 0..self.workers.get() {
                let jobs = job_receiver.clone();
                let results = result_sender.clone();
                thread::Builder::new()
                    .name(format!("block-{number}"))
                    .spawn_scoped(scope, move || {
                        worker(&jobs, &results, state, work);
                    })
                    .during("starting a worker thread")?;
            }
            drop(job_receiver);
            drop(result_sender);
            let ended = self.drive(jobs, &job_sender, &result_receiver, sink);
            // This ends the workers, even those with jobs left; the scope
            // waits for them.
            drop(result_receiver);
            drop(job_sender);
            ended
        })
    }

    fn drive<J, R>(
        &self,
        mut jobs: impl Iterator<Item = Result<J>>,
        sender: &Sender<Numbered<J>>,
        receiver: &Receiver<Numbered<Result<R>>>,
        mut sink: impl FnMut(R) -> Result<()>,
    ) -> Result<()> {
        let mut waiting: VecDeque<Option<R>> = VecDeque::new();
        let mut first = 0;
        let mut exhausted = false;
        loop {
            while !exhausted && waiting.len() < self.in_flight.max(1) {
                let Some(job) = jobs.next() else {
                    exhausted = true;
                    break;
                };
                let number = first + waiting.len();
                sender.send((number, job?)).map_err(|_| gone())?;
                waiting.push_back(None);
            }
            if waiting.is_empty() {
                return Ok(());
            }
            let (number, result) = receiver.recv().map_err(|_| gone())?;
            if let Some(place) = waiting.get_mut(number - first) {
                *place = Some(result?);
            }
            while let Some(Some(_)) = waiting.front() {
                let result = waiting.pop_front().flatten();
                first += 1;
                result.map_or(Ok(()), &mut sink)?;
            }
        }
    }
}

fn gone() -> Error {
    Error::internal("the worker threads ended early")
}

fn worker<J, R, S>(
    jobs: &Receiver<Numbered<J>>,
    results: &Sender<Numbered<Result<R>>>,
    state: impl Fn() -> Result<S>,
    work: impl Fn(&mut S, J) -> Result<R>,
) {
    let mut own = None;
    for (number, job) in jobs {
        let result = catch_unwind(AssertUnwindSafe(|| {
            let own = match &mut own {
                Some(own) => own,
                none => none.insert(state()?),
            };
            work(own, job)
        }))
        .unwrap_or_else(|_| Err(Error::internal("a worker thread panicked")));
        if results.send((number, result)).is_err() {
            return;
        }
    }
}

/// Buffers of one length that are used again and again.
///
/// A fresh buffer of this size costs a page fault every 4 KiB.
pub(crate) struct Pool {
    len: usize,
    free: Mutex<Vec<Vec<u8>>>,
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("len", &self.len).finish()
    }
}

impl Pool {
    pub(crate) fn new(len: usize) -> Self {
        Self {
            len,
            free: Mutex::new(Vec::new()),
        }
    }

    /// A buffer with any content.
    pub(crate) fn take(&self) -> Vec<u8> {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        free.pop().unwrap_or_else(|| vec![0; self.len])
    }

    pub(crate) fn give(&self, buffer: Vec<u8>) {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        free.push(buffer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    fn pipeline() -> Pipeline {
        Pipeline::new(NonZeroUsize::new(4).unwrap())
    }

    #[test]
    fn results_come_in_order() {
        let mut seen = Vec::new();
        pipeline()
            .run(
                (0..1000_u64).map(Ok),
                || Ok(()),
                |(), n| {
                    if n % 7 == 0 {
                        thread::yield_now();
                    }
                    Ok(n * 2)
                },
                |n| {
                    seen.push(n);
                    Ok(())
                },
            )
            .unwrap();
        assert_eq!(seen, (0..1000).map(|n| n * 2).collect::<Vec<_>>());
    }

    #[test]
    fn an_error_anywhere_ends_it() {
        for fail in ["job", "work", "sink"] {
            let error = pipeline()
                .run(
                    (0..100).map(|n| match n {
                        50 if fail == "job" => Err(Error::corrupt("job")),
                        n => Ok(n),
                    }),
                    || Ok(()),
                    |(), n| match n {
                        50 if fail == "work" => Err(Error::corrupt("work")),
                        n => Ok(n),
                    },
                    |n| match n {
                        50 if fail == "sink" => Err(Error::corrupt("sink")),
                        _ => Ok(()),
                    },
                )
                .unwrap_err();
            assert_eq!(error.message(), fail);
        }
    }

    #[test]
    fn a_panic_becomes_an_error() {
        let error = pipeline()
            .run(
                (0..100).map(Ok),
                || Ok(()),
                |(), n: i32| {
                    assert_ne!(n, 3, "a test panic");
                    Ok(n)
                },
                |_| Ok(()),
            )
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Internal);
    }
}
