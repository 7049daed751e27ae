// SPDX-License-Identifier: Apache-2.0

package template

import "bytes"

// kind says what a segment is taken for.
type kind uint8

const (
	kindStatic  kind = iota + 1 // part of the route
	kindVersion                 // a version of the API: part of the route, names no collection
	kindID                      // an id, a secret or any other value
)

// segment is one decoded piece of a path. before and after are static text around an id:
// "Customers(" and ")", or ".png", or ":cancel"; for static segments before is all of it.
type segment struct {
	text   []byte
	kind   kind
	before []byte
	id     []byte
	after  []byte
	class  []byte // static: the collection it may name, without a file extension
}

// classify decides for each segment from left to right, since a collection's name before it helps.
func (t *Templater) classify() {
	var prev []byte
	for i := range t.segs[:t.nSegs] {
		s := &t.segs[i]
		s.classify(prev)
		if prev = nil; s.kind == kindStatic {
			prev = s.text
		}
	}
}

func (s *segment) classify(prev []byte) {
	switch {
	case isVersion(s.text):
		s.kind, s.before, s.class = kindVersion, s.text, s.text
	case s.odata():
	case !idLike(s.text, prev):
		s.kind, s.before = kindStatic, s.text
		s.class, _ = cutExtension(s.text)
		s.class, _ = cutVerb(s.class)
	default:
		s.kind = kindID
		s.id, s.after = s.text, nil
		if stem, ext := cutExtension(s.text); ext != nil && idLike(stem, prev) {
			s.id, s.after = stem, ext
		} else if stem, verb := cutVerb(s.text); verb != nil && idLike(stem, prev) {
			s.id, s.after = stem, verb
		}
	}
}

// odata knows "Customers(17)" and "Customers('ALFKI')" (OData 4.01 URL conventions, 4.3.1).
func (s *segment) odata() bool {
	open := bytes.IndexByte(s.text, '(')
	last := len(s.text) - 1
	if open < 2 || last <= open || s.text[last] != ')' || idLike(s.text[:open], nil) {
		return false
	}
	if last == open+1 { // "Customers()" is the whole collection
		s.kind, s.before, s.class = kindStatic, s.text, s.text[:open]
		return true
	}
	s.kind, s.before, s.after = kindID, s.text[:open+1], s.text[last:]
	s.id = s.text[open+1 : last]
	if n := len(s.id); n > 2 && s.id[0] == '\'' && s.id[n-1] == '\'' {
		s.id = s.id[1 : n-1]
	}
	return true
}

// shape is what idLike counts in one pass.
type shape struct {
	digits, upper, lower, vowels int
	switches                     int // borders between letters and digits
	humps                        int // an upper-case letter after a lower-case one
	longestNumber                int // digits in a row
	foreign                      bool
	hex                          bool
	separators                   int
}

func shapeOf(s []byte) shape {
	sh := shape{hex: true}
	number := 0
	var last byte // 'd', 'u', 'l' or 0
	for _, c := range s {
		var now byte
		switch {
		case '0' <= c && c <= '9':
			now = 'd'
			sh.digits++
			number++
			sh.longestNumber = max(sh.longestNumber, number)
		case 'a' <= c && c <= 'z':
			now = 'l'
			sh.lower++
		case 'A' <= c && c <= 'Z':
			now = 'u'
			sh.upper++
		case c == '-' || c == '_' || c == '.' || c == '~':
			sh.separators++
		case c == '$' || c == '!' || c == '*':
		default:
			sh.foreign = true
		}
		sh.note(now, last, c)
		if now != 'd' {
			number = 0
		}
		last = now
	}
	return sh
}

func (sh *shape) note(now, last, c byte) {
	if now != 0 && last != 0 && (now == 'd') != (last == 'd') {
		sh.switches++
	}
	if now == 'u' && last == 'l' {
		sh.humps++
	}
	if now != 0 && !isHex(c) || now == 0 {
		sh.hex = false
	}
	switch c | 0x20 {
	case 'a', 'e', 'i', 'o', 'u', 'y':
		if now != 0 {
			sh.vowels++
		}
	}
}

// idLike says whether a segment is a value and no part of the route. In doubt it is: a value taken
// for a route leaks and hides objects, a route taken for a value costs one template. prev is the
// static segment before it, if any. A slug of plain words cannot be told from a route.
func idLike(s, prev []byte) bool {
	if len(s) == 0 || isShortWord(s) {
		return false
	}
	s, _ = cutVerb(s)
	sh := shapeOf(s)
	letters := sh.upper + sh.lower
	switch {
	case sh.foreign, len(s) > 64, letters == 0 && sh.digits > 0:
		return true // free text, percent signs, e-mail; long; numbers, dates
	case sh.hex && len(s) >= 8, hasSecretPrefix(s):
		return true
	case sh.digits == 0:
		return opaqueWord(s, sh) || isSecretWord(prev) && (len(s) >= 16 || sh.humps*4 >= len(s))
	case isPlural(prev):
		return true // "/customers/c17"
	case isWordWithDigits(s):
		return false
	case sh.digits >= 3, sh.switches >= 3 && len(s) >= 5:
		return true
	case isSecretWord(prev):
		return true
	case sh.separators > 0 && sh.lower == 0:
		return true // "A-17"
	}
	return opaqueWord(s, sh)
}

// isShortWord answers for most segments of most paths: a few lower-case letters, not all of them hex
// digits if there are many.
func isShortWord(s []byte) bool {
	if len(s) >= 16 {
		return false
	}
	word := len(s) < 8
	for _, c := range s {
		if c < 'a' || c > 'z' {
			return false
		}
		word = word || c > 'f'
	}
	return word
}

// opaqueWord knows long texts without the rhythm of words: too few vowels, or case that jumps about.
func opaqueWord(s []byte, sh shape) bool {
	letters := sh.upper + sh.lower
	if sh.upper > 0 && sh.lower > 0 && len(s) >= 16 {
		return sh.vowels*4 < letters || sh.humps*4 >= len(s)
	}
	return len(s) >= 20 && sh.vowels*4 < letters || len(s) > 40 && sh.separators == 0
}

// isVersion knows v1, v2.1, v1beta1: names of an API's version.
func isVersion(s []byte) bool {
	if len(s) < 2 || len(s) > 10 || s[0]|0x20 != 'v' || s[1] < '0' || s[1] > '9' {
		return false
	}
	digits, letters := 0, 0
	for _, c := range s[1:] {
		switch {
		case '0' <= c && c <= '9':
			digits++
		case 'a' <= c && c <= 'z':
			letters++
		case c != '.':
			return false
		}
	}
	return digits <= 4 && letters <= 5
}

// cutExtension cuts a file extension off: a letter, then one to four letters or digits.
func cutExtension(s []byte) (stem, ext []byte) {
	dot := bytes.LastIndexByte(s, '.')
	if dot < 1 || len(s)-dot < 3 || len(s)-dot > 6 {
		return s, nil
	}
	for i, c := range s[dot+1:] {
		if !('a' <= c && c <= 'z') && !(i > 0 && '0' <= c && c <= '9') {
			return s, nil
		}
	}
	if !isExtension(s[dot+1:]) {
		return s, nil
	}
	return s[:dot], s[dot:]
}

// cutVerb cuts a custom method off ("17:cancel", Google AIP-136). Only known verbs: after a colon
// may as well stand a password.
func cutVerb(s []byte) (stem, verb []byte) {
	colon := bytes.LastIndexByte(s, ':')
	if colon < 1 || !isVerb(s[colon+1:]) {
		return s, nil
	}
	return s[:colon], s[colon:]
}

// appendCanonical is keyhash.CanonicalID for one part of a composite id, which must stand canonical
// before it is joined; this room may not import keyhash, and a test compares the two.
func appendCanonical(dst, id []byte) []byte {
	id = bytes.TrimSpace(id)
	uuid := len(id) == 36
	for i := 0; uuid && i < len(id); i++ {
		if i == 8 || i == 13 || i == 18 || i == 23 {
			uuid = id[i] == '-'
		} else {
			uuid = isHex(id[i])
		}
	}
	for _, c := range id {
		if uuid && 'A' <= c && c <= 'F' {
			c |= 0x20
		}
		dst = append(dst, c)
	}
	return dst
}
