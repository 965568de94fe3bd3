// SPDX-License-Identifier: Apache-2.0

package imagewright

import (
	"encoding/json"
	"errors"
	"syscall"

	"github.com/imagewright/imagewright/bindings/go/internal/capi"
)

// What errors.Is tells of an error: one sentinel for each kind.
var (
	ErrInternal        = errors.New("imagewright: internal")
	ErrInvalidArgument = errors.New("imagewright: invalid-argument")
	ErrIO              = errors.New("imagewright: io")
	ErrUnsupported     = errors.New("imagewright: unsupported")
	ErrCorrupt         = errors.New("imagewright: corrupt")
	ErrRecipe          = errors.New("imagewright: recipe")
	ErrVerify          = errors.New("imagewright: verify")
	ErrPrivilege       = errors.New("imagewright: privilege")
	ErrCommand         = errors.New("imagewright: command")
	ErrBusy            = errors.New("imagewright: busy")
	ErrNotFound        = errors.New("imagewright: not-found")
	ErrNoSpace         = errors.New("imagewright: no-space")
	ErrNetwork         = errors.New("imagewright: network")
	ErrCleanup         = errors.New("imagewright: cleanup")
	ErrCancelled       = errors.New("imagewright: cancelled")
)

var sentinels = map[string]error{
	"internal":         ErrInternal,
	"invalid-argument": ErrInvalidArgument,
	"io":               ErrIO,
	"unsupported":      ErrUnsupported,
	"corrupt":          ErrCorrupt,
	"recipe":           ErrRecipe,
	"verify":           ErrVerify,
	"privilege":        ErrPrivilege,
	"command":          ErrCommand,
	"busy":             ErrBusy,
	"not-found":        ErrNotFound,
	"no-space":         ErrNoSpace,
	"network":          ErrNetwork,
	"cleanup":          ErrCleanup,
	"cancelled":        ErrCancelled,
}

// Error is what failed, where, and what to do about it.
type Error struct {
	// Kind is the stable name of its kind.
	Kind string `json:"kind"`
	// Code is the exit code of the command for its kind.
	Code int `json:"-"`
	// Message is for a person.
	Message string `json:"message"`
	// Path is the file concerned, or empty.
	Path string `json:"path"`
	// Offset is the byte concerned, or nil.
	Offset *uint64 `json:"offset"`
	// Hint is what a person can do, or empty.
	Hint string `json:"hint"`
	// Errno is that of the system call behind it, or 0.
	Errno syscall.Errno `json:"errno"`
	// cause is what ended the context that ended the work.
	cause error
}

func (e *Error) Error() string {
	return e.Message
}

// Is tells whether target is the sentinel of the error's kind, the errno
// behind it, or what ended its context.
func (e *Error) Is(target error) bool {
	if sentinel, ok := sentinels[e.Kind]; ok && target == sentinel {
		return true
	}
	if errno, ok := target.(syscall.Errno); ok {
		return e.Errno != 0 && errno == e.Errno
	}
	return e.cause != nil && errors.Is(e.cause, target)
}

func asError(failure *capi.Failure, cause error) error {
	if failure == nil {
		return nil
	}
	result := &Error{Code: failure.Code, cause: cause}
	if err := json.Unmarshal([]byte(failure.JSON), result); err != nil {
		result.Kind, result.Message = "internal", err.Error()
	}
	return result
}
