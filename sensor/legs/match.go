// SPDX-License-Identifier: Apache-2.0

package legs

import (
	"bytes"

	"github.com/weir-project/weir/sensor/exchange"
)

// bond is how much of two legs fits.
type bond uint8

const (
	apart     bond = iota
	related        // an id, the proxy's host and the times fit
	byTraceID      // and so do method and path; but traces are shared by calls that are no legs
	byReqID        // likewise, and the request ids are equal
)

// fits says whether o may be the outer and i the inner leg of one exchange.
func fits(o, i *leg) bond {
	if o == i || o.x.ID == i.x.ID || o.server != i.client || !within(o, i) {
		return apart
	}
	request := len(o.x.RequestID) > 0 && bytes.Equal(o.x.RequestID, i.x.RequestID)
	trace := o.x.TraceIDHash != 0 && o.x.TraceIDHash == i.x.TraceIDHash
	switch {
	case !request && !trace:
		return apart
	case !bytes.Equal(o.x.Method, i.x.Method) || !samePath(&o.x, &i.x) || mute(o.latest(), i.latest()):
		return related
	case request:
		return byReqID
	}
	return byTraceID
}

// within says whether the inner leg's time lies in the outer's. A proxy asks after it was asked: where
// the hosts allow both orders the one that began first is the outer one, without slack.
func within(o, i *leg) bool {
	early := int64(slack)
	if i.server == o.client {
		early = 0
	}
	if i.x.Start < o.x.Start-early {
		return false
	}
	if end := o.latest(); end.Last {
		inner := i.latest()
		if i.x.Start > end.PartEnd+early || inner.Last && inner.PartEnd > end.PartEnd+slack {
			return false
		}
	}
	return true
}

// samePath allows for a prefix that the proxy adds or takes away.
func samePath(o, i *exchange.Exchange) bool {
	return len(o.Template) > 0 && bytes.Equal(o.Template, i.Template) || isTail(o.Path, i.Path) || isTail(i.Path, o.Path)
}

func isTail(long, tail []byte) bool {
	return len(tail) > 0 && tail[0] == '/' && bytes.HasSuffix(long, tail)
}

// mute says whether the inner leg's answer was not seen though the outer's was: its sizes are no truth.
func mute(o, i *exchange.Exchange) bool {
	return i.Last && i.Status == 0 && o.Status != 0 || i.Coverage == exchange.OneSided && o.Coverage != exchange.OneSided
}

// each calls f for every other leg that has an id of e, once.
func (j *Joiner) each(e *leg, f func(m *leg)) {
	for k, key := range e.key {
		if key == 0 {
			continue
		}
		for m := j.groups[key]; m != nil; m = m.after(key) {
			again := k == byTrace && e.key[byRequest] != 0 && m.key[byRequest] == e.key[byRequest]
			if m != e && !again {
				f(m)
			}
		}
	}
}

// direction says which leg is looked for.
type direction uint8

const (
	outward direction = iota + 1
	inward
)

func (d direction) fits(e, m *leg) bond {
	if d == outward {
		return fits(m, e)
	}
	return fits(e, m)
}

func (d direction) other() direction { return outward + inward - d }

// sole gives the one leg that fits e in a direction, nil where none does or more than one. Copies of one
// exchange, as on both sides of an address translation, are one leg: any of them stands for it. A request
// id outweighs a trace; a trace alone suffices where it belongs to no other leg that is so much as
// related: a server that calls others passes it on to all of them. An outer leg must be the only one that
// is related at all: what two proxies might have asked, nobody knows who did.
func (j *Joiner) sole(e *leg, d direction) *leg {
	var one [byReqID + 1]*leg
	var n [byReqID + 1]int
	j.each(e, func(m *leg) {
		b := d.fits(e, m)
		if one[b] != nil && one[b].x.ID == m.x.ID {
			return
		}
		one[b] = m
		n[b]++
		if d.other().fits(e, m) != apart { // either could be the outer one
			n[b]++
		}
	})
	switch {
	case d == outward && n[byReqID]+n[byTraceID]+n[related] != 1:
		return nil
	case n[byReqID] == 1 && !e.crowded[byRequest]:
		return one[byReqID]
	case n[byReqID] == 0 && n[byTraceID] == 1 && n[related] == 0 && !e.crowded[byTrace]:
		return one[byTraceID]
	}
	return nil
}

// partner gives the leg that e is joined with in a direction: each is the other's only one, and
// neither was told yet.
func (j *Joiner) partner(e *leg, d direction) *leg {
	m := j.sole(e, d)
	if m == nil || m.told || e.told {
		return nil
	}
	if back := j.sole(m, d.other()); back == nil || back.x.ID != e.x.ID {
		return nil
	}
	return m
}

// whole collects the legs of the exchange that e is one of, the outermost first.
func (j *Joiner) whole(e *leg) []*leg {
	j.chain = j.chain[:0]
	top := e
	for n := 0; n < maxChain; n++ {
		m := j.partner(top, outward)
		if m == nil {
			break
		}
		top = m
	}
	for m := top; m != nil && len(j.chain) < maxChain; m = j.partner(m, inward) {
		j.chain = append(j.chain, m)
	}
	return j.chain
}

// maxChain bounds how many proxies stand behind each other.
const maxChain = 8

// twins collects the copies of a chain's legs that wait too.
func (j *Joiner) twins(chain []*leg) []*leg {
	j.copies = j.copies[:0]
	for _, e := range chain {
		j.each(e, func(m *leg) {
			if m.x.ID == e.x.ID && !m.told {
				j.copies = append(j.copies, m)
			}
		})
	}
	return j.copies
}

// forwarded says whether e, which is told alone, tells of data that another exchange tells of: it
// has an outer leg, or it is one whose inner leg was told without a mark.
func (j *Joiner) forwarded(e *leg) (reason *uint64) {
	j.each(e, func(m *leg) {
		switch {
		case fits(m, e) != apart:
			reason = &j.n.MarkedInner
		case reason == nil && m.told && !m.marked && fits(e, m) != apart:
			reason = &j.n.MarkedLate
		}
	})
	return reason
}
