// SPDX-License-Identifier: Apache-2.0

// Driver answers one request for the parity suite: driver OPERATION REQUEST.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	imagewright "github.com/imagewright/imagewright/bindings/go"
)

func main() {
	operation, request := os.Args[1], json.RawMessage(os.Args[2])
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var opts []imagewright.Option
	if os.Getenv("PARITY_CANCEL") != "" {
		opts = append(opts, imagewright.WithProgress(func(imagewright.Event) { cancel() }))
	}
	var result json.RawMessage
	err := imagewright.Run(ctx, operation, request, &result, opts...)
	if err == nil {
		fmt.Println(string(result))
		return
	}
	var failure *imagewright.Error
	if !errors.As(err, &failure) {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(99)
	}
	document, _ := json.Marshal(map[string]any{"error": failure})
	fmt.Println(string(document))
	os.Exit(failure.Code)
}
