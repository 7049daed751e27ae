// SPDX-License-Identifier: Apache-2.0

package score

import (
	"path"
	"slices"
	"strings"
)

// gather sorts everything by capture and ends.
func (s *tally) gather(truth []Truth, captures []Capture, observed []Observed) {
	for i := range truth {
		t := &truth[i]
		if !s.wanted(t.Classes) {
			continue
		}
		s.classes[t.Capture] = t.Classes
		p := placeOf(t.Capture, t.Client, t.Server)
		s.note(p)
		s.truth[p] = append(s.truth[p], t)
	}
	for i := range captures {
		c := &captures[i]
		if !s.wanted(c.Classes) {
			continue
		}
		if _, is := s.classes[c.Name]; !is {
			s.classes[c.Name] = c.Classes
		}
		if c.Truth == "none" {
			s.unknown[c.Name] = true
		}
	}
	for i := range observed {
		o := &observed[i]
		name := path.Base(o.Capture)
		if _, is := s.classes[name]; !is {
			s.res.Unknown++
			continue
		}
		s.res.Outputs++
		p := placeOf(name, o.Client, o.Server)
		s.note(p)
		s.observed[p] = append(s.observed[p], o)
	}
}

func (s *tally) wanted(classes []string) bool {
	return s.opt.OnlyClasses == nil || slices.ContainsFunc(classes, func(c string) bool { return slices.Contains(s.opt.OnlyClasses, c) })
}

func (s *tally) note(p place) {
	if len(s.truth[p])+len(s.observed[p]) == 0 {
		s.order = append(s.order, p)
	}
}

// must says whether an exchange has to be found.
func (s *tally) must(t *Truth) bool {
	return t.Strict && (t.Method != "" || s.opt.Orphans) && (t.Status != 0 || !s.opt.IgnoreNoResponse) &&
		(t.Status != 101 || !strings.Contains(strings.ToLower(t.Upgrade), "h2c"))
}

// compare matches what was told between two ends with what is true: first by method and target,
// those that must be found before the others, then what must be found by either of the two.
func (s *tally) compare(p place) {
	var ts []*Truth
	for _, must := range []bool{true, false} {
		for _, t := range s.truth[p] {
			if s.must(t) == must {
				ts = append(ts, t)
			}
		}
	}
	os := s.observed[p]
	used := make([]bool, len(os))
	match := make([]*Observed, len(ts))
	for _, loose := range []bool{false, true} {
		for n, t := range ts {
			if match[n] != nil || loose && !s.must(t) {
				continue
			}
			if i := candidate(t, os, used, loose); i >= 0 {
				used[i], match[n] = true, os[i]
			}
		}
	}
	for n, t := range ts {
		s.judge(p.capture, t, match[n])
	}
	if s.unknown[p.capture] {
		return
	}
	for i, o := range os {
		if used[i] {
			continue
		}
		s.res.Extra++
		s.each(p.capture, func(c *Class) { c.Extra++ })
		s.extra = append(s.extra, Miss{Observed: o})
	}
}

// candidate is the unused exchange that contradicts the truth in the fewest fields, the first of
// equals; -1 if none has its method and target, or with loose its method or target.
func candidate(t *Truth, os []*Observed, used []bool, loose bool) int {
	best, fewest := -1, 0
	for i, o := range os {
		if used[i] {
			continue
		}
		method, target := o.Method == t.Method, targetRight(t.Target, o.Path)
		if !(method && target) && !(loose && (method || target)) {
			continue
		}
		if n := len(contradictions(t, o)); best < 0 || n < fewest {
			best, fewest = i, n
			if n == 0 {
				break
			}
		}
	}
	return best
}

// judge counts what became of one exchange; o is nil if it was not told.
func (s *tally) judge(capture string, t *Truth, o *Observed) {
	if !s.must(t) {
		if o != nil {
			s.res.Optional++
		}
		return
	}
	by := s.by[capture]
	if by == nil {
		by = &perCapture{}
		s.by[capture] = by
	}
	by.expected++
	s.res.Expected++
	s.each(capture, func(c *Class) { c.Expected++ })
	if o == nil {
		s.missed = append(s.missed, Miss{Truth: t})
		return
	}
	by.matched++
	s.res.Matched++
	bad := contradictions(t, o)
	if endpoint(o.Client) != endpoint(t.Client) {
		bad = append(bad, "direction")
	}
	for _, f := range t.Check {
		s.res.Compared[f]++
	}
	for _, f := range bad {
		s.res.Wrong[f]++
	}
	s.each(capture, func(c *Class) {
		c.Matched++
		if len(bad) == 0 {
			c.Exact++
		}
		for _, f := range bad {
			if c.Wrong == nil {
				c.Wrong = map[string]int{}
			}
			c.Wrong[f]++
		}
	})
	if len(bad) > 0 {
		s.wrong = append(s.wrong, Miss{Truth: t, Observed: o, Fields: bad})
		return
	}
	by.exact++
	s.res.Exact++
}

func (s *tally) each(capture string, fn func(*Class)) {
	for _, name := range s.classes[capture] {
		c := s.res.Classes[name]
		fn(&c)
		s.res.Classes[name] = c
	}
}

// finish makes the means.
func (s *tally) finish() {
	r := &s.res
	r.Captures, r.WithTruth = len(s.classes), len(s.by)
	var matched, exact float64
	for _, p := range s.order { // not s.by: sums of floats depend on their order
		by := s.by[p.capture]
		if by == nil {
			continue
		}
		delete(s.by, p.capture)
		matched += share(by.matched, by.expected)
		exact += share(by.exact, by.expected)
		if by.matched == by.expected {
			r.AllMatched++
		}
		if by.exact == by.expected {
			r.AllExact++
		}
	}
	if n := float64(r.WithTruth); n > 0 {
		r.MeanMatched, r.MeanExact = matched/n, exact/n
	}
	r.Misses = slices.Concat(s.missed, s.wrong, s.extra)
}
