// SPDX-License-Identifier: Apache-2.0

package http2

// maxSpoken is how long a header block may be that is decoded to see whether it is one.
const maxSpoken = 8 << 10

// speaks says whether the payload of a frame, with which b begins, is a header block that makes sense by itself: it
// can be decompressed, and is a request or a response by fields that are known. Nothing else looks like that by
// chance. No more is decompressed than was sought in, so that lookalikes in a body, one behind another, cost
// what other bodies cost.
func (s *seeker) speaks(f frame, b []byte) bool {
	if f.kind != typeHeaders || !f.has(flagEndHeaders) || f.length > maxSpoken || len(b) < f.length {
		return false
	}
	pad := 0
	if f.has(flagPadded) {
		pad = int(b[0])
	}
	if f.prefix()+pad+leastSpoken > f.length || s.tried+int64(f.length) > 2*maxSpoken+s.seenAt() {
		return false
	}
	s.tried += int64(f.length)
	s.table.reset(Limits{}.withDefaults(), false)
	fields, _, cut, _ := s.table.decode(b[f.prefix():f.length-pad], s.fields[:0])
	ok := !cut && sensible(fields)
	s.table.reset(s.table.limits, false) // it may hold a credential
	clear(fields)
	s.fields = fields[:0]
	return ok
}

// leastSpoken is how short a header block may be to prove anything.
const leastSpoken = 6

// sensible says whether fields are those of a request or a response: its pseudo-header fields come first and once each
// (RFC 9113 section 8.3), enough of them are known and say something, and what is known is text.
func sensible(fields []Field) bool {
	const method, scheme, authority, path, status = 1, 2, 4, 8, 16
	pseudo, known, said, regular := 0, 0, 0, false
	for i := range fields {
		f := &fields[i]
		if f.Name == nil {
			continue
		}
		if !isName(f.Name) || !isText(f.Value) {
			return false
		}
		if f.Name[0] != ':' {
			regular = true
			if len(f.Value) > 0 {
				said++
			}
			continue
		}
		if len(f.Value) == 0 { // small numbers are literals of empty values to whoever reads them so
			return false
		}
		one := 0
		switch string(f.Name) {
		case ":method":
			one = method
		case ":scheme":
			one = scheme
		case ":authority":
			one = authority
		case ":path":
			one = path
		case ":status":
			one = status
		}
		if one == 0 || pseudo&one != 0 || regular {
			return false
		}
		pseudo |= one
		known++
	}
	if pseudo == status {
		f := &fields[0]
		return said > 0 && f.Name != nil && len(f.Value) == 3 && f.Value[0] >= '1' && f.Value[0] <= '5'
	}
	return known >= 2 && pseudo&status == 0
}

// isName says whether b may be the name of a field: a token without upper case, RFC 9113 section 8.2.1.
func isName(b []byte) bool {
	if len(b) == 0 {
		return false
	}
	for i, c := range b {
		if c <= ' ' || c >= 0x7f || c >= 'A' && c <= 'Z' || c == ':' && (i > 0 || len(b) == 1) {
			return false
		}
	}
	return true
}

// isText says whether b may be the value of a field as they are sent.
func isText(b []byte) bool {
	for _, c := range b {
		if c < ' ' || c == 0x7f {
			return false
		}
	}
	return true
}
