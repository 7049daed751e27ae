// SPDX-License-Identifier: Apache-2.0

package inspect

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

// state is where in the grammar of RFC 8259 the reader stands between two bytes.
type state uint8

const (
	atValue    state = iota + 1 // a value comes
	atFirst                     // a value or the end of an array that was just opened
	atKey                       // a key comes
	atKeyFirst                  // a key or the end of an object that was just opened
	atColon
	atAfter // a comma or a closing bracket
	atEnd   // white space at most
	inString
	inKey
	inNumber
	inWord
	inSkip       // inside containers that hold nothing of interest
	inSkipString // inside a string of those
)

// maxText is the longest id or key that is looked at.
const maxText = 256

// feed reads the next bytes and says whether to go on; total tells how far it came. It checks the
// grammar only as far as counting needs, and what is skipped not at all.
func (r *reader) feed(p []byte) bool {
	base, i := r.total, 0
	r.base = base
	if r.esc && len(p) > 0 {
		r.esc = false
		i = r.resumeEscape(p)
	}
	for i < len(p) && !r.bad {
		switch r.state {
		case inString:
			i = r.str(p, i)
		case inKey:
			i = r.key(p, i)
		case inNumber:
			i = r.number(p, i)
		case inWord:
			i = r.word(p, i)
		case inSkip:
			i = r.skipContainers(p, i)
		case inSkipString:
			if end, ok := r.stringEnd(p, i); ok {
				r.state = inSkip
				i = end + 1
			} else {
				i = len(p)
			}
		default:
			i = r.structure(p, i)
		}
	}
	r.total = base + uint64(i)
	return !r.bad
}

// resumeEscape takes the byte after a backslash that ended the last piece.
func (r *reader) resumeEscape(p []byte) int {
	if r.state == inKey || r.state == inString && r.capture {
		r.keep(p[:1])
	}
	return 1
}

// structure reads what stands between strings, numbers and words, and those too while they are whole.
func (r *reader) structure(p []byte, i int) int {
	for i < len(p) && r.state <= atEnd && !r.bad {
		c := p[i]
		if c <= ' ' && (c == ' ' || c == '\n' || c == '\r' || c == '\t') {
			i++
			continue
		}
		switch r.state {
		case atKey, atKeyFirst:
			i = r.atKey(p, i)
		case atColon:
			if c != ':' {
				return r.fail(i)
			}
			r.state = atValue
			i++
		case atAfter:
			i = r.after(p, i)
		case atValue:
			i = r.value(p, i)
		case atFirst:
			if c == ']' && !r.isVirtual() {
				i++
				r.close(r.base + uint64(i))
			} else {
				i = r.value(p, i)
			}
		default:
			return r.fail(i)
		}
	}
	return i
}

// atKey reads a key with its colon, or the end of an empty object.
func (r *reader) atKey(p []byte, i int) int {
	switch {
	case p[i] == '"':
		r.state, r.nbuf = inKey, 0
		i = r.key(p, i+1)
		if r.state == atColon && i < len(p) && p[i] == ':' {
			r.state = atValue
			i++
		}
		return i
	case p[i] == '}' && r.state == atKeyFirst:
		r.close(r.base + uint64(i) + 1)
		return i + 1
	}
	return r.fail(i)
}

// after reads what may follow a value in a container.
func (r *reader) after(p []byte, i int) int {
	f, c := &r.frames[r.n-1], p[i]
	switch {
	case f.virtual:
		return r.value(p, i)
	case c == ',' && f.array:
		r.state = atValue
	case c == ',':
		r.state = atKey
	case c == ']' && f.array, c == '}' && !f.array:
		r.close(r.base + uint64(i) + 1)
	default:
		return r.fail(i)
	}
	return i + 1
}

// value begins a value.
func (r *reader) value(p []byte, i int) int {
	c := p[i]
	switch {
	case c == '{' || c == '[':
		r.open(c == '[', r.base+uint64(i))
		return i + 1
	case c == '"':
		r.scalar()
		r.state = inString
		return r.str(p, i+1)
	case '0' <= c && c <= '9' || c == '-':
		r.scalar()
		r.state = inNumber
		return r.number(p, i)
	case c == 't' || c == 'f' || c == 'n':
		r.scalar()
		r.capture, r.state = false, inWord
		return r.word(p, i)
	case c == 0xEF && r.base+uint64(i) == 0, c == 0xBB && r.base+uint64(i) == 1, c == 0xBF && r.base+uint64(i) == 2:
		return i + 1 // a byte order mark
	}
	return r.fail(i)
}

// fail ends the reading at a byte that cannot stand there.
func (r *reader) fail(i int) int {
	r.bad = true
	return i
}

// str reads the rest of a string.
func (r *reader) str(p []byte, i int) int {
	end, ok := r.stringEnd(p, i)
	if r.capture {
		if !ok || r.nbuf > 0 {
			r.keep(p[i:end])
		}
		if ok {
			r.scalarDone(r.text(p[i:end]), true)
		}
	} else if ok {
		r.scalarDone(nil, true)
	}
	if !ok {
		return len(p)
	}
	return end + 1
}

func (r *reader) key(p []byte, i int) int {
	end, ok := r.stringEnd(p, i)
	if !ok || r.nbuf > 0 {
		r.keep(p[i:end])
	}
	if !ok {
		return len(p)
	}
	r.keyDone(r.text(p[i:end]))
	r.state = atColon
	return end + 1
}

func (r *reader) number(p []byte, i int) int {
	j := i
	for j < len(p) && (p[j]-'0' <= 9 || p[j] == '.' || p[j] == '-' || p[j] == '+' || p[j]|0x20 == 'e') {
		j++
	}
	if r.capture && (j == len(p) || r.nbuf > 0) {
		r.keep(p[i:j])
	}
	if j < len(p) {
		if r.capture {
			r.scalarDone(r.text(p[i:j]), false)
		} else {
			r.scalarDone(nil, false)
		}
	}
	return j
}

// word reads true, false and null; how they are spelt makes no difference to a count.
func (r *reader) word(p []byte, i int) int {
	for ; i < len(p); i++ {
		if c := p[i]; c < 'a' || c > 'z' {
			r.wordDone()
			return i
		}
	}
	return i
}

// keep saves a piece of a key or an id for when the next bytes come.
func (r *reader) keep(piece []byte) {
	n := copy(r.buf[r.nbuf:], piece)
	r.nbuf += n
	r.over = r.over || n < len(piece)
}

// text is a whole key or id: the last piece alone, or what was kept with it.
func (r *reader) text(last []byte) []byte {
	if r.nbuf > 0 {
		last = r.buf[:r.nbuf]
	}
	if len(last) > maxText {
		last, r.over = last[:maxText], true
	}
	return last
}

const (
	ones   = 0x0101010101010101
	highs  = 0x8080808080808080
	quotes = ones * '"'
	slants = ones * '\\'
)

// stringEnd finds the quote that ends a string. It reads eight bytes at a time; a zero byte in one
// of the differences is a hit, and the lowest hit is never a false one.
func (r *reader) stringEnd(p []byte, i int) (int, bool) {
	for {
		for i+8 <= len(p) {
			w := binary.LittleEndian.Uint64(p[i:])
			q, s := w^quotes, w^slants
			if hit := ((q-ones)&^q | (s-ones)&^s) & highs; hit != 0 {
				i += bits.TrailingZeros64(hit) / 8
				break
			}
			i += 8
		}
		for i < len(p) && p[i] != '"' && p[i] != '\\' {
			if i++; i+8 <= len(p) {
				break
			}
		}
		switch {
		case i >= len(p):
			return len(p), false
		case p[i] == '"':
			return i, true
		case p[i] == '\\':
			if i += 2; i > len(p) {
				r.esc = true
				return len(p), false
			}
		}
	}
}

// skipContainers passes over containers that hold nothing of interest: only strings and brackets
// matter.
func (r *reader) skipContainers(p []byte, i int) int {
	for i < len(p) {
		switch p[i] {
		case '"':
			end, ok := r.stringEnd(p, i+1)
			if !ok {
				r.state = inSkipString
				return len(p)
			}
			i = end
		case '{', '[':
			r.skip++
		case '}', ']':
			if r.skip--; r.skip == 0 {
				r.containerDone()
				return i + 1
			}
		}
		i++
	}
	return i
}

// decodeID undoes the escapes of a JSON string in place.
func decodeID(text, room []byte) []byte {
	if bytes.IndexByte(text, '\\') < 0 {
		return text
	}
	return unescape(room[:0], text)
}
