// SPDX-License-Identifier: Apache-2.0

package legs

import (
	"net/netip"

	"github.com/weir-project/weir/sensor/exchange"
)

// leg is a copy of the first part of an exchange, with the parts that came after it while it
// waited. All it refers to is its own.
type leg struct {
	x       exchange.Exchange
	client  netip.Addr // the host, see hosts.hostOf
	server  netip.Addr
	due     int64
	unsure  bool
	slow    bool // it waits in Joiner.slow
	told    bool // handed on: it is only remembered
	marked  bool
	crowded [2]bool // there were more legs of its id than are looked through
	size    int
	open    int // of the identity of a joined exchange: legs that have not ended

	parts, tail *leg // later parts, in order
	prev, next  *leg // in a list; next in the free list too
	key         [2]uint64
	kin         [2]struct{ prev, next *leg } // others of the same request id, and of the same trace

	text      []byte
	names     [][]byte
	others    []exchange.ID
	objects   []uint64
	requested []uint64
}

// keptText is how much memory a leg keeps for its next use.
const keptText = 8 << 10

// copyOf makes the leg a copy of an exchange.
func (e *leg) copyOf(x *exchange.Exchange) {
	e.x = *x
	n := &e.x
	e.text = e.text[:0]
	for _, f := range [...]*[]byte{&n.CredentialName, &n.ServerName, &n.Method, &n.Path, &n.Template, &n.Target, &n.Operation,
		&n.RequestID, &n.ContentType, &n.ContentEncoding} {
		*f = e.put(*f)
	}
	e.names = e.names[:0]
	for _, name := range x.QueryNames {
		e.names = append(e.names, e.put(name))
	}
	n.QueryNames = e.names
	e.others = append(e.others[:0], x.OtherTokenIDs...)
	e.objects = append(e.objects[:0], x.Objects...)
	e.requested = append(e.requested[:0], x.RequestedObjects...)
	n.OtherTokenIDs, n.Objects, n.RequestedObjects = e.others, e.objects, e.requested
}

func (e *leg) put(b []byte) []byte {
	if len(b) == 0 {
		return nil
	}
	n := len(e.text)
	e.text = append(e.text, b...)
	return e.text[n:len(e.text):len(e.text)]
}

// memory is what the leg counts for, in bytes.
func (e *leg) memory() int {
	return 1024 + cap(e.text) + 24*cap(e.names) + 16*cap(e.others) + 8*(cap(e.objects)+cap(e.requested))
}

func (e *leg) reset() {
	if cap(e.text) > keptText {
		e.text = nil
	}
	*e = leg{text: e.text[:0], names: e.names[:0], others: e.others[:0], objects: e.objects[:0], requested: e.requested[:0]}
}

// latest is the leg's last part so far.
func (e *leg) latest() *exchange.Exchange {
	if e.tail != nil {
		return &e.tail.x
	}
	return &e.x
}

// list is a list of legs.
type list struct {
	first, last *leg
	n           int
}

func (l *list) add(e *leg) {
	e.prev, e.next = l.last, nil
	if l.last != nil {
		l.last.next = e
	} else {
		l.first = e
	}
	l.last = e
	l.n++
}

func (l *list) remove(e *leg) {
	if e.prev != nil {
		e.prev.next = e.next
	} else {
		l.first = e.next
	}
	if e.next != nil {
		e.next.prev = e.prev
	} else {
		l.last = e.prev
	}
	e.prev, e.next = nil, nil
	l.n--
}

// The two ids by which legs find each other.
const (
	byRequest = iota
	byTrace
)

// enter files a leg under its ids. It reports false where it found no place under any.
//
// A trace may span any number of calls. Beyond the bound of legs that are looked through none of
// its legs is joined by it: one that has no place might be the one that fits.
func (j *Joiner) enter(e *leg) bool {
	e.key = [2]uint64{byRequest: hashText(e.x.RequestID, j.cfg.Seed), byTrace: e.x.TraceIDHash}
	if e.key[byTrace] == e.key[byRequest] { // by chance
		e.key[byTrace] = 0
	}
	for i, key := range e.key {
		if j.crowded(key) {
			e.key[i], e.crowded[i] = 0, true
		}
	}
	for i, key := range e.key {
		if key == 0 {
			continue
		}
		if head := j.groups[key]; head != nil {
			e.kin[i].next = head
			*head.before(key) = e
		}
		j.groups[key] = e
	}
	return e.key != [2]uint64{}
}

// crowded says whether a group is full, and tells its legs that there were more.
func (j *Joiner) crowded(key uint64) bool {
	n := 0
	for m := j.groups[key]; key != 0 && m != nil; m = m.after(key) {
		n++
	}
	if n < maxCrowd {
		return false
	}
	for m := j.groups[key]; m != nil; m = m.after(key) {
		m.crowded[m.slot(key)] = true
	}
	return true
}

// leave takes a leg out of its groups.
func (j *Joiner) leave(e *leg) {
	for i, key := range e.key {
		if key == 0 {
			continue
		}
		k := &e.kin[i]
		if k.next != nil {
			*k.next.before(key) = k.prev
		}
		switch {
		case k.prev != nil:
			*k.prev.behind(key) = k.next
		case k.next != nil:
			j.groups[key] = k.next
		default:
			delete(j.groups, key)
		}
	}
	e.key = [2]uint64{}
}

func (e *leg) slot(key uint64) int {
	if e.key[byRequest] == key {
		return byRequest
	}
	return byTrace
}

func (e *leg) after(key uint64) *leg   { return e.kin[e.slot(key)].next }
func (e *leg) before(key uint64) **leg { return &e.kin[e.slot(key)].prev }
func (e *leg) behind(key uint64) **leg { return &e.kin[e.slot(key)].next }

// hashText is FNV-1a, 0 for no text. The hash only finds those who may be meant: ids are compared.
func hashText(text []byte, seed uint64) uint64 {
	if len(text) == 0 {
		return 0
	}
	x := uint64(14695981039346656037) ^ seed
	for _, c := range text {
		x = (x ^ uint64(c)) * 1099511628211
	}
	return max(x, 1)
}
