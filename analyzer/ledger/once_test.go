// SPDX-License-Identifier: Apache-2.0

package ledger_test

import (
	"bytes"
	"fmt"
	"math/bits"
	"math/rand/v2"
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/weir-project/weir/analyzer/ledger"
	weirv1 "github.com/weir-project/weir/proto/wire/weir/v1"
)

// flowing is one exchange as it was on the wire: bytes and records pass at an even pace from start to end.
type flowing struct {
	id, who           uint64
	from, length      int64
	up, down, records uint64
}

func (x *flowing) at(all uint64, t int64) uint64 {
	hi, lo := bits.Mul64(all, uint64(max(min(t-x.from, x.length), 0)))
	n, _ := bits.Div64(hi, lo, uint64(x.length))
	return n
}

// watcher is an observation point.
type watcher struct {
	name string
	rank weirv1.ObservationRank
}

// parts tells of an exchange what a watcher saw between two times, cut where it likes, at least every 10 s.
func (w *watcher) parts(r *rand.Rand, x *flowing, from, to int64) (parts []*weirv1.Exchange) {
	end := x.from + x.length
	var numbered uint32
	for t := x.from; t < end; numbered++ {
		next := min(t+second+r.Int64N(9*second), end)
		y := exchange(x.id, x.who, next, 0, 0)
		y.ObservationPoint, y.ObservationRank = w.name, w.rank
		y.PartNumber, y.PartLast = numbered, next == end
		y.PartStartTimeUnixNano = uint64(t)
		if numbered > 0 {
			y.RequestCount = 0
		}
		y.RequestBodyOffset, y.ResponseBodyOffset = x.at(x.up, t), x.at(x.down, t)
		y.HttpRequestBodySize, y.HttpResponseBodySize = x.at(x.up, next)-x.at(x.up, t), x.at(x.down, next)-x.at(x.down, t)
		y.RecordCount = x.at(x.records, next) - x.at(x.records, t)
		if t >= from && next <= to {
			parts = append(parts, y)
		}
		t = next
	}
	return parts
}

// deliver gives parts to a ledger in any order within the lateness bound, in batches of any size.
func deliver(r *rand.Rand, p *ledger.Partition, list []*weirv1.Exchange, check func(ledger.Totals)) {
	type sent struct {
		at int64
		x  *weirv1.Exchange
	}
	order := make([]sent, 0, len(list))
	for _, x := range list {
		order = append(order, sent{int64(x.PartEndTimeUnixNano) + r.Int64N(100*second), x})
	}
	slices.SortStableFunc(order, func(a, b sent) int { return int(a.at - b.at) })
	for i := 0; i < len(order); {
		var batched []*weirv1.Exchange
		for n := 1 + r.IntN(20); n > 0 && i < len(order); n-- {
			batched = append(batched, order[i].x)
			i++
		}
		p.Apply(batch(batched...))
		p.Advance(p.Newest()-late, nil)
		check(p.Totals())
	}
	p.Advance(p.Newest()+hour, nil)
	check(p.Totals())
}

var watchers = []watcher{
	{"c1/eth0", weirv1.ObservationRank_OBSERVATION_RANK_CLIENT},
	{"m1/span", weirv1.ObservationRank_OBSERVATION_RANK_MIRROR},
	{"p1/eth0", weirv1.ObservationRank_OBSERVATION_RANK_PROXY},
	{"s1/eth0", weirv1.ObservationRank_OBSERVATION_RANK_SERVER_PACKET},
	{"s2/eth0", weirv1.ObservationRank_OBSERVATION_RANK_SERVER_PACKET},
	{"l1/tls", weirv1.ObservationRank_OBSERVATION_RANK_SERVER_LIBRARY},
}

// streams makes exchanges over some minutes, short ones and long ones.
func streams(r *rand.Rand, n int) (list []flowing, truth ledger.Totals) {
	for i := range n {
		x := flowing{id: uint64(i), who: r.Uint64N(5), from: start + r.Int64N(4*minute), length: 1 + r.Int64N(second),
			up: r.Uint64N(5000), down: r.Uint64N(1 << 20), records: r.Uint64N(300)}
		if r.IntN(4) == 0 {
			x.length, x.up, x.down = 1+r.Int64N(4*minute), r.Uint64N(1<<24), r.Uint64N(1<<30)
		}
		list = append(list, x)
		truth.Requests++
		truth.Records += x.records
		truth.RequestBytes += x.up
		truth.ResponseBytes += x.down
	}
	return list, truth
}

// within fails where something was counted twice.
func within(t *testing.T, truth ledger.Totals) func(ledger.Totals) {
	return func(got ledger.Totals) {
		t.Helper()
		if got.Requests > truth.Requests || got.Records > truth.Records || got.RequestBytes > truth.RequestBytes || got.ResponseBytes > truth.ResponseBytes {
			t.Fatalf("counted twice: %+v of %+v", got, truth)
		}
	}
}

func sameTotals(a, b ledger.Totals) bool {
	return a.Requests == b.Requests && a.Records == b.Records && a.RequestBytes == b.RequestBytes && a.ResponseBytes == b.ResponseBytes
}

// TestManyPointsGiveTheTotalsOfOne: up to six points see the same exchanges over minutes, each cuts them its own way and
// shows some of them on two flows at once, in any order within the bound.
func TestManyPointsGiveTheTotalsOfOne(t *testing.T) {
	for seed := range uint64(60) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 11))
			list, truth := streams(r, 60)
			var all []*weirv1.Exchange
			for _, k := range r.Perm(len(watchers))[:1+r.IntN(len(watchers))] {
				w := watchers[k]
				for i := range list {
					parts := w.parts(r, &list[i], 0, 1<<62)
					all = append(all, parts...)
					if r.IntN(3) == 0 { // a second flow at the same point, cut alike: before and behind a translation, inside a tunnel
						shift := r.Uint64N(uint64(second))
						for _, y := range parts {
							again := proto.Clone(y).(*weirv1.Exchange)
							again.PartEndTimeUnixNano += shift
							all = append(all, again)
						}
					}
				}
			}
			p := ledger.New(3, ledger.Config{})
			deliver(r, p, all, within(t, truth))
			if got := p.Totals(); !sameTotals(got, truth) {
				t.Errorf("got  %+v\nwant %+v", got, truth)
			}
		})
	}
}

// TestWhatNoPointSawAloneCountsOnce: points begin and end as they like, some parts are lost on the way. Every byte
// that anybody showed counts once.
func TestWhatNoPointSawAloneCountsOnce(t *testing.T) {
	for seed := range uint64(60) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 12))
			list, truth := streams(r, 40)
			var all []*weirv1.Exchange
			var want ledger.Totals
			points := r.Perm(len(watchers))[:2+r.IntN(3)]
			for i := range list {
				var up, down [][2]uint64
				asked := false
				for _, k := range append(points, points[0]) { // one point shows two flows
					from, to := int64(0), int64(1)<<62
					switch r.IntN(3) {
					case 0:
						from = list[i].from + r.Int64N(list[i].length)
					case 1:
						to = list[i].from + r.Int64N(list[i].length)
					}
					for _, y := range watchers[k].parts(r, &list[i], from, to) {
						if r.IntN(10) == 0 {
							continue
						}
						asked = asked || y.RequestCount > 0
						up = append(up, [2]uint64{y.RequestBodyOffset, y.RequestBodyOffset + y.HttpRequestBodySize})
						down = append(down, [2]uint64{y.ResponseBodyOffset, y.ResponseBodyOffset + y.HttpResponseBodySize})
						all = append(all, y)
					}
				}
				want.RequestBytes += union(up)
				want.ResponseBytes += union(down)
				if asked {
					want.Requests++
				}
			}
			p := ledger.New(3, ledger.Config{})
			deliver(r, p, all, within(t, truth))
			got := p.Totals()
			// What one point shows behind a minute's end and another below it, while a part between was lost, may lie in a hole
			// that is not filled any more: a loss, never a second count.
			if got.Requests != want.Requests || !near(got.RequestBytes, want.RequestBytes) || !near(got.ResponseBytes, want.ResponseBytes) {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
			if r.IntN(4) == 0 {
				q := ledger.New(3, ledger.Config{})
				deliver(r, q, all, within(t, truth))
				if !bytes.Equal(p.AppendSnapshot(nil), q.AppendSnapshot(nil)) {
					t.Error("another order of arrival ends in another state")
				}
			}
		})
	}
}

func near(got, most uint64) bool { return got <= most && float64(got) >= 0.999*float64(most) }

func union(list [][2]uint64) (n uint64) {
	slices.SortFunc(list, func(a, b [2]uint64) int { return int(int64(a[0] - b[0])) })
	end := uint64(0)
	for _, x := range list {
		if x[1] > end {
			n += x[1] - max(x[0], end)
			end = x[1]
		}
	}
	return n
}

// TestALatePartOfTheChosenPointCounts: parts that lay in a spool come after later ones were counted; each counts, once.
func TestALatePartOfTheChosenPointCounts(t *testing.T) {
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 13))
		x := flowing{id: 1, who: 1, from: start, length: 5 * minute, up: 1 << 20, down: 1 << 28, records: 10_000}
		parts := watchers[3].parts(r, &x, 0, 1<<62)
		var spool []*weirv1.Exchange
		p := ledger.New(3, ledger.Config{})
		for _, y := range parts {
			if t := int64(y.PartEndTimeUnixNano) - start; t > 80*second && t < 150*second {
				spool = append(spool, y)
				continue
			}
			apply(p, y)
		}
		p.Advance(start+5*minute, nil)
		for _, y := range spool {
			p.Apply(batch(y))
			p.Apply(batch(proto.Clone(y).(*weirv1.Exchange))) // on a second flow
		}
		p.Advance(start+hour, nil)
		want := ledger.Totals{Requests: 1, Records: x.records, RequestBytes: x.up, ResponseBytes: x.down}
		if got := p.Totals(); !sameTotals(got, want) {
			t.Fatalf("seed %d:\ngot  %+v\nwant %+v", seed, got, want)
		}
	}
}

// TestRollupsOfManyPoints: where any point merged, points are judged by their totals for each principal, endpoint and
// minute: the best rank wins, of equal ones the largest total, never the sum.
func TestRollupsOfManyPoints(t *testing.T) {
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 14))
		ranks := r.Perm(3) // 0 and 1 are of equal rank
		var want ledger.Totals
		var all []*weirv1.Batch
		for i := range 30 {
			from := start + int64(i/3)*minute
			x := flowing{who: uint64(i % 3), records: r.Uint64N(500), up: r.Uint64N(100), down: r.Uint64N(9000)}
			n := 1 + r.Uint64N(40)
			want.Requests += n
			want.Records += n * x.records
			want.RequestBytes += n * x.up
			want.ResponseBytes += n * x.down
			for _, k := range ranks {
				name, rank, most := fmt.Sprintf("s%d/eth0", k), weirv1.ObservationRank(4), n
				if k == 2 {
					name, rank = "c2/eth0", 1
					most += r.Uint64N(3) // it does not matter what a worse rank shows
				} else if k == 1 {
					most -= r.Uint64N(min(n, 3))
				}
				merged := r.Uint64N(most + 1)
				if k == 0 {
					merged = max(merged, 1)
				}
				all = append(all, seenBy(r, &x, uint64(i), name, rank, from, merged, most)...)
			}
		}
		r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		p := ledger.New(3, ledger.Config{})
		for _, b := range all {
			p.Apply(b)
		}
		p.Advance(start+hour, nil)
		if got := p.Totals(); !sameTotals(got, want) {
			t.Fatalf("seed %d:\ngot  %+v\nwant %+v", seed, got, want)
		}
	}
}

// seenBy tells of n equal exchanges within a minute, some of them merged.
func seenBy(r *rand.Rand, x *flowing, group uint64, name string, rank weirv1.ObservationRank, from int64, merged, n uint64) (out []*weirv1.Batch) {
	if merged > 0 {
		out = append(out, &weirv1.Batch{WindowEndUnixNano: uint64(from + minute), Rollups: []*weirv1.Rollup{{
			PrincipalId: hash16(1, x.who), PrincipalAssurance: weirv1.Assurance_ASSURANCE_TOKEN, ServerName: "shop.example",
			HttpRequestMethod: "GET", UrlTemplate: "/customers/{id}", ObservationPoint: name, ObservationRank: rank,
			WindowStartUnixNano: uint64(from), WindowEndUnixNano: uint64(from + minute), Requests_2Xx: merged,
			HttpRequestBodySize: merged * x.up, HttpResponseBodySize: merged * x.down, RecordCount: merged * x.records}}})
	}
	for i := merged; i < n; i++ {
		y := exchange(group*1000+i, x.who, from+r.Int64N(minute), 0, 0)
		y.ObservationPoint, y.ObservationRank = name, rank
		y.HttpRequestBodySize, y.HttpResponseBodySize, y.RecordCount = x.up, x.down, x.records
		out = append(out, batch(y))
	}
	return out
}

// TestDisjointPointsAreAdded: config says that no two points see the same.
func TestDisjointPointsAreAdded(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 15))
	x := flowing{who: 1, records: 3, up: 5, down: 100}
	p := ledger.New(3, ledger.Config{DisjointPoints: true})
	for k := range 3 {
		for _, b := range seenBy(r, &x, uint64(k), fmt.Sprintf("s%d/eth0", k), 4, start, 10, 15) {
			p.Apply(b)
		}
	}
	p.Advance(start+hour, nil)
	if got := p.Totals(); got.Requests != 45 || got.Records != 135 {
		t.Errorf("%+v", got)
	}
}

// TestAnExchangeGoesOnAtThePointThatWasJudged: a download is followed at one point; then this point merges and another
// one is judged the better: what that one shows of the download counts, though the first was not silent.
func TestAnExchangeGoesOnAtThePointThatWasJudged(t *testing.T) {
	x := flowing{id: 7, who: 1, from: start, length: 3 * minute, down: 180 << 20, records: 1800}
	r := rand.New(rand.NewPCG(1, 16))
	a, b := watchers[3], watchers[4]
	first := a.parts(r, &x, 0, start+minute)
	other := b.parts(r, &x, 0, 1<<62)
	p := ledger.New(3, ledger.Config{})
	few := flowing{who: 1, records: 1, down: 10}
	for _, y := range slices.Concat(first, other) {
		p.Apply(batch(y))
	}
	for m := int64(1); m < 3; m++ { // of other requests, b saw more than a merged
		for _, batch := range slices.Concat(seenBy(r, &few, 100+uint64(m), a.name, a.rank, start+m*minute, 5, 5), seenBy(r, &few, 100+uint64(m), b.name, b.rank, start+m*minute, 0, 9)) {
			p.Apply(batch)
		}
	}
	p.Advance(start+hour, nil)
	if got := p.Totals(); got.Requests != 1+18 || got.ResponseBytes != x.down+18*10 {
		t.Errorf("%+v, want 19 requests and %d bytes", got, x.down+180)
	}
}
