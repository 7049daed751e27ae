// SPDX-License-Identifier: Apache-2.0

package population

import (
	"cmp"
	"maps"
	"math"
	"slices"

	"github.com/weir-project/weir/analyzer/finding"
	weirv1 "github.com/weir-project/weir/proto/wire/weir/v1"
)

const (
	partitions = 64
	maxPending = partitions * 8 * hoursPerDay // summaries of days that are not closed yet
	tailWeeks  = 12                           // weeks of clean scores that thresholds come from
)

// dailyRise is how much a mature population's p99.9 may rise from one day to the next: it doubles
// in a week at most, so that a slow campaign of many voters cannot lift it unseen. It may fall freely.
var dailyRise = math.Pow(2, 1.0/7)

// Folded counts what became of summaries.
type Folded struct {
	Taken     uint64
	Replaced  uint64 // a higher revision of a summary of a day still open
	Duplicate uint64 // already folded in, or an equal or lower revision
	Malformed uint64
	Full      uint64 // more summaries of open days than are kept
	Groups    uint64 // peer groups given up at the end of a day
}

type key struct {
	partition uint32
	hour      uint64
}

// State is what the owner knows of the population. Summaries of the open day wait as they came and
// are added up in one order when it closes, so the order in which they came does not matter. Not
// for concurrent use.
type State struct {
	// Folded counts what became of summaries, since the start.
	Folded Folded

	budget  float64
	pending map[key]*weirv1.PopulationSummary
	applied [partitions]uint64 // the last event hour folded in
	groups  map[string]*group
	weeks   []weekTails // newest first, no week left out
	last    *weirv1.PopulationState
}

// weekTails are the tails of one event week over all partitions, in the order of tailChannels.
type weekTails struct {
	number int64
	tails  [len(tailChannels)]*weirv1.ScoreTail
}

// NewState makes a State for a budget of false alerts per 10,000 principals a week (0: 1), that goes
// on from a version made earlier; nil: a new deployment.
func NewState(budget float64, from *weirv1.PopulationState) *State {
	if !(budget > 0) {
		budget = 1
	}
	s := &State{budget: budget, pending: map[key]*weirv1.PopulationSummary{}, groups: map[string]*group{"": {}}, last: from}
	if from == nil {
		return s
	}
	copy(s.applied[:], from.AppliedHours)
	for _, m := range from.Histograms {
		if m != nil && validPeers(m) {
			s.groups[m.Endpoint] = &group{}
			s.groups[m.Endpoint].merge(m)
		}
	}
	s.restoreWeeks(from)
	return s
}

// restoreWeeks reads tails as a State writes them: newest week first, a week's channels together.
func (s *State) restoreWeeks(from *weirv1.PopulationState) {
	n := len(tailChannels)
	newest := weekOf(closedThrough(from))
	for i := 0; i+n <= len(from.Tails) && i/n < tailWeeks; i += n {
		w := newWeek(newest - int64(i/n))
		for c := range w.tails {
			if t := from.Tails[i+c]; validTail(t) {
				mergeTail(w.tails[c], t)
			}
		}
		s.weeks = append(s.weeks, w)
	}
}

func newWeek(number int64) weekTails {
	w := weekTails{number: number}
	for i, c := range tailChannels {
		w.tails[i] = &weirv1.ScoreTail{Channel: c.String()}
	}
	return w
}

// closedThrough is the first event hour that a version knows nothing of. A version is in force from
// the hour after it, so that partitions have an hour to get it and all take it at the same event hour.
func closedThrough(m *weirv1.PopulationState) int64 { return int64(m.EventHour) - 1 }

// weekOf is the week of the last hour before an hour.
func weekOf(hour int64) int64 { return (hour - 1) / hoursPerWeek }

// Fold takes a summary once; it keeps m until its day is closed. Applying a summary again, or an
// older revision of it, changes nothing; a higher revision replaces it until then. It reports
// whether m was taken.
func (s *State) Fold(m *weirv1.PopulationSummary) bool {
	switch {
	case !validSummary(m):
		s.Folded.Malformed++
		return false
	case m.EventHour <= s.applied[m.Partition]:
		s.Folded.Duplicate++
		return false
	}
	k := key{m.Partition, m.EventHour}
	had := s.pending[k]
	switch {
	case had != nil && had.Revision >= m.Revision:
		s.Folded.Duplicate++
		return false
	case had != nil:
		s.Folded.Replaced++
	case len(s.pending) >= maxPending:
		s.Folded.Full++
		return false
	default:
		s.Folded.Taken++
	}
	s.pending[k] = m
	return true
}

// Close tells that an event hour is over. With the last hour of an event day it gives the next
// version, else nil. Versions count event days from the first one; days without traffic count too.
func (s *State) Close(hour int64) *weirv1.PopulationState {
	day := (hour + 1) / hoursPerDay
	var from int64
	if s.last != nil {
		if from = closedThrough(s.last) / hoursPerDay; from >= day {
			return nil
		}
	} else if len(s.pending) == 0 || s.firstDay() >= day {
		return nil
	} else {
		from = s.firstDay()
	}
	for from = max(from, day-memoryDays); from < day; from++ {
		s.closeDay(from + 1)
	}
	return s.last
}

// memoryDays is after how many days without traffic nothing is left of what was usual before. Longer
// stretches, such as the years behind one capture of old, are passed over but for so many days.
const memoryDays = 90

func (s *State) firstDay() int64 {
	first := int64(math.MaxInt64)
	for k := range s.pending {
		first = min(first, int64(k.hour/hoursPerDay))
	}
	return first
}

// openDay gives the last hour of the day that closes next, if anything is known of one.
func (s *State) openDay() (int64, bool) {
	if s.last != nil {
		open := closedThrough(s.last) + hoursPerDay - 1
		if len(s.pending) > 0 {
			open = max(open, (s.firstDay()-memoryDays)*hoursPerDay+hoursPerDay-1)
		}
		return open, true
	}
	if len(s.pending) == 0 {
		return 0, false
	}
	return s.firstDay()*hoursPerDay + hoursPerDay - 1, true
}

// closeDay folds in what lies before a day and makes the version of that day.
func (s *State) closeDay(day int64) {
	next := &weirv1.PopulationState{SchemaVersion: 1, Version: 1, EventHour: uint64(day*hoursPerDay + 1)}
	if s.last != nil {
		next.Version = s.last.Version + 1
		next.LargestDayRecords = s.last.LargestDayRecords
		next.Templates = s.last.Templates
	}
	s.openWeeks(weekOf(day * hoursPerDay))
	for _, m := range s.due(uint64(day * hoursPerDay)) {
		s.foldIn(m)
		next.LargestDayRecords = max(next.LargestDayRecords, m.LargestDayRecords)
	}
	s.Folded.Groups += uint64(keepLargest(s.groups))
	next.Peers = s.quantiles(next.Version)
	for _, g := range s.groups {
		g.decay(dayDecay)
	}
	maps.DeleteFunc(s.groups, func(name string, g *group) bool { return name != "" && g.votes() < 1 })
	for _, name := range slices.Sorted(maps.Keys(s.groups)) {
		next.Histograms = append(next.Histograms, s.groups[name].message(name))
	}
	next.AppliedHours = slices.Clone(s.applied[:])
	for _, w := range s.weeks {
		next.Tails = append(next.Tails, w.tails[:]...)
	}
	next.CleanPrincipalWeeks = principalWeeks(next.Tails)
	next.Thresholds = thresholdsOf(s.budget, s.last, next)
	s.last = next
}

// due takes the waiting summaries before an hour, in the order of partition and hour.
func (s *State) due(before uint64) []*weirv1.PopulationSummary {
	var out []*weirv1.PopulationSummary
	for k, m := range s.pending {
		if k.hour < before {
			out = append(out, m)
			delete(s.pending, k)
		}
	}
	slices.SortFunc(out, func(a, b *weirv1.PopulationSummary) int {
		return cmp.Or(cmp.Compare(a.Partition, b.Partition), cmp.Compare(a.EventHour, b.EventHour))
	})
	return out
}

func (s *State) foldIn(m *weirv1.PopulationSummary) {
	s.applied[m.Partition] = max(s.applied[m.Partition], m.EventHour)
	for _, p := range m.Peers {
		if s.groups[p.Endpoint] == nil {
			s.groups[p.Endpoint] = &group{}
		}
		s.groups[p.Endpoint].merge(p)
	}
	for _, t := range m.Tails {
		s.tail(int64(m.EventHour), t)
	}
}

// tail adds a tail to the week it was sent in; one that is too old or of no channel is passed over.
func (s *State) tail(hour int64, t *weirv1.ScoreTail) {
	c := slices.IndexFunc(tailChannels[:], func(c finding.Channel) bool { return c.String() == t.Channel })
	back := s.weeks[0].number - hour/hoursPerWeek
	if c >= 0 && back >= 0 && back < int64(len(s.weeks)) {
		// A fresh tail: the old one stands in versions handed out.
		sum := &weirv1.ScoreTail{Channel: t.Channel}
		mergeTail(sum, s.weeks[back].tails[c])
		mergeTail(sum, t)
		s.weeks[back].tails[c] = sum
	}
}

// openWeeks makes number the newest week.
func (s *State) openWeeks(number int64) {
	if len(s.weeks) == 0 || number-s.weeks[0].number > tailWeeks {
		s.weeks = []weekTails{newWeek(number)}
		return
	}
	for s.weeks[0].number < number {
		s.weeks = slices.Insert(s.weeks, 0, newWeek(s.weeks[0].number+1))
	}
	s.weeks = s.weeks[:min(len(s.weeks), tailWeeks)]
}

// quantiles gives the p99.9 of every group; once the deployment has settled they rise slowly.
func (s *State) quantiles(version uint64) []*weirv1.PeerQuantiles {
	had := map[string]*weirv1.PeerQuantiles{}
	if s.last != nil && version > votingAge {
		for _, q := range s.last.Peers {
			had[q.Endpoint] = q
		}
	}
	var out []*weirv1.PeerQuantiles
	for _, name := range slices.Sorted(maps.Keys(s.groups)) {
		g, old := s.groups[name], had[name]
		out = append(out, &weirv1.PeerQuantiles{
			Endpoint:        name,
			HourRecordsP999: rise(old.GetHourRecordsP999(), g.hour.quantile(peerLevel)),
			DayRecordsP999:  rise(old.GetDayRecordsP999(), g.day.quantile(peerLevel)),
			WeekRecordsP999: rise(old.GetWeekRecordsP999(), g.week.quantile(peerLevel)),
			WeekFreshP999:   rise(old.GetWeekFreshP999(), g.fresh.quantile(peerLevel)),
			PrincipalDays:   g.day.total,
		})
	}
	return out
}

func rise(old, now float64) float64 {
	if old > 0 {
		return min(now, old*dailyRise)
	}
	return now
}

// validSummary checks what came over the wire, so that no number in it can spoil the sums.
func validSummary(m *weirv1.PopulationSummary) bool {
	if m == nil || m.Partition >= partitions || m.EventHour == 0 || m.EventHour > math.MaxInt32 ||
		len(m.Peers) > maxGroups+1 || !(m.LargestDayRecords >= 0 && m.LargestDayRecords < 1e18) {
		return false
	}
	for _, p := range m.Peers {
		if p == nil || !validPeers(p) {
			return false
		}
	}
	return !slices.ContainsFunc(m.Tails, func(t *weirv1.ScoreTail) bool { return !validTail(t) })
}

// maxEndpoint bounds the name of a peer group.
const maxEndpoint = 2048

func validPeers(p *weirv1.PeerSummary) bool {
	return len(p.Endpoint) <= maxEndpoint && validHistogram(p.HourRecords) && validHistogram(p.DayRecords) &&
		validHistogram(p.WeekRecords) && validHistogram(p.WeekFresh)
}
