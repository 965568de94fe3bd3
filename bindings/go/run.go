// SPDX-License-Identifier: Apache-2.0

// Package imagewright makes Kubernetes node images of cloud images, offline.
//
// Operations take a context, which cancels them, and a request whose fields
// are those of the JSON requests in bindings/README.md. Building, changing and
// verifying images needs root; reading them does not.
package imagewright

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"

	"github.com/imagewright/imagewright/bindings/go/internal/capi"
)

// Version is the version of the library.
func Version() string {
	return capi.Version()
}

// Event is something that happened in running work.
type Event struct {
	// Kind is "step", "bytes", "output", "warning" or "finished".
	Kind string `json:"event"`
	// Number of the step, from 1, and what it does.
	Number int    `json:"number"`
	Name   string `json:"name"`
	// Done bytes of the step.
	Done uint64 `json:"done"`
	// Total is the number of steps, or the bytes of the step, if known.
	Total uint64 `json:"total"`
	// Line that a command printed.
	Line string `json:"line"`
	// Message of a warning.
	Message string `json:"message"`
}

// Option changes how an operation runs.
type Option func(*options)

type options struct {
	progress func(Event)
}

// WithProgress has progress receive events, one at a time, from any
// goroutine. It must return soon.
func WithProgress(progress func(Event)) Option {
	return func(o *options) { o.progress = progress }
}

// Run runs an operation by its name; the JSON of request is what it does, and
// result, unless nil, is what the JSON of its answer is decoded into.
//
// When the context ends, the work cleans up, and the error is both
// ErrCancelled and the context's. A panic in a progress function cancels the
// work and goes on here.
func Run(ctx context.Context, operation string, request, result any, opts ...Option) error {
	var o options
	for _, opt := range opts {
		opt(&o)
	}
	text, err := json.Marshal(request)
	if err != nil {
		return fmt.Errorf("imagewright: the request: %w", err)
	}
	watcher := watcher{progress: o.progress}
	monitor := capi.NewMonitor(watcher.event)
	defer monitor.Close()
	stop := cancelWith(ctx, monitor)
	answer, failure := capi.Run(monitor, operation, string(text))
	stop()
	if watcher.panicked != nil {
		panic(watcher.panicked)
	}
	if failure != nil {
		return asError(failure, ctx.Err())
	}
	if result == nil {
		return nil
	}
	if err := json.Unmarshal([]byte(answer), result); err != nil {
		return fmt.Errorf("imagewright: the answer of %s: %w", operation, err)
	}
	return nil
}

// cancelWith cancels the monitor's work when ctx ends, until the function it
// returns was called; from then on the monitor is not touched.
func cancelWith(ctx context.Context, monitor *capi.Monitor) (stop func()) {
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		select {
		case <-ctx.Done():
			monitor.Cancel()
		case <-done:
		}
	}()
	return func() {
		close(done)
		<-ended
	}
}

type watcher struct {
	progress func(Event)
	mutex    sync.Mutex
	panicked any
}

// event must not panic: C code is below it.
func (w *watcher) event(text string) (ok bool) {
	if w.progress == nil {
		return true
	}
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if w.panicked != nil {
		return false
	}
	defer func() {
		if w.panicked = recover(); w.panicked != nil {
			ok = false
		}
	}()
	var event Event
	if err := json.Unmarshal([]byte(text), &event); err == nil {
		w.progress(event)
	}
	return true
}
