// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"math"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// maxDepth bounds the nesting of values that are passed over.
const maxDepth = 64

// LineError says where a line is wrong.
type LineError struct {
	Key    string // the field at fault, "" for the line itself
	Offset int    // byte offset in the line
	Detail string
}

// Error describes the fault; it never quotes a value.
func (e *LineError) Error() string {
	where := "line"
	if e.Key != "" {
		where = strconv.Quote(e.Key)
	}
	return where + ": " + e.Detail + " at byte " + strconv.Itoa(e.Offset)
}

// reader reads JSON (RFC 8259) from one line. The first fault stops it: every later read returns a
// zero value, so that callers check once.
type reader struct {
	buf     []byte
	pos     int
	key     []byte // the key being read, for errors
	scratch []byte // unescaped text
	err     error
}

func (r *reader) fail(detail string) {
	if r.err == nil {
		r.err = &LineError{Key: string(r.key), Offset: r.pos, Detail: detail}
		r.pos = len(r.buf)
	}
}

func (r *reader) space() {
	for r.pos < len(r.buf) {
		switch r.buf[r.pos] {
		case ' ', '\t', '\r', '\n':
			r.pos++
		default:
			return
		}
	}
}

// peek gives the next byte that is not space, 0 at the end.
func (r *reader) peek() byte {
	r.space()
	if r.pos >= len(r.buf) {
		return 0
	}
	return r.buf[r.pos]
}

func (r *reader) accept(c byte) bool {
	if r.peek() != c {
		return false
	}
	r.pos++
	return true
}

func (r *reader) expect(c byte, what string) bool {
	if r.err != nil || !r.accept(c) {
		r.fail("want " + what)
		return false
	}
	return true
}

// null takes a null, which means absent.
func (r *reader) null() bool {
	if r.peek() == 'n' {
		return r.literal("null")
	}
	return false
}

func (r *reader) literal(word string) bool {
	if len(r.buf)-r.pos < len(word) || string(r.buf[r.pos:r.pos+len(word)]) != word {
		r.fail("no JSON value")
		return false
	}
	r.pos += len(word)
	return true
}

// object calls each with every key; each must take the value. The key is valid during the call.
func (r *reader) object(each func(key []byte)) {
	if r.null() || !r.expect('{', "an object") {
		return
	}
	if r.accept('}') {
		return
	}
	for r.err == nil {
		r.space()
		key := r.rawText()
		if len(key) > 0 && len(r.scratch) > 0 && &key[0] == &r.scratch[0] {
			key = append([]byte(nil), key...) // the value may need the scratch
		}
		if !r.expect(':', "a colon") {
			return
		}
		each(key)
		if r.accept('}') {
			return
		}
		r.expect(',', "a comma or the end of an object")
	}
}

// array calls each before every element; each must take the element.
func (r *reader) array(each func()) {
	if r.null() || !r.expect('[', "an array") {
		return
	}
	if r.accept(']') {
		return
	}
	for r.err == nil {
		each()
		if r.accept(']') {
			return
		}
		r.expect(',', "a comma or the end of an array")
	}
}

// skip passes over any value.
func (r *reader) skip() {
	depth := 0
	for r.err == nil {
		switch c := r.peek(); {
		case c == '"':
			r.rawText()
		case c == '{' || c == '[':
			if depth++; depth > maxDepth {
				r.fail("nested too deeply")
			}
			r.pos++
			continue
		case c == '}' || c == ']':
			depth--
			r.pos++
		case c == ',' || c == ':':
			if depth == 0 {
				r.fail("want a value")
			}
			r.pos++
			continue
		case c == 0:
			r.fail("the line ends inside a value")
		default:
			r.word()
		}
		if depth <= 0 {
			if depth < 0 {
				r.fail("want a value")
			}
			return
		}
	}
}

// word passes over a number or literal.
func (r *reader) word() {
	start := r.pos
	for r.pos < len(r.buf) {
		c := r.buf[r.pos]
		if c != '-' && c != '+' && c != '.' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && c != 'E' {
			break
		}
		r.pos++
	}
	if r.pos == start {
		r.fail("no JSON value")
	}
}

// number reads an unsigned integer of at most max.
func (r *reader) number(max uint64) uint64 {
	if r.null() {
		return 0
	}
	r.space()
	start := r.pos
	var v uint64
	for r.pos < len(r.buf) && r.buf[r.pos] >= '0' && r.buf[r.pos] <= '9' {
		d := uint64(r.buf[r.pos] - '0')
		if v > (math.MaxUint64-d)/10 {
			r.fail("a number beyond its range")
			return 0
		}
		v = v*10 + d
		r.pos++
	}
	if r.pos == start || r.pos < len(r.buf) && (r.buf[r.pos] == '.' || r.buf[r.pos]|0x20 == 'e') {
		r.fail("want a whole number, not negative")
		return 0
	}
	if v > max {
		r.fail("a number beyond its range")
		return 0
	}
	return v
}

func (r *reader) u32() uint32 { return uint32(r.number(math.MaxUint32)) }

func (r *reader) u64() uint64 { return r.number(math.MaxUint64) }

// signed reads an int32.
func (r *reader) signed() int32 {
	if r.accept('-') {
		return int32(-int64(r.number(1 << 31)))
	}
	return int32(r.number(math.MaxInt32))
}

func (r *reader) flag() bool {
	if r.null() {
		return false
	}
	if r.peek() == 't' {
		return r.literal("true")
	}
	if r.peek() == 'f' {
		r.literal("false")
		return false
	}
	r.fail("want true or false")
	return false
}

func (r *reader) text() string {
	if r.null() {
		return ""
	}
	return string(r.rawText())
}

// rawText reads a string; the result is valid until the next one.
func (r *reader) rawText() []byte {
	if !r.expect('"', "a string") {
		return nil
	}
	start := r.pos
	for r.pos < len(r.buf) {
		switch c := r.buf[r.pos]; {
		case c == '"':
			r.pos++
			return r.buf[start : r.pos-1]
		case c == '\\' || c >= utf8.RuneSelf:
			return r.slowText(start)
		case c < 0x20:
			r.fail("a control character in a string")
			return nil
		}
		r.pos++
	}
	r.fail("the line ends inside a string")
	return nil
}

// slowText goes on where a string holds escapes or is not ASCII.
func (r *reader) slowText(start int) []byte {
	out := append(r.scratch[:0], r.buf[start:r.pos]...)
	for r.pos < len(r.buf) {
		switch c := r.buf[r.pos]; {
		case c == '"':
			r.pos++
			r.scratch = out
			return out
		case c == '\\':
			r.pos++
			out = r.escape(out)
		case c < 0x20:
			r.fail("a control character in a string")
			return nil
		default:
			ch, n := utf8.DecodeRune(r.buf[r.pos:])
			out = utf8.AppendRune(out, ch)
			r.pos += n
		}
	}
	r.fail("the line ends inside a string")
	return nil
}

func (r *reader) escape(out []byte) []byte {
	if r.pos >= len(r.buf) {
		return out
	}
	c := r.buf[r.pos]
	r.pos++
	switch c {
	case '"', '\\', '/':
		return append(out, c)
	case 'b':
		return append(out, '\b')
	case 'f':
		return append(out, '\f')
	case 'n':
		return append(out, '\n')
	case 'r':
		return append(out, '\r')
	case 't':
		return append(out, '\t')
	case 'u':
		return utf8.AppendRune(out, r.unicode())
	}
	r.fail("an unknown escape in a string")
	return out
}

// unicode reads the digits of \uXXXX, and its second half where it is a surrogate pair.
func (r *reader) unicode() rune {
	high := r.fourHex()
	if !utf16.IsSurrogate(high) {
		return high
	}
	if r.pos+1 < len(r.buf) && r.buf[r.pos] == '\\' && r.buf[r.pos+1] == 'u' {
		r.pos += 2
		return utf16.DecodeRune(high, r.fourHex())
	}
	return utf8.RuneError
}

func (r *reader) fourHex() rune {
	var v rune
	for range 4 {
		d := -1
		if r.pos < len(r.buf) {
			d = hexValue(r.buf[r.pos])
		}
		if d < 0 {
			r.fail("want four hex digits")
			return utf8.RuneError
		}
		v = v<<4 | rune(d)
		r.pos++
	}
	return v
}

func hexValue(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}
