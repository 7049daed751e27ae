// SPDX-License-Identifier: Apache-2.0

package checkpoint_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weir-project/weir/analyzer/checkpoint"
)

func someStates() []checkpoint.State {
	return []checkpoint.State{
		{Partition: 3, Generation: 9, Ledger: [][]byte{[]byte("base"), []byte("change"), {1}}, Incidents: []byte("i"),
			Outbox: []byte("o"), Watermarks: []byte("w"), Extra: map[string][]byte{"a": []byte("1"), "b": bytes.Repeat([]byte{7}, 5000)}},
		{Partition: 63, Ledger: [][]byte{[]byte("b")}, Incidents: []byte("x"), Outbox: []byte("y"), Watermarks: []byte("z")},
	}
}

func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	for range 2 { // the second replaces the first
		if err := checkpoint.SaveFile(path, someStates()); err != nil {
			t.Fatal(err)
		}
	}
	got, err := checkpoint.LoadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(someStates(), got); diff != "" {
		t.Error(diff)
	}
	if list, _ := os.ReadDir(filepath.Dir(path)); len(list) != 1 {
		t.Errorf("%d files, want one", len(list))
	}
	if info, _ := os.Stat(path); info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
}

func TestBadFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	if err := checkpoint.SaveFile(path, someStates()); err != nil {
		t.Fatal(err)
	}
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range good {
		bad := bytes.Clone(good)
		bad[i] ^= 0x40
		if _, err := checkpoint.ParseFile(bad); err == nil {
			t.Fatalf("a flipped bit in byte %d was not seen", i)
		}
		if _, err := checkpoint.ParseFile(good[:i]); err == nil {
			t.Fatalf("a file cut at %d was taken", i)
		}
	}
	for _, c := range []struct{ path, want string }{
		{filepath.Join(t.TempDir(), "none"), "no such file"},
		{os.Args[0], "no state file of weir"},
	} {
		if _, err := checkpoint.LoadFile(c.path); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.path, err)
		}
	}
	if err := checkpoint.SaveFile(filepath.Join(path, "below-a-file"), nil); err == nil {
		t.Error("saved below a file")
	}
}

func FuzzChunk(f *testing.F) {
	for _, st := range someStates() {
		f.Add(checkpoint.EncodeChunk(&st))
	}
	f.Add([]byte{1})
	f.Fuzz(func(t *testing.T, chunk []byte) {
		var st checkpoint.State
		if checkpoint.DecodeChunk(&st, chunk) != nil {
			return
		}
		var again checkpoint.State
		if err := checkpoint.DecodeChunk(&again, checkpoint.EncodeChunk(&st)); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(checkpoint.EncodeChunk(&again), checkpoint.EncodeChunk(&st)) {
			t.Fatal("not the same again")
		}
	})
}
