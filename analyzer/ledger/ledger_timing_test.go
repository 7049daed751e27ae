// SPDX-License-Identifier: Apache-2.0

package ledger_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"syscall"
	"testing"

	"github.com/weir-project/weir/analyzer/ledger"
	weirv1 "github.com/weir-project/weir/proto/wire/weir/v1"
)

// load makes batches of 512 exchanges of many principals, perSecond in event time, zipf-like.
func load(principals uint64, batches int, perSecond int64, records, pool uint64) []*weirv1.Batch {
	r := rand.New(rand.NewPCG(5, 5))
	z := rand.NewZipf(r, 1.1, 20, principals-1)
	t := start
	var out []*weirv1.Batch
	id := uint64(0)
	for range batches {
		list := make([]*weirv1.Exchange, 512)
		for i := range list {
			who := z.Uint64()
			list[i] = exchange(id, who, t, who*100+r.Uint64N(pool), records)
			id++
			t += second / perSecond
		}
		out = append(out, batch(list...))
	}
	return out
}

// shift moves a batch in time and gives its exchanges new ids.
func shift(b *weirv1.Batch, by int64, round byte) {
	b.WindowEndUnixNano += uint64(by)
	for _, x := range b.Exchanges {
		x.PartStartTimeUnixNano += uint64(by)
		x.PartEndTimeUnixNano += uint64(by)
		x.ExchangeId[15] = round
		x.ExchangeId[14]++
	}
}

// BenchmarkExchange is the whole way of one exchange: Apply, the closing of its minute, dedup,
// objects, tallies; perSecond is event time, so lower means fewer exchanges per principal-minute.
func BenchmarkExchange(b *testing.B) {
	for _, c := range []struct {
		principals uint64
		perSecond  int64
		records    uint64
	}{{100_000, 10_000, 1}, {100_000, 10_000, 20}, {100_000, 500, 1}} {
		b.Run(fmt.Sprintf("principals=%d/per_second=%d/records=%d", c.principals, c.perSecond, c.records), func(b *testing.B) {
			batches := load(c.principals, 300, c.perSecond, c.records, 40)
			length := int64(len(batches)) * 512 * second / c.perSecond
			p := ledger.New(0, ledger.Config{})
			visits := 0
			round := byte(0)
			for p.Newest() < start+5*minute+length { // every principal has a row, every pool its size
				for _, x := range batches {
					p.Apply(x)
					p.Advance(p.Newest()-late, nil)
					shift(x, length, round)
				}
				round++
			}
			b.ReportAllocs()
			b.ResetTimer()
			done := 0
			busy := int64(0)
			for ; done < b.N; round++ {
				from := cpu()
				for _, x := range batches {
					p.Apply(x)
					p.Advance(p.Newest()-late, func(*ledger.View) { visits++ })
					if done += 512; done >= b.N {
						break
					}
				}
				b.StopTimer()
				busy += cpu() - from
				for _, x := range batches {
					shift(x, length, round)
				}
				b.StartTimer()
			}
			b.StopTimer()
			b.ReportMetric(float64(busy)/float64(done), "cpu-ns/exchange") // the collector's included
			b.ReportMetric(float64(visits)/float64(done), "visits/exchange")
		})
	}
}

// BenchmarkArrivals is one look at what a batch touched, with a hot principal whose minutes hold
// very many exchanges.
func BenchmarkArrivals(b *testing.B) {
	p := ledger.New(0, ledger.Config{})
	for i := range uint64(200_000) {
		p.Apply(batch(exchange(i, 1, start+int64(i)*100_000, i, 5)))
	}
	p.Arrivals(func(*ledger.View) {})
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		p.Apply(batch(exchange(uint64(1_000_000+i), 1, start+30*second, uint64(i), 5)))
		p.Arrivals(func(*ledger.View) {})
	}
}

// BenchmarkMemory says what a principal weighs: quiet (20 objects) and dense (300 objects, a run).
func BenchmarkMemory(b *testing.B) {
	for _, c := range []struct {
		name            string
		records, visits uint64
	}{{"quiet", 1, 20}, {"dense", 30, 20}} {
		b.Run(c.name, func(b *testing.B) {
			const n = 50_000
			for range b.N {
				before := heap()
				p := ledger.New(0, ledger.Config{})
				for v := range c.visits {
					for i := range uint64(n) {
						p.Apply(batch(exchange(v*n+i, i, start+int64(v)*hour+int64(i)*second/15, v*c.records, c.records)))
						if i%1000 == 0 { // few open at a time: rows are weighed, not waiting items
							p.Advance(p.Newest()-late, nil)
						}
					}
					p.Advance(p.Newest()-late, nil)
				}
				p.Advance(start+40*hour, nil)
				b.ReportMetric(float64(heap()-before)/n, "B/principal")
				runtime.KeepAlive(p)
			}
		})
	}
}

// cpu is the processor time of this process in nanoseconds: what a shared machine does not blur.
func cpu() int64 {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		panic(err)
	}
	return r.Utime.Nano() + r.Stime.Nano()
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// BenchmarkSnapshot is a base and a change after one batch.
func BenchmarkSnapshot(b *testing.B) {
	p := ledger.New(0, ledger.Config{})
	batches := load(20_000, 200, 1_000, 5, 40)
	for _, x := range batches {
		p.Apply(x)
		p.Advance(p.Newest()-late, nil)
	}
	b.Run("base", func(b *testing.B) {
		b.ReportAllocs()
		var dst []byte
		for range b.N {
			dst = p.AppendSnapshot(dst[:0])
			b.SetBytes(int64(len(dst)))
		}
	})
	b.Run("changes", func(b *testing.B) {
		b.ReportAllocs()
		var dst []byte
		p.AppendSnapshot(nil)
		for i := range b.N {
			shift(batches[0], minute, byte(i))
			p.Apply(batches[0])
			dst = p.AppendChanges(dst[:0])
			b.SetBytes(int64(len(dst)))
		}
	})
}
