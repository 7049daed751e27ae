// SPDX-License-Identifier: Apache-2.0

package population

import (
	"math"
	"slices"

	"github.com/weir-project/weir/analyzer/finding"
	weirv1 "github.com/weir-project/weir/proto/wire/weir/v1"
)

const (
	// enoughWeeks is the number of clean principal-weeks below which only shipped thresholds count.
	enoughWeeks = 2000
	tailDepth   = 20 // the exponential tail goes through this many of the largest scores

	weeksPerYear = 365.25 / 7
	perAlerts    = 10_000 // a budget is false alerts per so many principal-weeks

	weeklyDrift  = 0.05 // a threshold moves by 5 % a week at most
	lowestShare  = 0.7  // and never leaves these shares of the shipped one
	highestShare = 2.0
)

// channelWeight is each channel's part of the budget (detection notes, 5.4); they add up to 6.
var channelWeight = [finding.NumChannels]float64{finding.Volume: 1, finding.Peer: 1, finding.OffHours: 0.5, finding.Enum: 0.5, finding.Fresh: 3}

const weights = 6

// Shipped gives the shipped thresholds for a budget of false alerts per 10,000 principals a week:
// those of budget 1 moved along their exponential tails.
func Shipped(budget float64) *finding.Thresholds {
	t := finding.Shipped
	if !(budget > 0) {
		return &t
	}
	for _, c := range tailChannels {
		t.Value[c] = max(t.Value[c]-t.Tail[c]*math.Log(budget), lowestShare*t.Value[c])
		t.Rate[c] = shippedRate(c, t.Value[c])
	}
	return &t
}

// shippedRate is how often a clean score exceeds x per principal-year, as the shipped tail says.
func shippedRate(c finding.Channel, x float64) float64 {
	return finding.Shipped.Rate[c] * math.Exp((finding.Shipped.Value[c]-x)/finding.Shipped.Tail[c])
}

// thresholdsOf makes the thresholds of a version.
//
// A channel's share of the budget over the clean principal-weeks N behind the tails is
// k = budget x N / 10,000 x weight / 6: the sum over channels bounds the union, so the union stays
// within the budget without knowing which scores coincide. Its own threshold is the score that k
// clean principal-weeks exceed (ownThreshold). What counts is the shipped threshold while N < 2,000,
// then a mean of both (ownShare); it moves by at most 5 % a week and stays between 0.7 and 2 times
// the shipped one, so that no one can teach it to be deaf or make it shout.
func thresholdsOf(budget float64, last, next *weirv1.PopulationState) []*weirv1.ChannelThreshold {
	shipped := Shipped(budget)
	had := map[string]float64{}
	if last != nil {
		for _, t := range last.Thresholds {
			had[t.Channel] = t.Threshold
		}
	}
	day := math.Pow(1+weeklyDrift, 1.0/7)
	var out []*weirv1.ChannelThreshold
	for i, c := range tailChannels {
		now := had[c.String()]
		if !(now > 0) || math.IsInf(now, 0) {
			now = shipped.Value[c]
		}
		want := shipped.Value[c]
		t := unionTail(next.Tails, i)
		if share := ownShare(budget, next.CleanPrincipalWeeks); share > 0 && len(t) > tailDepth {
			k := budget * next.CleanPrincipalWeeks / perAlerts * channelWeight[c] / weights
			want += share * (ownThreshold(t, k, now) - want)
		}
		want = min(max(want, now/day), now*day)
		want = min(max(want, lowestShare*finding.Shipped.Value[c]), highestShare*finding.Shipped.Value[c])
		out = append(out, &weirv1.ChannelThreshold{Channel: c.String(), Threshold: want})
	}
	return append(out, &weirv1.ChannelThreshold{Channel: finding.Guard.String(), Threshold: finding.Shipped.Value[finding.Guard]})
}

// ownShare is the weight of a population's own scores: K / (K + 1) for K false alerts that the budget
// expects of the principal-weeks beyond the first 2,000. Where one alert is expected the own threshold
// counts half; below that it lies beyond every score seen, and is a guess about the tail.
func ownShare(budget, principalWeeks float64) float64 {
	k := budget * (principalWeeks - enoughWeeks) / perAlerts
	if !(k > 0) {
		return 0
	}
	return k / (k + 1)
}

// ownThreshold gives the score that k clean principal-weeks exceed: an exponential tail through the
// largest 20 scores x over the 21st, u (peaks over threshold, as in Siffer et al., KDD 2017, with
// shape 0).
//
// Scores beyond the threshold in force, now, open incidents and are not among the clean ones. To leave
// them out would make the tail look shorter each time, and the threshold sink; the budget says that
// k of them were clean, so k scores count as cut off at now (a censored exponential sample). With
// k >= 1 it is never below the largest score that raised no alert.
func ownThreshold(x []float64, k, now float64) float64 {
	tail := tailOf(x, k, now)
	q := x[tailDepth] + tail*math.Log((tailDepth+k)/k)
	if k >= 1 {
		q = max(q, x[0])
	}
	return q
}

func tailOf(x []float64, k, now float64) float64 {
	u, sum := x[tailDepth], k*max(0, now-x[tailDepth])
	for _, s := range x[:tailDepth] {
		sum += s - u
	}
	return sum / tailDepth
}

// unionTail merges the weeks of one channel; tails stand newest week first, channels together.
func unionTail(tails []*weirv1.ScoreTail, channel int) []float64 {
	var out []float64
	for i := channel; i < len(tails); i += len(tailChannels) {
		out = append(out, tails[i].Scores...)
	}
	slices.Sort(out)
	slices.Reverse(out)
	return out[:min(len(out), maxTail)]
}

// principalWeeks is the number of clean principal-weeks behind tails. Every channel of a week counts
// the same principals.
func principalWeeks(tails []*weirv1.ScoreTail) float64 {
	n := uint64(0)
	for week := range slices.Chunk(tails, len(tailChannels)) {
		most := uint64(0)
		for _, t := range week {
			most = max(most, t.PrincipalWeeks)
		}
		n += most
	}
	return float64(n)
}
