// SPDX-License-Identifier: Apache-2.0

package keyhash_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/weir-project/weir/proto/keyhash"
)

func TestLoadRefuses(t *testing.T) {
	dir := t.TempDir()
	put := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good := strings.Repeat("0a", 32)
	for _, c := range []struct{ name, path, want string }{
		{"missing", filepath.Join(dir, "none"), "no such file"},
		{"directory", dir, "not a regular file"},
		{"group can read", put("group", good, 0o640), "chmod 600"},
		{"others can read", put("other", good, 0o604), "chmod 600"},
		{"others can write", put("write", good, 0o602), "chmod 600"},
		{"empty", put("empty", "", 0o600), "empty"},
		{"no key", put("short", "hunter2", 0o600), "64 hex digits"},
		{"huge", put("huge", strings.Repeat("f", 1<<20), 0o600), "characters"},
	} {
		t.Run(c.name, func(t *testing.T) {
			k, err := keyhash.Load(c.path)
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), c.path) {
				t.Fatalf("error %v, want one with %q and the path", err, c.want)
			}
			if k != (keyhash.TenantKey{}) || strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), good) {
				t.Error("a refused file gave a key or its text")
			}
			if _, created, err := keyhash.LoadOrCreate(c.path); c.name != "missing" && (err == nil || created) {
				t.Errorf("LoadOrCreate went on: created %v, err %v", created, err)
			}
		})
	}
	if k, err := keyhash.Load(put("good", " "+good+"\n", 0o400)); err != nil || k[0] != 0x0a {
		t.Errorf("a good file: %v", err)
	}
	if _, err := keyhash.Load(filepath.Join(dir, "gone")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing file is not fs.ErrNotExist: %v", err)
	}
}

func TestLoadOrCreate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state", "weir", "key")
	first, created, err := keyhash.LoadOrCreate(path)
	if err != nil || !created {
		t.Fatalf("created %v, err %v", created, err)
	}
	again, created, err := keyhash.LoadOrCreate(path)
	if err != nil || created || again != first {
		t.Fatalf("second time: created %v, same %v, err %v", created, again == first, err)
	}
	for p, want := range map[string]os.FileMode{path: 0o600, filepath.Dir(path): 0o700} {
		if info, err := os.Stat(p); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: mode %v, want %v (%v)", p, info.Mode().Perm(), want, err)
		}
	}
	if names, _ := os.ReadDir(filepath.Dir(path)); len(names) != 1 {
		t.Errorf("left behind: %v", names)
	}
}

// Sensors that start together on one machine end with one key.
func TestLoadOrCreateAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	var mu sync.Mutex
	keys, creations := map[keyhash.TenantKey]bool{}, 0
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			k, created, err := keyhash.LoadOrCreate(path)
			mu.Lock()
			defer mu.Unlock()
			keys[k] = true
			if created {
				creations++
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if len(keys) != 1 || creations != 1 {
		t.Errorf("%d keys, %d creations", len(keys), creations)
	}
}
