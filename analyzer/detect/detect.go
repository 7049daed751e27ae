// SPDX-License-Identifier: Apache-2.0

// Package detect judges principals: what one took, against its own largest and against its peers.
//
// It assumes views whose baselines the ledger derived at the last roll of the principal's day. It
// refuses clocks, randomness and state: the same view, peers and thresholds give the same finding.
//
// The scores are those of the detection notes, section 5.2: log ratios of a running value to a
// baseline, divided by how spiky the principal is, then by a reference level, so that one threshold
// serves a whole channel. More records never lower a score.
package detect

import (
	"cmp"
	"math"
	"slices"

	"github.com/weir-project/weir/analyzer/finding"
	"github.com/weir-project/weir/analyzer/ledger"
)

const (
	// learningDays is how long a deployment only learns: until then every principal looks new.
	learningDays = 7

	// unknownAssurance is the wire schema's number of a principal whose credential was lost;
	// smaller is unspecified. Neither is anybody, so neither is scored.
	unknownAssurance = 1

	// most is where inputs are clamped: far above any count, far below what overflows.
	most = 1e18
)

// maxScores is the number of rows of the score table and the guard.
const maxScores = 15

// Detector judges views. It owns the buffer it hands out and is not for concurrent use; the zero
// value is ready.
type Detector struct {
	scores []finding.Score
}

// Judge gives the finding that v amounts to, and whether there is one: a score that reaches the
// threshold of its channel. Peers may be nil (nobody to compare with). The finding owns its slices.
func (d *Detector) Judge(v *ledger.View, peers *finding.Peers, th *finding.Thresholds) (finding.Finding, bool) {
	scores := d.Scores(v, peers, th)
	if len(scores) == 0 || scores[0].Ratio < 1 {
		return finding.Finding{}, false
	}
	n := 1
	for n < len(scores) && scores[n].Ratio >= 1 {
		n++
	}
	top := scores[0]
	return finding.Finding{
		Principal:  v.ID,
		Time:       v.Now,
		Arrival:    v.Arrival,
		Top:        top,
		Scores:     slices.Clone(scores[:n]),
		Confidence: Confidence(top, th),
	}, true
}

// Scores gives every score of v that can be formed, those below the threshold too, largest ratio
// first. The slice is valid until the next call.
func (d *Detector) Scores(v *ledger.View, peers *finding.Peers, th *finding.Thresholds) []finding.Score {
	if cap(d.scores) < maxScores {
		d.scores = make([]finding.Score, 0, maxScores)
	}
	t := table{v: v, th: th, out: d.scores[:0], group: groupOf(v, peers)}
	if v.Assurance <= unknownAssurance {
		return t.out
	}
	t.guard(peers)
	if v.LearningDays >= learningDays {
		t.volume()
		t.fresh()
		t.look()
		t.peers()
		t.both()
	}
	slices.SortStableFunc(t.out, func(a, b finding.Score) int { return cmp.Compare(b.Ratio, a.Ratio) })
	d.scores = t.out
	return t.out
}

// Confidence gives how many findings at least this strong are expected per principal-year on clean
// traffic, from the exponential tail behind the threshold (detection notes, 5.4).
func Confidence(s finding.Score, th *finding.Thresholds) float64 {
	if s.Channel >= finding.NumChannels {
		return 0
	}
	rate, tail := th.Rate[s.Channel], th.Tail[s.Channel]
	if !(tail > 0) {
		return rate
	}
	return rate * math.Exp((th.Value[s.Channel]-s.Value)/tail)
}

// table is one pass over the score table.
type table struct {
	v     *ledger.View
	th    *finding.Thresholds
	group finding.Quantiles
	out   []finding.Score
}

// add enters one row: raw is the score before it is divided by its reference level. What is not a
// number has no score.
func (t *table) add(s finding.Score, raw, reference float64) {
	s.Value = raw / reference
	if math.IsNaN(s.Value) || math.IsInf(s.Value, 0) {
		return
	}
	s.Observed, s.Own, s.Peers = count(s.Observed), count(s.Own), count(s.Peers)
	if th := t.th.Value[s.Channel]; th > 0 {
		s.Ratio = s.Value / th
	}
	t.out = append(t.out, s)
}

// logRatio compares x with a baseline; the floor keeps small numbers from speaking. Infinite or
// undefined baselines give no number, so that a spoilt baseline is silence and not an alert.
func logRatio(x, baseline, floor float64) float64 {
	return math.Log((count(x) + floor) / (baseline + floor))
}

// count makes a usable number of an observed value.
func count(x float64) float64 {
	if !(x > 0) {
		return 0
	}
	return min(x, most)
}
