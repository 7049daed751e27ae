// SPDX-License-Identifier: Apache-2.0

package ledger_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/weir-project/weir/analyzer/ledger"
	weirv1 "github.com/weir-project/weir/proto/wire/weir/v1"
)

const start = int64(1767484800e9) // 2026-01-04 00:00 UTC

// record writes what hooks and visits said, in their order.
func record(p *ledger.Partition, to *bytes.Buffer) func(*ledger.View) {
	p.OnHour(func(id ledger.ID, v *ledger.View, hour int64, records float64) {
		fmt.Fprintf(to, "hour %x %d %v %s\n", id[:4], hour, records, v.Endpoint)
	})
	p.OnRoll(func(id ledger.ID, v *ledger.View, day int64, records, fresh, records7, fresh7 float64) {
		fmt.Fprintf(to, "day %x %d %v %v %v %v %s\n", id[:4], day, records, fresh, records7, fresh7, v.Endpoint)
	})
	return func(v *ledger.View) {
		fmt.Fprintf(to, "%d %x %v %v %v %v %+v %v %v\n", v.Now/minute, v.ID[:4], v.DayRecords, v.DayFresh, v.DayEnum, v.OffHours, v.Run, v.Addresses, v.Exemplars)
	}
}

// plain runs deliveries one by one.
func plain(deliveries []delivery, end int64) (state []byte, told string) {
	p := ledger.New(3, ledger.Config{})
	var out bytes.Buffer
	visit := record(p, &out)
	for _, d := range deliveries {
		p.Apply(d.batch)
		p.Advance(p.Newest()-late, visit)
	}
	p.Advance(end, visit)
	return p.AppendSnapshot(nil), out.String()
}

// shaken runs the same deliveries in another order within the bound, cut and merged otherwise, with
// minutes closed at other times, arrivals looked at, and the state saved and restored on the way.
func shaken(t *testing.T, r *rand.Rand, deliveries []delivery, end int64) (state []byte, told string) {
	list := slices.Clone(deliveries)
	for i := range list {
		list[i].at = int64(list[i].batch.WindowEndUnixNano) + r.Int64N(100*second)
	}
	slices.SortStableFunc(list, func(a, b delivery) int { return int(a.at - b.at) })
	p := ledger.New(3, ledger.Config{})
	var out bytes.Buffer
	visit := record(p, &out)
	var chunks [][]byte
	newest := int64(0)
	for i := 0; i < len(list); i++ {
		b := list[i].batch
		for r.IntN(3) > 0 && i+1 < len(list) { // several in one
			i++
			o := list[i].batch
			b = &weirv1.Batch{
				WindowEndUnixNano: max(b.WindowEndUnixNano, o.WindowEndUnixNano),
				Exchanges:         append(slices.Clone(b.Exchanges), o.Exchanges...), Rollups: append(slices.Clone(b.Rollups), o.Rollups...),
			}
		}
		p.Apply(b)
		newest = max(newest, int64(b.WindowEndUnixNano))
		if p.Newest() != newest {
			t.Fatalf("newest is %d, want %d", p.Newest(), newest)
		}
		if r.IntN(3) == 0 {
			p.Advance(p.Newest()-late-r.Int64N(5*minute), visit)
		}
		if r.IntN(8) == 0 {
			p.Arrivals(func(*ledger.View) {})
		}
		switch r.IntN(40) {
		case 0:
			chunks = [][]byte{p.AppendSnapshot(nil)}
		case 1, 2, 3:
			if len(chunks) > 0 {
				chunks = append(chunks, p.AppendChanges(nil))
			}
		case 4:
			if len(chunks) > 0 {
				chunks = append(chunks, p.AppendChanges(nil))
				p = ledger.New(3, ledger.Config{})
				visit = record(p, &out)
				if err := p.Restore(chunks...); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	p.Advance(end, visit)
	return p.AppendSnapshot(nil), out.String()
}

func TestAnyOrderEndsTheSame(t *testing.T) {
	for seed := range uint64(7) {
		length := 2 * hour
		if seed%3 == 0 {
			length = 90 * day // a few events a day
		}
		deliveries := traffic(seed, start+int64(seed)*13*hour, length, 1500)
		end := int64(deliveries[len(deliveries)-1].batch.WindowEndUnixNano) + day
		end -= end % minute
		want, told := plain(deliveries, end)
		r := rand.New(rand.NewPCG(seed, 99))
		for round := range 4 {
			got, toldToo := shaken(t, r, deliveries, end)
			if told != toldToo {
				t.Fatalf("seed %d round %d: visits differ at %s", seed, round, firstDifference(told, toldToo))
			}
			if !bytes.Equal(got, want) {
				t.Fatalf("seed %d round %d: state of %d bytes differs from %d bytes", seed, round, len(got), len(want))
			}
		}
	}
}

func firstDifference(a, b string) string {
	x, y := bytes.Split([]byte(a), []byte("\n")), bytes.Split([]byte(b), []byte("\n"))
	for i := range x {
		if i >= len(y) || !bytes.Equal(x[i], y[i]) {
			return fmt.Sprintf("line %d:\n%s\n%s", i, x[i], y[min(i, len(y)-1)])
		}
	}
	return "the end"
}
