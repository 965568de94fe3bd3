// SPDX-License-Identifier: Apache-2.0

// Package capi is the C interface, and the only package that knows of C.
package capi

/*
#cgo pkg-config: imagewright
#include <stdlib.h>
#include <imagewright.h>

int goProgress(void *data, char *event);

static int forward(void *data, const char *event) {
	return goProgress(data, (char *)event);
}

static iw_monitor *monitor_new(uintptr_t data) {
	return iw_monitor_new(forward, (void *)data);
}
*/
import "C"

import (
	"runtime/cgo"
	"unsafe"
)

// Failure is an error as it crosses the boundary.
type Failure struct {
	Code int
	JSON string
}

func take(failure *C.iw_error) *Failure {
	if failure == nil {
		return nil
	}
	defer C.iw_error_free(failure)
	return &Failure{
		Code: int(C.iw_error_code(failure)),
		JSON: C.GoString(C.iw_error_json(failure)),
	}
}

// Version is the version of the library.
func Version() string {
	return C.GoString(C.iw_version())
}

//export goProgress
func goProgress(data unsafe.Pointer, event *C.char) C.int {
	progress := cgo.Handle(uintptr(data)).Value().(func(string) bool)
	if progress(C.GoString(event)) {
		return 0
	}
	return 1
}

// Monitor carries events out of running work, and cancellation into it.
type Monitor struct {
	monitor *C.iw_monitor
	handle  cgo.Handle
}

// NewMonitor returns a monitor whose progress receives events as JSON, from
// any thread; false cancels the work.
func NewMonitor(progress func(event string) bool) *Monitor {
	handle := cgo.NewHandle(progress)
	return &Monitor{C.monitor_new(C.uintptr_t(handle)), handle}
}

// Cancel asks the work to stop.
func (m *Monitor) Cancel() {
	C.iw_monitor_cancel(m.monitor)
}

// Close frees the monitor; no work uses it any more.
func (m *Monitor) Close() {
	C.iw_monitor_free(m.monitor)
	m.handle.Delete()
}

// Run runs an operation to its end.
func Run(m *Monitor, operation, request string) (string, *Failure) {
	name, text := C.CString(operation), C.CString(request)
	defer C.free(unsafe.Pointer(name))
	defer C.free(unsafe.Pointer(text))
	var result *C.char
	if failure := take(C.iw_run(m.monitor, name, text, &result)); failure != nil {
		return "", failure
	}
	defer C.iw_string_free(result)
	return C.GoString(result), nil
}

// Image is an open image.
type Image struct {
	image *C.iw_image
}

// OpenImage opens the image that a request names.
func OpenImage(request string) (*Image, *Failure) {
	text := C.CString(request)
	defer C.free(unsafe.Pointer(text))
	var image *C.iw_image
	if failure := take(C.iw_image_open(text, &image)); failure != nil {
		return nil, failure
	}
	return &Image{image}, nil
}

// Size is the bytes of the disk.
func (i *Image) Size() int64 {
	return int64(C.iw_image_size(i.image))
}

// ReadAt fills p with the disk's bytes at offset.
func (i *Image) ReadAt(p []byte, offset int64) *Failure {
	if len(p) == 0 {
		return nil
	}
	buffer := (*C.uint8_t)(unsafe.Pointer(&p[0]))
	return take(C.iw_image_read(i.image, C.uint64_t(offset), buffer, C.size_t(len(p))))
}

// Close closes the image.
func (i *Image) Close() {
	C.iw_image_close(i.image)
}
