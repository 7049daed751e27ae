// SPDX-License-Identifier: Apache-2.0

package population_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/weir-project/weir/analyzer/finding"
	"github.com/weir-project/weir/analyzer/population"
	weirv1 "github.com/weir-project/weir/proto/wire/weir/v1"
)

const firstDay = 19320 // 2022-11-24, the first day of an event week

// summaries are the hours of some partitions over some days, with random votes and weekly tails.
func summaries(r *rand.Rand, parts, days int) []*weirv1.PopulationSummary {
	var out []*weirv1.PopulationSummary
	for p := range parts {
		for h := range days * 24 {
			m := &weirv1.PopulationSummary{SchemaVersion: 1, Partition: uint32(p), EventHour: uint64(firstDay*24 + h), Revision: 1}
			for _, name := range []string{"", endpoint} {
				g := &weirv1.PeerSummary{Endpoint: name, HourRecords: votesOf(r, 20)}
				if h%24 == 3 {
					g.DayRecords, g.WeekRecords, g.WeekFresh = votesOf(r, 60), votesOf(r, 60), votesOf(r, 60)
					m.LargestDayRecords = r.Float64() * 1e5
				}
				m.Peers = append(m.Peers, g)
			}
			if h%168 == 167 {
				t := &weirv1.ScoreTail{Channel: finding.Fresh.String(), PrincipalWeeks: 700}
				for range 30 {
					t.Scores = append(t.Scores, r.ExpFloat64()/5)
				}
				m.Tails = append(m.Tails, t)
			}
			out = append(out, m)
		}
	}
	return out
}

func votesOf(r *rand.Rand, n int) *weirv1.LogHistogram {
	h := &weirv1.LogHistogram{}
	for bin := range n {
		h.Bins = append(h.Bins, uint32(bin))
		h.Counts = append(h.Counts, float64(r.IntN(5)))
	}
	return h
}

func TestFoldIgnoresOrderAndRepeats(t *testing.T) {
	all := summaries(rand.New(rand.NewPCG(1, 2)), 3, 15)
	var want []*weirv1.PopulationState
	for round := range 8 {
		r := rand.New(rand.NewPCG(uint64(round), 9))
		s := population.NewState(1, nil)
		var got []*weirv1.PopulationState
		for day := range 15 {
			var todays []*weirv1.PopulationSummary
			for _, m := range all {
				if int(m.EventHour)/24-firstDay == day {
					todays = append(todays, m)
				}
			}
			r.Shuffle(len(todays), func(i, j int) { todays[i], todays[j] = todays[j], todays[i] })
			for _, m := range todays {
				if !s.Fold(m) {
					t.Fatal("summary refused")
				}
				if r.IntN(3) == 0 && s.Fold(m) {
					t.Fatal("summary taken twice")
				}
			}
			for h := range 23 {
				if s.Close(int64(firstDay+day)*24+int64(h)) != nil {
					t.Fatal("a version before the day is over")
				}
			}
			m := s.Close(int64(firstDay+day)*24 + 23)
			if m == nil || m.Version != uint64(day+1) || m.EventHour != uint64((firstDay+day+1)*24+1) {
				t.Fatalf("day %d: version %v in force from %v", day, m.GetVersion(), m.GetEventHour())
			}
			if s.Fold(todays[0]) {
				t.Fatal("summary of a closed day taken twice")
			}
			got = append(got, proto.CloneOf(m))
			if day == 6 { // what the owner wrote is all that a successor needs
				s = population.NewState(1, proto.CloneOf(m))
			}
		}
		if want == nil {
			want = got
		}
		if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
			t.Fatal(diff)
		}
	}
	if w := want[13].CleanPrincipalWeeks; w != 2*3*700 {
		t.Errorf("%g clean principal-weeks", w)
	}
}

func TestHigherRevisionReplaces(t *testing.T) {
	make := func(revision uint64, largest float64) *weirv1.PopulationSummary {
		return &weirv1.PopulationSummary{Partition: 1, EventHour: firstDay*24 + 5, Revision: revision, LargestDayRecords: largest}
	}
	s := population.NewState(1, nil)
	for _, step := range []struct {
		m    *weirv1.PopulationSummary
		want bool
	}{{make(2, 20), true}, {make(1, 10), false}, {make(2, 30), false}, {make(3, 7), true}} {
		if got := s.Fold(step.m); got != step.want {
			t.Errorf("revision %d taken: %v", step.m.Revision, got)
		}
	}
	if m := s.Close(firstDay*24 + 23); m.LargestDayRecords != 7 {
		t.Errorf("largest day %g", m.LargestDayRecords)
	}
	if want := (population.Folded{Taken: 1, Replaced: 1, Duplicate: 2}); s.Folded != want {
		t.Errorf("%+v", s.Folded)
	}
}

func TestLateSummaryCountsInTheNextDay(t *testing.T) {
	s := population.NewState(1, nil)
	s.Fold(&weirv1.PopulationSummary{Partition: 1, EventHour: firstDay * 24})
	s.Close(firstDay*24 + 23)
	if !s.Fold(&weirv1.PopulationSummary{Partition: 2, EventHour: firstDay*24 + 1, LargestDayRecords: 5}) {
		t.Fatal("late summary refused")
	}
	if m := s.Close(firstDay*24 + 47); m.LargestDayRecords != 5 || m.AppliedHours[2] != firstDay*24+1 {
		t.Errorf("late summary lost: %v", m)
	}
	// Days in which nobody said anything are versions too.
	if m := s.Close(firstDay*24 + 24*9 + 23); m.Version != 10 || m.EventHour != (firstDay+10)*24+1 {
		t.Errorf("after a gap: version %d from %d", m.Version, m.EventHour)
	}
}

func TestMalformedSummaries(t *testing.T) {
	bad := []*weirv1.PopulationSummary{
		nil,
		{Partition: 64, EventHour: 1},
		{EventHour: 0},
		{EventHour: math.MaxUint64},
		{EventHour: 1, LargestDayRecords: math.NaN()},
		{EventHour: 1, LargestDayRecords: math.Inf(1)},
		{EventHour: 1, Peers: []*weirv1.PeerSummary{nil}},
		{EventHour: 1, Peers: make([]*weirv1.PeerSummary, 66)},
		{EventHour: 1, Peers: []*weirv1.PeerSummary{{DayRecords: &weirv1.LogHistogram{Bins: []uint32{160}, Counts: []float64{1}}}}},
		{EventHour: 1, Peers: []*weirv1.PeerSummary{{DayRecords: &weirv1.LogHistogram{Bins: []uint32{1}}}}},
		{EventHour: 1, Peers: []*weirv1.PeerSummary{{DayRecords: &weirv1.LogHistogram{Bins: []uint32{1}, Counts: []float64{-1}}}}},
		{EventHour: 1, Tails: []*weirv1.ScoreTail{{Scores: []float64{math.NaN()}}}},
		{EventHour: 1, Tails: []*weirv1.ScoreTail{{Scores: make([]float64, 101)}}},
	}
	s := population.NewState(1, nil)
	for i, m := range bad {
		if s.Fold(m) {
			t.Errorf("case %d taken", i)
		}
	}
	if s.Folded.Malformed != uint64(len(bad)) {
		t.Errorf("%+v", s.Folded)
	}
}

// steady folds days of n principals that take x records a day each, one of them largest.
func steady(s *population.State, day *int64, days, n int, x float64) (m *weirv1.PopulationState) {
	bin := uint32(1 + math.Log(x)/0.12)
	for range days {
		h := &weirv1.LogHistogram{Bins: []uint32{bin}, Counts: []float64{float64(n)}}
		s.Fold(&weirv1.PopulationSummary{EventHour: uint64(*day*24 + 1), Peers: []*weirv1.PeerSummary{{DayRecords: h}}, LargestDayRecords: x})
		m = s.Close(*day*24 + 23)
		*day++
	}
	return m
}

func TestQuantiles(t *testing.T) {
	s := population.NewState(1, nil)
	day := int64(firstDay)
	if p := population.Peers(steady(s, &day, 1, 19, 1000)); p.All.DayRecords != 0 || p.LargestDay != 1000 {
		t.Errorf("19 votes make a quantile: %+v", p)
	}
	p := population.Peers(steady(s, &day, 9, 100, 1000))
	if p.All.DayRecords < 1000 || p.All.DayRecords > 1000*math.Exp(0.12) || p.Version != 10 {
		t.Errorf("%+v", p)
	}
	// Ten days of 100 votes, each day's weighing 0.93 a day later, after 19 on the first.
	want := 19 * math.Pow(0.93, 9)
	for i := range 9 {
		want += 100 * math.Pow(0.93, float64(i))
	}
	if math.Abs(p.All.PrincipalDays-want) > 1e-9 {
		t.Errorf("%g principal-days, want %g", p.All.PrincipalDays, want)
	}
}

// While a deployment is young its quantiles follow at once, later they double in a week at most;
// they fall freely.
func TestPeersRiseSlowly(t *testing.T) {
	s := population.NewState(1, nil)
	day := int64(firstDay)
	base := population.Peers(steady(s, &day, 5, 100, 1000)).All.DayRecords
	if young := population.Peers(steady(s, &day, 1, 100, 50_000)).All.DayRecords; young < 50_000 {
		t.Errorf("young: %g", young)
	}
	s = population.NewState(1, nil)
	steady(s, &day, 40, 100, 1000)
	for i := 1; i <= 7; i++ {
		got := population.Peers(steady(s, &day, 1, 100, 50_000)).All.DayRecords
		if want := base * math.Pow(2, float64(i)/7); math.Abs(got-want) > 1e-6 {
			t.Errorf("day %d: %g, want %g", i, got, want)
		}
	}
}

// tails folds weeks of clean maxima drawn from an exponential tail: the upper 2,000 of n.
func tails(s *population.State, r *rand.Rand, week *int64, weeks int, n uint64, scale float64) (m *weirv1.PopulationState) {
	for range weeks {
		out := &weirv1.PopulationSummary{EventHour: uint64(*week*168 + 167)}
		for c := finding.Volume; c <= finding.Fresh; c++ {
			x := make([]float64, 2000)
			for i := range x {
				x[i] = (r.ExpFloat64() + math.Log(float64(n)/2000)) * scale
			}
			out.Tails = append(out.Tails, &weirv1.ScoreTail{Channel: c.String(), PrincipalWeeks: n, Scores: population.Largest(x)})
		}
		s.Fold(out)
		m = s.Close(*week*168 + 167)
		*week++
	}
	return m
}

func TestThresholds(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	s, week := population.NewState(1, nil), int64(2760)
	th := population.Thresholds(tails(s, r, &week, 1, 2000, 0.2), 1)
	if th.Value != finding.Shipped.Value {
		t.Errorf("2,000 clean principal-weeks moved thresholds: %v", th.Value)
	}
	// A noisier population: thresholds rise, by 5 % a week at most, never beyond twice the shipped.
	last := th
	for range 30 {
		th = population.Thresholds(tails(s, r, &week, 1, 30_000, 0.6), 1)
		for c := finding.Volume; c <= finding.Fresh; c++ {
			if th.Value[c] > last.Value[c]*1.0501 || th.Value[c] > 2*finding.Shipped.Value[c]+1e-9 {
				t.Fatalf("%v rose from %g to %g", c, last.Value[c], th.Value[c])
			}
			if !(th.Rate[c] > 0 && th.Rate[c] < 1) || !(th.Tail[c] > 0.1) {
				t.Fatalf("%v: rate %g tail %g", c, th.Rate[c], th.Tail[c])
			}
		}
		last = th
	}
	if th.Value[finding.Fresh] < 1.9 {
		t.Errorf("fresh threshold %g does not follow a noisy population", th.Value[finding.Fresh])
	}
	// A quiet one: they fall, to 0.7 of the shipped at least.
	for range 60 {
		th = population.Thresholds(tails(s, r, &week, 1, 30_000, 0.02), 1)
	}
	for c := finding.Volume; c <= finding.Fresh; c++ {
		if got := th.Value[c] / finding.Shipped.Value[c]; math.Abs(got-0.7) > 1e-9 {
			t.Errorf("%v: %g of the shipped threshold in a quiet population", c, got)
		}
	}
	if th.Value[finding.Guard] != 1 {
		t.Error("the guard's threshold moved")
	}
}

// The threshold of a population whose scores end at the threshold in force stays where it is: what
// lies beyond became incidents and is not seen again.
func TestThresholdDoesNotSink(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	x := make([]float64, 200_000)
	for i := range x {
		x[i] = r.ExpFloat64() * 0.15
	}
	x = population.LargestN(x, 1000)
	const k = 8
	now := (x[k-1] + x[k]) / 2 // k of 200,000 lie beyond
	if got := population.OwnThreshold(x[k:k+100], k, now); math.Abs(got-now) > 0.15 {
		t.Errorf("threshold went from %.3f to %.3f", now, got)
	}
	if naive := population.OwnThreshold(x[k:k+100], k, 0); naive >= now {
		t.Errorf("leaving incidents out gives %.3f, not less than %.3f: the test shows nothing", naive, now)
	}
}

func TestShippedBudgets(t *testing.T) {
	if got := population.Shipped(1); got.Value != finding.Shipped.Value {
		t.Errorf("budget 1: %v", got.Value)
	}
	loose, strict := population.Shipped(10), population.Shipped(0.1)
	for c := finding.Volume; c <= finding.Fresh; c++ {
		if !(loose.Value[c] < finding.Shipped.Value[c] && finding.Shipped.Value[c] < strict.Value[c]) {
			t.Errorf("%v: %g %g", c, loose.Value[c], strict.Value[c])
		}
		if math.Abs(strict.Rate[c]/finding.Shipped.Rate[c]-0.1) > 1e-9 {
			t.Errorf("%v: rate %g", c, strict.Rate[c])
		}
	}
}

func FuzzFold(f *testing.F) {
	for _, m := range summaries(rand.New(rand.NewPCG(1, 2)), 1, 1)[:4] {
		b, _ := proto.Marshal(m)
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var m weirv1.PopulationSummary
		if m.UnmarshalVT(b) != nil {
			return
		}
		m.EventHour %= 24 * 400
		s := population.NewState(1, nil)
		s.Fold(&m)
		v := s.Close(24*401 - 1)
		if v == nil {
			return
		}
		for _, q := range v.Peers {
			if x := q.DayRecordsP999 + q.HourRecordsP999 + q.WeekRecordsP999 + q.WeekFreshP999; !(x >= 0) {
				t.Fatalf("%v", q)
			}
		}
		for _, x := range population.Thresholds(v, 1).Value[1:] {
			if !(x > 0.5 && x < 3) {
				t.Fatalf("threshold %g", x)
			}
		}
		population.NewState(1, v).Close(24*403 - 1)
	})
}
