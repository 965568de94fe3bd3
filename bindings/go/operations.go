// SPDX-License-Identifier: Apache-2.0

package imagewright

import (
	"context"
	"encoding/json"
)

// Input names an image that is fetched and verified.
type Input struct {
	// Image is a path or a URL.
	Image string `json:"image"`
	// Format is told by the file's magic when empty.
	Format string `json:"format,omitempty"`
	// Root is the number of the root's partition, where there are several.
	Root int `json:"root,omitempty"`
	// SHA256 of the file; else Checksums, else the checksum file beside it.
	SHA256    string `json:"sha256,omitempty"`
	Checksums string `json:"checksums,omitempty"`
	// Signature of the checksum file, and the keys it is verified with.
	Signature string `json:"signature,omitempty"`
	Keyring   string `json:"keyring,omitempty"`
	// InsecureNoChecksum takes an image although nothing vouches for it.
	InsecureNoChecksum bool `json:"insecureNoChecksum,omitempty"`
	// AsItIs takes a local file that no checksum file can know.
	AsItIs   bool   `json:"asItIs,omitempty"`
	CacheDir string `json:"cacheDir,omitempty"`
}

// Recipe is the path of a recipe, or the recipe as a value that marshals to a
// JSON object.
type Recipe any

// Output is a format to write.
type Output struct {
	Format      string `json:"format"`
	Compression string `json:"compression,omitempty"`
}

// FetchRequest is what Fetch takes.
type FetchRequest struct {
	Input Input `json:"input"`
}

// Fetched is a verified file.
type Fetched struct {
	Path   string `json:"path"`
	SHA256 string `json:"sha256"`
	Size   uint64 `json:"size"`
}

// Fetch fetches and verifies an image.
func Fetch(ctx context.Context, request FetchRequest, opts ...Option) (*Fetched, error) {
	return run[Fetched](ctx, "fetch", request, opts)
}

// InfoResult is what an image file is; Raw has all of it.
type InfoResult struct {
	Format      string `json:"format"`
	VirtualSize uint64 `json:"virtual-size"`
	FileSize    uint64 `json:"file-size"`
	Compression string `json:"compression"`
	Raw         json.RawMessage
}

// Info tells what an image file is.
func Info(ctx context.Context, image ImageFile) (*InfoResult, error) {
	request := map[string]ImageFile{"image": image}
	answer, err := raw(ctx, "info", request, nil)
	if err != nil {
		return nil, err
	}
	result := &InfoResult{Raw: answer}
	return result, json.Unmarshal(answer, result)
}

// ConvertRequest is what Convert takes.
type ConvertRequest struct {
	Image  ImageFile `json:"image"`
	Output string    `json:"output"`
	// Format is that of the suffix of Output when empty.
	Format      string `json:"format,omitempty"`
	Compression string `json:"compression,omitempty"`
	Digest      bool   `json:"digest,omitempty"`
}

// Written is a file that was written.
type Written struct {
	Bytes  uint64 `json:"bytes"`
	SHA256 string `json:"sha256"`
}

// Convert writes an image in another format.
func Convert(ctx context.Context, request ConvertRequest, opts ...Option) (*Written, error) {
	return run[Written](ctx, "convert", request, opts)
}

// CompactRequest is what Compact takes.
type CompactRequest struct {
	Image       ImageFile `json:"image"`
	Compression string    `json:"compression,omitempty"`
	WorkDir     string    `json:"workDir,omitempty"`
}

// Compacted is the size of a file before and after.
type Compacted struct {
	Before uint64 `json:"before"`
	After  uint64 `json:"after"`
}

// Compact rewrites an image in place without what is not used. Needs root.
func Compact(ctx context.Context, request CompactRequest, opts ...Option) (*Compacted, error) {
	return run[Compacted](ctx, "compact", request, opts)
}

// BuildRequest is what Plan and Build take.
type BuildRequest struct {
	// Input is the recipe's source when nil.
	Input  *Input `json:"input,omitempty"`
	Recipe Recipe `json:"recipe,omitempty"`
	// Output is a directory, made if need be.
	Output  string   `json:"output"`
	Formats []Output `json:"formats,omitempty"`
	// From and Until are stages: a build stops after Until, and one from the
	// next stage continues it.
	From  Stage `json:"from,omitempty"`
	Until Stage `json:"until,omitempty"`
	// Lock is a file that a lock is written to.
	Lock string `json:"lock,omitempty"`
	// Locked is a lock to obey.
	Locked LockDocument `json:"locked,omitempty"`
	// Bundle is the directory of one to build from, without Input.
	Bundle string `json:"bundle,omitempty"`
	// Offline looks at nothing but the bundle and Packages.
	Offline bool `json:"offline,omitempty"`
	// Packages are directories with locked packages, Mirror is asked for them.
	Packages []string `json:"packages,omitempty"`
	Mirror   string   `json:"mirror,omitempty"`
	// SourceDate is seconds since 1970; the base's newest file when nil.
	SourceDate *uint64 `json:"sourceDate,omitempty"`
	// SignKey is a file of minisign, SignPassword that of an encrypted one.
	SignKey      string `json:"signKey,omitempty"`
	SignPassword string `json:"signPassword,omitempty"`
	WorkDir      string `json:"workDir,omitempty"`
	NoNetwork    bool   `json:"noNetwork,omitempty"`
	// RepairTable writes a damaged GPT anew, in the result.
	RepairTable bool `json:"repairTable,omitempty"`
	OwnFAT      bool `json:"ownFat,omitempty"`
}

// Stage is a part of a build.
type Stage string

// The stages, in their order.
const (
	StageFetch     Stage = "fetch"
	StageProvision Stage = "provision"
	StagePackage   Stage = "package"
)

// Plan tells what Build would do.
func Plan(ctx context.Context, request BuildRequest, opts ...Option) (json.RawMessage, error) {
	return raw(ctx, "plan", request, opts)
}

// BuildReport is what a build did.
type BuildReport struct {
	// StoppedAfter is the last stage of a build that stopped; there is no
	// manifest and no file then.
	StoppedAfter Stage `json:"stoppedAfter"`
	// Kept is the directory that the next run continues with.
	Kept string `json:"kept"`
	// Manifest is the content of manifest.json.
	Manifest json.RawMessage `json:"manifest"`
	// Files that were published.
	Files []string `json:"files"`
	// Passwords that were made up; nothing else knows them.
	Passwords []NewPassword `json:"passwords"`
	Phases    []Phase       `json:"phases"`
}

// NewPassword is one that was made up.
type NewPassword struct {
	User     string `json:"user"`
	Password string `json:"password"`
}

// Phase is a part of the work and how long it took.
type Phase struct {
	Name    string  `json:"name"`
	Seconds float64 `json:"seconds"`
}

// Build builds node images. Needs root.
func Build(ctx context.Context, request BuildRequest, opts ...Option) (*BuildReport, error) {
	return run[BuildReport](ctx, "build", request, opts)
}

// ProvisionRequest is what Provision takes.
type ProvisionRequest struct {
	Input  Input  `json:"input"`
	Recipe Recipe `json:"recipe"`
	// Output is the image itself when empty.
	Output string  `json:"output,omitempty"`
	Format *Output `json:"format,omitempty"`
	// DryRun answers with the plan.
	DryRun           bool   `json:"dryRun,omitempty"`
	WorkDir          string `json:"workDir,omitempty"`
	NoNetwork        bool   `json:"noNetwork,omitempty"`
	NoSELinuxRelabel bool   `json:"noSelinuxRelabel,omitempty"`
	// RepairTable writes a damaged GPT anew, in the result.
	RepairTable bool `json:"repairTable,omitempty"`
	OwnFAT      bool `json:"ownFat,omitempty"`
}

// Provision changes an image by a recipe. Needs root.
func Provision(ctx context.Context, request ProvisionRequest, opts ...Option) (json.RawMessage, error) {
	return raw(ctx, "provision", request, opts)
}

// CustomizeRequest is what Customize takes.
type CustomizeRequest struct {
	Input Input `json:"input"`
	// Steps are those of a recipe: "update", or a map of one name to its
	// argument.
	Steps []any `json:"steps,omitempty"`
	// DiskSize is what the disk grows to, such as "20G".
	DiskSize string `json:"diskSize,omitempty"`
	// PasswordCrypto is "sha256", "sha512" or "yescrypt"; the image's own
	// when empty.
	PasswordCrypto string `json:"passwordCrypto,omitempty"`
	// Output is the image itself when empty.
	Output string  `json:"output,omitempty"`
	Format *Output `json:"format,omitempty"`
	// DryRun answers with the plan.
	DryRun           bool   `json:"dryRun,omitempty"`
	WorkDir          string `json:"workDir,omitempty"`
	NoNetwork        bool   `json:"noNetwork,omitempty"`
	NoSELinuxRelabel bool   `json:"noSelinuxRelabel,omitempty"`
	// RepairTable writes a damaged GPT anew, in the result.
	RepairTable bool `json:"repairTable,omitempty"`
	OwnFAT      bool `json:"ownFat,omitempty"`
}

// Customize changes an image by steps. Needs root.
func Customize(ctx context.Context, request CustomizeRequest, opts ...Option) (json.RawMessage, error) {
	return raw(ctx, "customize", request, opts)
}

// SysprepRequest is what Sysprep takes.
type SysprepRequest struct {
	Image       ImageFile `json:"image"`
	Enable      []string  `json:"enable,omitempty"`
	Disable     []string  `json:"disable,omitempty"`
	Output      string    `json:"output,omitempty"`
	Compression string    `json:"compression,omitempty"`
	DryRun      bool      `json:"dryRun,omitempty"`
	WorkDir     string    `json:"workDir,omitempty"`
}

// Sysprep cleans an image of what must not be shipped. Needs root.
func Sysprep(ctx context.Context, request SysprepRequest, opts ...Option) (json.RawMessage, error) {
	return raw(ctx, "sysprep", request, opts)
}

// VerifyRequest is what Verify takes.
type VerifyRequest struct {
	Image  ImageFile `json:"image"`
	Recipe Recipe    `json:"recipe,omitempty"`
	// Goss are files of further checks, in goss's format.
	Goss    []string `json:"goss,omitempty"`
	WorkDir string   `json:"workDir,omitempty"`
}

// VerifyReport is what an image was found to be.
type VerifyReport struct {
	Passed bool    `json:"passed"`
	Checks []Check `json:"checks"`
}

// Check is one rule.
type Check struct {
	Rule     string            `json:"rule"`
	Status   string            `json:"status"`
	Reason   string            `json:"reason"`
	Findings []json.RawMessage `json:"findings"`
}

// Verify checks an image offline. Needs root.
func Verify(ctx context.Context, request VerifyRequest, opts ...Option) (*VerifyReport, error) {
	return run[VerifyReport](ctx, "verify", request, opts)
}

// PackageRequest is what Package takes.
type PackageRequest struct {
	Input  Input  `json:"input"`
	Recipe Recipe `json:"recipe,omitempty"`
	// Output is a directory, made if need be.
	Output  string   `json:"output"`
	Formats []Output `json:"formats,omitempty"`
	// NoCleanUp ships the image as it is, neither cleaned nor trimmed.
	NoCleanUp bool   `json:"noCleanUp,omitempty"`
	WorkDir   string `json:"workDir,omitempty"`
	OwnFAT    bool   `json:"ownFat,omitempty"`
}

// Package cleans an image and writes it in any formats, with manifest and
// checksums. Needs root.
func Package(ctx context.Context, request PackageRequest, opts ...Option) (*BuildReport, error) {
	return run[BuildReport](ctx, "package", request, opts)
}

// InspectRequest is what Inspect takes.
type InspectRequest struct {
	Image   ImageFile `json:"image"`
	WorkDir string    `json:"workDir,omitempty"`
}

// Inspect tells what is in an image. Needs root unless its filesystems are
// ext.
func Inspect(ctx context.Context, request InspectRequest, opts ...Option) (json.RawMessage, error) {
	return raw(ctx, "inspect", request, opts)
}

// SBOMRequest is what SBOM takes.
type SBOMRequest struct {
	Image ImageFile `json:"image"`
	// Format is "spdx" or "cyclonedx"; SPDX when empty.
	Format  string `json:"format,omitempty"`
	WorkDir string `json:"workDir,omitempty"`
}

// SBOM is the bill of materials of an image. Needs root unless its
// filesystems are ext.
func SBOM(ctx context.Context, request SBOMRequest, opts ...Option) (json.RawMessage, error) {
	return raw(ctx, "sbom", request, opts)
}

// DiffRequest is what Diff takes.
type DiffRequest struct {
	Before ImageFile `json:"before"`
	After  ImageFile `json:"after"`
	// Strict compares every attribute of every path. Needs root.
	Strict  bool   `json:"strict,omitempty"`
	WorkDir string `json:"workDir,omitempty"`
}

// DiffReport is how two images differ.
type DiffReport struct {
	Identical bool              `json:"identical"`
	Sections  []json.RawMessage `json:"sections"`
}

// Diff tells how two images differ. Needs root unless their filesystems are
// ext.
func Diff(ctx context.Context, request DiffRequest, opts ...Option) (*DiffReport, error) {
	return run[DiffReport](ctx, "diff", request, opts)
}

func run[T any](ctx context.Context, operation string, request any, opts []Option) (*T, error) {
	var result T
	if err := Run(ctx, operation, request, &result, opts...); err != nil {
		return nil, err
	}
	return &result, nil
}

// raw is run for an answer that is left as it is; nil when there is none.
func raw(ctx context.Context, operation string, request any, opts []Option) (json.RawMessage, error) {
	var result json.RawMessage
	err := Run(ctx, operation, request, &result, opts...)
	return result, err
}
