// SPDX-License-Identifier: Apache-2.0

package http2_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/net/http2/hpack"

	"github.com/weir-project/weir/sensor/http2"
)

var update = flag.Bool("update", false, "rewrite what is wanted in testdata/*.frames")

// piece is bytes of one segment, or a gap.
type piece struct {
	data []byte
	gap  int64
	mark http2.Mark
}

// script is one side and how it is read.
type script struct {
	begin  http2.Begin
	limits http2.Limits
	tell   []func(p *http2.Parser)
	pieces []piece
	offset int64
	hpack  bytes.Buffer
	enc    *hpack.Encoder
}

// The lines of a script, each a segment:
//
//	begin preface|frame|joined      limits BYTES FRAMES      opened STREAM      allow SIZE
//	preface
//	[lost [FROM+N]] TYPE STREAM [FLAG...] [pad=N] [len=N] PAYLOAD
//	raw PAYLOAD
//
// A payload is made of words: hex, "text", fill=N, zero=N, name=value to be compressed, number:BITS. With
// len the length said is another one. Of what is lost FROM+N are the bytes of the line, else all.
func parseScript(t testing.TB, text string) *script {
	t.Helper()
	s := &script{begin: http2.AtFrame}
	s.enc = hpack.NewEncoder(&s.hpack)
	for n, line := range strings.Split(text, "\n") {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		if err := s.line(strings.Fields(line)); err != nil {
			t.Fatalf("line %d: %v: %s", n+1, err, line)
		}
	}
	return s
}

func (s *script) line(w []string) error {
	num := func(i int) int {
		n, _ := strconv.Atoi(w[i])
		return n
	}
	switch w[0] {
	case "begin":
		s.begin = map[string]http2.Begin{"preface": http2.AtPreface, "frame": http2.AtFrame, "joined": http2.Joined}[w[1]]
	case "limits":
		s.limits.BlockBytes, s.limits.BlockFrames = num(1), num(2)
	case "opened":
		n := uint32(num(1))
		s.tell = append(s.tell, func(p *http2.Parser) { p.Opened(n) })
	case "allow":
		n := uint32(num(1))
		s.tell = append(s.tell, func(p *http2.Parser) { p.AllowFrame(n) })
	default:
		return s.segment(w)
	}
	return nil
}

func (s *script) segment(w []string) error {
	lost := [2]int{0, 0}
	if w[0] == "lost" {
		w, lost[1] = w[1:], 1<<30
		if from, n, ok := strings.Cut(w[0], "+"); ok {
			lost[0], _ = strconv.Atoi(from)
			lost[1], _ = strconv.Atoi(n)
			w = w[1:]
		}
	}
	b, err := s.assemble(w)
	if err != nil {
		return err
	}
	mark := http2.Mark{Time: 1, Offset: s.offset}
	s.offset += int64(len(b))
	at := min(lost[0], len(b))
	end := min(at+lost[1], len(b))
	for _, p := range []piece{{data: b[:at], mark: mark}, {gap: int64(end - at)}, {data: b[end:], mark: mark}} {
		if len(p.data) > 0 || p.gap > 0 {
			s.pieces = append(s.pieces, p)
		}
	}
	return nil
}

var frameTypes = []string{"DATA", "HEADERS", "PRIORITY", "RST_STREAM", "SETTINGS", "PUSH_PROMISE", "PING", "GOAWAY",
	"WINDOW_UPDATE", "CONTINUATION"}

var frameFlags = map[string]byte{"END_STREAM": 1, "ACK": 1, "END_HEADERS": 4, "PADDED": 8, "PRIO": 0x20, "ODD": 0x40}

func (s *script) assemble(w []string) ([]byte, error) {
	switch w[0] {
	case "preface":
		return []byte(http2.Preface), nil
	case "raw":
		return s.payload(w[1:])
	}
	kind := slices.Index(frameTypes, w[0])
	if kind < 0 {
		n, err := strconv.ParseUint(w[0], 0, 8)
		if err != nil {
			return nil, err
		}
		kind = int(n)
	}
	stream, err := strconv.ParseUint(w[1], 0, 32)
	if err != nil {
		return nil, err
	}
	w = w[2:]
	flags, pad, said := byte(0), -1, -1
	for len(w) > 0 {
		f, isFlag := frameFlags[w[0]]
		switch {
		case isFlag:
			flags |= f
		case strings.HasPrefix(w[0], "pad="):
			pad, _ = strconv.Atoi(w[0][4:])
			flags |= 8
		case strings.HasPrefix(w[0], "len="):
			said, _ = strconv.Atoi(w[0][4:])
		default:
			isFlag = true
		}
		if isFlag && f == 0 {
			break
		}
		w = w[1:]
	}
	body, err := s.payload(w)
	if err != nil {
		return nil, err
	}
	if pad >= 0 {
		body = append(append([]byte{byte(pad)}, body...), make([]byte, pad)...)
	}
	if said < 0 {
		said = len(body)
	}
	head := binary.BigEndian.AppendUint32(nil, uint32(said)<<8|uint32(kind))
	return append(binary.BigEndian.AppendUint32(append(head, flags), uint32(stream)), body...), nil
}

func (s *script) payload(w []string) ([]byte, error) {
	var b []byte
	for _, word := range w {
		if k, v, ok := strings.Cut(word, "="); ok {
			n, _ := strconv.Atoi(v)
			switch k {
			case "fill":
				b = append(b, strings.Repeat("x", n)...)
			case "zero":
				b = append(b, make([]byte, n)...)
			default:
				s.hpack.Reset()
				if err := s.enc.WriteField(hpack.HeaderField{Name: k, Value: v}); err != nil {
					return nil, err
				}
				b = append(b, s.hpack.Bytes()...)
			}
			continue
		}
		if v, bits, ok := strings.Cut(word, ":"); ok && word[0] != '"' {
			n, err := strconv.ParseUint(v, 0, 64)
			width, _ := strconv.Atoi(bits)
			if err != nil {
				return nil, err
			}
			b = append(b, binary.BigEndian.AppendUint64(nil, n)[8-width/8:]...)
			continue
		}
		text, err := strconv.Unquote(word)
		raw := []byte(text)
		if err != nil {
			raw, err = hex.DecodeString(word)
		}
		if err != nil {
			return nil, fmt.Errorf("word %q: %w", word, err)
		}
		b = append(b, raw...)
	}
	return b, nil
}

// play reads a side, each piece cut into the lengths that cut gives, and checks that all bytes are accounted.
func (s *script) play(t testing.TB, p *http2.Parser, h http2.Handler, cut func(n int) int) {
	t.Helper()
	const origin = 1000
	p.Reset(h, s.begin, origin, s.limits)
	for _, f := range s.tell {
		f(p)
	}
	var fed int64
	for _, x := range s.pieces {
		for b := x.data; len(b) > 0; {
			n := min(max(1, cut(len(b))), len(b))
			p.Data(b[:n], x.mark)
			b = b[n:]
		}
		for n := x.gap; n > 0; {
			k := int64(min(max(1, cut(int(min(n, 1<<30)))), int(n)))
			p.Gap(k)
			n -= k
		}
		fed += int64(len(x.data)) + x.gap
		if p.Offset() != origin+fed {
			t.Fatalf("offset %d after %d bytes from %d", p.Offset(), fed, origin)
		}
	}
	p.Close()
	c := p.Counts()
	if c.Sum() != fed || min(c.Head, c.Body, c.Framing, c.Control, c.Junk, c.Lost) < 0 {
		t.Fatalf("%d bytes fed, %d accounted: %+v", fed, c.Sum(), c)
	}
}

// tell plays a side and gives what was said.
func (s *script) say(t testing.TB, cut func(n int) int) []string {
	t.Helper()
	var p http2.Parser
	d := &diary{}
	s.play(t, &p, d, cut)
	d.flush()
	c := p.Counts()
	return append(d.out, fmt.Sprintf("counts head=%d body=%d framing=%d control=%d junk=%d lost=%d frames=%d bad=%d",
		c.Head, c.Body, c.Framing, c.Control, c.Junk, c.Lost, p.Frames(), p.BadFrames()))
}

func whole(n int) int { return n }

// cuts gives cuts that are small, or whole, by chance.
func cuts(seed uint64) func(n int) int {
	r := rand.New(rand.NewPCG(seed, 1))
	return func(n int) int {
		if r.IntN(4) == 0 {
			return n
		}
		return 1 + r.IntN(1+r.IntN(40))
	}
}

func scripts(t testing.TB) map[string]string {
	files, err := filepath.Glob("testdata/*.frames")
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

func TestScripts(t *testing.T) {
	for name, text := range scripts(t) {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".frames"), func(t *testing.T) {
			text, want, _ := strings.Cut(text, "----\n")
			got := strings.Join(parseScript(t, text).say(t, whole), "\n") + "\n"
			if *update {
				if err := os.WriteFile(name, []byte(text+"----\n"+got), 0o644); err != nil {
					t.Fatal(err)
				}
				want = got
			}
			if got != want {
				t.Errorf("got:\n%swant:\n%s", got, want)
			}
			for seed := range uint64(20) {
				cut := cuts(seed)
				if seed == 0 {
					cut = func(int) int { return 1 }
				}
				if in := strings.Join(parseScript(t, text).say(t, cut), "\n") + "\n"; in != got {
					t.Fatalf("cut %d:\n%swhole:\n%s", seed, in, got)
				}
			}
		})
	}
}
