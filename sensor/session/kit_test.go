// SPDX-License-Identifier: Apache-2.0

package session_test

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"testing"

	"github.com/weir-project/weir/proto/keyhash"
	"github.com/weir-project/weir/sensor/exchange"
	"github.com/weir-project/weir/sensor/session"
	"github.com/weir-project/weir/sensor/stream"
)

func testKeys(t testing.TB) *keyhash.Keys {
	t.Helper()
	k, err := keyhash.ParseTenantKey([]byte(strings.Repeat("ab", 32)))
	if err != nil {
		t.Fatal(err)
	}
	return k.Derive()
}

// told is an exchange as the sink saw it, with copies of what it referred to.
type told struct {
	exchange.Exchange
	text string
}

// sink keeps what it is told.
type sink struct {
	all   []told
	parts bool // write part numbers too
}

func (s *sink) Exchange(x *exchange.Exchange) {
	c := told{Exchange: *x}
	c.Method, c.Path = append([]byte(nil), x.Method...), append([]byte(nil), x.Path...)
	c.Target = append([]byte(nil), x.Target...)
	var b strings.Builder
	if s.parts {
		fmt.Fprintf(&b, "#%d ", x.Part)
	}
	fmt.Fprintf(&b, "%s %s %s %d %s req=%d+%d resp=%d+%d", x.Method, x.ServerName, x.Path, x.Status, x.Version,
		x.RequestHeaderSize, x.RequestBodySize, x.ResponseHeaderSize, x.ResponseBodySize)
	if x.GapBytes > 0 {
		fmt.Fprintf(&b, " gap=%d", x.GapBytes)
	}
	fmt.Fprintf(&b, " %s %s", x.Coverage, x.Assurance)
	if names := x.Anomalies.AppendNames(nil); len(names) > 0 {
		fmt.Fprintf(&b, " [%s]", strings.Join(names, ","))
	}
	c.text = b.String()
	s.all = append(s.all, c)
}

// wire plays a text script of segments: it keeps sequence and ACK numbers as two hosts would, and
// turns what the capture lost into gaps, as flow does: with the next segment of that side.
type wire struct {
	s      *session.Session
	conn   *stream.Conn
	time   int64
	sent   [3]int64 // by stream.Side: bytes the host sent
	told   [3]int64 // bytes handed to the session, gaps included
	acks   bool
	ignore bool
	client stream.Side // what verdicts said
	cut    func(n int) int
	rest   int64
	late   []stream.Chunk

	speakers [3]*speaker
	muted    bool     // the capture has not begun
	from     [3]int64 // where it began
}

var isn = [3]uint32{0, 0xffffff00, 0x7fffffff}

func newWire(s *session.Session, mid bool) *wire {
	return &wire{s: s, acks: true, time: 1_700_000_000_000_000_000, conn: &stream.Conn{ID: 1, Mid: mid,
		Addr: [3]netip.AddrPort{{}, netip.MustParseAddrPort("10.0.0.1:40000"), netip.MustParseAddrPort("10.0.0.2:8080")}}}
}

func (w *wire) chunk(side stream.Side, data []byte, gap int64) {
	if w.ignore {
		return
	}
	c := stream.Chunk{Conn: w.conn, Side: side, Offset: w.told[side] - w.from[side], Seq: isn[side] + uint32(w.told[side]),
		Ack: isn[side.Other()] + uint32(w.sent[side.Other()]), HasAck: w.acks, Time: w.time, Data: data, Gap: gap}
	w.told[side] += int64(len(data)) + gap
	v := w.s.Chunk(&c)
	w.ignore = v.Act == stream.Ignore
	if v.Client != stream.Unknown {
		w.client = v.Client
		w.conn.Client = v.Client
	}
}

func (w *wire) send(side stream.Side, data []byte) {
	if w.muted {
		w.sent[side] += int64(len(data))
		return
	}
	if lost := w.sent[side] - w.told[side]; lost > 0 {
		w.chunk(side, nil, lost)
	}
	for len(data) > 0 {
		n := len(data)
		if w.cut != nil {
			n = max(1, min(n, w.cut(n)))
		}
		w.sent[side] += int64(n)
		w.chunk(side, data[:n], 0)
		data = data[n:]
	}
}

// delay sends bytes whose capture is handed on only by catchUp.
func (w *wire) delay(side stream.Side, data []byte) {
	w.late = append(w.late, stream.Chunk{Conn: w.conn, Side: side, Offset: w.sent[side], Seq: isn[side] + uint32(w.sent[side]),
		Ack: isn[side.Other()] + uint32(w.sent[side.Other()]), HasAck: w.acks, Time: w.time, Data: data})
	w.sent[side] += int64(len(data))
}

func (w *wire) catchUp() {
	for i := range w.late {
		c := &w.late[i]
		w.told[c.Side] += int64(len(c.Data))
		w.s.Chunk(c)
	}
	w.late = nil
}

func (w *wire) lose(side stream.Side, n int64) { w.sent[side] += n }

func (w *wire) close() { w.s.Close(w.conn, w.time, stream.EndFIN) }

// play runs a script of lines: `C> "bytes"` seen, `C- "bytes"` lost, `C> fill N`, `C- fill N`, `C> fin`,
// `C> rst`, `C> FRAMES` as speaker writes them, `wait SECONDS`, `join` (the capture begins here); `C~ "bytes"` sent now but handed on by `C! late` only.
func (w *wire) play(t testing.TB, script string) {
	t.Helper()
	if strings.Contains(script, "\njoin\n") {
		w.muted, w.conn.Mid = true, true
	}
	for n, line := range strings.Split(script, "\n") {
		line = strings.TrimSpace(line)
		f := strings.Fields(line)
		if line == "" || line[0] == '#' {
			continue
		}
		if f[0] == "join" {
			w.muted, w.from, w.told = false, w.sent, w.sent
			continue
		}
		if f[0] == "wait" {
			secs, _ := strconv.ParseFloat(f[1], 64)
			w.time += int64(secs * 1e9)
			w.s.Advance(w.time)
			continue
		}
		side := stream.Side(1 + strings.Index("CS", line[:1]))
		var data []byte
		switch word := f[1]; {
		case word == "fin":
			w.s.Finish(w.conn, side, w.time, stream.EndFIN)
			continue
		case word == "rst" && len(f) == 2:
			w.s.Finish(w.conn, side, w.time, stream.EndRST)
			continue
		case word == "lost": // what was lost is told of now, as flow does when the other side acknowledges it
			w.send(side, nil)
			continue
		case word == "late":
			w.catchUp()
			continue
		case word == "fill":
			k, _ := strconv.ParseInt(f[2], 10, 64)
			if line[1] == '-' {
				w.lose(side, k)
				continue
			}
			data = []byte(strings.Repeat("x", int(k)))
		case isFrames(word):
			data = w.speaker(side).frames(t, line[2:])
		default:
			s, err := strconv.Unquote(strings.TrimSpace(line[2:]))
			if err != nil {
				t.Fatalf("line %d: %v", n+1, err)
			}
			data = []byte(s)
		}
		w.time += 1_000_000 + w.rest
		if w.rest > 0 {
			w.s.Advance(w.time)
		}
		switch line[1] {
		case '-':
			w.lose(side, int64(len(data)))
			continue
		case '~':
			w.delay(side, data)
			continue
		}
		w.send(side, data)
	}
}

// checkBytes proves that every byte of every chunk is accounted for.
func checkBytes(t testing.TB, n session.Counters) {
	t.Helper()
	sum := n.IgnoredBytes + n.UndecidedBytes + n.HeadBytes + n.BodyBytes + n.FramingBytes + n.TunnelBytes + n.JunkBytes + n.LostBytes + n.ControlBytes + n.StrayBytes
	if sum != n.Bytes {
		t.Errorf("%d bytes came, %d accounted: %+v", n.Bytes, sum, n)
	}
}
