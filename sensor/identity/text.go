// SPDX-License-Identifier: Apache-2.0

package identity

import "bytes"

// maxNameLen is the longest name of a header, cookie, query key or scheme that a rule can have.
const maxNameLen = 64

// lower appends a name in ASCII lower case; not ok when it is longer than any rule's.
func lower(dst, name []byte) ([]byte, bool) {
	if len(name) > maxNameLen {
		return dst, false
	}
	for _, c := range name {
		dst = append(dst, toLower(c))
	}
	return dst, true
}

func toLower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// equalFold compares with a lower-case ASCII name.
func equalFold(name []byte, low string) bool {
	if len(name) != len(low) {
		return false
	}
	for i, c := range name {
		if toLower(c) != low[i] {
			return false
		}
	}
	return true
}

// trim takes optional white space off (RFC 9110 section 5.6.3).
func trim(s []byte) []byte { return bytes.Trim(s, " \t") }

// isNothing knows what scripts send when they have no credential. It would make one principal of
// many strangers.
func isNothing(s []byte) bool {
	switch len(s) {
	case 2:
		return string(s) == `""`
	case 3:
		return equalFold(s, "nil")
	case 4:
		return equalFold(s, "null") || equalFold(s, "none")
	case 6:
		return equalFold(s, "(null)")
	case 9:
		return equalFold(s, "undefined")
	case 15:
		return equalFold(s, "[object object]")
	}
	return false
}

// cutQuoted is bytes.Cut at a separator that stands in no quoted string (RFC 9110 section 5.6.4).
func cutQuoted(s []byte, sep byte) (before, after []byte) {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			quoted = !quoted
		case c == '\\' && quoted:
			i++
		case c == sep && !quoted:
			return s[:i], s[i+1:]
		}
	}
	return s, nil
}

// lastElement cuts the last element off a comma-separated list. It reads from the end, so that a quoted
// string which is not closed spoils only what stands before it: the nearest hop writes at the end.
func lastElement(list []byte) (element, before []byte) {
	quoted := false
	for i := len(list) - 1; i >= 0; i-- {
		switch {
		case list[i] == '"' && !escaped(list[:i]):
			quoted = !quoted
		case list[i] == ',' && !quoted:
			return list[i+1:], list[:i]
		}
	}
	if quoted {
		return nil, nil
	}
	return list, nil
}

// escaped says whether what follows s is escaped by an odd number of backslashes at its end.
func escaped(s []byte) bool {
	n := len(s)
	for n > 0 && s[n-1] == '\\' {
		n--
	}
	return (len(s)-n)%2 == 1
}

func allHex(s []byte) bool {
	for _, c := range s {
		if !isHex(c) {
			return false
		}
	}
	return true
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'f'
}

func unhex(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return c | 0x20 - 'a' + 10
}

// unescape undoes percent-encoding, appending to dst. '+' stays: base64 has it, and nobody's token
// has a space.
func unescape(dst, s []byte) []byte {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c == '%' && i+2 < len(s) && isHex(s[i+1]) && isHex(s[i+2]) {
			c = unhex(s[i+1])<<4 | unhex(s[i+2])
			i += 2
		}
		dst = append(dst, c)
	}
	return dst
}

// param finds name=value or name="value" in a comma-separated list (RFC 9110 section 11.2). Names
// are given in lower case.
func param(list []byte, name string) ([]byte, bool) {
	for len(list) > 0 {
		var part []byte
		part, list = cutQuoted(list, ',')
		key, value, ok := bytes.Cut(trim(part), []byte("="))
		if !ok || !equalFold(trim(key), name) {
			continue
		}
		value = trim(value)
		if n := len(value); n >= 2 && value[0] == '"' && value[n-1] == '"' {
			value = value[1 : n-1]
		}
		return value, len(value) > 0
	}
	return nil, false
}
