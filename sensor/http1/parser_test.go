// SPDX-License-Identifier: Apache-2.0

package http1_test

import (
	"flag"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/weir-project/weir/sensor/http1"
)

var update = flag.Bool("update", false, "rewrite what the cases want")

func whole(n int) int { return n }

func TestCases(t *testing.T) {
	for file, text := range cases(t) {
		acts, mid, l, want := parseCase(t, text)
		got := strings.Join(run(t, acts, mid, l, whole), "\n") + "\n"
		if *update {
			script, _, _ := strings.Cut(text, "----\n")
			if err := os.WriteFile(file, []byte(script+"----\n"+got), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if got != want {
			t.Errorf("%s:\ngot\n%swant\n%s", file, got, want)
		}
	}
}

// The result is the same at every split point, byte by byte, and for random cuts.
func TestCutsDoNotMatter(t *testing.T) {
	for file, text := range cases(t) {
		acts, mid, l, _ := parseCase(t, text)
		want := run(t, acts, mid, l, whole)
		check := func(how string, cut func(int) int) {
			t.Helper()
			if got := run(t, acts, mid, l, cut); !slices.Equal(got, want) {
				t.Fatalf("%s cut %s:\ngot\n%s\nwant\n%s", file, how, strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
		}
		check("byte by byte", func(int) int { return 1 })
		rng := rand.New(rand.NewPCG(1, 2))
		for range 200 {
			check("at random", func(n int) int { return 1 + rng.IntN(min(n, 40)) })
		}
		longest := 0
		for _, a := range acts {
			longest = max(longest, len(a.data))
		}
		for i := 1; i < min(longest, 3000); i++ {
			first := true
			last := 0
			check("once", func(n int) int {
				if n > last {
					first = true
				}
				if first && n > i {
					first, last = false, n-i
					return i
				}
				first, last = true, 0
				return n
			})
		}
	}
}

// A body of 5 GB is exact with 200 bytes of it seen.
func TestHugeBodyFromLengths(t *testing.T) {
	const size = 5 << 30
	for _, c := range []struct{ name, field, open, end string }{
		{"length", "Content-Length: 5368709120", "", ""},
		{"chunk", "Transfer-Encoding: chunked", "140000000\r\n", "\r\n0\r\n\r\n"},
		{"close", "Connection: close", "", ""},
	} {
		var acts []act
		acts = append(acts, act{side: 0, data: []byte("GET /big HTTP/1.1\r\nHost: a\r\n\r\n")},
			act{side: 1, data: []byte("HTTP/1.1 200 OK\r\n" + c.field + "\r\n\r\n" + c.open + strings.Repeat("y", 200))},
			act{side: 1, gap: size - 200})
		if c.end != "" {
			acts = append(acts, act{side: 1, data: []byte(c.end)})
		}
		out := strings.Join(run(t, acts, false, http1.Limits{}, whole), "\n")
		if !strings.Contains(out, " body=200 gap=5368708920 ") || strings.Contains(out, "incomplete") || strings.Contains(out, "lost\n") {
			t.Errorf("%s:\n%s", c.name, out)
		}
	}
}
