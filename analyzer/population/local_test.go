// SPDX-License-Identifier: Apache-2.0

package population_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/weir-project/weir/analyzer/finding"
	"github.com/weir-project/weir/analyzer/population"
	weirv1 "github.com/weir-project/weir/proto/wire/weir/v1"
)

// day lets n principals in two partitions have a day of x records.
func day(l *population.Local, hour int64, n int, x float64) {
	for i := range n {
		v := voter(i)
		l.Summariser(i%2).Day(v.ID, v, hour/24-1, x, x/2, 7*x, 3*x)
	}
	l.Hour(hour)
}

func TestLocal(t *testing.T) {
	l := population.NewLocal(2, 1, nil, nil)
	if f := l.Current(); f.Version != 0 || f.Thresholds.Value != finding.Shipped.Value || f.Peers.LargestDay != 0 || l.State() != nil {
		t.Fatalf("before the first day: %+v", f)
	}
	day(l, firstDay*24+5, 100, 1000)
	for h := int64(firstDay*24 + 6); h < (firstDay+1)*24; h++ {
		l.Hour(h)
		if l.Current().Version != 0 {
			t.Fatal("a version before the day is over")
		}
	}
	// The version is made when the day is over and in force an hour later.
	if l.State().GetVersion() != 1 {
		t.Fatal("no version after the first day")
	}
	l.Hour((firstDay + 1) * 24)
	f := l.Current()
	if f.Version != 1 || f.EventHour != (firstDay+1)*24+1 || f.Peers.LargestDay != 1000 {
		t.Fatalf("%+v", f)
	}
	for _, q := range []finding.Quantiles{f.Peers.All, f.Peers.ByEndpoint[endpoint]} {
		if q.PrincipalDays != 100 || q.DayRecords < 1000 || q.DayRecords > 1130 || q.WeekFresh < 3000 || q.WeekFresh > 3400 || q.HourRecords != 0 {
			t.Errorf("%+v", q)
		}
	}
}

// A saved version goes on as if nothing had happened.
func TestLocalGoesOn(t *testing.T) {
	whole, part := population.NewLocal(2, 1, nil, nil), population.NewLocal(2, 1, nil, nil)
	for d := range int64(6) {
		if d == 3 {
			b, err := proto.Marshal(part.State())
			if err != nil {
				t.Fatal(err)
			}
			saved := &weirv1.PopulationState{}
			if err := proto.Unmarshal(b, saved); err != nil {
				t.Fatal(err)
			}
			part = population.NewLocal(2, 1, saved, nil)
			if part.Current().Version != 3 {
				t.Error("not in force after loading")
			}
		}
		for _, l := range []*population.Local{whole, part} {
			day(l, (firstDay+d)*24+4, 50+int(d), 100*float64(d+1))
			l.Hour((firstDay+d)*24 + 23)
		}
	}
	if diff := cmp.Diff(whole.State(), part.State(), protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
}

func TestScoresDoesNotAllocate(t *testing.T) {
	s := population.NewSummariser(0, nil)
	v := voter(1)
	v.Now = 2760 * week
	scores := score(finding.Fresh, 0.5)
	s.Scores(v, scores)
	v.Now = 2761 * week
	s.Scores(v, scores)
	if n := testing.AllocsPerRun(100, func() { s.Scores(v, scores) }); n != 0 {
		t.Errorf("%g allocations", n)
	}
}
