// SPDX-License-Identifier: Apache-2.0

package publish_test

import (
	"io"
	"testing"
	"time"

	"github.com/weir-project/weir/proto/wire"
	"github.com/weir-project/weir/sensor/exchange"
	"github.com/weir-project/weir/sensor/publish"
)

// sink is a transport that acknowledges at once.
type sink struct{}

func (sink) Publish(_, _ string, _ []byte, done func(error)) error { done(nil); return nil }

func (sink) Tell(string, []byte) error { return nil }

// fixed gives exchanges that were made beforehand.
func fixed(n int) []exchange.Exchange {
	s := newSample(1, 1000, 5)
	all := make([]exchange.Exchange, n)
	for i := range all {
		all[i] = *s.next()
	}
	return all
}

// The caller's path allocates nothing per exchange: what is left is the loop's, per batch.
func TestExchangeAllocatesNothing(t *testing.T) {
	p := publish.New(config(), sink{}, nil)
	all := fixed(4096)
	for range 20 {
		for i := range all {
			p.Exchange(&all[i])
		}
	}
	if err := p.Flush(patience(t)); err != nil {
		t.Fatal(err)
	}
	i := 0
	if n := testing.AllocsPerRun(100000, func() { p.Exchange(&all[i&4095]); i++ }); n >= 0.1 {
		t.Errorf("%v allocations per exchange", n)
	}
	w := publish.NewWriter(io.Discard, publish.WriterConfig{Format: publish.JSONLines})
	if n := testing.AllocsPerRun(10000, func() { w.Exchange(&all[i&4095]); i++ }); n != 0 {
		t.Errorf("%v allocations per line", n)
	}
	if err := p.Close(patience(t)); err != nil {
		t.Fatal(err)
	}
}

func BenchmarkExchange(b *testing.B) {
	cfg := config()
	p := publish.New(cfg, sink{}, nil)
	all := fixed(4096)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		x := &all[i&4095]
		x.ID = number(byte(i>>56), mix(uint64(i))) // as hard to compress as a real one
		p.Exchange(x)
		i++
	}
	b.StopTimer()
	if err := p.Close(patience(b)); err != nil {
		b.Fatal(err)
	}
	st := p.Stats()
	b.ReportMetric(float64(st.Bytes)/float64(max(st.Sent, 1)), "wire-B/exchange")
	b.ReportMetric(float64(st.Merged)/float64(st.Exchanges), "merged-share")
}

// BenchmarkMerge is the caller's path while nothing can be sent and the queue is full.
func BenchmarkMerge(b *testing.B) {
	m := newMemory(b)
	m.down = true
	cfg := config()
	cfg.QueueBytes, cfg.RetryMin = 16<<20, time.Hour
	p := publish.New(cfg, m, nil)
	all := fixed(4096)
	for i := range 60000 {
		p.Exchange(&all[i&4095])
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		p.Exchange(&all[i&4095])
		i++
	}
	b.StopTimer()
	_ = p.Close(short(b))
}

func BenchmarkWriteJSON(b *testing.B) {
	w := publish.NewWriter(io.Discard, publish.WriterConfig{Format: publish.JSONLines})
	all := fixed(4096)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		w.Exchange(&all[i&4095])
		i++
	}
}

func BenchmarkParseLine(b *testing.B) {
	var line []byte
	w := publish.NewWriter(writerFunc(func(p []byte) { line = append(line, p...) }), publish.WriterConfig{Format: publish.JSONLines})
	all := fixed(1)
	w.Exchange(&all[0])
	if err := w.Close(); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(line)))
	b.ReportAllocs()
	var l wire.Line
	for b.Loop() {
		if err := wire.ParseLine(line, &l); err != nil {
			b.Fatal(err)
		}
	}
}

type writerFunc func([]byte)

func (f writerFunc) Write(p []byte) (int, error) { f(p); return len(p), nil }
