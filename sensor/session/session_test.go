// SPDX-License-Identifier: Apache-2.0

package session_test

import (
	"flag"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/weir-project/weir/sensor/session"
)

var update = flag.Bool("update", false, "rewrite what the cases want")

// script is one text case: settings, a conversation, and the exchanges it makes.
type script struct {
	file, head, body, want string
	mid, noAcks            bool
	rest                   int64 // nanoseconds after every line
	cfg                    session.Config
}

func scripts(t testing.TB) (all []script) {
	files, _ := filepath.Glob("testdata/*.talk")
	if len(files) == 0 {
		t.Fatal("no cases")
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		s := script{file: f}
		s.head, s.want, _ = strings.Cut(string(b), "----\n")
		for _, line := range strings.Split(s.head, "\n") {
			switch {
			case line == "mid":
				s.mid = true
			case line == "noacks":
				s.noAcks = true
			case line == "pending 2":
				s.cfg.MaxPending = 2
			default:
				s.body += line + "\n"
			}
		}
		all = append(all, s)
	}
	return all
}

func (s *script) run(t testing.TB, cut func(int) int) string {
	t.Helper()
	out := &sink{parts: true}
	x := session.New(s.cfg, testKeys(t), out)
	w := newWire(x, s.mid)
	w.acks, w.cut, w.rest = !s.noAcks, cut, s.rest
	w.play(t, s.body)
	w.close()
	n := x.Counters()
	checkBytes(t, n)
	if _, bugs := x.Bug(); bugs > 0 {
		stack, _ := x.Bug()
		t.Fatalf("%s: a bug: %s", s.file, stack)
	}
	var b strings.Builder
	for _, e := range out.all {
		b.WriteString(e.text + "\n")
	}
	for r := session.NotHTTP; r <= session.Bug; r++ {
		if n.Ignored[r] > 0 {
			b.WriteString("ignored " + r.String() + "\n")
		}
	}
	return b.String()
}

func TestScripts(t *testing.T) {
	for _, s := range scripts(t) {
		got := s.run(t, nil)
		if *update {
			if err := os.WriteFile(s.file, []byte(s.head+"----\n"+got), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if got != s.want {
			t.Errorf("%s:\ngot\n%swant\n%s", s.file, got, s.want)
		}
	}
}

func TestCutsDoNotMatter(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for _, s := range scripts(t) {
		if strings.Contains(s.body, "\njoin\n") {
			continue // what is joined in its middle is known by segments that begin with frames
		}
		want := strings.Split(s.run(t, nil), "\n")
		slices.Sort(want)
		for i := range 30 {
			got := strings.Split(s.run(t, func(n int) int {
				if i == 0 {
					return 1
				}
				return 1 + rng.IntN(min(n, 50))
			}), "\n")
			slices.Sort(got)
			if !slices.Equal(got, want) {
				t.Fatalf("%s:\ngot\n%s\nwant\n%s", s.file, strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
		}
	}
}
