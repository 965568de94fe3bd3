// SPDX-License-Identifier: Apache-2.0

package imagewright

import (
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"sync"

	"github.com/imagewright/imagewright/bindings/go/internal/capi"
)

// ImageFile names an image that is a file.
type ImageFile struct {
	Path string `json:"path"`
	// Format is told by the file's magic when empty.
	Format string `json:"format,omitempty"`
	// Root is the number of the root's partition, where there are several.
	Root int `json:"root,omitempty"`
	// Snapshot to read instead of the active state.
	Snapshot string `json:"snapshot,omitempty"`
	// Member of an OVA that is the disk.
	Member string `json:"member,omitempty"`
	// BackingAnywhere allows backing files outside of the image's directory.
	BackingAnywhere bool `json:"backingAnywhere,omitempty"`
}

// Image is an open image: its disk's bytes. It is an io.ReaderAt, also for
// several goroutines at a time. Opening one needs no privilege.
type Image struct {
	mutex sync.RWMutex
	image *capi.Image
	size  int64
}

// OpenImage opens an image for reading.
func OpenImage(file ImageFile) (*Image, error) {
	request, err := json.Marshal(file)
	if err != nil {
		return nil, fmt.Errorf("imagewright: the request: %w", err)
	}
	image, failure := capi.OpenImage(string(request))
	if failure != nil {
		return nil, asError(failure, nil)
	}
	return &Image{image: image, size: image.Size()}, nil
}

// Size is the bytes of the disk.
func (i *Image) Size() int64 {
	return i.size
}

// ReadAt reads the disk at offset, as io.ReaderAt says.
func (i *Image) ReadAt(p []byte, offset int64) (int, error) {
	i.mutex.RLock()
	defer i.mutex.RUnlock()
	if i.image == nil {
		return 0, fs.ErrClosed
	}
	if offset < 0 {
		return 0, fs.ErrInvalid
	}
	if offset >= i.size {
		if len(p) == 0 {
			return 0, nil
		}
		return 0, io.EOF
	}
	wanted := p
	if left := i.size - offset; int64(len(p)) > left {
		wanted = p[:left]
	}
	if failure := i.image.ReadAt(wanted, offset); failure != nil {
		return 0, asError(failure, nil)
	}
	if len(wanted) < len(p) {
		return len(wanted), io.EOF
	}
	return len(p), nil
}

// Reader reads the disk from its beginning to its end.
func (i *Image) Reader() *io.SectionReader {
	return io.NewSectionReader(i, 0, i.size)
}

// Close closes the image; again does nothing.
func (i *Image) Close() error {
	i.mutex.Lock()
	defer i.mutex.Unlock()
	if i.image != nil {
		i.image.Close()
		i.image = nil
	}
	return nil
}
