// SPDX-License-Identifier: Apache-2.0

package http2_test

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"runtime"
	"testing"
	"unsafe"

	"github.com/weir-project/weir/sensor/exchange"
	"github.com/weir-project/weir/sensor/http2"
)

// tally counts calls and keeps nothing.
type tally struct {
	blocks, ends, resets, settings, losses int
	data, gaps                             int64
	last                                   exchange.AnomalySet
}

func (c *tally) Block(p *http2.Parser, b *http2.Block)         { c.blocks++; c.last = b.Anomalies }
func (c *tally) Data(p *http2.Parser, stream uint32, b []byte) { c.data += int64(len(b)) }
func (c *tally) Gap(p *http2.Parser, stream uint32, n int64)   { c.gaps += n }
func (c *tally) End(p *http2.Parser, stream uint32)            { c.ends++ }
func (c *tally) Reset(p *http2.Parser, stream, code uint32)    { c.resets++ }
func (c *tally) GoAway(p *http2.Parser, last, code uint32)     {}
func (c *tally) Setting(p *http2.Parser, id uint16, v uint32)  { c.settings++ }
func (c *tally) Lost(p *http2.Parser)                          { c.losses++ }

func frame(length int, kind, flags byte, stream uint32, payload ...byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(length)<<8|uint32(kind))
	b = binary.BigEndian.AppendUint32(append(b, flags), stream)
	return append(b, payload...)
}

// heap is how much memory is in use.
func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// flood feeds a million times the same bytes and fails if that holds memory, while it lasts or afterwards.
func flood(t *testing.T, first, again []byte, check func(p *http2.Parser, c *tally)) {
	t.Helper()
	const times = 1_000_000
	var p http2.Parser
	c := &tally{}
	many := bytes.Repeat(again, 1000)
	p.Reset(c, http2.AtFrame, 0, http2.Limits{})
	before := heap()
	p.Data(first, http2.Mark{})
	for range times / 1000 {
		p.Data(many, http2.Mark{})
	}
	if after := heap(); after > before+256<<10 {
		t.Errorf("%d bytes more in use", after-before)
	}
	check(&p, c)
	p.Close()
	if sum := p.Counts().Sum(); sum != int64(len(first)+times*len(again)) {
		t.Errorf("accounted %d: %+v", sum, p.Counts())
	}
	runtime.KeepAlive(many)
}

func TestFloods(t *testing.T) {
	t.Run("empty continuation", func(t *testing.T) {
		flood(t, frame(1, 1, 0, 1, 0x82), frame(0, 9, 0, 1), func(p *http2.Parser, c *tally) {
			if c.blocks != 1 || !c.last.Has(exchange.HeaderFlood) {
				t.Errorf("%d blocks, anomalies %v", c.blocks, c.last.AppendNames(nil))
			}
		})
	})
	t.Run("continuation", func(t *testing.T) {
		flood(t, frame(1, 1, 0, 1, 0x82), frame(100, 9, 0, 1, make([]byte, 100)...), func(p *http2.Parser, c *tally) {
			if c.blocks != 1 || !c.last.Has(exchange.HeaderFlood) {
				t.Errorf("%d blocks, anomalies %v", c.blocks, c.last.AppendNames(nil))
			}
		})
	})
	t.Run("continuation of nothing", func(t *testing.T) {
		flood(t, nil, frame(1, 9, 0, 1, 0x82), func(p *http2.Parser, c *tally) {
			if c.blocks != 0 || p.BadFrames() != 1_000_000 {
				t.Errorf("%d blocks, %d bad frames", c.blocks, p.BadFrames())
			}
		})
	})
	t.Run("blocks that do not end", func(t *testing.T) {
		flood(t, nil, frame(1, 1, 0, 1, 0x82), func(p *http2.Parser, c *tally) {
			if c.blocks != 999_999 {
				t.Errorf("%d blocks", c.blocks)
			}
		})
	})
	t.Run("settings", func(t *testing.T) {
		flood(t, nil, frame(6, 4, 0, 0, 0, 1, 0, 0, 16, 0), func(p *http2.Parser, c *tally) {
			if c.settings != 1_000_000 {
				t.Errorf("%d settings", c.settings)
			}
		})
	})
	t.Run("ping", func(t *testing.T) {
		flood(t, nil, frame(8, 6, 0, 0, make([]byte, 8)...), func(p *http2.Parser, c *tally) {})
	})
	t.Run("priority", func(t *testing.T) {
		flood(t, nil, frame(5, 2, 0, 7, make([]byte, 5)...), func(p *http2.Parser, c *tally) {})
	})
	t.Run("rapid reset", func(t *testing.T) {
		reset := append(frame(1, 1, 5, 1, 0x82), frame(4, 3, 0, 1, 0, 0, 0, 8)...)
		flood(t, nil, reset, func(p *http2.Parser, c *tally) {
			if c.resets != 1_000_000 || c.blocks != 1_000_000 {
				t.Errorf("%d blocks, %d resets", c.blocks, c.resets)
			}
		})
	})
	t.Run("table size flapping", func(t *testing.T) {
		flap := frame(8, 1, 5, 1, 0x20, 0x3f, 0xe1, 0x1f, 0x40, 1, 'a', 0)
		flood(t, nil, flap, func(p *http2.Parser, c *tally) {
			if c.blocks != 1_000_000 {
				t.Errorf("%d blocks", c.blocks)
			}
		})
	})
}

// One SETTINGS frame says no more than a bound.
func TestManySettingsInOneFrame(t *testing.T) {
	var p http2.Parser
	c := &tally{}
	p.Reset(c, http2.AtFrame, 0, http2.Limits{})
	p.Data(frame(6*2000, 4, 0, 0, make([]byte, 6*2000)...), http2.Mark{})
	if c.settings != 64 {
		t.Errorf("%d settings", c.settings)
	}
}

// The largest frames are arithmetic.
func TestLargestFrames(t *testing.T) {
	const most = 1<<24 - 1
	for kind := range byte(0x12) {
		var p http2.Parser
		c := &tally{}
		p.Reset(c, http2.AtFrame, 0, http2.Limits{})
		before := heap()
		p.Data(frame(most, kind, 4, 1, 0), http2.Mark{})
		chunk := make([]byte, 1<<16)
		for n := 1; n < most; n += len(chunk) {
			p.Data(chunk[:min(len(chunk), most-n)], http2.Mark{})
		}
		p.Data(frame(0, 0, 1, 3), http2.Mark{})
		if after := heap(); after > before+256<<10 {
			t.Errorf("type %d: %d bytes more in use", kind, after-before)
		}
		if c.ends != 1 || c.losses != 0 || p.Counts().Sum() != most+18 {
			t.Errorf("type %d: %+v %+v", kind, c, p.Counts())
		}
	}
}

// Bytes that look like frames everywhere cost no more than the bound, in memory and time.
func TestSeekInLookalikes(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var p http2.Parser
	c := &tally{}
	p.Reset(c, http2.Joined, 0, http2.Limits{})
	var b []byte
	for len(b) < 4<<20 { // each begins a chain that leads nowhere soon
		b = append(b, frame(4000+r.IntN(12000), 1, 4, 1+2*r.Uint32N(500), 0x41)...)
	}
	before := heap()
	for at := 0; at < len(b); at += 1448 {
		p.Data(b[at:min(at+1448, len(b))], http2.Mark{Offset: int64(at)})
	}
	if after := heap(); after > before+512<<10 {
		t.Errorf("%d bytes more in use", after-before)
	}
	p.Close()
	if p.Counts().Sum() != int64(len(b)) {
		t.Errorf("accounted %+v", p.Counts())
	}
	runtime.KeepAlive(b)
}

// Header blocks that seem to begin everywhere are not decompressed everywhere.
func TestSeekInBlocks(t *testing.T) {
	unit := append(frame(8000, 1, 4, 1), 0x40, 1, 'a', 9) // the value reaches over the next frame header
	body := bytes.Repeat(unit, 1000)
	n := testing.AllocsPerRun(1, func() {
		var p http2.Parser
		p.Reset(&tally{}, http2.Joined, 0, http2.Limits{})
		p.Data(body, http2.Mark{})
		if p.Frames() != 0 {
			t.Errorf("%d frames", p.Frames())
		}
	})
	if n > 100 { // a table for each would be thousands
		t.Errorf("%v allocations", n)
	}
}

func TestSize(t *testing.T) {
	n := unsafe.Sizeof(http2.Parser{})
	t.Logf("a Parser has %d bytes", n)
	if n >= 640 {
		t.Errorf("a Parser has %d bytes", n)
	}
}

// connection reads both sides of an idle connection that had its share of requests.
func connection(t testing.TB, p *[2]http2.Parser) {
	for i := range p {
		side := newTruth(uint64(i))
		side.body = func(r *rand.Rand, n int) []byte { return make([]byte, n) }
		side.exchanges(50, 2000)
		p[i].Reset(&tally{}, http2.AtFrame, 0, http2.Limits{})
		for _, x := range side.pieces() {
			p[i].Data(x.data, x.mark)
		}
	}
}

func TestIdleConnection(t *testing.T) {
	const n = 200
	all := make([]*[2]http2.Parser, n)
	before := heap()
	for i := range all {
		all[i] = new([2]http2.Parser)
		connection(t, all[i])
	}
	each := (heap() - before) / n
	t.Logf("an idle connection takes %d bytes", each)
	if each > 6<<10+2*4096 { // 6 KiB and its tables
		t.Errorf("an idle connection takes %d bytes", each)
	}
	runtime.KeepAlive(all)
}
