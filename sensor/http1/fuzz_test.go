// SPDX-License-Identifier: Apache-2.0

package http1_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/weir-project/weir/sensor/http1"
)

// FuzzParser plays two sides of bytes with gaps against each other: no panic, every byte accounted
// (run checks both), and the same result however the input is cut.
func FuzzParser(f *testing.F) {
	for _, text := range cases(f) {
		script, _, _ := strings.Cut(text, "----\n")
		var sides [2]strings.Builder
		for _, line := range strings.Split(script, "\n") {
			for i, p := range []string{"C> ", "S> "} {
				if rest, ok := strings.CutPrefix(line, p); ok && rest[0] == '"' {
					rest = strings.NewReplacer(`\r`, "\r", `\n`, "\n", `\\`, `\`).Replace(strings.Trim(rest, `"`))
					sides[i].WriteString(rest)
				}
			}
		}
		f.Add([]byte(sides[0].String()), []byte(sides[1].String()), []byte{7, 40, 9}, uint16(0), false)
		f.Add([]byte(sides[0].String()), []byte(sides[1].String()), []byte{1}, uint16(30), true)
	}
	f.Fuzz(func(t *testing.T, client, server, cuts []byte, gap uint16, mid bool) {
		if len(client)+len(server) > 1<<16 {
			t.Skip("larger than a fuzz input need be")
		}
		at := min(len(server)/2, int(gap))
		acts := []act{{side: 0, data: client}, {side: 1, data: server[:at]}, {side: 1, gap: int64(gap % 512)},
			{side: 1, data: server[at:]}, {side: 0, gap: int64(gap / 64)}, {side: 0, data: client}}
		acts = slices.DeleteFunc(acts, func(a act) bool { return len(a.data) == 0 && a.gap == 0 })
		l := http1.Limits{HeaderBytes: 256, Headers: 8, ChunkLine: 32}
		drift := gap%2 == 1
		want := newTalk(mid, l, drift).run(t, acts, whole)
		i := 0
		got := newTalk(mid, l, drift).run(t, acts, func(n int) int {
			if len(cuts) == 0 {
				return 1
			}
			i++
			return int(cuts[i%len(cuts)])
		})
		if !slices.Equal(got, want) {
			t.Fatalf("cut:\n%s\nwhole:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	})
}
