// SPDX-License-Identifier: Apache-2.0

package wire

import (
	weirv1 "github.com/weir-project/weir/proto/wire/weir/v1"
)

// ParseLine reads one line of JSON Lines into out, whose former content is replaced. Unknown keys
// are passed over, null means absent, a value of a wrong type is a *LineError that names its key.
// A line with no known key leaves out empty. The result does not refer to line.
func ParseLine(line []byte, out *Line) error {
	*out = Line{}
	r := reader{buf: line}
	wrapped := 0
	r.object(func(key []byte) {
		r.key = key
		switch string(r.key) {
		case "rollup":
			out.Rollup = parseRollup(&r)
			wrapped++
		case "principal_link":
			out.Link = parseLink(&r)
			wrapped++
		case "capture":
			out.Capture = parseCapture(&r)
			wrapped++
		default:
			exchangeKey(&r, out)
		}
	})
	if r.err == nil && r.peek() != 0 {
		r.key = nil
		r.fail("more after the end of the object")
	}
	if out.Exchange != nil {
		wrapped++
	}
	if r.err == nil && wrapped > 1 {
		r.key = nil
		r.fail("more than one thing in one line")
	}
	if r.err != nil {
		*out = Line{}
	}
	return r.err
}

// ValidateLine checks a line's bounds, ids, texts and times as Validate checks a batch's.
func ValidateLine(l *Line) error {
	c := checker{partition: Unpartitioned, stream: true}
	switch {
	case l.Exchange != nil:
		c.exchange(l.Exchange)
	case l.Rollup != nil:
		c.rollup(l.Rollup)
	case l.Link != nil:
		c.link(l.Link)
	case l.Capture != nil:
		c.span("capture", l.Capture.StartUnixNano, l.Capture.EndUnixNano)
		c.counters(l.Capture.Counters)
	}
	return c.err
}

func exchangeKey(r *reader, out *Line) {
	x := out.Exchange
	if x == nil {
		x = &weirv1.Exchange{}
	}
	if parseWho(r, x) || parseWhere(r, x) || parseWhat(r, x) || parseSizes(r, x) || parseObjects(r, x) || parseQuality(r, x) {
		out.Exchange = x
		return
	}
	r.skip()
}

func parseLink(r *reader) *weirv1.PrincipalLink {
	l := &weirv1.PrincipalLink{}
	r.object(func(key []byte) {
		r.key = key
		switch string(r.key) {
		case "older_id":
			l.OlderId = r.id()
		case "principal_id":
			l.PrincipalId = r.id()
		case "principal_assurance":
			l.PrincipalAssurance = weirv1.Assurance(r.enum(assurances))
		case "evidence":
			l.Evidence = weirv1.LinkEvidence(r.enum(evidences))
		case "time_unix_nano":
			l.TimeUnixNano = r.u64()
		case "undo":
			l.Undo = r.flag()
		default:
			r.skip()
		}
	})
	return l
}

func parseCapture(r *reader) *weirv1.CaptureCounters {
	c := &weirv1.CaptureCounters{}
	r.object(func(key []byte) {
		r.key = key
		switch string(r.key) {
		case "start_unix_nano":
			c.StartUnixNano = r.u64()
		case "end_unix_nano":
			c.EndUnixNano = r.u64()
		case "counters":
			c.Counters = nil
			r.array(func() { c.Counters = append(c.Counters, parseCounter(r)) })
		default:
			r.skip()
		}
	})
	return c
}

func parseCounter(r *reader) *weirv1.Counter {
	n := &weirv1.Counter{}
	r.object(func(key []byte) {
		r.key = key
		switch string(r.key) {
		case "name":
			n.Name = r.text()
		case "reason":
			n.Reason = r.text()
		case "scope":
			n.Scope = r.text()
		case "value":
			n.Value = r.u64()
		default:
			r.skip()
		}
	})
	return n
}
