// SPDX-License-Identifier: Apache-2.0

package http2

import (
	"bytes"
	"testing"

	xhttp2 "golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// paths notes the paths of requests; "?" one that is unknown.
type paths struct{ told []string }

func (p *paths) Block(_ *Parser, b *Block) {
	path := "?"
	for _, f := range b.Fields {
		if string(f.Name) == ":path" && f.Value != nil {
			path = string(f.Value)
		}
	}
	p.told = append(p.told, path)
}
func (*paths) Data(*Parser, uint32, []byte)    {}
func (*paths) Gap(*Parser, uint32, int64)      {}
func (*paths) End(*Parser, uint32)             {}
func (*paths) Reset(*Parser, uint32, uint32)   {}
func (*paths) GoAway(*Parser, uint32, uint32)  {}
func (*paths) Setting(*Parser, uint16, uint32) {}
func (*paths) Lost(*Parser)                    {}

// TestALostWindowUpdateCostsNothing loses frames of a client between its requests. If the next stream is the next one,
// no block was among them; if a stream is missing, or one could still have had trailers, the table is lost.
func TestALostWindowUpdateCostsNothing(t *testing.T) {
	for _, c := range []struct {
		name   string
		lost   func(f *xhttp2.Framer, ask func(uint32, bool))
		open   bool // the stream before has not ended
		stream uint32
		want   string
	}{
		{"a window update", func(f *xhttp2.Framer, _ func(uint32, bool)) { f.WriteWindowUpdate(0, 5000) }, false, 3, "/a"},
		{"a ping", func(f *xhttp2.Framer, _ func(uint32, bool)) { f.WritePing(true, [8]byte{}) }, false, 3, "/a"},
		{"a request", func(_ *xhttp2.Framer, ask func(uint32, bool)) { ask(3, true) }, false, 5, "?"},
		{"a window update while trailers may come", func(f *xhttp2.Framer, _ func(uint32, bool)) { f.WriteWindowUpdate(0, 5000) }, true, 3, "?"},
	} {
		var buf, block bytes.Buffer
		f := xhttp2.NewFramer(&buf, nil)
		e := hpack.NewEncoder(&block)
		ask := func(stream uint32, end bool) {
			block.Reset()
			for _, h := range [][2]string{{":method", "GET"}, {":scheme", "http"}, {":path", "/a"}, {":authority", "h"}} {
				e.WriteField(hpack.HeaderField{Name: h[0], Value: h[1]})
			}
			f.WriteHeaders(xhttp2.HeadersFrameParam{StreamID: stream, BlockFragment: block.Bytes(), EndHeaders: true, EndStream: end})
		}
		var told paths
		var p Parser
		p.Reset(&told, AtPreface, 0, Limits{})
		buf.WriteString(Preface)
		ask(1, !c.open)
		p.Data(buf.Bytes(), Mark{})
		buf.Reset()
		c.lost(f, ask)
		p.Gap(int64(buf.Len()))
		buf.Reset()
		ask(c.stream, true)
		ask(c.stream+2, true)
		ask(c.stream+4, true)
		p.Data(buf.Bytes(), Mark{})
		p.Close()
		if len(told.told) != 4 || told.told[1] != c.want {
			t.Errorf("%s: %q, want %q first after it", c.name, told.told, c.want)
		}
	}
}

// values notes the values of x- fields; "?" those that are unknown.
type values struct {
	paths
	told map[uint32]string
}

func (v *values) Block(_ *Parser, b *Block) {
	for _, f := range b.Fields {
		switch {
		case f.Value == nil:
			v.told[b.Stream] += " ?"
		case f.Name == nil || string(f.Name[:1]) == "x":
			v.told[b.Stream] += " " + string(f.Value)
		}
	}
}

// TestTrailersDoNotSettleADoubt loses the request of the next stream: its trailers have the number that a new one would.
func TestTrailersDoNotSettleADoubt(t *testing.T) {
	for _, name := range []string{"only trailers", "body and trailers"} {
		var buf, block bytes.Buffer
		f := xhttp2.NewFramer(&buf, nil)
		e := hpack.NewEncoder(&block)
		send := func(stream uint32, end bool, fields ...string) {
			block.Reset()
			for i := 0; i < len(fields); i += 2 {
				e.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]})
			}
			f.WriteHeaders(xhttp2.HeadersFrameParam{StreamID: stream, BlockFragment: block.Bytes(), EndHeaders: true, EndStream: end})
		}
		told := values{told: map[uint32]string{}}
		var p Parser
		p.Reset(&told, AtPreface, 0, Limits{})
		buf.WriteString(Preface)
		send(1, true, ":method", "GET", "x-a", "old", "x-a", "older", "x-a", "oldest")
		p.Data(buf.Bytes(), Mark{})
		buf.Reset()
		send(3, false, ":method", "POST", "x-b", "lost")
		p.Gap(int64(buf.Len()))
		buf.Reset()
		if name != "only trailers" {
			f.WriteData(3, false, []byte("body"))
		}
		send(3, true, "x-a", "older")
		for stream := uint32(5); stream < 13; stream += 2 {
			send(stream, true, ":method", "GET", ":scheme", "http", ":path", "/", "x-a", "older")
		}
		p.Data(buf.Bytes(), Mark{})
		p.Close()
		for stream, got := range told.told {
			if want := " ?"; stream > 1 && got != want {
				t.Errorf("%s: stream %d has%s, want%s", name, stream, got, want)
			}
		}
		if len(told.told) != 6 {
			t.Errorf("%s: %d streams", name, len(told.told))
		}
	}
}
