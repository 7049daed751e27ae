// SPDX-License-Identifier: Apache-2.0

package population_test

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/weir-project/weir/analyzer/finding"
	"github.com/weir-project/weir/analyzer/ledger"
	"github.com/weir-project/weir/analyzer/population"
	weirv1 "github.com/weir-project/weir/proto/wire/weir/v1"
)

const endpoint = "GET shop.example /customers/{id}"

func id(n int) finding.ID {
	var i finding.ID
	binary.BigEndian.PutUint64(i[:], uint64(n))
	return i
}

// voter is an accepted principal of 30 days in a network of its own.
func voter(n int) *ledger.View {
	return &ledger.View{
		ID: id(n), Assurance: 3, AgeDays: 30, LearningDays: 60, RingDays: 30, Endpoint: endpoint,
		Addresses: []ledger.AddressShare{{Address: netip.AddrFrom4([4]byte{1, byte(n >> 8), byte(n), 7})}},
	}
}

func group(m *weirv1.PopulationSummary, name string) *weirv1.PeerSummary {
	for _, p := range m.Peers {
		if p.Endpoint == name {
			return p
		}
	}
	return nil
}

func votes(h *weirv1.LogHistogram) (n float64) {
	for _, c := range h.GetCounts() {
		n += c
	}
	return n
}

func TestWhoVotes(t *testing.T) {
	cases := []struct {
		name   string
		change func(*ledger.View)
		open   bool
		want   float64
	}{
		{"usual", func(*ledger.View) {}, false, 1},
		{"unknown credential", func(v *ledger.View) { v.Assurance = 1 }, false, 0},
		{"open incident", func(*ledger.View) {}, true, 0},
		{"27 days old", func(v *ledger.View) { v.AgeDays = 27 }, false, 0},
		{"27 days old, as is the deployment", func(v *ledger.View) { v.AgeDays, v.LearningDays = 27, 27 }, false, 1},
		{"1 day old, deployment 28", func(v *ledger.View) { v.AgeDays, v.LearningDays = 1, 28 }, false, 1},
		{"1 day old, deployment 29", func(v *ledger.View) { v.AgeDays, v.LearningDays = 1, 29 }, false, 0},
		{"no address", func(v *ledger.View) { v.Addresses = nil }, false, 1},
	}
	for _, c := range cases {
		s := population.NewSummariser(0, func(finding.ID) bool { return c.open })
		v := voter(1)
		c.change(v)
		s.Hour(v.ID, v, 100, 50)
		s.Day(v.ID, v, 4, 500, 50, 3000, 300)
		m := s.Close(100)
		for _, name := range []string{"", endpoint} {
			g := group(m, name)
			if votes(g.GetHourRecords()) != c.want || votes(g.GetDayRecords()) != c.want || votes(g.GetWeekFresh()) != c.want {
				t.Errorf("%s: group %q is %v, want %g votes", c.name, name, g, c.want)
			}
		}
		if (m.LargestDayRecords > 0) != (c.want > 0) || m.Principals != uint64(c.want) {
			t.Errorf("%s: largest day %g of %d", c.name, m.LargestDayRecords, m.Principals)
		}
	}
}

func TestOneVoicePerNetwork(t *testing.T) {
	at := func(n int, address string) *ledger.View {
		v := voter(n)
		v.Addresses[0].Address = netip.MustParseAddr(address)
		return v
	}
	cases := []struct {
		name string
		a, b string
		want float64
	}{
		{"same /24", "203.0.113.5", "203.0.113.77", 1},
		{"other /24", "203.0.113.5", "203.0.112.5", 2},
		{"same /48", "2001:db8:1:2::1", "2001:db8:1:3::1", 1},
		{"other /48", "2001:db8:1:2::1", "2001:db8:2:2::1", 2},
		{"mapped", "203.0.113.5", "::ffff:203.0.113.9", 1},
		{"private addresses are networks", "10.0.0.1", "10.0.0.2", 2},
		{"private, same address", "10.0.0.1", "10.0.0.1", 1},
	}
	for _, c := range cases {
		s := population.NewSummariser(0, nil)
		s.Hour(id(1), at(1, c.a), 48, 10)
		s.Hour(id(2), at(2, c.b), 48, 90)
		if got := votes(group(s.Close(48), "").HourRecords); got != c.want {
			t.Errorf("%s: %g votes, want %g", c.name, got, c.want)
		}
		// The voice stays with whom it was given for the day, and is free on the next.
		s.Hour(id(2), at(2, c.b), 49, 90)
		if got := votes(group(s.Close(49), "").GetHourRecords()); got != c.want-1 {
			t.Errorf("%s: an hour later %g votes, want %g", c.name, got, c.want-1)
		}
		s.Hour(id(2), at(2, c.b), 72, 90)
		if got := votes(group(s.Close(72), "").HourRecords); got != 1 {
			t.Errorf("%s: a day later %g votes, want 1", c.name, got)
		}
	}
}

// The order of hooks within an hour changes nothing.
func TestSummaryIgnoresOrder(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	var want *weirv1.PopulationSummary
	for range 20 {
		s := population.NewSummariser(3, nil)
		for _, n := range r.Perm(500) {
			v := voter(n)
			v.Addresses[0].Address = netip.AddrFrom4([4]byte{1, 2, byte(n / 3), byte(n)}) // three to a network
			s.Hour(v.ID, v, 100, float64(n)+1)
			s.Day(v.ID, v, 3, float64(n)*9+1, 5, 77, 8)
		}
		m := s.Close(100)
		if want == nil {
			want = m
		}
		if diff := cmp.Diff(want, m, protocmp.Transform()); diff != "" {
			t.Fatal(diff)
		}
	}
	if want.Principals != 167 {
		t.Errorf("%d voices, want 167", want.Principals)
	}
}

func score(c finding.Channel, x float64) []finding.Score {
	return []finding.Score{{Channel: c, Value: x}}
}

const (
	hour = int64(3600e9)
	week = 168 * hour
)

func tail(m *weirv1.PopulationSummary, c finding.Channel) *weirv1.ScoreTail {
	for _, t := range m.Tails {
		if t.Channel == c.String() {
			return t
		}
	}
	return nil
}

func TestWeeklyTails(t *testing.T) {
	dirty := id(999)
	s := population.NewSummariser(0, func(i finding.ID) bool { return i == dirty })
	note := func(n int, now int64, x float64) {
		v := voter(n)
		v.Now = now
		s.Scores(v, score(finding.Volume, x))
	}
	const first = 2760 // a week of the epoch
	note(1, first*week+5*hour, 9)
	if m := s.Close(first*168 + 167); m.Tails != nil {
		t.Fatalf("tails of a week that was not seen whole: %v", m.Tails)
	}
	for n := range 150 {
		note(n, (first+1)*week+hour, float64(n)/100)
		note(n, (first+1)*week+2*hour, float64(n)/200) // the maximum counts
	}
	arrival := voter(7)
	arrival.Now, arrival.Arrival = (first+1)*week+hour, true
	s.Scores(arrival, score(finding.Volume, 50))
	dirty = id(149) // an incident opened during the week
	if m := s.Close((first+1)*168 + 166); m.Tails != nil {
		t.Fatal("tails before the end of the week")
	}
	got := tail(s.Close((first+1)*168+167), finding.Volume)
	if got == nil || len(got.Scores) != 100 || got.PrincipalWeeks != 149 || float32(got.Scores[0]) != 1.48 || float32(got.Scores[99]) != 0.49 {
		t.Fatalf("tail %v", got)
	}
	if m := s.Close((first+1)*168 + 168); m.Tails != nil {
		t.Fatal("tails twice")
	}
	// A week whose last hour was never asked for comes with the next hour.
	note(3, (first+2)*week+hour, 0.5)
	note(3, (first+3)*week+hour, 0.25)
	if got := tail(s.Close((first+3)*168+1), finding.Volume); len(got.GetScores()) != 1 || got.Scores[0] != 0.5 {
		t.Fatalf("late tail %v", got)
	}
	if got := tail(s.Close((first+3)*168+167), finding.Volume); len(got.GetScores()) != 1 || got.Scores[0] != 0.25 {
		t.Fatalf("tail after a late one %v", got)
	}
}

func TestManyGroupsAreBounded(t *testing.T) {
	s := population.NewSummariser(0, nil)
	for n := range 300 {
		v := voter(n)
		v.Endpoint = "GET shop.example /e" + string(rune('a'+n%26)) + string(rune('a'+n/26))
		for range 1 + n%3 {
			s.Hour(v.ID, v, 100, 5)
		}
	}
	m := s.Close(100)
	if len(m.Peers) != 65 || s.Dropped.Groups != 300-64 || votes(group(m, "").HourRecords) != 600 {
		t.Errorf("%d groups, %+v", len(m.Peers), s.Dropped)
	}
	for _, p := range m.Peers[1:] {
		if votes(p.HourRecords) != 3 {
			t.Errorf("kept a small group: %v", p)
		}
	}
}
