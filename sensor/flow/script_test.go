// SPDX-License-Identifier: Apache-2.0

package flow_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/weir-project/weir/sensor/flow"
	"github.com/weir-project/weir/sensor/packet"
	"github.com/weir-project/weir/sensor/stream"
)

var update = flag.Bool("update", false, "rewrite the wanted half of testdata/*.segs")

// TestScripts runs testdata/*.segs. Above the line stands what the capture shows:
//
//	isn C=1000 S=5000        initial sequence numbers (these are the defaults)
//	cfg slack=20ms gap=5s segments=4 window=65536 listen=80 linger=10s idle=15m
//	C> SYN                   any of SYN FIN RST ACK PSH; ACK is set unless the segment is a bare SYN or says noack
//	C> 0:5 "hello" ack=10    bytes 0 to 5 of the client; it has received 10 of the server's
//	C> 0:100 "hello"         95 bytes of the segment were not captured
//	C> next "hello"          the bytes behind the last ones of this side
//	C> lost 1460             the same, but the capture does not see them
//	C> RST at=7              a segment without bytes at an offset (else: behind the last ones)
//	new C=70000 S=80000      the tuple begins again with other numbers
//	skip 100 | ignore        what the sink answers to the next chunk
//	wait 30ms                time passes
//
// Below it stand the chunks and ends; "= name value" is a counter. All is flushed at the end.
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.segs")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, f := range files {
		t.Run(strings.TrimSuffix(filepath.Base(f), ".segs"), func(t *testing.T) { runScript(t, f) })
	}
}

func runScript(t *testing.T, file string) {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	script, want, ok := strings.Cut(string(text), "----\n")
	if !ok {
		t.Fatal("no ---- line")
	}
	p := &player{t: t, rec: newRecorder(t), talk: newTalk(1000, 5000)}
	for i, line := range strings.Split(script, "\n") {
		line, _, _ = strings.Cut(line, "#")
		if line = strings.TrimSpace(line); line != "" {
			if err := p.play(line); err != nil {
				t.Fatalf("%s:%d: %v", file, i+1, err)
			}
		}
	}
	p.tracker().Flush(p.talk.now)
	conserve(t, p.tr)
	p.rec.allClosed()
	got := p.result(want)
	if *update {
		if err := os.WriteFile(file, []byte(script+"----\n"+got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

// player turns script lines into segments.
type player struct {
	t       *testing.T
	cfg     flow.Config
	tr      *flow.Tracker
	rec     *recorder
	talk    *talk
	pos     [2]int64
	ack     [2]int64
	verdict stream.Verdict
}

func (p *player) tracker() *flow.Tracker {
	if p.tr == nil {
		p.rec.verdict = func(*stream.Chunk) stream.Verdict {
			v := p.verdict
			p.verdict = stream.Verdict{}
			return v
		}
		p.tr = flow.New(p.cfg, p.rec)
	}
	return p.tr
}

func (p *player) play(line string) error {
	word, rest, _ := strings.Cut(line, " ")
	switch word {
	case "isn", "new":
		p.pos, p.ack = [2]int64{}, [2]int64{}
		return pairs(rest, func(k, v string) error {
			n, err := strconv.ParseUint(v, 0, 32)
			p.talk.isn[strings.Index("CS", k)] = uint32(n)
			return err
		})
	case "cfg":
		return pairs(rest, p.set)
	case "wait":
		d, err := time.ParseDuration(rest)
		p.talk.now += int64(d)
		p.tracker().Advance(p.talk.now)
		return err
	case "skip":
		n, err := strconv.ParseInt(rest, 0, 64)
		p.verdict = stream.Verdict{Act: stream.Skip, N: n}
		return err
	case "ignore":
		p.verdict = stream.Verdict{Act: stream.Ignore}
		return nil
	case "C>":
		return p.segment(0, rest)
	case "S>":
		return p.segment(1, rest)
	}
	return fmt.Errorf("what is %q?", word)
}

func (p *player) set(k, v string) error {
	d, derr := time.ParseDuration(v)
	n, nerr := strconv.Atoi(v)
	switch k {
	case "slack":
		p.cfg.AckSlack = int64(d)
	case "gap":
		p.cfg.GapTimeout = int64(d)
	case "linger":
		p.cfg.Linger = int64(d)
	case "idle":
		p.cfg.Idle = int64(d)
	case "segments":
		p.cfg.FlowSegments = n
	case "window":
		p.cfg.Window = n
	case "listen":
		p.cfg.Listening = append(p.cfg.Listening, uint16(n))
	default:
		return fmt.Errorf("no setting %q", k)
	}
	if derr != nil && nerr != nil {
		return nerr
	}
	return nil
}

// segment sends one segment of side i.
func (p *player) segment(i int, line string) error {
	flags, at, n, data := packet.Flags(0), p.pos[i], int64(0), ""
	noack, lost := false, false
	for line = strings.TrimSpace(line); line != ""; line = strings.TrimSpace(line) {
		if line[0] == '"' {
			q, err := strconv.QuotedPrefix(line)
			if err != nil {
				return err
			}
			data, _ = strconv.Unquote(q)
			line = line[len(q):]
			continue
		}
		var word string
		word, line, _ = strings.Cut(line, " ")
		k, v, isPair := strings.Cut(word, "=")
		from, to, isRange := strings.Cut(word, ":")
		var err error
		switch f := strings.Index("FIN SYN RST PSH ACK", word); {
		case f >= 0:
			flags |= 1 << (f / 4)
		case word == "noack":
			noack = true
		case word == "next":
		case word == "lost":
			lost = true
			n, err = strconv.ParseInt(line, 0, 64)
			line = ""
		case isPair && k == "ack":
			p.ack[i], err = strconv.ParseInt(v, 0, 64)
		case isPair && k == "at":
			at, err = strconv.ParseInt(v, 0, 64)
		case isRange:
			if at, err = strconv.ParseInt(from, 0, 64); err == nil {
				n, err = strconv.ParseInt(to, 0, 64)
				n -= at
			}
		default:
			err = fmt.Errorf("what is %q?", word)
		}
		if err != nil {
			return err
		}
	}
	if n == 0 {
		n = int64(len(data))
	}
	if flags&packet.SYN != 0 && n == 0 {
		at = -1
	} else if n > 0 {
		p.pos[i] = at + n
	}
	if lost {
		return nil
	}
	if !noack && (flags&packet.SYN == 0 || i == 1) {
		flags |= packet.ACK
	}
	s := p.talk.seg(i, flags, at, p.ack[i], data)
	if flags&packet.SYN != 0 && n > 0 {
		s.Seq--
	}
	s.PayloadLen = int(n)
	p.tracker().Segment(s)
	return nil
}

func pairs(s string, f func(k, v string) error) error {
	for _, w := range strings.Fields(s) {
		k, v, ok := strings.Cut(w, "=")
		if !ok {
			return fmt.Errorf("%q is no pair", w)
		}
		if err := f(k, v); err != nil {
			return err
		}
	}
	return nil
}

// result prints what came, and those counters that want asks for.
func (p *player) result(want string) string {
	var b strings.Builder
	for i, rec := range p.rec.order {
		if i > 0 {
			b.WriteString("next connection\n")
		}
		for _, l := range rec.lines {
			b.WriteString(l + "\n")
		}
	}
	n := p.tr.Counters()
	for _, line := range strings.Split(want, "\n") {
		if f := strings.Fields(line); len(f) > 1 && f[0] == "=" {
			found := false
			n.Each(func(name string, v uint64) {
				if name == f[1] {
					found = true
					fmt.Fprintf(&b, "= %s %d\n", name, v)
				}
			})
			if !found {
				p.t.Fatalf("no counter %q", f[1])
			}
		}
	}
	return b.String()
}
