// SPDX-License-Identifier: Apache-2.0

package incident

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/weir-project/weir/analyzer/finding"
	"github.com/weir-project/weir/analyzer/ledger"
)

// begin sets the start of an incident, and the totals from which its figures count.
func (inc *Incident) begin(v *ledger.View, f *finding.Finding) {
	total := figures(&v.Total)
	if v.Run.Start == 0 {
		inc.Start = floorMinute(f.Time)
		inc.base = total
		return
	}
	inc.Start = floorMinute(v.Run.Start)
	inc.base = Figures{
		Requests:         less(total.Requests, v.Run.Requests),
		Records:          less(total.Records, v.Run.Records),
		ResponseBytes:    less(total.ResponseBytes, v.Run.ResponseBytes),
		FreshObjects:     less(total.FreshObjects, v.Run.FreshObjects),
		SensitiveObjects: total.SensitiveObjects,
	}
}

func figures(t *ledger.Totals) Figures {
	return Figures{
		Requests: t.Requests, Records: t.Records, ResponseBytes: t.ResponseBytes,
		FreshObjects: t.FreshObjects, SensitiveObjects: t.SensitiveObjects,
	}
}

// refresh brings figures and descriptions up to a view.
func (inc *Incident) refresh(v *ledger.View) {
	total := figures(&v.Total)
	inc.Taken = Figures{
		Requests:         less(total.Requests, inc.base.Requests),
		Records:          less(total.Records, inc.base.Records),
		ResponseBytes:    less(total.ResponseBytes, inc.base.ResponseBytes),
		FreshObjects:     less(total.FreshObjects, inc.base.FreshObjects),
		SensitiveObjects: less(total.SensitiveObjects, inc.base.SensitiveObjects),
	}
	inc.Now = v.Now
	inc.Assurance, inc.Kind, inc.Known = v.Assurance, v.Kind, v.Known
	inc.Label, inc.Endpoint, inc.Software = printable(v.Label), printable(v.Endpoint), printable(v.Software)
	inc.SensitiveInspected = v.Total.SensitiveInspected
	if len(v.Addresses) > 0 {
		inc.Addresses = append(inc.Addresses[:0], v.Addresses[:min(len(v.Addresses), maxList)]...)
		inc.Addressed = v.Total.Records
		if v.Run.Start != 0 {
			inc.Addressed = v.Run.Records
		}
	}
	if len(v.Exemplars) > 0 {
		inc.Exemplars = inc.Exemplars[:0]
		for _, e := range v.Exemplars[:min(len(v.Exemplars), maxList)] {
			e.RequestID, e.ServerName = printable(e.RequestID), printable(e.ServerName)
			e.Method, e.Template = printable(e.Method), printable(e.Template)
			inc.Exemplars = append(inc.Exemplars, e)
		}
	}
}

// judge quotes the finding.
func (inc *Incident) judge(f *finding.Finding) {
	inc.Top, inc.Confidence = f.Top, f.Confidence
	inc.Scores = append(inc.Scores[:0], f.Scores[:min(len(f.Scores), maxScores)]...)
	inc.Channels |= 1 << (f.Top.Channel & 7)
	for _, s := range f.Scores {
		inc.Channels |= 1 << (s.Channel & 7)
	}
}

// evidence says whether a finding shows that the taking goes on, and remembers its long sums.
func (inc *Incident) evidence(f *finding.Finding) bool {
	evident := inc.grows(f.Top)
	for _, s := range f.Scores {
		if inc.grows(s) {
			evident = true
		}
	}
	return evident
}

func (inc *Incident) grows(s finding.Score) bool {
	if s.Horizon == finding.Hour || s.Horizon == finding.Day {
		return true
	}
	if s.Horizon < finding.Week || s.Horizon > finding.Month || s.Unit < finding.Records || s.Unit > finding.ObjectLookups {
		return false
	}
	peak := &inc.peak[s.Horizon-finding.Week][s.Unit-1]
	if s.Observed <= *peak*growth {
		return false
	}
	*peak = s.Observed
	return true
}

// taken is what severity counts: fresh sensitive objects, or fresh objects while sensitive classes
// are not inspected; all records where no object of the principal could ever be told from another.
func (inc *Incident) taken() float64 {
	if inc.Known == 0 && inc.Taken.FreshObjects == 0 {
		return float64(inc.Taken.Records)
	}
	fresh := float64(inc.Taken.FreshObjects)
	for _, s := range inc.Scores { // a taking slower than the usual rate has no run to count from
		if s.Unit == finding.FreshObjects {
			fresh = max(fresh, s.Observed-s.Own)
		}
	}
	if inc.SensitiveInspected {
		return min(fresh, float64(inc.Taken.SensitiveObjects))
	}
	return fresh
}

func (inc *Incident) doubled() bool {
	return inc.Taken.Records >= 2*max(inc.told.records, minDoubling) ||
		inc.Taken.FreshObjects >= 2*max(inc.told.fresh, minDoubling)
}

// tell makes the next revision.
func (inc *Incident) tell(kind ChangeKind, now int64) Change {
	inc.Revision++
	inc.Updated = now
	inc.told = marks{inc.Taken.Records, inc.Taken.FreshObjects}
	return Change{Kind: kind, Time: now, Incident: inc.clone()}
}

func (inc *Incident) clone() Incident {
	c := *inc
	c.Scores, c.Addresses, c.Exemplars = slices.Clone(c.Scores), slices.Clone(c.Addresses), slices.Clone(c.Exemplars)
	return c
}

// less subtracts, and stops at zero: a link that was undone can take from a principal's totals.
func less(a, b uint64) uint64 {
	if a < b {
		return 0
	}
	return a - b
}

// printable bounds a text that came from traffic and replaces what a terminal or a reader could
// mistake: control and format characters, line ends, and bytes that are not UTF-8.
func printable(s string) string {
	if len(s) > maxText {
		cut := maxText
		for cut > 0 && !utf8.RuneStart(s[cut]) {
			cut--
		}
		s = s[:cut]
	}
	return strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !(r == ' ' || unicode.IsGraphic(r)) || (unicode.IsSpace(r) && r != ' ') {
			return '?'
		}
		return r
	}, s)
}
