// SPDX-License-Identifier: Apache-2.0

package identity

import (
	"bytes"
	"encoding/base64"
	"strings"
	"unicode/utf8"
)

// Bounds of a JWT's payload.
const (
	maxClaims     = 8 << 10 // bytes, decoded
	maxClaimDepth = 16
)

// claims are the parts of a JWT that name a principal. They lie in the parser's buffer.
type claims struct {
	issuer  []byte // iss, may be empty
	subject []byte // "s:" and sub, else "c:" and client_id, else "c:" and azp; empty without any
}

type jwtResult uint8

const (
	jwtRead jwtResult = iota + 1
	jwtMalformed
	jwtTooLarge
)

// looksLikeJWT knows the compact form of a signed JWT (RFC 7519 section 3, RFC 7515 section 7.1):
// three parts, the first of which begins as `{"` does in base64url. Five parts are encrypted and tell nothing.
func looksLikeJWT(s []byte) bool {
	return bytes.HasPrefix(s, []byte("eyJ")) && bytes.Count(s, []byte(".")) == 2
}

// jwtParser reads claims without checking the signature: what it finds is claimed, not proved.
type jwtParser struct {
	payload [maxClaims]byte
	subject [maxClaims + 2]byte
	p       []byte // what of payload is not read yet
	used    int
	claim   [numClaims][]byte
}

type claim uint8

const (
	claimIss claim = iota
	claimSub
	claimClientID
	claimAzp
	numClaims
)

func claimOf(name []byte) (claim, bool) {
	switch string(name) {
	case "iss":
		return claimIss, true
	case "sub":
		return claimSub, true
	case "client_id":
		return claimClientID, true
	case "azp":
		return claimAzp, true
	}
	return 0, false
}

// parse reads a text that looksLikeJWT. The claims are valid until forget. Of a claim that stands
// twice the last counts, as RFC 7519 section 4 asks of parsers that do not refuse it, and as most
// servers read it. Values other than strings and numbers are no claim.
func (j *jwtParser) parse(text []byte) (claims, jwtResult) {
	_, rest, _ := bytes.Cut(text, []byte("."))
	body, _, _ := bytes.Cut(rest, []byte("."))
	body = bytes.TrimRight(body, "=")
	if n := base64.RawURLEncoding.DecodedLen(len(body)); n > len(j.payload) {
		return claims{}, jwtTooLarge
	}
	n, err := base64.RawURLEncoding.Decode(j.payload[:], body)
	j.used = n
	if err != nil {
		return claims{}, jwtMalformed
	}
	j.p = j.payload[:n]
	j.claim = [numClaims][]byte{}
	if !j.object() {
		return claims{}, jwtMalformed
	}
	return claims{issuer: j.claim[claimIss], subject: j.makeSubject()}, jwtRead
}

func (j *jwtParser) makeSubject() []byte {
	if s := j.claim[claimSub]; len(s) > 0 {
		return append(append(j.subject[:0], "s:"...), s...)
	}
	for _, c := range [...]claim{claimClientID, claimAzp} {
		if s := j.claim[c]; len(s) > 0 {
			return append(append(j.subject[:0], "c:"...), s...)
		}
	}
	return nil
}

// forget clears all that was read.
func (j *jwtParser) forget() {
	clear(j.payload[:j.used])
	clear(j.subject[:min(j.used+2, len(j.subject))])
	j.used, j.p, j.claim = 0, nil, [numClaims][]byte{}
}

// object reads the one object that a payload is.
func (j *jwtParser) object() bool {
	if !j.eat('{') {
		return false
	}
	if j.eat('}') {
		return j.end()
	}
	for {
		j.space()
		name, ok := j.str()
		if !ok || !j.eat(':') {
			return false
		}
		c, wanted := claimOf(name)
		value, ok := j.value(0)
		if !ok {
			return false
		}
		if wanted {
			j.claim[c] = value
		}
		if j.eat(',') {
			continue
		}
		return j.eat('}') && j.end()
	}
}

func (j *jwtParser) end() bool {
	j.space()
	return len(j.p) == 0
}

// value reads any value. Text is that of a string or number, else nil.
func (j *jwtParser) value(depth int) (text []byte, ok bool) {
	j.space()
	if len(j.p) == 0 || depth > maxClaimDepth {
		return nil, false
	}
	switch c := j.p[0]; {
	case c == '"':
		return j.str()
	case c == '{' || c == '[':
		return nil, j.container(depth)
	case c == 't':
		return nil, j.word("true")
	case c == 'f':
		return nil, j.word("false")
	case c == 'n':
		return nil, j.word("null")
	}
	return j.number()
}

func (j *jwtParser) container(depth int) bool {
	isObject := j.p[0] == '{'
	closing := byte(']')
	if isObject {
		closing = '}'
	}
	j.p = j.p[1:]
	if j.eat(closing) {
		return true
	}
	for {
		if isObject {
			j.space()
			if _, ok := j.str(); !ok || !j.eat(':') {
				return false
			}
		}
		if _, ok := j.value(depth + 1); !ok {
			return false
		}
		if j.eat(',') {
			continue
		}
		return j.eat(closing)
	}
}

func (j *jwtParser) word(w string) bool {
	if len(j.p) < len(w) || string(j.p[:len(w)]) != w {
		return false
	}
	j.p = j.p[len(w):]
	return true
}

// number reads a number (RFC 8259 section 6) and keeps it as written.
func (j *jwtParser) number() ([]byte, bool) {
	i := 0
	digits := func() bool {
		from := i
		for i < len(j.p) && '0' <= j.p[i] && j.p[i] <= '9' {
			i++
		}
		return i > from
	}
	if j.p[0] == '-' {
		i++
	}
	if !digits() {
		return nil, false
	}
	if i < len(j.p) && j.p[i] == '.' {
		if i++; !digits() {
			return nil, false
		}
	}
	if i < len(j.p) && j.p[i]|0x20 == 'e' {
		if i++; i < len(j.p) && (j.p[i] == '+' || j.p[i] == '-') {
			i++
		}
		if !digits() {
			return nil, false
		}
	}
	text := j.p[:i]
	j.p = j.p[i:]
	return text, true
}

// str reads a string and decodes it in place: no escape is shorter than what it stands for.
func (j *jwtParser) str() ([]byte, bool) {
	if len(j.p) == 0 || j.p[0] != '"' {
		return nil, false
	}
	p := j.p[1:]
	w := 0
	for i := 0; i < len(p); {
		switch c := p[i]; {
		case c == '"':
			j.p = p[i+1:]
			return p[:w:w], true
		case c < 0x20:
			return nil, false
		case c != '\\':
			p[w] = c
			w, i = w+1, i+1
		default:
			n, size := unescapeJSON(p[i:], p[w:w])
			if n == 0 {
				return nil, false
			}
			w, i = w+size, i+n
		}
	}
	return nil, false
}

// unescapeJSON decodes the escape at the start of s into dst (RFC 8259 section 7). It returns the
// bytes read, 0 for a broken one, and the bytes written. A lone surrogate becomes U+FFFD.
func unescapeJSON(s, dst []byte) (read, written int) {
	if len(s) < 2 {
		return 0, 0
	}
	const plain, means = `"\/bfnrt`, "\"\\/\b\f\n\r\t"
	if k := strings.IndexByte(plain, s[1]); k >= 0 {
		return 2, len(append(dst, means[k]))
	}
	r, ok := hex4(s)
	if !ok {
		return 0, 0
	}
	read = 6
	if 0xD800 <= r && r < 0xDC00 {
		if low, ok := hex4(s[6:]); ok && 0xDC00 <= low && low < 0xE000 {
			r, read = 0x10000+(r-0xD800)<<10+(low-0xDC00), 12
		}
	}
	return read, len(utf8.AppendRune(dst, r))
}

// hex4 reads \uXXXX.
func hex4(s []byte) (rune, bool) {
	if len(s) < 6 || s[0] != '\\' || s[1] != 'u' || !allHex(s[2:6]) {
		return 0, false
	}
	var r rune
	for _, c := range s[2:6] {
		r = r<<4 | rune(unhex(c))
	}
	return r, true
}

func (j *jwtParser) space() {
	for len(j.p) > 0 && (j.p[0] == ' ' || j.p[0] == '\t' || j.p[0] == '\n' || j.p[0] == '\r') {
		j.p = j.p[1:]
	}
}

// eat skips white space and takes c if it is next.
func (j *jwtParser) eat(c byte) bool {
	j.space()
	if len(j.p) == 0 || j.p[0] != c {
		return false
	}
	j.p = j.p[1:]
	return true
}
