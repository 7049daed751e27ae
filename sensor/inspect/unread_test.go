// SPDX-License-Identifier: Apache-2.0

package inspect_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/weir-project/weir/sensor/exchange"
	"github.com/weir-project/weir/sensor/inspect"
)

// A body under a coding that cannot be undone holds what its path names, and never nothing.
func TestAnUnreadObjectIsOneRecord(t *testing.T) {
	for _, c := range []struct {
		line    string
		status  int
		size    int
		want    string
		objects string
	}{
		{"GET /customers/{17}", 200, 305, "estimated 1 seen 1 unread 305 cut", "customers:17"},
		{"GET /customers/{17}", 200, 15, "estimated 0 seen 0 unread 15 cut", ""},
		{"GET /customers/{17}", 404, 305, "none 0 seen 0", ""},
		{"DELETE /customers/{17}", 200, 305, "estimated 1 seen 0 estimated 1 unread 305 cut", ""},
		{"GET /customers", 200, 305, "estimated 1 seen 0 estimated 1 unread 305 cut", ""},
		{"GET /customers", 200, 100, "estimated 0 seen 0 unread 100 cut", ""},
		{"GET /customers", 200, 5000, "estimated 5 seen 0 estimated 5 unread 5000 cut", ""},
	} {
		for _, piece := range []int{1, 7, 1 << 20} {
			b := begin(c.line, "application/json")
			b.ContentEncoding, b.Status = []byte("br"), c.status
			x := look(inspect.New(keys(), inspect.Config{}), b, strings.Repeat("x", c.size), piece)
			if got := told(x); got != c.want || !slices.Equal(x.Objects, hashes(c.objects)) {
				t.Errorf("%s %d, %d bytes: %s %v, want %s", c.line, c.status, c.size, got, x.Objects, c.want)
			}
		}
	}
}

// Told in parts, it is still one.
func TestAnUnreadObjectInParts(t *testing.T) {
	b := begin("GET /customers/{17}", "application/json")
	b.ContentEncoding = []byte("br")
	l := inspect.New(keys(), inspect.Config{}).Begin(b)
	defer l.Release()
	var records uint64
	var objects []uint64
	for part := range 4 {
		l.Data(make([]byte, 100))
		var x exchange.Exchange
		l.Report(&x, part == 3)
		records += x.Records
		objects = append(objects, x.Objects...)
	}
	if records != 1 || !slices.Equal(objects, hashes("customers:17")) {
		t.Errorf("%d records, objects %v", records, objects)
	}
}
