# SPDX-License-Identifier: Apache-2.0
"""Running work: events out of it, cancellation into it."""

from __future__ import annotations

import contextlib
import ctypes
import json
import queue
import threading
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, Callable, Optional

from . import _capi
from .errors import check

Event = dict[str, Any]
Progress = Callable[[Event], object]


class Run:
    """An operation that runs in a thread of its own.

    Iterate over it for its events, call :meth:`result` for its result; as a
    context manager it is cancelled when the block is left early::

        with imagewright.start("build", request) as run:
            for event in run:
                print(event)
            report = run.result()
    """

    def __init__(
        self,
        operation: str,
        request: Mapping[str, Any],
        progress: Optional[Progress] = None,
    ) -> None:
        self._operation = operation.encode()
        self._request = json.dumps(dict(request)).encode()
        self._progress = progress
        self._events: queue.SimpleQueue[Optional[Event]] = queue.SimpleQueue()
        self._failure: Optional[BaseException] = None
        self._answer: Any = None
        # Kept for as long as the library may call it.
        self._callback = _capi.ProgressFn(self._event)
        self._monitor: Optional[int] = _capi.monitor_new(self._callback, None)
        self._lock = threading.Lock()
        # Not Thread.join(): before Python 3.13 a KeyboardInterrupt in it makes
        # it take the thread for ended, and the interpreter would go away
        # beneath the library.
        self._done = threading.Event()
        self._entered = False
        try:
            threading.Thread(target=self._work, daemon=True).start()
        except BaseException:
            # Interrupted while it starts: it may run by now.
            self._stop()
            raise

    def cancel(self) -> None:
        """Asks the work to stop; :meth:`result` then raises."""
        with self._lock:
            if self._monitor:
                _capi.monitor_cancel(self._monitor)

    def result(self) -> Any:
        """Waits for the end; the result, or the exception.

        A ``KeyboardInterrupt`` while it waits cancels the work, waits for its
        clean-up, and goes on to the caller.
        """
        try:
            # With a timeout, so that signals are seen while it waits.
            while not self._done.wait(0.1):
                pass
        except BaseException:
            self._stop()
            raise
        if self._failure is not None:
            raise self._failure
        return self._answer

    def __iter__(self) -> Iterator[Event]:
        while True:
            try:
                event = self._events.get(timeout=0.1)
            except queue.Empty:
                continue
            except BaseException:
                self._stop()
                raise
            if event is None:
                return
            yield event

    def __enter__(self) -> Run:
        return self

    def __exit__(
        self,
        kind: Optional[type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        self._stop()

    def _stop(self) -> None:
        """Cancels, and waits for the clean-up: a second Ctrl-C does not
        leave it behind."""
        self.cancel()
        with self._lock:
            if not self._entered:
                # If it ever enters the library, it is cancelled already.
                return
        while not self._done.is_set():
            with contextlib.suppress(KeyboardInterrupt):
                self._done.wait()

    def _event(self, _: Any, text: bytes) -> int:
        try:
            event: Event = json.loads(text)
            if self._progress is None:
                self._events.put(event)
            else:
                self._progress(event)
        except BaseException as error:  # not into the library: reported
            if self._failure is None:
                self._failure = error
            return 1
        return 0

    def _work(self) -> None:
        with self._lock:
            self._entered = True
        try:
            result = ctypes.c_void_p()
            check(
                _capi.run(
                    self._monitor,
                    self._operation,
                    self._request,
                    ctypes.byref(result),
                )
            )
            self._answer = json.loads(_capi.take_string(result.value))
        except BaseException as error:
            # An exception in the callback is why it was cancelled.
            if self._failure is None:
                self._failure = error
        finally:
            with self._lock:
                _capi.monitor_free(self._monitor)
                self._monitor = None
            self._events.put(None)
            self._done.set()


def start(operation: str, request: Mapping[str, Any]) -> Run:
    """Begins an operation; its events are iterated over."""
    return Run(operation, request)


def run(
    operation: str,
    request: Mapping[str, Any],
    progress: Optional[Progress] = None,
) -> Any:
    """Runs an operation to its end; ``progress`` receives its events, from
    any thread. An exception in it cancels the work and is raised here."""
    ignored: Progress = lambda _: None  # noqa: E731
    return Run(operation, request, progress or ignored).result()
