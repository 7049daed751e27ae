// SPDX-License-Identifier: Apache-2.0

package http2_test

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	xhttp2 "golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/weir-project/weir/sensor/exchange"
	"github.com/weir-project/weir/sensor/http2"
)

// origin is where the sides of tests begin in their streams.
const origin = 1000

// segment is the length of the segments of a side.
const segment = 1448

// wantBlock is a header block as it was sent.
type wantBlock struct {
	stream, promised uint32
	end              int64
	raw              []byte
	fields           []hpack.HeaderField
	fin              bool
}

// wantFrame is where a frame stands; of DATA also its body.
type wantFrame struct {
	at, end          int64
	kind             byte
	stream           uint32
	bodyAt, bodyEnd  int64
	fin              bool
	lastOfBlockBegan int64 // of a frame that ends a block: the block's first byte
}

// truth is a side as it was sent.
type truth struct {
	b      bytes.Buffer
	frames []wantFrame
	blocks map[int64]wantBlock
	enc    *hpack.Encoder
	encBuf bytes.Buffer
	w      *xhttp2.Framer
	r      *rand.Rand
	body   func(r *rand.Rand, n int) []byte
	most   int // streams at one time
	pushes bool
}

func newTruth(seed uint64) *truth {
	s := &truth{blocks: map[int64]wantBlock{}, r: rand.New(rand.NewPCG(seed, 7)), body: anyBody, most: 8, pushes: true}
	s.enc = hpack.NewEncoder(&s.encBuf)
	s.w = xhttp2.NewFramer(&s.b, nil)
	return s
}

// newClient is a side that begins with the preface and has few streams at one time.
func newClient(seed uint64) *truth {
	s := newTruth(seed)
	s.b.WriteString(http2.Preface)
	s.most, s.pushes = 1+int(seed%3), false
	return s
}

func (s *truth) pos() int64 { return origin + int64(s.b.Len()) }

// frame notes the frame that write writes.
func (s *truth) frame(write func() error) *wantFrame {
	at := s.b.Len()
	if err := write(); err != nil {
		panic(err)
	}
	h := s.b.Bytes()[at:]
	s.frames = append(s.frames, wantFrame{at: origin + int64(at), end: s.pos(), kind: h[3], stream: binary.BigEndian.Uint32(h[5:])})
	return &s.frames[len(s.frames)-1]
}

func (s *truth) encode(fields []hpack.HeaderField) []byte {
	s.encBuf.Reset()
	for _, f := range fields {
		s.enc.WriteField(f)
	}
	return bytes.Clone(s.encBuf.Bytes())
}

// headers writes a block, in pieces by chance.
func (s *truth) headers(stream, promised uint32, fin bool, fields []hpack.HeaderField) {
	raw := s.encode(fields)
	at := s.pos()
	first, rest := raw, []byte(nil)
	if s.r.IntN(4) == 0 && len(raw) > 1 {
		k := 1 + s.r.IntN(len(raw)-1)
		first, rest = raw[:k], raw[k:]
	}
	pad := byte(0)
	if s.r.IntN(4) == 0 {
		pad = byte(s.r.IntN(256))
	}
	f := s.frame(func() error {
		if promised != 0 {
			return s.w.WritePushPromise(xhttp2.PushPromiseParam{StreamID: stream, PromiseID: promised, BlockFragment: first,
				EndHeaders: rest == nil, PadLength: pad})
		}
		p := xhttp2.HeadersFrameParam{StreamID: stream, BlockFragment: first, EndStream: fin, EndHeaders: rest == nil, PadLength: pad}
		if s.r.IntN(4) == 0 {
			p.Priority = xhttp2.PriorityParam{StreamDep: 0, Weight: 200, Exclusive: s.r.IntN(2) == 0}
		}
		return s.w.WriteHeaders(p)
	})
	for rest != nil {
		k := s.r.IntN(len(rest) + 1)
		piece := rest[:k]
		if rest = rest[k:]; len(rest) == 0 {
			rest = nil
		}
		f = s.frame(func() error { return s.w.WriteContinuation(stream, rest == nil, piece) })
	}
	f.lastOfBlockBegan, f.fin = at, fin
	s.blocks[at] = wantBlock{stream, promised, s.pos(), raw, fields, fin}
}

func (s *truth) data(stream uint32, fin bool, body []byte) {
	var pad []byte
	if s.r.IntN(6) == 0 {
		pad = make([]byte, s.r.IntN(256))
	}
	f := s.frame(func() error { return s.w.WriteDataPadded(stream, fin, body, pad) })
	f.bodyAt, f.fin = f.at+9, fin
	if pad != nil {
		f.bodyAt++
	}
	f.bodyEnd = f.bodyAt + int64(len(body))
}

// control writes a frame that belongs to no message.
func (s *truth) control(stream uint32) {
	s.frame(func() error {
		switch s.r.IntN(7) {
		case 0:
			return s.w.WritePing(s.r.IntN(2) == 0, [8]byte{1, 2, 3})
		case 1:
			return s.w.WriteSettings(xhttp2.Setting{ID: 4, Val: 1 << 20})
		case 2:
			return s.w.WriteSettingsAck()
		case 3:
			return s.w.WriteRawFrame(0xbe, 0x5a, stream, make([]byte, s.r.IntN(50)))
		case 4:
			return s.w.WritePriority(stream, xhttp2.PriorityParam{StreamDep: 0, Weight: 16})
		default:
			return s.w.WriteWindowUpdate(stream, 1+s.r.Uint32N(1<<20))
		}
	})
}

// exchanges writes n messages, some of them at the same time. most bounds a DATA frame.
func (s *truth) exchanges(n, most int) *truth {
	next := uint32(1)
	var open []uint32
	for n > 0 || len(open) > 0 {
		switch k := s.r.IntN(10); {
		case k < 3 && n > 0 && len(open) < s.most:
			n--
			fin := s.r.IntN(5) == 0
			s.headers(next, 0, fin, s.fields())
			if !fin {
				open = append(open, next)
			}
			next += 2
		case k == 3:
			s.control(next)
		case k == 4 && s.pushes && s.r.IntN(5) == 0:
			s.headers(next, next+1, false, s.fields())
		case len(open) > 0:
			i := s.r.IntN(len(open))
			fin := s.r.IntN(4) == 0
			if fin && s.r.IntN(2) == 0 {
				s.headers(open[i], 0, true, []hpack.HeaderField{{Name: "grpc-status", Value: "0"}})
			} else {
				s.data(open[i], fin, s.body(s.r, s.r.IntN(most+1)))
			}
			if fin {
				open = slices.Delete(open, i, i+1)
			}
		}
	}
	return s
}

func (s *truth) fields() []hpack.HeaderField {
	f := []hpack.HeaderField{{Name: ":method", Value: "GET"}, {Name: ":path", Value: fmt.Sprintf("/items/%d", s.r.IntN(20))},
		{Name: ":authority", Value: "shop.example"}, {Name: "authorization", Value: fmt.Sprintf("Bearer tok_test_%d", s.r.IntN(6))}}
	for range s.r.IntN(4) {
		f = append(f, hpack.HeaderField{Name: fmt.Sprintf("x-%d", s.r.IntN(9)), Value: fmt.Sprint(s.r.Uint32()), Sensitive: s.r.IntN(3) == 0})
	}
	return f
}

// pieces is the side in segments.
func (s *truth) pieces() []piece {
	var out []piece
	b := s.b.Bytes()
	for at := 0; at < len(b); at += segment {
		out = append(out, piece{data: b[at:min(at+segment, len(b))], mark: http2.Mark{Offset: origin + int64(at)}})
	}
	return out
}

// judge checks all that a Parser says against the truth.
type judge struct {
	t       testing.TB
	truth   *truth
	blocks  int // whole ones
	known   int // with all fields known
	body    int64
	next    int64 // where what was not told yet begins
	losses  int
	cutOnes int
}

func (j *judge) errorf(format string, args ...any) {
	j.t.Helper()
	j.t.Fatalf(format, args...)
}

// at gives the frame that has the byte at pos.
func (j *judge) at(pos int64) wantFrame {
	i, ok := slices.BinarySearchFunc(j.truth.frames, pos, func(f wantFrame, pos int64) int { return cmp.Compare(f.at, pos) })
	if !ok {
		i--
	}
	if i < 0 {
		return wantFrame{}
	}
	return j.truth.frames[i]
}

func (j *judge) Block(p *http2.Parser, b *http2.Block) {
	want, ok := j.truth.blocks[b.Offset]
	if b.Offset < j.next {
		j.errorf("block at %d is told again", b.Offset)
	}
	j.next = b.Offset + 1
	switch {
	case !ok:
		j.errorf("block of stream %d at %d: none is there", b.Stream, b.Offset)
	case b.Stream != want.stream || b.Promised != want.promised || b.EndStream != want.fin:
		j.errorf("block at %d: %d %d %v, sent %d %d %v", b.Offset, b.Stream, b.Promised, b.EndStream, want.stream, want.promised, want.fin)
	case b.Mark.Offset > b.Offset || b.Offset >= b.Mark.Offset+segment:
		j.errorf("block at %d: segment at %d", b.Offset, b.Mark.Offset)
	case b.Anomalies.Has(exchange.BadHeaderBlock):
		j.errorf("block at %d: cannot be decoded", b.Offset)
	case !b.Cut && (!bytes.Equal(b.Raw, want.raw) || b.End != want.end || b.Size != want.end-b.Offset || p.Offset() != b.End):
		j.errorf("block at %d-%d, size %d, next %d: sent to %d", b.Offset, b.End, b.Size, p.Offset(), want.end)
	case b.Cut && (!b.Unknown || b.Kind == http2.Trailer || b.Raw != nil):
		j.errorf("block at %d: cut and all known", b.Offset)
	case len(b.Fields) > len(want.fields) || !b.Unknown && len(b.Fields) < len(want.fields):
		j.errorf("block at %d: %d fields, sent %d", b.Offset, len(b.Fields), len(want.fields))
	}
	for i, f := range b.Fields {
		if f.Name != nil && string(f.Name) != want.fields[i].Name || f.Value != nil && string(f.Value) != want.fields[i].Value {
			j.errorf("block at %d field %d: %q=%q, sent %v", b.Offset, i, f.Name, f.Value, want.fields[i])
		}
		if !b.Unknown && (f.Name == nil || f.Value == nil) {
			j.errorf("block at %d field %d: unknown", b.Offset, i)
		}
	}
	if b.Cut {
		j.cutOnes++
		return
	}
	j.blocks++
	if !b.Unknown {
		j.known++
	}
}

func (j *judge) bodyAt(p *http2.Parser, stream uint32, n int64) int64 {
	from := p.Offset() - n
	f := j.at(from)
	if f.kind != 0 || f.stream != stream || from < f.bodyAt || from+n > f.bodyEnd {
		j.errorf("%d bytes of body of stream %d at %d: there is %+v", n, stream, from, f)
	}
	if from < j.next {
		j.errorf("%d bytes of body of stream %d at %d are told again", n, stream, from)
	}
	j.next = from + n
	j.body += n
	return from - origin
}

func (j *judge) Data(p *http2.Parser, stream uint32, b []byte) {
	at := j.bodyAt(p, stream, int64(len(b)))
	if !bytes.Equal(b, j.truth.b.Bytes()[at:at+int64(len(b))]) {
		j.errorf("body of stream %d at %d: other bytes", stream, at)
	}
}

func (j *judge) Gap(p *http2.Parser, stream uint32, n int64) { j.bodyAt(p, stream, n) }

func (j *judge) End(p *http2.Parser, stream uint32) {
	f := j.at(p.Offset() - 1)
	if f.stream != stream || f.kind == 0 && (!f.fin || f.end != p.Offset()) {
		j.errorf("end of stream %d at %d: there is %+v", stream, p.Offset(), f)
	}
}

func (j *judge) Reset(p *http2.Parser, stream uint32, code uint32) { j.errorf("reset of %d", stream) }
func (j *judge) GoAway(p *http2.Parser, last uint32, code uint32)  { j.errorf("goaway %d", last) }
func (j *judge) Setting(p *http2.Parser, id uint16, value uint32) {
	if id != 4 || value != 1<<20 {
		j.errorf("setting %d %d", id, value)
	}
}
func (j *judge) Lost(p *http2.Parser) { j.losses++ }
