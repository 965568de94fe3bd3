// SPDX-License-Identifier: Apache-2.0

package imagewright

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
)

type kind struct {
	Code int
	Go   string
}

func kinds(t *testing.T) map[string]kind {
	t.Helper()
	text, err := os.ReadFile("../kinds.json")
	if err != nil {
		t.Fatal(err)
	}
	var table map[string]kind
	if err := json.Unmarshal(text, &table); err != nil {
		t.Fatal(err)
	}
	return table
}

// disk makes a raw image of blocks MiB.
func disk(t *testing.T, blocks int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "disk.raw")
	block := bytes.Repeat([]byte("0123456789abcdef"), blocks<<16)
	if err := os.WriteFile(path, block, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestEveryKindHasItsSentinel(t *testing.T) {
	table := kinds(t)
	file, err := parser.ParseFile(token.NewFileSet(), "errors.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	for name, row := range table {
		if sentinels[name] == nil || sentinels[name].Error() != "imagewright: "+name {
			t.Errorf("%s has no sentinel", name)
		}
		if object := file.Scope.Lookup(row.Go); object == nil || object.Kind != ast.Var {
			t.Errorf("%s is not there", row.Go)
		}
	}
	if len(sentinels) != len(table) {
		t.Errorf("%d sentinels for %d kinds", len(sentinels), len(table))
	}
}

func TestRequestsHaveTheFieldsOfTheReadme(t *testing.T) {
	requests := map[string]any{
		"fetch": FetchRequest{}, "convert": ConvertRequest{},
		"compact": CompactRequest{}, "plan": BuildRequest{},
		"build": BuildRequest{}, "lock": LockRequest{},
		"bundle": BundleRequest{}, "provision": ProvisionRequest{},
		"customize": CustomizeRequest{}, "sysprep": SysprepRequest{},
		"verify": VerifyRequest{}, "package": PackageRequest{},
		"inspect": InspectRequest{}, "sbom": SBOMRequest{}, "diff": DiffRequest{},
	}
	// Info takes an image alone, and the plan of a package is no BuildReport.
	left := map[string]bool{"info image": true, "info brief": true, "package dryRun": true}
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	word := regexp.MustCompile("`(\\w+)`")
	documented := map[string]bool{}
	row := regexp.MustCompile("(?m)^\\| (`[a-z`, ]+`) \\| (`.*?) \\|")
	for _, cells := range row.FindAllStringSubmatch(string(readme), -1) {
		for _, operation := range word.FindAllStringSubmatch(cells[1], -1) {
			for _, field := range word.FindAllStringSubmatch(cells[2], -1) {
				documented[operation[1]+" "+field[1]] = true
			}
		}
	}
	there := map[string]bool{}
	for operation, request := range requests {
		fields := reflect.TypeOf(request)
		for i := 0; i < fields.NumField(); i++ {
			name, _, _ := strings.Cut(fields.Field(i).Tag.Get("json"), ",")
			there[operation+" "+name] = true
			if !documented[operation+" "+name] {
				t.Errorf("%s has no field %s", operation, name)
			}
		}
	}
	for field := range documented {
		if there[field] == left[field] {
			t.Errorf("%s: in the request %v, left out %v", field, there[field], left[field])
		}
	}
}

func TestAnErrorSaysWhatAndWhere(t *testing.T) {
	_, err := Info(context.Background(), ImageFile{Path: "nothing"})
	var failure *Error
	if !errors.As(err, &failure) {
		t.Fatal(err)
	}
	if failure.Code != kinds(t)["not-found"].Code || failure.Path != "nothing" {
		t.Errorf("%+v", failure)
	}
	if !errors.Is(err, ErrNotFound) || !errors.Is(err, syscall.ENOENT) || errors.Is(err, ErrIO) {
		t.Error(err)
	}
}

func TestAnImageIsAReaderAt(t *testing.T) {
	path := disk(t, 1)
	image, err := OpenImage(ImageFile{Path: path, Format: "raw"})
	if err != nil {
		t.Fatal(err)
	}
	wanted, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var readers sync.WaitGroup
	for i := 0; i < 8; i++ {
		readers.Add(1)
		go func() {
			defer readers.Done()
			got, err := io.ReadAll(image.Reader())
			if err != nil || !bytes.Equal(got, wanted) {
				t.Errorf("%d bytes, %v", len(got), err)
			}
		}()
	}
	readers.Wait()
	if n, err := image.ReadAt(make([]byte, 10), image.Size()-4); n != 4 || err != io.EOF {
		t.Errorf("%d, %v", n, err)
	}
	for i := 0; i < 2; i++ {
		if err := image.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := image.ReadAt(make([]byte, 1), 0); !errors.Is(err, os.ErrClosed) {
		t.Error(err)
	}
}

func TestAContextCancels(t *testing.T) {
	output := filepath.Join(t.TempDir(), "out.qcow2")
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	_, err := Convert(ctx, ConvertRequest{
		Image:       ImageFile{Path: disk(t, 64)},
		Output:      output,
		Compression: "zlib:12",
	}, WithProgress(func(Event) { cancel() }))
	if !errors.Is(err, ErrCancelled) || !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if _, err := os.Stat(output); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("something is left: %v", err)
	}
}

func TestAPanicInProgressGoesToTheCaller(t *testing.T) {
	defer func() {
		if got := recover(); got != "mine" {
			t.Errorf("recovered %v", got)
		}
	}()
	_, _ = Convert(context.Background(), ConvertRequest{
		Image:  ImageFile{Path: disk(t, 1)},
		Output: filepath.Join(t.TempDir(), "out.vhd"),
	}, WithProgress(func(Event) { panic("mine") }))
	t.Error("it came back")
}

func tiny() string {
	return filepath.Join(os.Getenv("IMAGEWRIGHT_FIXTURES"), "tiny", "tiny.qcow2")
}

func aRecipe() Recipe {
	return map[string]any{
		"apiVersion": "imagewright/v1alpha1",
		"kind":       "NodeImage",
		"metadata":   map[string]string{"name": "two"},
		"steps":      []any{map[string]string{"run-command": "true"}},
	}
}

func TestTwoBuildsAtOnce(t *testing.T) {
	image, recipe := tiny(), aRecipe()
	state := func() string {
		namespace, err := os.Readlink("/proc/self/ns/mnt")
		if err != nil {
			t.Fatal(err)
		}
		directory, err := os.Getwd()
		if err != nil {
			t.Fatal(err)
		}
		return namespace + " " + directory
	}
	before := state()
	var builds sync.WaitGroup
	for i := 0; i < 2; i++ {
		output := t.TempDir()
		builds.Add(1)
		go func() {
			defer builds.Done()
			var steps int
			report, err := Build(context.Background(), BuildRequest{
				Input:  &Input{Image: image},
				Recipe: recipe,
				Output: output,
			}, WithProgress(func(event Event) {
				if event.Kind == "step" {
					steps++
				}
			}))
			if err != nil {
				t.Error(err)
				return
			}
			if steps == 0 || len(report.Files) == 0 || len(report.Phases) == 0 {
				t.Errorf("%d steps, %+v", steps, report)
			}
			if _, err := os.Stat(filepath.Join(output, "two.qcow2")); err != nil {
				t.Error(err)
			}
		}()
	}
	builds.Wait()
	if after := state(); after != before {
		t.Errorf("%s, then %s", before, after)
	}
}

func TestABuildStopsContinuesAndIsLocked(t *testing.T) {
	ctx, dir := context.Background(), t.TempDir()
	input, date := Input{Image: tiny()}, uint64(1)
	build := BuildRequest{
		Input: &input, Recipe: aRecipe(), Output: filepath.Join(dir, "out"), Until: StageProvision,
	}
	stopped, err := Build(ctx, build)
	if err != nil || stopped.StoppedAfter != StageProvision || stopped.Kept == "" {
		t.Fatalf("%+v, %v", stopped, err)
	}
	build.Until, build.From = "", StagePackage
	done, err := Build(ctx, build)
	if err != nil || done.StoppedAfter != "" || len(done.Files) == 0 {
		t.Fatalf("%+v, %v", done, err)
	}
	lock, err := Lock(ctx, LockRequest{
		Input: &input, Recipe: aRecipe(), Output: filepath.Join(dir, "lock"), SourceDate: &date,
	})
	if err != nil || !bytes.Contains(lock, []byte(`"sourceDateEpoch":1`)) {
		t.Fatalf("%s, %v", lock, err)
	}
	bundle, err := Bundle(ctx, BundleRequest{
		Input: input, Locked: lock, Output: filepath.Join(dir, "bundle"),
	})
	if err != nil || bundle.Packages != 0 {
		t.Fatalf("%+v, %v", bundle, err)
	}
	again, err := Build(ctx, BuildRequest{
		Recipe: aRecipe(), Output: filepath.Join(dir, "again"), Bundle: bundle.Output, Offline: true,
	})
	if err != nil || len(again.Files) == 0 {
		t.Fatalf("%+v, %v", again, err)
	}
}

func TestStepsAreDone(t *testing.T) {
	output := filepath.Join(t.TempDir(), "one.qcow2")
	_, err := Customize(context.Background(), CustomizeRequest{
		Input:  Input{Image: tiny()},
		Steps:  []any{map[string]string{"write": "/etc/motd:hello"}},
		Output: output,
	})
	if err != nil {
		t.Fatal(err)
	}
	difference, err := Diff(context.Background(), DiffRequest{
		Before: ImageFile{Path: tiny()}, After: ImageFile{Path: output},
	})
	if err != nil || difference.Identical {
		t.Fatalf("%+v, %v", difference, err)
	}
}
