// SPDX-License-Identifier: Apache-2.0

package flow_test

import (
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/weir-project/weir/sensor/flow"
	"github.com/weir-project/weir/sensor/packet"
	"github.com/weir-project/weir/sensor/stream"
)

// conversation is a keep-alive connection, made as a client and a server make it.
type conversation struct {
	segs []*packet.Segment
	from []int    // message each segment carries bytes of, -1 if none: 2k is request k, 2k+1 its response
	size []int64  // of each message
	sent [2]int64 // bytes of each side
	fin  [2]bool  // which side's FIN is in
	talk *talk
}

func converse(rnd *rand.Rand) *conversation {
	v := &conversation{talk: newTalk(rnd.Uint32(), rnd.Uint32())}
	put := func(message int, s *packet.Segment) {
		v.segs, v.from = append(v.segs, s), append(v.from, message)
	}
	for _, s := range v.talk.handshake() {
		put(-1, s)
	}
	for m := range 2 * (1 + rnd.IntN(5)) {
		i := m % 2
		n := int64(20 + rnd.IntN(300))
		if i == 1 {
			n = int64(1 + rnd.IntN(40_000))
		}
		v.size = append(v.size, n)
		if rnd.IntN(4) == 0 {
			v.talk.now += rnd.Int64N(200 * ms)
		}
		for n > 0 {
			cut := min(n, 1448)
			n -= cut
			put(m, v.talk.seg(i, packet.ACK|packet.PSH, v.sent[i], v.sent[1-i], string(pattern(int(cut), byte(i)))))
			v.sent[i] += cut
			if rnd.IntN(2) == 0 || n == 0 && rnd.IntN(3) > 0 { // else the next message acknowledges it
				put(-1, v.talk.seg(1-i, packet.ACK, v.sent[1-i], v.sent[i], ""))
			}
		}
	}
	v.close(rnd, put)
	return v
}

// close ends it with the FINs of client or server first; the server's may be acknowledged together with its last bytes.
func (v *conversation) close(rnd *rand.Rand, put func(int, *packet.Segment)) {
	i := rnd.IntN(2)
	if rnd.IntN(3) > 0 {
		put(-1, v.talk.seg(0, packet.ACK, v.sent[0], v.sent[1], ""))
	} else {
		i = 1
	}
	v.fin = [2]bool{true, true}
	put(-1, v.talk.seg(i, packet.ACK|packet.FIN, v.sent[i], v.sent[1-i], ""))
	put(-1, v.talk.seg(1-i, packet.ACK|packet.FIN, v.sent[1-i], v.sent[i]+1, ""))
	put(-1, v.talk.seg(i, packet.ACK, v.sent[i]+1, v.sent[1-i]+1, ""))
}

// Of a capture that shows one direction the bytes of the other are known, and in the order in which they were sent:
// what came before a message is told before it.
func TestOneSided(t *testing.T) {
	for seed := range uint64(2000) {
		rnd := rand.New(rand.NewPCG(seed, 3))
		v := converse(rnd)
		for shown := range 2 {
			oneSided(t, seed, v, shown, 0)
			oneSided(t, seed, v, shown, 1+rnd.IntN(len(v.segs)-1))
		}
	}
}

func oneSided(t *testing.T, seed uint64, v *conversation, shown, from int) {
	t.Helper()
	rec := newRecorder(t)
	tr := flow.New(flow.Config{}, rec)
	var seen int64     // what the other side has sent
	start := int64(-1) // and had before the first bytes shown, beyond what was told then
	rec.verdict = func(c *stream.Chunk) stream.Verdict {
		if c.Conn.Addr[c.Side] != v.talk.from[shown] {
			return stream.Verdict{}
		}
		told := rec.conns[c.Conn.ID].next[c.Side.Other()]
		if start < 0 {
			start = seen - told
		}
		if told != seen-start || from == 0 && start != 0 {
			t.Fatalf("seed %d, shown %d from %d: %d bytes of the other side were told, it had sent %d", seed, shown, from, told, seen-start)
		}
		return stream.Verdict{}
	}
	for i, s := range v.segs {
		m := v.from[i]
		if m >= 0 && m%2 != shown {
			seen += int64(s.PayloadLen)
		}
		if i < from || s.Src != v.talk.from[shown] {
			continue
		}
		tr.Segment(s)
	}
	tr.Advance(v.talk.now + 1000*ms)
	tr.Advance(v.talk.now + 12_000*ms)
	conserve(t, tr)
	if len(rec.order) == 0 || start < 0 { // no bytes were left
		return
	}
	r := rec.order[0]
	if !r.closed || r.end != stream.EndFIN {
		t.Fatalf("seed %d, shown %d from %d: closed %v, end %v", seed, shown, from, r.closed, r.end)
	}
	side := stream.A
	if r.conn.Addr[stream.A] == v.talk.from[shown] {
		side = stream.B
	}
	if want := v.sent[1-shown] - start; r.gaps[side] != want || len(r.bytes[side]) != int(r.gaps[side]) {
		t.Errorf("seed %d, shown %d from %d: %d bytes of the other side, want %d: %v", seed, shown, from, r.gaps[side], want, r.lines)
	}
	if cl := r.conn.Client; cl != stream.Unknown && r.conn.Addr[cl] != client {
		t.Errorf("seed %d, shown %d from %d: the client is taken for the server", seed, shown, from)
	}
}

// Started at every packet, of both directions or of one, with the first two the wrong way round, and with a server that
// speaks first: the client is who it is, or nobody knows.
func TestDirectionIsNeverWrong(t *testing.T) {
	told, open := 0, 0
	for seed := range uint64(8) {
		rnd := rand.New(rand.NewPCG(seed, 4))
		v := converse(rnd)
		if seed%2 == 0 { // the server greets
			v = &conversation{talk: newTalk(rnd.Uint32(), rnd.Uint32())}
			v.segs = append(v.talk.handshake(), v.talk.seg(1, packet.ACK|packet.PSH, 0, 0, "220 ready"), v.talk.seg(0, packet.ACK, 0, 9, ""),
				v.talk.seg(0, packet.ACK|packet.PSH, 0, 9, "EHLO"), v.talk.seg(1, packet.ACK|packet.PSH, 9, 4, "250 OK"), v.talk.seg(0, packet.ACK, 4, 15, ""))
		}
		for from := range v.segs {
			for _, ports := range [][]uint16{nil, {80}, {80, 40000}} {
				for mode := range 4 { // both, client's only, server's only, the first two exchanged
					segs := v.segs[from:]
					if mode == 3 && len(segs) > 1 {
						segs = append([]*packet.Segment{segs[1], segs[0]}, segs[2:]...)
					}
					rec := newRecorder(t)
					tr := flow.New(flow.Config{Listening: ports}, rec)
					for _, s := range segs {
						if mode == 0 || mode == 3 || s.Src == v.talk.from[mode-1] {
							tr.Segment(s)
						}
					}
					tr.Flush(v.talk.now)
					for _, r := range rec.order {
						switch cl := r.conn.Client; {
						case cl == stream.Unknown:
							open++
						case r.conn.Addr[cl] != (netip.AddrPort)(client):
							t.Fatalf("seed %d from %d ports %v mode %d: client is %v", seed, from, ports, mode, r.conn.Addr[cl])
						default:
							told++
						}
						if from <= 1 && mode == 0 && r.conn.Client == stream.Unknown {
							t.Errorf("seed %d from %d: unknown in spite of a handshake", seed, from)
						}
					}
				}
			}
		}
	}
	t.Logf("%d told, %d unknown", told, open)
}

// A download that began before the capture, of which only the client's ACKs show.
func TestOneSidedAcksOnly(t *testing.T) {
	rec := newRecorder(t)
	tr := flow.New(flow.Config{}, rec)
	k := newTalk(1, 2)
	for off := int64(0); off <= 100<<20; off += 1 << 20 {
		k.now += 30 * ms
		tr.Segment(k.seg(0, packet.ACK, 0, off, ""))
	}
	tr.Flush(k.now)
	if len(rec.order) != 1 || rec.order[0].gaps[stream.A]+rec.order[0].gaps[stream.B] != 100<<20 || rec.order[0].conn.Client != stream.Unknown {
		t.Errorf("%d connections, %+v", len(rec.order), tr.Counters())
	}
	// Where both sides show, ACKs alone are no connection yet.
	tr = flow.New(flow.Config{}, rec)
	for off := int64(0); off < 100; off += 10 {
		k.now += 30 * ms
		feed(tr, k.seg(1, packet.ACK, 0, 0, ""), k.seg(0, packet.ACK, 0, off, ""))
	}
	if n := tr.Counters(); n.Opened != 0 || n.HalfOpen != 1 {
		t.Errorf("%+v", n)
	}
}
