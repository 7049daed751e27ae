// SPDX-License-Identifier: Apache-2.0

package population

import (
	"math"

	weirv1 "github.com/weir-project/weir/proto/wire/weir/v1"
)

const (
	binWidth  = 0.12 // in ln x: 13 %
	maxBins   = 160  // the last begins at 1.7e8
	minVotes  = 20   // below this a histogram has no quantile
	dayDecay  = 0.93
	peerLevel = 0.999
)

// histogram is a log histogram: bin 0 counts values below 1, bin k those with
// k = 1 + floor(ln x / 0.12). Counts are whole numbers until a day is closed, so that sums do not
// depend on their order.
type histogram struct {
	bins  [maxBins]float64
	total float64
}

func (h *histogram) add(x float64) {
	h.bins[binOf(x)]++
	h.total++
}

func binOf(x float64) int {
	if !(x >= 1) {
		return 0
	}
	return min(1+int(min(math.Log(x)/binWidth, maxBins)), maxBins-1)
}

func (h *histogram) decay(by float64) {
	for i := range h.bins {
		h.bins[i] *= by
	}
	h.total *= by
}

// quantile gives the upper edge of the bin that holds q, and 0 while too few have voted.
func (h *histogram) quantile(q float64) float64 {
	if h.total < minVotes {
		return 0
	}
	above := 0.0
	for i := maxBins - 1; i > 0; i-- {
		above += h.bins[i]
		if above > h.total*(1-q) {
			return math.Exp(binWidth * float64(i))
		}
	}
	return 1
}

// merge adds a message's counts; it has been checked.
func (h *histogram) merge(m *weirv1.LogHistogram) {
	if m == nil {
		return
	}
	for i, bin := range m.Bins {
		h.bins[bin] += m.Counts[i]
		h.total += m.Counts[i]
	}
}

// message gives the wire form, nil when nothing is in it.
func (h *histogram) message() *weirv1.LogHistogram {
	if h.total == 0 {
		return nil
	}
	m := &weirv1.LogHistogram{}
	for i, c := range h.bins {
		if c != 0 {
			m.Bins = append(m.Bins, uint32(i))
			m.Counts = append(m.Counts, c)
		}
	}
	return m
}

// maxCount bounds one bin of a message: more than any fleet has principals.
const maxCount = 1e12

func validHistogram(m *weirv1.LogHistogram) bool {
	if m == nil {
		return true
	}
	if len(m.Bins) != len(m.Counts) || len(m.Bins) > maxBins {
		return false
	}
	for i, bin := range m.Bins {
		if bin >= maxBins || !(m.Counts[i] >= 0 && m.Counts[i] <= maxCount) {
			return false
		}
	}
	return true
}

// group holds the four histograms of one peer group.
type group struct {
	hour, day, week, fresh histogram
}

func (g *group) merge(m *weirv1.PeerSummary) {
	g.hour.merge(m.HourRecords)
	g.day.merge(m.DayRecords)
	g.week.merge(m.WeekRecords)
	g.fresh.merge(m.WeekFresh)
}

func (g *group) decay(by float64) {
	g.hour.decay(by)
	g.day.decay(by)
	g.week.decay(by)
	g.fresh.decay(by)
}

func (g *group) votes() float64 { return g.hour.total + g.day.total }

func (g *group) message(endpoint string) *weirv1.PeerSummary {
	return &weirv1.PeerSummary{
		Endpoint:    endpoint,
		HourRecords: g.hour.message(),
		DayRecords:  g.day.message(),
		WeekRecords: g.week.message(),
		WeekFresh:   g.fresh.message(),
	}
}
