// SPDX-License-Identifier: Apache-2.0

package ledger_test

import (
	"bytes"
	"fmt"
	"math"
	"testing"

	"github.com/weir-project/weir/analyzer/ledger"
)

// TestArrivalEqualsTheClosedMinute: where one point shows everything, what is shown on arrival is
// what the closed minute shows, fresh objects within the sketch's noise; and nothing changes by it.
func TestArrivalEqualsTheClosedMinute(t *testing.T) {
	p, q := ledger.New(0, ledger.Config{}), ledger.New(0, ledger.Config{})
	id := uint64(0)
	for d := range int64(20) {
		for who := range uint64(5) {
			id++
			x := exchange(id, who, start+d*day+int64(who)*hour, who*1000+uint64(d)*10, 15+who)
			p.Apply(batch(x))
			q.Apply(batch(x))
			p.Arrivals(func(*ledger.View) {})
			p.Advance(p.Newest()-late, nil)
			q.Advance(q.Newest()-late, nil)
		}
	}
	for i := range int64(200) {
		id++
		x := exchange(id, 2, start+20*day+4*hour+i*second, 50_000+uint64(i)*3, 3)
		p.Apply(batch(x))
		q.Apply(batch(x))
	}
	var open string
	var fresh float64
	shown := 0
	p.Arrivals(func(v *ledger.View) {
		if v.ID == principal(2) {
			shown++
			fresh = v.DayFresh
			open = facts(v)
		}
		if !v.Arrival {
			t.Error("a view on arrival does not say so")
		}
	})
	p.Arrivals(func(v *ledger.View) { t.Errorf("%x is shown again", v.ID) })
	p.Advance(start+21*day, nil)
	q.Advance(start+21*day, nil)
	v, _ := p.Lookup(principal(2))
	if shown != 1 || open != facts(v) {
		t.Errorf("on arrival\n%s\nclosed\n%s", open, facts(v))
	}
	if math.Abs(fresh-v.DayFresh) > 0.15*v.DayFresh {
		t.Errorf("%v fresh on arrival, %v closed", fresh, v.DayFresh)
	}
	if !bytes.Equal(p.AppendSnapshot(nil), q.AppendSnapshot(nil)) {
		t.Error("looking at arrivals changed the state")
	}
}

func facts(v *ledger.View) string {
	return fmt.Sprint(v.Now, v.AgeDays, v.HourRecords, v.DayRecords, v.DayEnum, v.Records6, v.HourMax, v.DayMax, v.Scale, v.WeekMax,
		v.Run.Start, v.Run.Records, v.Run.Requests, v.Total.Records, v.Addresses, v.Exemplars, v.Endpoint, v.Software)
}

// TestNewPrincipalOnArrival: a thief with a new credential on a new endpoint is seen before any
// minute closes.
func TestNewPrincipalOnArrival(t *testing.T) {
	p := ledger.New(0, ledger.Config{})
	for i := range int64(100) {
		p.Apply(batch(exchange(uint64(i), 7, start+i*second/2, uint64(i)*20, 20)))
	}
	shown := false
	p.Arrivals(func(v *ledger.View) {
		shown = true
		if v.DayRecords != 2000 || v.Endpoint != "GET shop.example /customers/{id}" || len(v.Exemplars) != 5 || v.Exemplars[0].Template == "" || len(v.Addresses) != 1 {
			t.Errorf("%+v", *v)
		}
		if math.Abs(v.DayFresh-2000) > 100 {
			t.Errorf("%v fresh", v.DayFresh)
		}
	})
	if !shown || p.Len() != 0 {
		t.Errorf("shown %v, %d rows before a minute closed", shown, p.Len())
	}
}

// TestTop gives whole views that stay.
func TestTop(t *testing.T) {
	p := ledger.New(0, ledger.Config{})
	for i := range uint64(20) {
		apply(p, exchange(i, i, start, i*100, i+1))
	}
	p.Advance(start+hour, nil)
	top := p.Top(3, func(v *ledger.View) float64 { return float64(v.Total.Records) })
	p.Each(func(*ledger.View) {})
	if len(top) != 3 || top[0].ID != principal(19) || top[2].Total.Records != 18 || top[1].Addresses[0].Address.As4() != [4]byte{192, 0, 2, 18} {
		t.Errorf("%+v", top)
	}
	if got := p.Top(100, func(v *ledger.View) float64 { return 0 }); len(got) != 20 {
		t.Errorf("%d views of 20", len(got))
	}
}

// TestNoAllocations: an exchange of a known principal costs none, from Apply to its closed minute.
// (A View shown of a principal in a run costs one for each exemplar's request id.)
func TestNoAllocations(t *testing.T) {
	p := ledger.New(0, ledger.Config{})
	batches := load(500, 8, 2000, 5, 40)
	length := int64(len(batches)) * 512 * second / 2000
	round := byte(0)
	pass := func() {
		for _, b := range batches {
			p.Apply(b)
			p.Advance(p.Newest()-late, nil)
			shift(b, length, round)
		}
		round++
	}
	for range 180 { // 6 minutes: pools and maps have their size
		pass()
	}
	if got := testing.AllocsPerRun(60, pass) / float64(len(batches)*512); got > 0.01 {
		t.Errorf("%v allocations an exchange", got)
	}
}

// An import is not looked at on arrival. What it touched is not remembered beyond its minute, though
// live traffic was looked at before, and is not shown once that is looked at again.
func TestWhatWasNotLookedAtIsForgotten(t *testing.T) {
	p := ledger.New(0, ledger.Config{})
	p.Apply(batch(exchange(1, 1, start, 0, 5)))
	p.Arrivals(func(*ledger.View) {})
	for i := range uint64(50) { // the import
		p.Apply(batch(exchange(10+i, 2+i%10, start+day+int64(i)*hour, i, 5)))
		p.Advance(p.Newest()-late, nil)
	}
	now := p.Newest() + 2*hour
	p.Apply(batch(exchange(100, 50, now, 0, 5)))
	p.Advance(p.Newest()-late, nil)
	p.Apply(batch(exchange(101, 50, now+second, 9, 5)))
	shown := 0
	p.Arrivals(func(v *ledger.View) {
		if shown++; v.ID != principal(50) {
			t.Errorf("%x is shown, of a minute long closed", v.ID)
		}
	})
	if shown != 1 {
		t.Errorf("%d shown, want the one that came now", shown)
	}
}
