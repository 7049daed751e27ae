// SPDX-License-Identifier: Apache-2.0

package population

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/weir-project/weir/analyzer/finding"
	"github.com/weir-project/weir/analyzer/ledger"
	weirv1 "github.com/weir-project/weir/proto/wire/weir/v1"
)

const nanosPerWeek = hoursPerWeek * 3600 * 1e9

// week holds the largest scores of every principal seen in one event week (weeks of the Unix epoch).
type week struct {
	number int64
	maxima map[finding.ID]*maximum
}

// maximum is one principal-week. It is clean as long as no incident on the principal is open.
type maximum struct {
	network netip.Prefix
	score   [len(tailChannels)]float32
	dirty   bool
}

// note enters scores and says whether there was room.
func (w *week) note(v *ledger.View, scores []finding.Score, open bool) bool {
	m := w.maxima[v.ID]
	if m == nil {
		if len(w.maxima) >= maxWeek {
			return false
		}
		if w.maxima == nil {
			w.maxima = map[finding.ID]*maximum{}
		}
		m = &maximum{network: networkOf(v.ID, v)}
		w.maxima[v.ID] = m
	}
	m.dirty = m.dirty || open
	for _, s := range scores {
		if i := slices.Index(tailChannels[:], s.Channel); i >= 0 {
			m.score[i] = max(m.score[i], float32(s.Value))
		}
	}
	return true
}

// closeWeek gives the tails that are due with an hour, nil if none are.
func (s *Summariser) closeWeek(hour int64) []*weirv1.ScoreTail {
	if len(s.finished.maxima) > 0 {
		done := s.finished
		s.finished = week{}
		return done.tails(s.open)
	}
	if len(s.week.maxima) == 0 || (hour+1)/hoursPerWeek <= s.week.number {
		return nil
	}
	done := s.week
	s.week = week{number: done.number}
	return done.tails(s.open)
}

// tails gives the largest clean maxima of each channel. A network counts once in each, by its
// largest, and the week counts networks: many credentials of one network weigh as one.
func (w *week) tails(open func(finding.ID) bool) []*weirv1.ScoreTail {
	best := map[netip.Prefix]*[len(tailChannels)]float32{}
	for id, m := range w.maxima {
		if m.dirty || open(id) {
			continue
		}
		b := best[m.network]
		if b == nil {
			b = &[len(tailChannels)]float32{}
			best[m.network] = b
		}
		for i, x := range m.score {
			b[i] = max(b[i], x)
		}
	}
	var out []*weirv1.ScoreTail
	for i, c := range tailChannels {
		t := &weirv1.ScoreTail{Channel: c.String(), PrincipalWeeks: uint64(len(best))}
		for _, b := range best {
			if b[i] > 0 {
				t.Scores = append(t.Scores, float64(b[i]))
			}
		}
		t.Scores = largest(t.Scores)
		out = append(out, t)
	}
	return out
}

// largest sorts scores in descending order and keeps the first hundred.
func largest(x []float64) []float64 {
	slices.SortFunc(x, func(a, b float64) int { return cmp.Compare(b, a) })
	return slices.Clip(x[:min(len(x), maxTail)])
}

// mergeTail adds src to dst: the union's largest hundred.
func mergeTail(dst, src *weirv1.ScoreTail) {
	dst.Scores = largest(append(dst.Scores, src.Scores...))
	dst.PrincipalWeeks += src.PrincipalWeeks
}

func validTail(t *weirv1.ScoreTail) bool {
	if t == nil || len(t.Scores) > maxTail || t.PrincipalWeeks > maxCount {
		return false
	}
	for _, x := range t.Scores {
		if !(x >= 0 && x < 1e6) {
			return false
		}
	}
	return true
}
