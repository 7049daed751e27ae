// SPDX-License-Identifier: Apache-2.0

package detect_test

import (
	"math"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weir-project/weir/analyzer/detect"
	"github.com/weir-project/weir/analyzer/finding"
	"github.com/weir-project/weir/analyzer/ledger"
)

// settled is a principal of two months whose days are steady: spike scales of 0.5 and 0.4.
func settled() ledger.View {
	return ledger.View{
		ID: ledger.ID{1}, Assurance: 3, Now: 1_669_345_800e9, AgeDays: 60, LearningDays: 60,
		Endpoint:   "GET shop.example /customers/{id}",
		ActiveDays: 40, RingDays: 42, SawMonthEnd: true,
		HourMax: 100, DayMax: 1_000, Scale: 0.5, WeekMax: 6_000, WeekScale: 0.4,
		FreshDayMax: 200, FreshWeekMax: 900, Fresh28Base: 3_000, EnumMax: 100,
		HourRecords: 80, DayRecords: 700, DayFresh: 100, Records6: 4_000, Fresh6: 500, Fresh27: 2_400,
	}
}

func peers() *finding.Peers {
	return &finding.Peers{
		All: finding.Quantiles{HourRecords: 5_000, DayRecords: 40_000, WeekRecords: 200_000, WeekFresh: 20_000, PrincipalDays: 9_000},
		ByEndpoint: map[string]finding.Quantiles{
			"GET shop.example /customers/{id}": {HourRecords: 1_000, DayRecords: 9_000, WeekRecords: 50_000, WeekFresh: 8_000, PrincipalDays: 2_000},
			"GET shop.example /small":          {HourRecords: 1, DayRecords: 1, WeekRecords: 1, WeekFresh: 1, PrincipalDays: 199},
		},
		LargestDay: 2_000_000,
	}
}

func find(scores []finding.Score, c finding.Channel, h finding.Horizon, u finding.Unit) (finding.Score, bool) {
	for _, s := range scores {
		if s.Channel == c && s.Horizon == h && s.Unit == u {
			return s, true
		}
	}
	return finding.Score{}, false
}

// Values computed by hand from the table of the notes; the logarithms are written out.
func TestScoresGolden(t *testing.T) {
	cases := []struct {
		name    string
		change  func(*ledger.View)
		channel finding.Channel
		horizon finding.Horizon
		unit    finding.Unit
		value   float64
		own     float64
		peers   float64
	}{
		// 36,000 in an hour: ln(36300/400) = 4.508108; / (0.35+0.3) / 3.0.
		{"row 0 hour", func(v *ledger.View) { v.HourRecords = 36_000 }, finding.Volume, finding.Hour, finding.Records, 2.311850, 100, 1_000},
		// 44,500 in a day: ln(45000/1500) = 3.401197; / 0.75 / 2.2.
		{"row 1 day", func(v *ledger.View) { v.DayRecords = 44_500 }, finding.Volume, finding.Day, finding.Records, 2.061332, 1_000, 9_000},
		// 4,000 + 65,000 in a week: ln(70000/7000) = 2.302585; / (0.4+0.25+0.15) / 1.9.
		{"row 2 week", func(v *ledger.View) { v.DayRecords = 65_000 }, finding.Volume, finding.Week, finding.Records, 1.514859, 6_000, 50_000},
		// 10,000 off-hours: ln(10300/300) = 3.536117; / 0.65 / 2.5.
		{"row 6 off-hours", func(v *ledger.View) { v.OffHours = 10_000 }, finding.OffHours, finding.Week, finding.Records, 2.176072, 0, 0},
		// 4,600 look-ups: ln(5000/500) = 2.302585; / 0.75 / 2.4.
		{"row 7 enumeration", func(v *ledger.View) { v.DayEnum = 4_600 }, finding.Enum, finding.Day, finding.ObjectLookups, 1.279214, 100, 0},
		// 4,250 fresh: ln(4500/450) = 2.302585; / 1.0 / 1.1.
		{"row 8 fresh day", func(v *ledger.View) { v.DayFresh = 4_250 }, finding.Fresh, finding.Day, finding.FreshObjects, 2.093259, 200, 0},
		// 500 + 13,000 fresh in a week: ln(14000/1400) = 2.302585; / (0.4+0.25+0.4) / 1.3.
		{"row 9 fresh week", func(v *ledger.View) { v.DayFresh = 13_000 }, finding.Fresh, finding.Week, finding.FreshObjects, 1.686875, 900, 8_000},
		// The working set of a re-reader is the floor: 0.5 D = 13,500, ln(14000/14000) = 0.
		{"row 9 floor", func(v *ledger.View) { v.DayFresh, v.FreshFloor = 13_000, 13_500 }, finding.Fresh, finding.Week, finding.FreshObjects, 0, 13_500, 8_000},
		// 2,400 + 45,600 fresh in 28 days: ln(50000/5000) = 2.302585; / 1.05 / 0.9.
		{"row 10 fresh 28 days", func(v *ledger.View) { v.DayFresh = 45_600 }, finding.Fresh, finding.Month, finding.FreshObjects, 2.436598, 3_000, 0},
		// Both: own ln(49000/2000)/0.75 = 4.264886, peers ln(51000/12000) = 1.446919, the smaller / 1.4.
		{"row 12 both, day", func(v *ledger.View) { v.DayRecords = 48_000 }, finding.Peer, finding.Day, finding.Records, 1.033514, 1_000, 9_000},
		// Both: own ln(21000/1100)/0.75 = 3.932297, peers ln(23000/4000) = 1.749200, the smaller / 1.5.
		{"row 13 both, hour", func(v *ledger.View) { v.HourRecords = 20_000 }, finding.Peer, finding.Hour, finding.Records, 1.166133, 100, 1_000},
		// Guard: ln(18 million / 2 million) / ln 3 = 2.
		{"guard", func(v *ledger.View) { v.DayRecords = 18_000_000 }, finding.Guard, finding.Day, finding.Records, 2, 1_000, 2_000_000},
	}
	var d detect.Detector
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			v := settled()
			c.change(&v)
			s, ok := find(d.Scores(&v, peers(), &finding.Shipped), c.channel, c.horizon, c.unit)
			if !ok {
				t.Fatal("no such score")
			}
			if math.Abs(s.Value-c.value) > 2e-6 || s.Own != c.own || s.Peers != c.peers {
				t.Errorf("got value %.6f own %g peers %g, want %.6f %g %g", s.Value, s.Own, s.Peers, c.value, c.own, c.peers)
			}
			if want := s.Value / finding.Shipped.Value[c.channel]; s.Ratio != want {
				t.Errorf("ratio %g, want %g", s.Ratio, want)
			}
		})
	}
}

// A newcomer has only peers: rows 3-5 and 11, by hand.
func TestYoungComparesWithPeers(t *testing.T) {
	v := settled()
	v.AgeDays, v.ActiveDays, v.RingDays = 3, 2, 3
	v.HourRecords, v.DayRecords, v.Records6, v.DayFresh, v.Fresh6 = 37_000, 180_000, 140_000, 100_000, 80_000
	var d detect.Detector
	scores := d.Scores(&v, peers(), &finding.Shipped)
	want := []struct {
		h     finding.Horizon
		u     finding.Unit
		value float64
	}{
		{finding.Hour, finding.Records, math.Log(40_000.0/4_000) / 1.3},
		{finding.Day, finding.Records, math.Log(190_000.0 / 19_000)},
		{finding.Week, finding.Records, math.Log(350_000.0/80_000) / 0.6},
		{finding.Week, finding.FreshObjects, math.Log(190_000.0/18_000) / 1.2},
	}
	for _, w := range want {
		s, ok := find(scores, finding.Peer, w.h, w.u)
		if !ok || math.Abs(s.Value-w.value) > 1e-12 {
			t.Errorf("%v %v: %v %v, want %g", w.h, w.u, ok, s.Value, w.value)
		}
	}
	if len(scores) != len(want)+1 { // and the guard
		t.Errorf("%d scores, want peers and guard alone: %+v", len(scores), scores)
	}
}

func TestWarmUp(t *testing.T) {
	type row struct {
		c finding.Channel
		h finding.Horizon
		u finding.Unit
	}
	cases := []struct {
		age, active, learning int
		row                   row
		want                  bool
	}{
		{60, 40, 6, row{finding.Volume, finding.Day, finding.Records}, false},
		{60, 40, 7, row{finding.Volume, finding.Day, finding.Records}, true},
		{3, 3, 6, row{finding.Peer, finding.Day, finding.Records}, false},
		{60, 40, 1, row{finding.Guard, finding.Day, finding.Records}, false},
		{60, 40, 2, row{finding.Guard, finding.Day, finding.Records}, true},
		{6, 6, 60, row{finding.Volume, finding.Hour, finding.Records}, false},
		{7, 4, 60, row{finding.Volume, finding.Hour, finding.Records}, true},
		{7, 3, 60, row{finding.Volume, finding.Hour, finding.Records}, false},
		{7, 4, 60, row{finding.Fresh, finding.Day, finding.FreshObjects}, true},
		{13, 9, 60, row{finding.Volume, finding.Week, finding.Records}, false},
		{14, 9, 60, row{finding.Volume, finding.Week, finding.Records}, true},
		{13, 13, 60, row{finding.OffHours, finding.Week, finding.Records}, false},
		{14, 8, 60, row{finding.OffHours, finding.Week, finding.Records}, false}, // 8 of 42 days
		{40, 30, 60, row{finding.Fresh, finding.Month, finding.FreshObjects}, false},
		{41, 22, 60, row{finding.Fresh, finding.Month, finding.FreshObjects}, true},
		{41, 21, 60, row{finding.Fresh, finding.Month, finding.FreshObjects}, false},
		{20, 10, 60, row{finding.Peer, finding.Week, finding.Records}, true},
		{21, 10, 60, row{finding.Peer, finding.Week, finding.Records}, false},
	}
	var d detect.Detector
	for _, c := range cases {
		v := settled()
		v.AgeDays, v.ActiveDays, v.LearningDays = c.age, c.active, c.learning
		if _, ok := find(d.Scores(&v, peers(), &finding.Shipped), c.row.c, c.row.h, c.row.u); ok != c.want {
			t.Errorf("age %d active %d learning %d: %v %v %v scored: %v, want %v", c.age, c.active, c.learning, c.row.c, c.row.h, c.row.u, ok, c.want)
		}
	}
}

// The first month end is forgiven a factor of six, on volume and fresh per day and week, and on both.
func TestMonthEndSlack(t *testing.T) {
	var d detect.Detector
	v := settled()
	v.HourRecords, v.DayRecords, v.DayFresh = 50_000, 90_000, 9_000
	plain := append([]finding.Score(nil), d.Scores(&v, peers(), &finding.Shipped)...)
	v.MonthEnd = true
	if got := d.Scores(&v, peers(), &finding.Shipped); !reflect.DeepEqual(got, plain) {
		t.Error("slack given to a principal that has lived through a month end")
	}
	v.SawMonthEnd = false
	got := d.Scores(&v, peers(), &finding.Shipped)
	divisor := map[[2]int]float64{
		{int(finding.Volume), int(finding.Hour)}: 0.65 * 3.0, {int(finding.Volume), int(finding.Day)}: 0.75 * 2.2,
		{int(finding.Volume), int(finding.Week)}: 0.8 * 1.9, {int(finding.Fresh), int(finding.Day)}: 1.1,
		{int(finding.Fresh), int(finding.Week)}: 1.05 * 1.3, {int(finding.Peer), int(finding.Day)}: 1.4, {int(finding.Peer), int(finding.Hour)}: 1.5,
	}
	for _, s := range plain {
		after, ok := find(got, s.Channel, s.Horizon, s.Unit)
		want := s.Value
		if by := divisor[[2]int{int(s.Channel), int(s.Horizon)}]; by > 0 {
			want -= math.Log(6) / by
		}
		if !ok || math.Abs(after.Value-want) > 1e-12 {
			t.Errorf("%v %v: %g, want %g", s.Channel, s.Horizon, after.Value, want)
		}
	}
}

func TestGuardKeepsQuietOnSmallSites(t *testing.T) {
	var d detect.Detector
	p := peers()
	p.LargestDay = 2_000
	cases := []struct {
		records float64
		want    bool
	}{{20_000, false}, {299_000, false}, {301_000, true}}
	for _, c := range cases {
		v := settled()
		v.LearningDays, v.DayRecords = 2, c.records
		if f, got := d.Judge(&v, p, &finding.Shipped); got != c.want {
			t.Errorf("%g records: %v %+v", c.records, got, f)
		}
	}
	v := settled()
	v.LearningDays, v.DayRecords = 2, 5e6
	if _, got := d.Judge(&v, &finding.Peers{}, &finding.Shipped); got {
		t.Error("judged against a population that is not known yet")
	}
	if _, got := d.Judge(&v, nil, &finding.Shipped); got {
		t.Error("judged against no population")
	}
}

func TestSmallGroupFallsBack(t *testing.T) {
	var d detect.Detector
	for endpoint, want := range map[string]float64{
		"GET shop.example /customers/{id}": 9_000, // its own group
		"GET shop.example /small":          40_000,
		"GET shop.example /unheard":        40_000,
	} {
		v := settled()
		v.Endpoint = endpoint
		s, ok := find(d.Scores(&v, peers(), &finding.Shipped), finding.Peer, finding.Day, finding.Records)
		if !ok || s.Peers != want {
			t.Errorf("%s: peers %g, want %g", endpoint, s.Peers, want)
		}
	}
}

func TestUnknownIsNeverScored(t *testing.T) {
	var d detect.Detector
	for _, assurance := range []uint8{0, 1} {
		v := settled()
		v.Assurance, v.DayRecords, v.DayFresh = assurance, 1e9, 1e9
		if s := d.Scores(&v, peers(), &finding.Shipped); len(s) != 0 {
			t.Errorf("assurance %d scored: %+v", assurance, s)
		}
	}
}

func TestJudge(t *testing.T) {
	var d detect.Detector
	v := settled()
	if f, ok := d.Judge(&v, peers(), &finding.Shipped); ok {
		t.Fatalf("a usual day is a finding: %+v", f)
	}
	v.DayFresh, v.DayEnum, v.Arrival = 4_250, 5_800, true
	f, ok := d.Judge(&v, peers(), &finding.Shipped)
	if !ok {
		t.Fatal("no finding")
	}
	if f.Principal != v.ID || f.Time != v.Now || !f.Arrival || f.Top.Channel != finding.Fresh || f.Top != f.Scores[0] {
		t.Errorf("finding %+v", f)
	}
	for i, s := range f.Scores {
		if s.Ratio < 1 || i > 0 && s.Ratio > f.Scores[i-1].Ratio {
			t.Errorf("scores out of order or below the threshold: %+v", f.Scores)
		}
	}
	// 2.6e-3 a year x exp((1.09 - 2.0932593) / 0.12).
	if math.Abs(f.Confidence-6.083e-7) > 2e-10 {
		t.Errorf("confidence %g", f.Confidence)
	}
	before := f.Scores[0]
	d.Scores(&v, nil, &finding.Thresholds{})
	if f.Scores[0] != before {
		t.Error("the finding shares the detector's buffer")
	}
}

// More of anything observed never lowers a score.
func TestMonotone(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var d, e detect.Detector
	for range 20_000 {
		v := randomView(r)
		p := peers()
		less := append([]finding.Score(nil), d.Scores(&v, p, &finding.Shipped)...)
		for _, x := range []*float64{&v.HourRecords, &v.DayRecords, &v.DayFresh, &v.DayEnum, &v.Records6, &v.Fresh6, &v.Fresh27, &v.OffHours} {
			if r.IntN(2) == 0 {
				*x += r.ExpFloat64() * 1e4
			}
		}
		more := e.Scores(&v, p, &finding.Shipped)
		for _, a := range less {
			b, ok := findPair(more, a, less)
			if !ok || b < a.Value-1e-12 {
				t.Fatalf("%v %v fell from %g to %g (%v)", a.Channel, a.Horizon, a.Value, b, ok)
			}
		}
	}
}

// findPair gives the value in more of the row that a is in less: the peer channel may have two rows
// of one horizon, which divisors tell apart by rank.
func findPair(more []finding.Score, a finding.Score, less []finding.Score) (float64, bool) {
	rank := 0
	for _, s := range less {
		if s == a {
			break
		}
		if s.Channel == a.Channel && s.Horizon == a.Horizon && s.Unit == a.Unit {
			rank++
		}
	}
	for _, s := range more {
		if s.Channel == a.Channel && s.Horizon == a.Horizon && s.Unit == a.Unit {
			if rank == 0 {
				return s.Value, true
			}
			rank--
		}
	}
	return 0, false
}

func randomView(r *rand.Rand) ledger.View {
	x := func(scale float64) float64 { return r.ExpFloat64() * scale }
	v := settled()
	v.AgeDays, v.ActiveDays, v.RingDays, v.LearningDays = r.IntN(60), r.IntN(43), 42, r.IntN(60)
	v.MonthEnd, v.SawMonthEnd = r.IntN(2) == 0, r.IntN(2) == 0
	v.HourRecords, v.DayRecords, v.DayFresh, v.DayEnum = x(1e4), x(1e5), x(1e4), x(1e3)
	v.Records6, v.Fresh6, v.Fresh27, v.OffHours = x(1e5), x(1e4), x(1e4), x(1e3)
	v.HourMax, v.DayMax, v.WeekMax, v.FreshDayMax = x(1e3), x(1e4), x(1e5), x(1e3)
	v.Scale, v.WeekScale = 0.1+x(0.5), 0.05+x(0.5)
	v.Endpoint = []string{"GET shop.example /customers/{id}", "GET shop.example /small", ""}[r.IntN(3)]
	return v
}

func TestSameInputSameFinding(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	var used detect.Detector
	for range 2_000 {
		v := randomView(r)
		var virgin detect.Detector
		a, aok := used.Judge(&v, peers(), &finding.Shipped)
		b, bok := virgin.Judge(&v, peers(), &finding.Shipped)
		if diff := cmp.Diff(a, b); aok != bok || diff != "" {
			t.Fatal(diff)
		}
	}
}

// Whatever stands in a view, scores are finite and a spoilt baseline raises no alert.
func TestSpoiltNumbers(t *testing.T) {
	var d detect.Detector
	bad := []float64{math.NaN(), math.Inf(1), math.Inf(-1), -5, math.MaxFloat64}
	fields := reflect.TypeFor[ledger.View]()
	for i := range fields.NumField() {
		if fields.Field(i).Type.Kind() != reflect.Float64 {
			continue
		}
		for _, x := range bad {
			v := settled()
			reflect.ValueOf(&v).Elem().Field(i).SetFloat(x)
			for _, s := range d.Scores(&v, peers(), &finding.Shipped) {
				for _, y := range []float64{s.Value, s.Ratio, s.Observed, s.Own, s.Peers} {
					if math.IsNaN(y) || math.IsInf(y, 0) {
						t.Fatalf("%s = %g gives %+v", fields.Field(i).Name, x, s)
					}
				}
			}
			if f, ok := d.Judge(&v, peers(), &finding.Shipped); ok && (math.IsNaN(x) || x < 0) {
				t.Errorf("%s = %g is a finding: %+v", fields.Field(i).Name, x, f.Top)
			}
		}
	}
}

func TestScoresDoesNotAllocate(t *testing.T) {
	var d detect.Detector
	v, p := settled(), peers()
	if n := testing.AllocsPerRun(100, func() { d.Judge(&v, p, &finding.Shipped) }); n != 0 {
		t.Errorf("%g allocations", n)
	}
}
