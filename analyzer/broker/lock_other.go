// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package broker

import (
	"fmt"
	"os"
	"path/filepath"
)

// lockDir opens the lock file; only Linux is a platform that weir runs on.
func lockDir(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock broker directory: %w", err)
	}
	return f, nil
}
