// SPDX-License-Identifier: Apache-2.0

package incident_test

import (
	"bytes"
	"encoding/hex"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/weir-project/weir/analyzer/finding"
	"github.com/weir-project/weir/analyzer/incident"
)

var update = flag.Bool("update", false, "write golden files that are not there yet")

// Bytes that were written once are read for ever: golden files are added, never edited.
func TestGolden(t *testing.T) {
	path := filepath.Join("testdata", "v1", "book.golden")
	b := openBook(3)
	b.Tick(t0 + 30*day)
	v := thief(77, t0, t0+5*minute, 400)
	b.Observe(v, found(v, finding.Week, finding.Records, 4000))
	want := b.AppendSnapshot(nil)
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
	restored := incident.New(incident.Config{})
	if err := restored.Restore(golden); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(restored.AppendSnapshot(nil), want) || !bytes.Equal(golden, want) {
		t.Errorf("snapshots changed: %x", want)
	}
}
