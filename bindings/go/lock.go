// SPDX-License-Identifier: Apache-2.0

package imagewright

import (
	"context"
	"encoding/json"
)

// LockDocument is the path of a lock, or the lock as a value that marshals to
// a JSON object: what Lock returned.
type LockDocument any

// LockRequest is what Lock takes.
type LockRequest struct {
	// Input is the recipe's source when nil.
	Input  *Input `json:"input,omitempty"`
	Recipe Recipe `json:"recipe,omitempty"`
	// Output is the file to write.
	Output string `json:"output"`
	// SourceDate is seconds since 1970; the base's newest file when nil.
	SourceDate *uint64 `json:"sourceDate,omitempty"`
	WorkDir    string  `json:"workDir,omitempty"`
}

// Lock does a build as far as to know what it takes. Needs root.
func Lock(ctx context.Context, request LockRequest, opts ...Option) (json.RawMessage, error) {
	return raw(ctx, "lock", request, opts)
}

// BundleRequest is what Bundle takes.
type BundleRequest struct {
	Input  Input        `json:"input"`
	Locked LockDocument `json:"locked"`
	// Output is the directory to make.
	Output string `json:"output"`
	// Packages are directories with locked packages, Mirror is asked for them.
	Packages []string `json:"packages,omitempty"`
	Mirror   string   `json:"mirror,omitempty"`
}

// BundleReport is what a bundle holds.
type BundleReport struct {
	Output string `json:"output"`
	// Packages, Images and Files count what is in it besides the base image.
	Packages int `json:"packages"`
	Images   int `json:"images"`
	Files    int `json:"files"`
}

// Bundle gathers what a lock names, for builds without a network.
func Bundle(ctx context.Context, request BundleRequest, opts ...Option) (*BundleReport, error) {
	return run[BundleReport](ctx, "bundle", request, opts)
}
