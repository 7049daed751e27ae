// SPDX-License-Identifier: Apache-2.0

package keyhash

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// maxKeyFile bounds what is read of a key file: a key and some white space.
const maxKeyFile = 4096

// Load reads a tenant key from a file. It refuses a file that its group or others can read, and
// says how to repair it. Errors never repeat what the file holds.
func Load(path string) (TenantKey, error) {
	f, err := os.Open(path)
	if err != nil {
		return TenantKey{}, fmt.Errorf("open key file: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return TenantKey{}, fmt.Errorf("look at key file: %w", err)
	}
	if !info.Mode().IsRegular() {
		return TenantKey{}, fmt.Errorf("key file %s: not a regular file", path)
	}
	if perm := info.Mode().Perm(); perm&0o077 != 0 {
		return TenantKey{}, fmt.Errorf("key file %s: mode %#o lets others read it; repair with `chmod 600 %s`", path, perm, path)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxKeyFile))
	defer clear(text)
	if err != nil {
		return TenantKey{}, fmt.Errorf("read key file %s: %w", path, err)
	}
	k, err := ParseTenantKey(text)
	if err != nil {
		return TenantKey{}, fmt.Errorf("key file %s: %w", path, err)
	}
	return k, nil
}

// LoadOrCreate reads a tenant key from a file, or draws one and writes it there (mode 0600, its
// directory 0700) when the file does not exist; created says which. Of several processes that
// create it at once, one wins and all read its key.
func LoadOrCreate(path string) (key TenantKey, created bool, err error) {
	key, err = Load(path)
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		return key, false, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return TenantKey{}, false, fmt.Errorf("make directory of key file: %w", err)
	}
	key, err = NewTenantKey(rand.Reader)
	if err != nil {
		return TenantKey{}, false, err
	}
	switch err := writeNew(path, key); {
	case errors.Is(err, fs.ErrExist):
		key, err = Load(path)
		return key, false, err
	case err != nil:
		return TenantKey{}, false, err
	}
	return key, true, nil
}

// writeNew writes the key to a file of its own and links it into place: the name either does not
// exist or holds a whole key, also after a crash, and is never written twice.
func writeNew(path string, key TenantKey) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), ".key-*") // O_EXCL, mode 0600
	if err != nil {
		return fmt.Errorf("create key file: %w", err)
	}
	defer os.Remove(tmp.Name())
	text := hex.AppendEncode(make([]byte, 0, 65), key[:])
	text = append(text, '\n')
	defer clear(text)
	_, err = io.Copy(tmp, bytes.NewReader(text))
	err = errors.Join(err, tmp.Sync(), tmp.Close())
	if err != nil {
		return fmt.Errorf("write key file %s: %w", path, err)
	}
	if err := os.Link(tmp.Name(), path); err != nil {
		return fmt.Errorf("create key file: %w", err)
	}
	return nil
}
