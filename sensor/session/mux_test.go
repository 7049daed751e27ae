// SPDX-License-Identifier: Apache-2.0

package session_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/weir-project/weir/sensor/exchange"
	"github.com/weir-project/weir/sensor/session"
	"github.com/weir-project/weir/sensor/stream"
)

// step is what one side sends at once.
type step struct {
	side stream.Side
	data []byte
}

// multiplexed makes a conversation of n streams, of which several are open at any time and which show two
// tokens by turns. Stream i asks for /s/i; its response has size(i) bytes.
func multiplexed(t testing.TB, rng *rand.Rand, n int) (steps []step) {
	client, server := newSpeaker(), newSpeaker()
	say := func(side stream.Side, s *speaker, line string) {
		steps = append(steps, step{side, s.frames(t, line)})
	}
	say(stream.A, client, "preface ; settings")
	say(stream.B, server, "settings")
	type open struct{ id, left int }
	var streams []open
	for next := 0; next < n || len(streams) > 0; {
		if next < n && (len(streams) < 3 || rng.IntN(2) == 0) {
			id := 2*next + 1
			say(stream.A, client, fmt.Sprintf("headers %d end :method=GET :scheme=http :path=/s/%d :authority=shop.example authorization=Bearer_tok_test_%d accept=*/*", id, next, next%2))
			say(stream.B, server, fmt.Sprintf("headers %d :status=200 content-type=application/json etag=v%d", id, next))
			streams = append(streams, open{id, sizeOf(next)})
			next++
			continue
		}
		i := rng.IntN(len(streams))
		s := &streams[i]
		k := min(s.left, 1+rng.IntN(900))
		s.left -= k
		if s.left > 0 {
			say(stream.B, server, fmt.Sprintf("data %d %d", s.id, k))
			continue
		}
		say(stream.B, server, fmt.Sprintf("data %d %d end", s.id, k))
		streams = append(streams[:i], streams[i+1:]...)
	}
	return steps
}

func sizeOf(i int) int { return 100 + 37*i }

// owners runs a conversation of which some bytes are lost and gives what was told.
func owners(t testing.TB, steps []step, lost func() bool) (*sink, session.Counters) {
	out := &sink{}
	s := session.New(session.Config{Unredacted: true}, testKeys(t), out)
	w := newWire(s, false)
	for _, st := range steps {
		w.time += 1_000_000
		for data := st.data; len(data) > 0; {
			n := min(len(data), 300)
			if lost() {
				w.lose(st.side, int64(n))
			} else {
				w.send(st.side, data[:n])
			}
			data = data[n:]
		}
	}
	w.close()
	if stack, bugs := s.Bug(); bugs > 0 {
		t.Fatalf("a bug: %s", stack)
	}
	checkBytes(t, s.Counters())
	return out, s.Counters()
}

// TestLossMovesNoByteToAnother loses segments of multiplexed streams: what is told of a stream is right or
// unknown, and no more bytes are told than there were.
func TestLossMovesNoByteToAnother(t *testing.T) {
	const n = 60
	for seed := range uint64(60) {
		rng := rand.New(rand.NewPCG(seed, 1))
		steps := multiplexed(t, rng, n)
		whole, _ := owners(t, steps, func() bool { return false })
		if len(whole.all) != n {
			t.Fatalf("%d exchanges of %d", len(whole.all), n)
		}
		principal := map[string]exchange.ID{}
		for _, x := range whole.all {
			principal[string(x.Target)] = x.PrincipalID
		}
		for _, x := range whole.all {
			i := indexOf(x.Target)
			if x.ResponseBodySize != uint64(sizeOf(i)) || x.Coverage != exchange.Complete || x.PrincipalID != principal[fmt.Sprintf("/s/%d", i%2)] {
				t.Fatalf("seed %d: %s", seed, x.text)
			}
		}
		rate := []float64{0.003, 0.01, 0.05, 0.2}[seed%4]
		out, counters := owners(t, steps, func() bool { return rng.Float64() < rate })
		var told uint64
		for _, x := range out.all {
			told += x.ResponseBodySize
			if x.Assurance == exchange.AssuranceUnknown || len(x.Target) == 0 {
				continue
			}
			want, known := principal[string(x.Target)]
			if !known || want != x.PrincipalID {
				t.Fatalf("seed %d: charged to another: %s", seed, x.text)
			}
			if x.ResponseBodySize > uint64(sizeOf(indexOf(x.Target))) {
				t.Fatalf("seed %d: too many bytes: %s", seed, x.text)
			}
		}
		var truth uint64
		for i := range n {
			truth += uint64(sizeOf(i))
		}
		if told+counters.JunkBytes+counters.LostBytes+counters.StrayBytes < truth || told > truth {
			t.Fatalf("seed %d: %d bytes told, junk %d, lost %d of %d", seed, told, counters.JunkBytes, counters.LostBytes, truth)
		}
	}
}

func indexOf(target []byte) (i int) {
	fmt.Sscanf(string(target), "/s/%d", &i)
	return i
}

// TestTooManyStreams bounds what one connection may hold. The streams that made room are told on as what they were.
func TestTooManyStreams(t *testing.T) {
	out := &sink{}
	s := session.New(session.Config{MaxStreams: 10}, testKeys(t), out)
	w := newWire(s, false)
	var b strings.Builder
	b.WriteString("C> preface ; settings\n")
	for i := range 25 {
		fmt.Fprintf(&b, "C> headers %d end :method=GET :scheme=http :path=/a :authority=h authorization=Bearer_tok_test_1\n", 2*i+1)
	}
	for i := range 25 {
		fmt.Fprintf(&b, "S> headers %d :status=200 ; data %d 10 end\n", 2*i+1, 2*i+1)
	}
	w.play(t, b.String())
	w.close()
	n := s.Counters()
	checkBytes(t, n)
	requests, ends, size := 0, 0, uint64(0)
	for _, x := range out.all {
		requests += int(x.RequestCount)
		size += x.ResponseBodySize
		if x.Last {
			ends++
			if x.Status != 200 || x.Assurance != exchange.AssuranceToken {
				t.Error(x.text)
			}
		}
	}
	if requests != 25 || ends != 25 || size != 250 || n.StrayBytes != 0 {
		t.Fatalf("%d requests, %d ends, %d bytes, %d stray", requests, ends, size, n.StrayBytes)
	}
}

// TestSecondBlockIsNoSecondRequest has a stream begin twice.
func TestSecondBlockIsNoSecondRequest(t *testing.T) {
	out := &sink{}
	s := session.New(session.Config{}, testKeys(t), out)
	w := newWire(s, false)
	w.play(t, `C> preface ; settings
C> headers 1 :method=GET :scheme=http :path=/a :authority=h
C> headers 1 end :method=GET :scheme=http :path=/b :authority=h
S> headers 1 end :status=200
C> headers 1 end :method=GET :scheme=http :path=/c :authority=h
S> data 1 10 end`)
	w.close()
	if len(out.all) != 1 || !bytes.Equal(out.all[0].Path, []byte("/a")) {
		t.Fatalf("%+v", out.all)
	}
	if n := s.Counters(); n.MisdirectedFrames != 2 || n.StrayBytes != 10 {
		t.Fatalf("%+v", n)
	}
}

// TestStreamsDoNotDependOnCuts cuts a conversation in many ways, and lets it rest in between.
func TestStreamsDoNotDependOnCuts(t *testing.T) {
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 8))
		steps := multiplexed(t, rng, 30)
		run := func(cut func(n int) int, pause int64) (all []string) {
			out := &sink{}
			s := session.New(session.Config{Unredacted: true, PartTime: 1 << 60}, testKeys(t), out)
			w := newWire(s, false)
			w.cut = cut
			for _, st := range steps {
				w.time += 1_000_000 + pause
				s.Advance(w.time)
				w.send(st.side, st.data)
			}
			w.close()
			checkBytes(t, s.Counters())
			for _, x := range out.all {
				all = append(all, fmt.Sprintf("%x %s", x.ID, x.text))
			}
			return all
		}
		want := run(nil, 0)
		for i := range 6 {
			got := run(func(n int) int {
				if i == 0 {
					return 1
				}
				return 1 + rng.IntN(min(n, 40))
			}, int64(i)*3_000_000_000)
			if !slices.Equal(got, want) {
				t.Fatalf("seed %d: got\n%s\nwant\n%s", seed, strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
		}
	}
}

// TestIdleStreamsAreSmall keeps HTTP/2 connections open that had one exchange each.
func TestIdleStreamsAreSmall(t *testing.T) {
	const n = 3000
	s := session.New(session.Config{}, testKeys(t), &sink{})
	steps := multiplexed(t, rand.New(rand.NewPCG(1, 1)), 1)
	conns := make([]stream.Conn, n)
	now := int64(1_700_000_000_000_000_000)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for i := range conns {
		w := newWire(s, false)
		conns[i] = *w.conn
		w.conn = &conns[i]
		w.conn.ID, w.time = uint64(i+1), now
		for _, st := range steps {
			w.send(st.side, st.data)
		}
		now += 1_000_000
		s.Advance(now)
	}
	s.Advance(now + 10_000_000_000)
	runtime.GC()
	runtime.ReadMemStats(&after)
	if per := (int64(after.HeapAlloc) - int64(before.HeapAlloc)) / n; per > 6<<10 {
		t.Errorf("an idle HTTP/2 connection takes %d B", per)
	} else {
		t.Logf("%d B", per)
	}
	runtime.KeepAlive(conns)
}
