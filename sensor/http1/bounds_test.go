// SPDX-License-Identifier: Apache-2.0

package http1_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"

	"github.com/weir-project/weir/sensor/http1"
)

// hostile is what a peer may send to cost memory or time, in pieces of one segment, or byte by byte.
func hostile() map[string]string {
	const start = "GET /a HTTP/1.1\r\n"
	return map[string]string{
		"endless line":          "GET /" + strings.Repeat("x", 1<<20),
		"endless blanks":        "GET " + strings.Repeat(" ", 1<<20),
		"endless reason":        "HTTP/1.1 200 " + strings.Repeat(" ", 1<<20),
		"endless head":          start + strings.Repeat("X-Name: some value\r\n", 1<<16),
		"endless field":         start + "X: " + strings.Repeat("y", 1<<20),
		"endless fold":          start + "X: y\r\n" + strings.Repeat(" z\r\n", 1<<18),
		"folds of many fields":  start + strings.Repeat("X:y\r\n z\r\n", 1<<16),
		"tiny fields":           start + strings.Repeat("a:\n", 1<<18) + "\n",
		"endless empty lines":   strings.Repeat("\r\n", 1<<19),
		"many versions":         strings.Repeat("x"+strings.Repeat("HTTP/1.1 ", 1700)+strings.Repeat(" ", 16000)+"\n", 16),
		"no line end":           strings.Repeat("\x00", 1<<20),
		"many lengths":          start + "Content-Length: " + strings.Repeat("1,", 1<<19),
		"endless extension":     start + "Transfer-Encoding: chunked\r\n\r\n1;" + strings.Repeat("x", 1<<20),
		"extension to the edge": start + "Transfer-Encoding: chunked\r\n\r\n" + strings.Repeat("1;"+strings.Repeat("x", 16000)+"\r\na\r\n", 64),
		"endless trailers":      start + "Transfer-Encoding: chunked\r\n\r\n0\r\n" + strings.Repeat("X: y\r\n", 1<<18),
		"tiny chunks":           start + "Transfer-Encoding: chunked\r\n\r\n" + strings.Repeat("1\r\na\r\n", 1<<18),
		"requests in a row":     strings.Repeat(start+"\r\n", 1<<16),
	}
}

// Whatever is sent, a side holds no more than its bounds while it comes, makes no garbage beyond a small
// share of what came, and keeps little once it is done with a head.
func TestHostileInputIsBounded(t *testing.T) {
	for name, text := range hostile() {
		for _, piece := range []int{1, 1460, len(text)} {
			var c count
			var p http1.Parser
			p.Reset(&c, http1.Either, false, http1.Limits{})
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			most := 0
			for rest := []byte(text); len(rest) > 0; {
				n := min(piece, len(rest))
				p.Data(rest[:n], http1.Mark{})
				rest = rest[n:]
				most = max(most, p.Held())
			}
			p.Close(true)
			runtime.ReadMemStats(&after)
			// The buffer of a head, of 64 KiB, as append makes it grow.
			if made := after.TotalAlloc - before.TotalAlloc; most > 160<<10 || made > 4<<20+uint64(len(text)) {
				t.Errorf("%s by %d: holds up to %d bytes, made %d", name, piece, most, made)
			}
			if s := p.Counts().Sum(); s != int64(len(text)) {
				t.Errorf("%s by %d: %d bytes accounted of %d", name, piece, s, len(text))
			}
			p.Reset(&c, http1.Either, false, http1.Limits{})
			if held := p.Held(); held > 32<<10 {
				t.Errorf("%s by %d: holds %d bytes for the next connection", name, piece, held)
			}
		}
	}
}

// A connection that once sent a large head does not hold its memory while it is idle.
func TestIdleHoldsLittle(t *testing.T) {
	var c count
	var p http1.Parser
	p.Reset(&c, http1.Request, false, http1.Limits{})
	head := "GET /a HTTP/1.1\r\nCookie: " + strings.Repeat("c", 40000) + "\r\n" + strings.Repeat("a: b\r\n c\r\n", 1000) + "\r\n"
	for range 3 {
		p.Data([]byte(head[:30000]), http1.Mark{})
		p.Data([]byte(head[30000:]), http1.Mark{})
		if held := p.Held(); held > 8<<10 {
			t.Errorf("%d bytes held", held)
		}
	}
	if c.heads != 3 {
		t.Errorf("%d heads", c.heads)
	}
}

// fields is a Handler that counts the fields of the heads and looks for a credential.
type fields struct {
	count
	fields, credentials int
}

func (f *fields) Head(_ *http1.Parser, m *http1.Message) http1.Context {
	f.fields += len(m.Fields)
	for _, x := range m.Fields {
		if string(x.Name) == "Authorization" && !m.Truncated {
			f.credentials++
		}
	}
	return http1.Context{}
}

// Nobody hides a credential behind fields that fit: servers that bound heads by their bytes read them all.
func TestManyFieldsHideNothing(t *testing.T) {
	var f fields
	var p http1.Parser
	p.Reset(&f, http1.Request, false, http1.Limits{})
	p.Data([]byte("GET /a HTTP/1.1\r\n"+strings.Repeat("a:\r\n", 10000)+"Authorization: Bearer tok_test_a\r\n\r\n"), http1.Mark{})
	if f.fields != 10001 || f.credentials != 1 {
		t.Errorf("%d fields, %d credentials", f.fields, f.credentials)
	}
}

// A partial line is judged as if all of it had come at once, but for a fault that its end would show anyway.
func TestStillViable(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	parts := []string{"GET ", "HTTP/1.1 200 ", "/", "x", "  ", "\t", "\r", "\x01", "\x7f", "\xff", strings.Repeat("y", 30), "get ", "MKCALENDARS-AND-MORE-OF-IT "}
	for range 50000 {
		var line []byte
		for _, role := range []http1.Role{http1.Either, http1.Request, http1.Response} {
			line = line[:0]
			viable := true
			for range 1 + rnd.IntN(8) {
				seen := len(line)
				line = append(line, parts[rnd.IntN(len(parts))]...)
				if viable = viable && http1.StillViable(line, seen, role); viable {
					continue
				}
				if http1.Viable(line, role) {
					t.Fatalf("%q after %d bytes, role %d: given up", line, seen, role)
				}
				break
			}
		}
	}
}

// A chunk a byte costs one call each and nothing else.
func TestTinyChunks(t *testing.T) {
	var c count
	var p http1.Parser
	p.Reset(&c, http1.Response, false, http1.Limits{})
	text := []byte("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + strings.Repeat("1\r\na\r\n", 1e6) + "0\r\n\r\n")
	if n := testing.AllocsPerRun(1, func() { p.Data(text, http1.Mark{}) }); n > 2 || c.body != 2e6 || c.ends != 2 {
		t.Errorf("%v allocations, %d bytes of bodies, %d ends", n, c.body, c.ends)
	}
}

func BenchmarkHostile(b *testing.B) {
	for name, text := range hostile() {
		for _, piece := range []int{1, 1460} {
			b.Run(fmt.Sprintf("%s by %d", name, piece), func(b *testing.B) {
				var c count
				var p http1.Parser
				b.SetBytes(int64(len(text)))
				b.ReportAllocs()
				for b.Loop() {
					p.Reset(&c, http1.Either, false, http1.Limits{})
					for rest := []byte(text); len(rest) > 0; {
						n := min(piece, len(rest))
						p.Data(rest[:n], http1.Mark{})
						rest = rest[n:]
					}
				}
			})
		}
	}
}
