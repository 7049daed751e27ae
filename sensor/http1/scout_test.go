// SPDX-License-Identifier: Apache-2.0

package http1_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/weir-project/weir/sensor/http1"
)

// A probe finds a status line by the book at its very first byte, and costs the body nothing elsewhere,
// however it is cut and whatever ends it.
func TestProbe(t *testing.T) {
	const head = "HTTP/1.1 200 OK\r\n\r\n"
	for _, c := range []struct {
		name, then string
		gap        int64
		messages   int
	}{
		{"nothing", "", 0, 1},
		{"begin only", "HTTP/1.", 0, 1},
		{"gap in it", "HTTP/1.1 2", 10, 1},
		{"letters", "HTTP/1.1 2x0 OK\r\n\r\n", 0, 1},
		{"other version", "HTTP/2.0 200 OK\r\n\r\n", 0, 1},
		{"later", " HTTP/1.1 200 OK\r\n\r\n", 0, 1},
		{"status line", "HTTP/1.0 204 No\r\n\r\n", 0, 2},
	} {
		var want []string
		for cut := range max(1, len(c.then)) {
			k := newTalk(false, http1.Limits{}, false)
			p := &k.half[1]
			p.Data([]byte(head+"body"), http1.Mark{})
			p.Probe()
			p.Data([]byte(c.then[:cut]), http1.Mark{})
			p.Data([]byte(c.then[cut:]), http1.Mark{})
			p.Gap(c.gap)
			p.Close(true)
			if n := int64(len(head+"body"+c.then)) + c.gap; p.Counts().Sum() != n || p.Messages() != c.messages {
				t.Errorf("%s cut at %d: %d messages, %d bytes counted of %d", c.name, cut, p.Messages(), p.Counts().Sum(), n)
			}
			if cut == 0 {
				want = slices.Clone(k.out)
			}
			if !slices.Equal(k.out, want) {
				t.Errorf("%s cut at %d: %s", c.name, cut, strings.Join(k.out, "\n"))
			}
		}
	}
}
