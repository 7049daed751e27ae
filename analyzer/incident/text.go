// SPDX-License-Identifier: Apache-2.0

package incident

import (
	"encoding/hex"
	"math"
	"strconv"
	"time"

	"github.com/weir-project/weir/analyzer/finding"
)

// exact is up to how many objects the ledger remembers each by itself; above, a sketch estimates.
const exact = 64

// kinds are the credential kinds of the wire schema in words.
var kinds = [...]string{
	"", "no credential", "bearer token", "JWT", "Basic credential", "API key", "cookie",
	"key in the query", "client certificate", "signed request", "credential",
}

var titles = [finding.NumChannels]string{
	finding.Volume:   "more records than it ever took",
	finding.Peer:     "more records than its peers ever take",
	finding.OffHours: "records at hours it never works",
	finding.Enum:     "walks through ids",
	finding.Fresh:    "records it had never read before",
	finding.Guard:    "more records than anyone ever took",
}

// Short is the part of a principal's id that people read: its first 8 hex digits.
func Short(principal [16]byte) string { return hex.EncodeToString(principal[:4]) }

// Title says in a few words who did what.
func Title(inc *Incident) string {
	what := "unusual taking"
	if d := inc.Detector; d > 0 && d < finding.NumChannels {
		what = titles[d]
	}
	return "Principal " + Short(inc.Principal) + ": " + what
}

// Sentence says what was taken, since when, against what it is unusual, from where, and how sure:
// one sentence, every number of which is in the incident. Sums are compared with sums over equal
// horizons only.
func Sentence(inc *Incident) string {
	b := make([]byte, 0, 512)
	b = appendWho(b, inc)
	b = appendTaken(b, inc)
	b = appendUsual(b, inc)
	b = appendFrom(b, inc)
	b = appendSensitive(b, inc)
	b = appendSure(b, inc)
	if inc.ClosedAt != 0 {
		b = append(b, "; closed: nothing unusual since "...)
		b = appendTime(b, inc.LastEvidence)
	}
	return string(append(b, '.'))
}

func appendWho(b []byte, inc *Incident) []byte {
	b = append(b, "Principal "...)
	b = append(b, Short(inc.Principal)...)
	kind := ""
	if int(inc.Kind) < len(kinds) {
		kind = kinds[inc.Kind]
	}
	if kind == "" && inc.Label == "" {
		return b
	}
	b = append(b, " ("...)
	b = append(b, kind...)
	if inc.Label != "" {
		if kind != "" {
			b = append(b, ", "...)
		}
		b = append(b, printable(inc.Label)...)
	}
	return append(b, ')')
}

// appendTaken leaves the figures out where there are none: a taking slower than the principal's
// usual rate has no run to count from.
func appendTaken(b []byte, inc *Incident) []byte {
	t := &inc.Taken
	if t.Requests == 0 && t.Records == 0 {
		b = append(b, " takes more than usual"...)
	} else {
		b = append(b, " took "...)
		b = appendMany(b, t.Records, "record")
		b = append(b, " in "...)
		b = appendMany(b, t.Requests, "request")
		b = append(b, " ("...)
		b = appendBytes(b, t.ResponseBytes)
		b = append(b, ')')
	}
	if inc.Endpoint != "" {
		b = append(b, ", mostly from "...)
		b = append(b, printable(inc.Endpoint)...)
		b = append(b, ',')
	}
	b = append(b, " since "...)
	b = appendTime(b, inc.Start)
	if t.FreshObjects == 0 {
		return b
	}
	b = append(b, ", and "...)
	if t.FreshObjects > exact || inc.Known > exact {
		b = append(b, "about "...)
	}
	b = appendCount(b, float64(t.FreshObjects))
	return append(b, " of the objects in them were new to it"...)
}

func appendUsual(b []byte, inc *Incident) []byte {
	s := inc.Top
	b = append(b, "; "...)
	switch s.Horizon {
	case finding.Hour:
		b = append(b, "in the running hour "...)
	case finding.Day:
		b = append(b, "in the running day "...)
	case finding.Week:
		b = append(b, "in 7 days "...)
	case finding.Month:
		b = append(b, "in 28 days "...)
	}
	b = append(b, "it took "...)
	if s.Channel == finding.OffHours {
		b = append(b, "about "...) // a decayed sum
	}
	b = appendUnits(b, s)
	if s.Channel == finding.OffHours {
		b = append(b, " at hours it never works"...)
	}
	b = append(b, ", where "...)
	switch {
	case s.Own > 0:
		b = append(b, "at most "...)
		b = appendCount(b, s.Own)
		b = append(b, " is usual for it"...)
		b = appendTimes(b, s.Observed, s.Own)
	case s.Peers <= 0:
		return append(b, "none is usual for it"...)
	}
	if s.Peers <= 0 {
		return b
	}
	if s.Own > 0 {
		b = append(b, " and "...)
	}
	if s.Channel == finding.Guard {
		b = appendCount(b, s.Peers)
		b = append(b, " is the most anyone ever took"...)
	} else {
		b = append(b, "at most "...)
		b = appendCount(b, s.Peers)
		b = append(b, " for 99.9% of its peers"...)
	}
	return appendTimes(b, s.Observed, s.Peers)
}

func appendUnits(b []byte, s finding.Score) []byte {
	switch s.Unit {
	case finding.FreshObjects:
		if s.Observed > exact {
			b = append(b, "about "...)
		}
		b = appendCount(b, s.Observed)
		return append(b, " objects it had never read"...)
	case finding.ObjectLookups:
		b = appendCount(b, s.Observed)
		return append(b, " sequential or refused look-ups"...)
	}
	b = appendCount(b, s.Observed)
	return append(b, " records"...)
}

func appendFrom(b []byte, inc *Incident) []byte {
	if len(inc.Addresses) == 0 || inc.Addressed == 0 || !inc.Addresses[0].Address.IsValid() {
		return b
	}
	top := inc.Addresses[0]
	share := min(100, 100*float64(top.Records)/float64(inc.Addressed))
	b = append(b, "; "...)
	b = strconv.AppendInt(b, int64(share), 10)
	b = append(b, "% of its records went to "...)
	b = top.Address.AppendTo(b)
	if top.FirstSeen > 0 {
		b = append(b, ", first seen "...)
		b = appendTime(b, top.FirstSeen)
	}
	return b
}

func appendSensitive(b []byte, inc *Incident) []byte {
	if !inc.SensitiveInspected {
		return append(b, "; sensitive fields: not inspected"...)
	}
	b = append(b, "; "...)
	return appendMany(b, inc.Taken.SensitiveObjects, "sensitive object")
}

func appendSure(b []byte, inc *Incident) []byte {
	b = append(b, "; "...)
	b = strconv.AppendFloat(b, math.Floor(inc.Top.Ratio*10)/10, 'f', 1, 64)
	b = append(b, " times the alert threshold"...)
	if c := inc.Confidence; c > 0 {
		b = append(b, ", expected once in "...)
		b = appendCount(b, max(1, 1/c))
		b = append(b, " principal-years of clean traffic"...)
	}
	return b
}

func appendTimes(b []byte, observed, usual float64) []byte {
	times := observed / usual
	b = append(b, " ("...)
	if times >= 10 {
		b = appendCount(b, times)
	} else {
		b = strconv.AppendFloat(b, math.Floor(times*10)/10, 'f', 1, 64)
	}
	return append(b, "x)"...)
}

func appendTime(b []byte, t int64) []byte {
	return time.Unix(0, t).UTC().AppendFormat(b, "2006-01-02 15:04 UTC")
}

func appendMany(b []byte, n uint64, noun string) []byte {
	b = appendDigits(b, strconv.FormatUint(n, 10))
	b = append(append(b, ' '), noun...)
	if n != 1 {
		b = append(b, 's')
	}
	return b
}

// appendCount writes a whole number with thousands apart.
func appendCount(b []byte, x float64) []byte {
	if math.IsNaN(x) || x < 0 {
		x = 0
	}
	return appendDigits(b, strconv.FormatFloat(math.Floor(min(x, 1e18)), 'f', 0, 64))
}

func appendDigits(b []byte, s string) []byte {
	for i := range len(s) {
		if i > 0 && (len(s)-i)%3 == 0 {
			b = append(b, ',')
		}
		b = append(b, s[i])
	}
	return b
}

func appendBytes(b []byte, n uint64) []byte {
	if n < 1000 {
		return append(strconv.AppendUint(b, n, 10), " B"...)
	}
	x, unit := float64(n), 0
	for x >= 999.95 && unit < len("kMGTPE") {
		x, unit = x/1000, unit+1
	}
	b = strconv.AppendFloat(b, x, 'f', 1, 64)
	return append(b, ' ', "BkMGTPE"[unit], 'B')
}
