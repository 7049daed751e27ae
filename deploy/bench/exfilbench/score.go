// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"sort"
)

// dedup is how long a token stays alerted: it costs one false alert in that time.
const dedup = 7 * daySeconds

// readAlerts reads an alerts file in time order, leaving out what came before scoring begins, and
// says whether it has scores.
func readAlerts(path string, from int64) (alerts []alert, scored bool, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, false, fmt.Errorf("read alerts: %w", err)
	}
	defer f.Close()
	lines := csv.NewReader(f)
	lines.FieldsPerRecord = -1
	for {
		fields, err := lines.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, false, fmt.Errorf("read %s: %w", path, err)
		}
		if a, ok := parseAlert(fields); ok && a.time >= from {
			alerts = append(alerts, a)
			scored = scored || len(fields) > 3
		}
	}
	slices.SortStableFunc(alerts, func(a, b alert) int { return int(a.time - b.time) })
	return alerts, scored, nil
}

// scorer holds alerts against the truth.
type scorer struct {
	truth  *truth
	starts map[string]*crime
}

func newScorer(t *truth) *scorer {
	s := &scorer{truth: t, starts: map[string]*crime{}}
	for i := range t.Attacks {
		s.starts[t.Attacks[i].Token] = &t.Attacks[i]
	}
	return s
}

// falseAlerts counts, by kind, alerts on clean tokens or before their attack, one per token and
// seven days.
func (s *scorer) falseAlerts(alerts []alert, threshold float64) map[string]int {
	last, count := map[string]int64{}, map[string]int{}
	for _, a := range alerts {
		if c := s.starts[a.token]; a.score < threshold || c != nil && a.time >= c.Start {
			continue
		}
		if l, ok := last[a.token]; !ok || a.time-l >= dedup {
			count[a.kind]++
			last[a.token] = a.time
		}
	}
	return count
}

// cleanMaxima gives the largest clean score of every token and week, descending: their rank is the
// number of false alerts.
func (s *scorer) cleanMaxima(alerts []alert) []float64 {
	type tokenWeek struct {
		token string
		week  int64
	}
	best := map[tokenWeek]float64{}
	for _, a := range alerts {
		if c := s.starts[a.token]; c != nil && a.time >= c.Start {
			continue
		}
		k := tokenWeek{a.token, (a.time - epoch) / dedup}
		best[k] = max(best[k], a.score)
	}
	var out []float64
	for _, x := range best {
		out = append(out, x)
	}
	sort.Sort(sort.Reverse(sort.Float64Slice(out)))
	return out
}

// exceededBy gives the score that k of x exceed; below one by an exponential tail through the
// largest twenty, as in peaks over threshold.
func exceededBy(x []float64, k float64) float64 {
	n := len(x)
	m := min(20, n-1)
	switch {
	case n == 0:
		return 1
	case m < 1:
		return x[0] * 1.5
	case k >= float64(m):
		return x[min(int(k), n-1)] * 1.0001
	}
	u, b := x[m], 0.0
	for _, y := range x[:m] {
		b += (y - u) / float64(m)
	}
	q := u + b*math.Log(float64(m)/math.Max(k, 1e-6))
	if k >= 1 {
		q = math.Max(q, x[int(k)]*1.0001)
	}
	return q
}

// found is the first alert on an attack.
type found struct {
	time int64
	kind string
}

// firstAlerts gives, by token, the first alert during the attack or the day after it.
func (s *scorer) firstAlerts(alerts []alert, threshold float64) map[string]found {
	first := map[string]found{}
	for _, a := range alerts {
		c := s.starts[a.token]
		if a.score < threshold || c == nil || a.time < c.Start || a.time > c.End+daySeconds {
			continue
		}
		if f, ok := first[a.token]; !ok || a.time < f.time {
			first[a.token] = found{a.time, a.kind}
		}
	}
	return first
}

// result is what became of the attacks of one shape.
type result struct {
	shape        string
	n, detected  int
	leakedShare  []float64 // per attack, 1 if missed
	leaked       []float64 // records
	hours        []float64 // to the alert, of those detected
	firstToSpeak map[string]int
}

func (s *scorer) results(first map[string]found) map[string]*result {
	out := map[string]*result{}
	for i := range s.truth.Attacks {
		c := &s.truth.Attacks[i]
		total := c.total()
		if total == 0 {
			continue
		}
		r := out[c.Shape]
		if r == nil {
			r = &result{shape: c.Shape, firstToSpeak: map[string]int{}}
			out[c.Shape] = r
		}
		r.n++
		leaked := total
		if f, ok := first[c.Token]; ok {
			r.detected++
			r.firstToSpeak[f.kind]++
			r.hours = append(r.hours, float64(f.time-c.Start)/3600)
			leaked = c.leaked(f.time)
		}
		r.leaked = append(r.leaked, leaked)
		r.leakedShare = append(r.leakedShare, leaked/total)
	}
	return out
}

// campaign is the view of a spread theft as one: the first alert on any of its tokens.
type campaign struct {
	shape         string
	number        int
	hours         float64 // to the first alert; negative: none
	leaked, total float64
}

func (s *scorer) campaigns(first map[string]found) []campaign {
	at := map[int]int64{}
	for token, f := range first {
		if n := s.starts[token].Campaign; at[n] == 0 || f.time < at[n] {
			at[n] = f.time
		}
	}
	byNumber := map[int]*campaign{}
	var out []*campaign
	for i := range s.truth.Attacks {
		c := &s.truth.Attacks[i]
		if c.Campaign == 0 {
			continue
		}
		v := byNumber[c.Campaign]
		if v == nil {
			v = &campaign{shape: c.Shape, number: c.Campaign, hours: -1}
			byNumber[c.Campaign] = v
			out = append(out, v)
		}
		v.total += c.total()
		if t := at[c.Campaign]; t != 0 {
			v.hours = float64(t-c.Start) / 3600
			v.leaked += c.leaked(t)
		}
	}
	list := make([]campaign, 0, len(out))
	for _, v := range out {
		list = append(list, *v)
	}
	return list
}

// score prints the table of an alerts file. With scores in it and a budget, the threshold is set on
// this same run, which flatters.
func score(out io.Writer, dir, path string, budget float64) error {
	t, err := readTruth(dir)
	if err != nil {
		return err
	}
	alerts, scored, err := readAlerts(path, t.ScoreFrom)
	if err != nil {
		return err
	}
	s, threshold := newScorer(t), math.Inf(-1)
	if scored && budget > 0 {
		threshold = exceededBy(s.cleanMaxima(alerts), budget*t.weeks()*float64(t.Clean)/1e4)
		fmt.Fprintf(out, "threshold %.4g, set on this same run\n", threshold)
	}
	first := s.firstAlerts(alerts, threshold)
	report(out, t, s.falseAlerts(alerts, threshold), s.results(first), s.campaigns(first))
	return nil
}
