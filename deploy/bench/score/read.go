// SPDX-License-Identifier: Apache-2.0

package score

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
)

// maxLine bounds a line of a file of truth.
const maxLine = 16 << 20

// ReadTruth reads a truth.jsonl: one Truth a line.
func ReadTruth(path string) ([]Truth, error) { return readLines[Truth](path) }

// ReadCaptures reads a captures.jsonl: one Capture a line.
func ReadCaptures(path string) ([]Capture, error) { return readLines[Capture](path) }

func readLines[T any](path string) ([]T, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open truth: %w", err)
	}
	defer f.Close()
	var all []T
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, maxLine)
	for n := 1; lines.Scan(); n++ {
		line := bytes.TrimSpace(lines.Bytes())
		if len(line) == 0 {
			continue
		}
		var v T
		if err := json.Unmarshal(line, &v); err != nil {
			return nil, fmt.Errorf("%s line %d: %w", path, n, err)
		}
		all = append(all, v)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return all, nil
}
