// SPDX-License-Identifier: Apache-2.0

package population

import (
	"math"
	"slices"

	"github.com/weir-project/weir/analyzer/finding"
	weirv1 "github.com/weir-project/weir/proto/wire/weir/v1"
)

// InForce is one version as detect wants it. It is shared and must not be changed.
type InForce struct {
	Version    uint64 // 0: nothing known yet, shipped thresholds
	EventHour  int64  // in force from
	Peers      *finding.Peers
	Thresholds *finding.Thresholds
}

// NewInForce converts a version; nil gives the shipped thresholds of a budget and no peers.
func NewInForce(m *weirv1.PopulationState, budget float64) *InForce {
	if m == nil {
		return &InForce{Peers: &finding.Peers{}, Thresholds: Shipped(budget)}
	}
	return &InForce{Version: m.Version, EventHour: int64(m.EventHour), Peers: Peers(m), Thresholds: Thresholds(m, budget)}
}

// Peers gives the peer quantiles of a version.
func Peers(m *weirv1.PopulationState) *finding.Peers {
	p := &finding.Peers{Version: m.Version, EventHour: int64(m.EventHour), LargestDay: m.LargestDayRecords, ByEndpoint: map[string]finding.Quantiles{}}
	for _, q := range m.Peers {
		f := finding.Quantiles{
			HourRecords: q.HourRecordsP999, DayRecords: q.DayRecordsP999, WeekRecords: q.WeekRecordsP999,
			WeekFresh: q.WeekFreshP999, PrincipalDays: q.PrincipalDays,
		}
		if q.Endpoint == "" {
			p.All = f
		} else {
			p.ByEndpoint[q.Endpoint] = f
		}
	}
	return p
}

// Thresholds gives the thresholds of a version, with how often clean traffic exceeds them; budget is
// the one they were made for. A channel that the version does not name, or names with no usable
// number, has the shipped threshold.
func Thresholds(m *weirv1.PopulationState, budget float64) *finding.Thresholds {
	if !(budget > 0) {
		budget = 1
	}
	t := finding.Shipped
	t.Version = m.Version
	for _, c := range m.Thresholds {
		i := slices.IndexFunc(tailChannels[:], func(have finding.Channel) bool { return have.String() == c.Channel })
		if i < 0 || !(c.Threshold > 0) || math.IsInf(c.Threshold, 0) {
			continue
		}
		t.Value[tailChannels[i]] = c.Threshold
		t.Rate[tailChannels[i]], t.Tail[tailChannels[i]] = rateOf(m, budget, i, c.Threshold)
	}
	return &t
}

// rateOf mixes what the shipped tail and the population's own say, with the weights that the
// threshold was mixed with.
func rateOf(m *weirv1.PopulationState, budget float64, channel int, threshold float64) (rate, tail float64) {
	c := tailChannels[channel]
	rate, tail = shippedRate(c, threshold), finding.Shipped.Tail[c]
	x := unionTail(m.Tails, channel)
	share := ownShare(budget, m.CleanPrincipalWeeks)
	if share == 0 || len(x) <= tailDepth {
		return rate, tail
	}
	own := tailOf(x, 0, threshold)
	if !(own > 0) {
		return rate, tail
	}
	ownRate := weeksPerYear * tailDepth / m.CleanPrincipalWeeks * math.Exp(min(0, (x[tailDepth]-threshold)/own))
	return rate + share*(ownRate-rate), tail + share*(own-tail)
}
