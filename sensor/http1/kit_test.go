// SPDX-License-Identifier: Apache-2.0

package http1_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/weir-project/weir/sensor/http1"
)

// act is one line of a conversation: bytes, a gap or an end of one side.
type act struct {
	side   int // 0 the client, 1 the server
	data   []byte
	gap    int64
	end    bool
	orders bool // for end: FIN, not RST
}

// talk joins two parsers as session does, as far as framing goes, and writes down what they say.
type talk struct {
	half    [2]http1.Parser
	methods []string
	cur     [2]struct {
		line string
		body int64
		gap  int64
		hash uint64
	}
	out   []string
	drift bool // go on where chunks are lost
}

func newTalk(mid bool, l http1.Limits, drift bool) *talk {
	t := &talk{drift: drift}
	for i := range t.half {
		t.half[i].Reset(t, http1.Either, mid, l)
	}
	return t
}

func (t *talk) side(p *http1.Parser) int {
	if p == &t.half[0] {
		return 0
	}
	return 1
}

func (t *talk) Head(p *http1.Parser, m *http1.Message) (c http1.Context) {
	i := t.side(p)
	cur := &t.cur[i]
	cur.body, cur.gap, cur.hash = 0, 0, 14695981039346656037
	head := m.HeadEnd - m.Offset
	if m.Raw != nil && !m.Cut && int64(len(m.Raw)) != head {
		panic("raw head has another length")
	}
	names := strings.Join(m.Anomalies.AppendNames(nil), ",")
	if m.Role == http1.Request {
		cur.line = fmt.Sprintf("%s @%d %s %s 1.%d head=%d fields=%d [%s]", "CS"[i:i+1], m.Offset, m.Method, clip(m.Target), m.Minor, head, len(m.Fields), names)
		t.methods = append(t.methods, string(m.Method))
		t.half[1-i].SetRole(http1.Response)
		if m.Minor < 0 {
			t.half[1-i].Bare()
		}
		return c
	}
	cur.line = fmt.Sprintf("%s @%d %d 1.%d head=%d fields=%d [%s]", "CS"[i:i+1], m.Offset, m.Status, m.Minor, head, len(m.Fields), names)
	t.half[1-i].SetRole(http1.Request)
	if len(t.methods) == 0 {
		return c
	}
	c.Head, c.Connect = t.methods[0] == "HEAD", t.methods[0] == "CONNECT"
	switch {
	case m.Status == 101:
		t.half[1-i].Tunnel()
	case c.Connect && m.Status/100 != 2:
		t.half[1-i].Resume()
	}
	if !m.Interim() {
		t.methods = t.methods[1:]
	}
	return c
}

func clip(b []byte) string {
	if len(b) > 60 {
		return fmt.Sprintf("%q..%d", b[:60], len(b))
	}
	return strings.Trim(strconv.QuoteToASCII(string(b)), `"`)
}

func (t *talk) Body(p *http1.Parser, b []byte) {
	cur := &t.cur[t.side(p)]
	cur.body += int64(len(b))
	for _, c := range b {
		cur.hash = (cur.hash ^ uint64(c)) * 1099511628211
	}
}

func (t *talk) Gap(p *http1.Parser, n int64) { t.cur[t.side(p)].gap += n }

func (t *talk) End(p *http1.Parser, e http1.Tail) {
	i := t.side(p)
	cur := &t.cur[i]
	if cur.line == "" {
		cur.line = fmt.Sprintf("%s tunnel", "CS"[i:i+1])
	}
	how := "complete"
	if !e.Complete {
		how = "incomplete"
	}
	t.out = append(t.out, fmt.Sprintf("%s body=%d gap=%d end=%d %s [%s]", cur.line, cur.body, cur.gap, e.Offset, how,
		strings.Join(e.Anomalies.AppendNames(nil), ",")))
	cur.line, cur.body, cur.gap = "", 0, 0
}

func (t *talk) Drift(*http1.Parser) bool { return t.drift }

func (t *talk) Lost(p *http1.Parser) {
	t.out = append(t.out, fmt.Sprintf("%s lost", "CS"[t.side(p):][:1]))
}

// run plays a conversation, each run of bytes of one side cut into the lengths that cut gives.
func run(t *testing.T, acts []act, mid bool, l http1.Limits, cut func(n int) int) []string {
	t.Helper()
	return newTalk(mid, l, false).run(t, acts, cut)
}

func (k *talk) run(t *testing.T, acts []act, cut func(n int) int) []string {
	t.Helper()
	var fed [2]int64
	var ended [2]bool
	for _, a := range acts {
		p := &k.half[a.side]
		fed[a.side] += int64(len(a.data)) + a.gap
		switch {
		case a.end:
			p.Close(a.orders)
			ended[a.side] = true
		case a.gap > 0:
			p.Gap(a.gap)
		default:
			if fed[a.side]%2 == 0 {
				p.Charge()
			} else {
				p.Land()
			}
			for b := a.data; len(b) > 0; {
				n := min(max(1, cut(len(b))), len(b))
				p.Data(b[:n], http1.Mark{})
				b = b[n:]
			}
		}
	}
	for i := range k.half {
		if !ended[i] {
			k.half[i].Close(true)
		}
		c := k.half[i].Counts()
		if c.Sum() != fed[i] {
			t.Fatalf("side %d: %d bytes fed, accounted %d: %+v", i, fed[i], c.Sum(), c)
		}
		k.out = append(k.out, fmt.Sprintf("%s counts head=%d body=%d framing=%d tunnel=%d junk=%d lost=%d", "CS"[i:i+1],
			c.Head, c.Body, c.Framing, c.Tunnel, c.Junk, c.Lost))
	}
	return k.out
}

// parseCase reads a text case: lines `C> "bytes"`, `S> gap N`, `S> fill N`, `C> fin`, `C> rst`,
// settings `mid` and `limits HEADER HEADERS`; then "----" and the wanted lines.
func parseCase(t *testing.T, text string) (acts []act, mid bool, l http1.Limits, want string) {
	t.Helper()
	script, want, _ := strings.Cut(text, "----\n")
	for n, line := range strings.Split(script, "\n") {
		line = strings.TrimSpace(line)
		f := strings.Fields(line)
		switch {
		case line == "" || line[0] == '#':
			continue
		case line == "mid":
			mid = true
			continue
		case f[0] == "limits":
			l.HeaderBytes, _ = strconv.Atoi(f[1])
			l.Headers, _ = strconv.Atoi(f[2])
			continue
		}
		a := act{side: strings.Index("CS", line[:1])}
		rest := strings.TrimSpace(line[2:])
		switch {
		case rest == "fin", rest == "rst":
			a.end, a.orders = true, rest == "fin"
		case f[1] == "gap":
			a.gap, _ = strconv.ParseInt(f[2], 10, 64)
		case f[1] == "fill":
			k, _ := strconv.Atoi(f[2])
			a.data = []byte(strings.Repeat("x", k))
		default:
			s, err := strconv.Unquote(rest)
			if err != nil {
				t.Fatalf("line %d: %v: %s", n+1, err, rest)
			}
			a.data = []byte(s)
		}
		acts = append(acts, a)
	}
	return join(acts), mid, l, want
}

// join makes one act of what a side says in a row, so that cuts fall anywhere in it.
func join(acts []act) []act {
	var out []act
	for _, a := range acts {
		if n := len(out) - 1; n >= 0 && len(a.data) > 0 && len(out[n].data) > 0 && out[n].side == a.side {
			out[n].data = append(out[n].data, a.data...)
			continue
		}
		out = append(out, a)
	}
	return out
}

func cases(t testing.TB) map[string]string {
	files, err := filepath.Glob("testdata/*.http")
	if err != nil || len(files) == 0 {
		t.Fatal("no cases", err)
	}
	m := map[string]string{}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		m[f] = string(b)
	}
	return m
}
