// SPDX-License-Identifier: Apache-2.0

package population

import (
	"bytes"
	"cmp"
	"maps"
	"net/netip"
	"slices"

	"github.com/weir-project/weir/analyzer/finding"
	"github.com/weir-project/weir/analyzer/ledger"
	weirv1 "github.com/weir-project/weir/proto/wire/weir/v1"
)

const (
	hoursPerDay  = 24
	hoursPerWeek = 7 * hoursPerDay

	// votingAge is how old, in days, a principal must be to say what is usual, and a deployment to ask.
	votingAge = 28

	// learningDays is how long a deployment only learns; detect holds the same number.
	learningDays = 7

	maxGroups   = 64      // peer groups beside the whole population
	maxVotes    = 1 << 17 // votes a partition buffers within an event hour
	maxNetworks = 1 << 16 // networks a partition remembers as having voted today
	maxWeek     = 1 << 17 // principals a partition keeps weekly maxima of
	maxTail     = 100     // scores a tail keeps
)

// tailChannels are the channels whose thresholds come from the population, in wire order. The
// guard's does not: its score is a comparison with the population already.
var tailChannels = [...]finding.Channel{finding.Volume, finding.Peer, finding.OffHours, finding.Enum, finding.Fresh}

// Dropped counts what a Summariser's bounds turned away.
type Dropped struct {
	Votes    uint64 // more votes within an hour than are buffered
	Networks uint64 // votes of more networks than are remembered
	Maxima   uint64 // principals beyond those whose weekly maxima are kept
	Groups   uint64 // peer groups that counted only towards the whole population
}

// Summariser collects one partition's votes and weekly maxima and gives a summary per closed event
// hour. The result does not depend on the order of calls within an hour. Not for concurrent use.
type Summariser struct {
	// Dropped counts what bounds turned away, since the start.
	Dropped Dropped

	partition uint32
	open      func(finding.ID) bool
	votes     []vote
	claims    map[netip.Prefix]finding.ID // the voice of each network on claimDay
	claimDay  int64
	week      week
	finished  week // a week that ended before its summary was asked for
	started   bool // the first week, of which only the end may have been seen, is behind
}

// vote is one hour or one day of a principal, waiting for the end of the event hour.
type vote struct {
	id         finding.ID
	network    netip.Prefix
	endpoint   string
	hour       float64
	day        float64
	fresh      float64
	week       float64
	weekFresh  float64
	isDay      bool
	countsWeek bool
}

// NewSummariser makes the summariser of a partition. Open says whether a principal has an open
// incident; nil: nobody has.
func NewSummariser(partition uint32, open func(finding.ID) bool) *Summariser {
	if open == nil {
		open = func(finding.ID) bool { return false }
	}
	return &Summariser{partition: partition, open: open, claims: map[netip.Prefix]finding.ID{}}
}

// Hour is the ledger's hook for a principal's closed hour. The view is not kept.
func (s *Summariser) Hour(id finding.ID, v *ledger.View, _ int64, records float64) {
	if records > 0 && s.mayVote(id, v) {
		s.push(vote{id: id, network: networkOf(id, v), endpoint: v.Endpoint, hour: records})
	}
}

// Day is the ledger's hook for a principal's closed day, with sums over the seven days that end
// with it. The view is not kept.
func (s *Summariser) Day(id finding.ID, v *ledger.View, _ int64, records, fresh, records7, fresh7 float64) {
	if records > 0 && s.mayVote(id, v) {
		s.push(vote{
			id: id, network: networkOf(id, v), endpoint: v.Endpoint, isDay: true, countsWeek: v.RingDays >= 3,
			day: records, fresh: fresh, week: records7, weekFresh: fresh7,
		})
	}
}

func (s *Summariser) push(v vote) {
	if len(s.votes) >= maxVotes {
		s.Dropped.Votes++
		return
	}
	s.votes = append(s.votes, v)
}

func (s *Summariser) mayVote(id finding.ID, v *ledger.View) bool {
	if weirv1.Assurance(v.Assurance) <= weirv1.Assurance_ASSURANCE_UNKNOWN || s.open(id) {
		return false
	}
	return v.LearningDays <= votingAge || v.AgeDays >= votingAge
}

// Scores takes what detect made of a view: the largest score of each channel and principal-week
// is what thresholds come from. Scores on arrival teach nothing and are passed over, so are those of
// a deployment's learning days; the week in which a Summariser begins is not a whole one and gives
// no tails, or it would make quiet weeks of half weeks.
func (s *Summariser) Scores(v *ledger.View, scores []finding.Score) {
	if v.Arrival || v.LearningDays < learningDays || weirv1.Assurance(v.Assurance) <= weirv1.Assurance_ASSURANCE_UNKNOWN {
		return
	}
	if number := (v.Now - 1) / nanosPerWeek; number != s.week.number {
		if s.started {
			s.finished = s.week
		}
		s.started = s.week.number != 0
		s.week = week{number: number}
	}
	if !s.started {
		return
	}
	if !s.week.note(v, scores, s.open(v.ID)) {
		s.Dropped.Maxima++
	}
}

// Close ends an event hour and gives its summary. Tails of a week come with its last hour, or with
// the first hour closed after it. The message is the caller's.
func (s *Summariser) Close(hour int64) *weirv1.PopulationSummary {
	if day := hour / hoursPerDay; day != s.claimDay {
		s.claimDay = day
		clear(s.claims)
	}
	s.claimNetworks()
	m := &weirv1.PopulationSummary{SchemaVersion: 1, Partition: s.partition, EventHour: uint64(hour), Revision: 1}
	groups := map[string]*group{"": {}}
	voices := map[finding.ID]struct{}{}
	for i := range s.votes {
		v := &s.votes[i]
		if s.claims[v.network] != v.id {
			continue
		}
		voices[v.id] = struct{}{}
		m.LargestDayRecords = max(m.LargestDayRecords, v.day)
		v.count(groups[""])
		if v.endpoint != "" {
			if groups[v.endpoint] == nil {
				groups[v.endpoint] = &group{}
			}
			v.count(groups[v.endpoint])
		}
	}
	m.Principals = uint64(len(voices))
	s.votes = s.votes[:0]
	s.Dropped.Groups += uint64(keepLargest(groups))
	for _, endpoint := range slices.Sorted(maps.Keys(groups)) {
		if groups[endpoint].votes() > 0 {
			m.Peers = append(m.Peers, groups[endpoint].message(endpoint))
		}
	}
	m.Tails = s.closeWeek(hour)
	return m
}

// claimNetworks gives each network that has no voice today the smallest id that voted this hour.
func (s *Summariser) claimNetworks() {
	slices.SortStableFunc(s.votes, func(a, b vote) int { return bytes.Compare(a.id[:], b.id[:]) })
	for i := range s.votes {
		v := &s.votes[i]
		if _, taken := s.claims[v.network]; taken {
			continue
		}
		if len(s.claims) >= maxNetworks {
			s.Dropped.Networks++
			continue
		}
		s.claims[v.network] = v.id
	}
}

func (v *vote) count(g *group) {
	if !v.isDay {
		g.hour.add(v.hour)
		return
	}
	g.day.add(v.day)
	if v.countsWeek {
		g.week.add(v.week)
		g.fresh.add(v.weekFresh)
	}
}

// keepLargest deletes the groups with the fewest votes beyond maxGroups and says how many.
func keepLargest(groups map[string]*group) int {
	over := len(groups) - 1 - maxGroups
	if over <= 0 {
		return 0
	}
	names := slices.DeleteFunc(slices.Collect(maps.Keys(groups)), func(n string) bool { return n == "" })
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Or(cmp.Compare(groups[a].votes(), groups[b].votes()), cmp.Compare(a, b))
	})
	for _, n := range names[:over] {
		delete(groups, n)
	}
	return over
}

// networkOf gives the network a principal speaks for: that of its busiest address. One without an
// address speaks for itself: its id stands in as an address of the discard-only prefix (RFC 6666).
func networkOf(id finding.ID, v *ledger.View) netip.Prefix {
	if len(v.Addresses) == 0 || !v.Addresses[0].Address.IsValid() {
		var a [16]byte
		copy(a[:], id[:])
		a[0], a[1] = 0x01, 0x00
		return netip.PrefixFrom(netip.AddrFrom16(a), 128)
	}
	a := v.Addresses[0].Address.Unmap().WithZone("")
	bits := 48
	switch {
	case a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast():
		bits = a.BitLen()
	case a.Is4():
		bits = 24
	}
	p, err := a.Prefix(bits)
	if err != nil {
		panic("BUG: network of " + a.String() + ": " + err.Error())
	}
	return p
}
