// SPDX-License-Identifier: Apache-2.0

package checkpoint_test

import (
	"bytes"
	"encoding/hex"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weir-project/weir/analyzer/checkpoint"
)

var update = flag.Bool("update", false, "write golden files that are not there yet")

// Bytes that were written once are read for ever: golden files are added, never edited.
func TestGolden(t *testing.T) {
	path := filepath.Join("testdata", "v1", "chunk.golden")
	state := someStates()[0]
	want := checkpoint.EncodeChunk(&state)
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(hex.EncodeToString(want)+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	golden, err := hex.DecodeString(string(bytes.TrimSpace(text)))
	if err != nil {
		t.Fatal(err)
	}
	// The compressor may come to write other bytes; what they unpack to stays.
	got := checkpoint.State{Partition: state.Partition, Generation: state.Generation}
	if err := checkpoint.DecodeChunk(&got, golden); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(state, got); diff != "" {
		t.Error(diff)
	}
}
