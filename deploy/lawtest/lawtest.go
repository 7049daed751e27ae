// SPDX-License-Identifier: Apache-2.0

// Package lawtest checks the import law of one side of weir: it reads every Go file's imports, all
// build tags included, and compares them with an allow-list.
//
// It assumes that it runs in the side's own folder. It refuses rooms that the list does not
// name, and passes over list entries whose room is not built yet.
package lawtest

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/weir-project/weir/"

// Law is an import law.
type Law struct {
	Side      string              // "sensor" or "analyzer"
	Never     []string            // top-level folders that no file of this side may import
	Rooms     map[string][]string // room -> allowed imports of ours; "*" allows the side and proto
	Libraries map[string][]string // library path prefix -> rooms that may import it
}

// Check fails the test for every import that breaks the law. Test files are held to Never and to
// nothing else: they may build their cases with any library.
func Check(t *testing.T, law Law) {
	t.Helper()
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && entry.Name() == "testdata" {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, ".go") {
			return nil
		}
		checkFile(t, law, path)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func checkFile(t *testing.T, law Law, path string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
	if err != nil {
		t.Errorf("%s: %v", path, err)
		return
	}
	room := filepath.ToSlash(filepath.Dir(path))
	allowed, known := law.Rooms[room]
	if !known {
		t.Errorf("%s: room %q has no line in the import law", path, room)
		return
	}
	test := strings.HasSuffix(path, "_test.go")
	for _, spec := range file.Imports {
		target, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			t.Errorf("%s: import %s: %v", path, spec.Path.Value, err)
			continue
		}
		checkImport(t, law, path, room, target, allowed, test)
	}
}

func checkImport(t *testing.T, law Law, path, room, target string, allowed []string, test bool) {
	t.Helper()
	if own, ok := strings.CutPrefix(target, module); ok {
		top, _, _ := strings.Cut(own, "/")
		if slices.Contains(law.Never, top) && !(test && top == "deploy") {
			t.Errorf("%s: %s must never import %s", path, law.Side, own)
			return
		}
		short := strings.TrimPrefix(own, law.Side+"/")
		if !test && short != room && !slices.Contains(allowed, short) && !slices.Contains(allowed, "*") {
			t.Errorf("%s: room %q may not import %q", path, room, short)
		}
		return
	}
	for prefix, rooms := range law.Libraries {
		if strings.HasPrefix(target, prefix) && !test && !slices.Contains(rooms, room) {
			t.Errorf("%s: room %q may not import %s", path, room, target)
		}
	}
}
