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

func TestTwoBuildsAtOnce(t *testing.T) {
	image := filepath.Join(os.Getenv("IMAGEWRIGHT_FIXTURES"), "tiny", "tiny.qcow2")
	recipe := map[string]any{
		"apiVersion": "imagewright/v1alpha1",
		"kind":       "NodeImage",
		"metadata":   map[string]string{"name": "two"},
		"steps":      []any{map[string]string{"run-command": "true"}},
	}
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
