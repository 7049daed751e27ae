// SPDX-License-Identifier: Apache-2.0

package alert_test

import (
	"bytes"
	"encoding/hex"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/weir-project/weir/analyzer/alert"
)

var update = flag.Bool("update", false, "write golden files that are not there yet")

// Bytes that were written once are read for ever: golden files are added, never edited.
func TestGolden(t *testing.T) {
	path := filepath.Join("testdata", "v1", "outbox.golden")
	o := alert.NewOutbox(2)
	for _, id := range []string{"a.1", "b.1", "c.1"} {
		o.Add(message(id))
	}
	want := o.AppendSnapshot(nil)
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
	restored := alert.NewOutbox(2)
	if err := restored.Restore(golden); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(restored.AppendSnapshot(nil), want) || !bytes.Equal(golden, want) {
		t.Errorf("snapshots changed: %x", want)
	}
}
