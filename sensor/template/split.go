// SPDX-License-Identifier: Apache-2.0

package template

import "bytes"

// form is one of the forms of RFC 9112 section 3.2 as far as they matter here.
type form uint8

const (
	formPath form = iota + 1
	formAsterisk
	formAuthority
)

// splitTarget finds path and query. Scheme and authority of the absolute form and a fragment (which
// has no business in a target) fall away.
func splitTarget(target []byte) (path, query []byte, f form) {
	if i := bytes.IndexByte(target, '#'); i >= 0 {
		target = target[:i]
	}
	if i := bytes.IndexByte(target, '?'); i >= 0 {
		target, query = target[:i], target[i+1:]
	}
	switch {
	case len(target) == 1 && target[0] == '*':
		return nil, nil, formAsterisk
	case len(target) > 0 && target[0] == '/':
		return target, query, formPath
	}
	if i := bytes.Index(target, []byte("://")); i > 0 && i < 16 {
		target = target[i+3:]
		if i = bytes.IndexByte(target, '/'); i >= 0 {
			return target[i:], query, formPath
		}
		return nil, query, formPath
	}
	return nil, query, formAuthority
}

// split cuts a path into decoded segments without empty, "." and ".." ones (RFC 3986 section
// 5.2.4), so that no spelling of a path makes an endpoint of its own. It says whether all fitted.
func (t *Templater) split(path []byte) bool {
	whole := true
	if len(path) > maxPath {
		whole = false
		path = path[:bytes.LastIndexByte(path[:maxPath], '/')+1]
	}
	for len(path) > 0 {
		seg := path
		if i := bytes.IndexByte(path, '/'); i >= 0 {
			seg, path = path[:i], path[i+1:]
		} else {
			path = nil
		}
		if i := bytes.IndexByte(seg, ';'); i >= 0 {
			seg = seg[:i] // matrix parameters: session ids live there
		}
		seg = t.decode(seg, false)
		switch {
		case len(seg) == 0 || len(seg) == 1 && seg[0] == '.':
		case len(seg) == 2 && seg[0] == '.' && seg[1] == '.':
			t.nSegs = max(t.nSegs-1, 0)
		case t.nSegs == maxSegments:
			return false
		default:
			t.segs[t.nSegs] = segment{text: seg}
			t.nSegs++
		}
	}
	return whole
}

// decode undoes percent-encoding once, in the arena. A broken escape stays as it is, and a second
// layer stays encoded: servers differ there, and '%' marks a segment as a value anyway.
func (t *Templater) decode(s []byte, plus bool) []byte {
	start := len(t.arena)
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c == '%' && i+2 < len(s) && isHex(s[i+1]) && isHex(s[i+2]) {
			c = unhex(s[i+1])<<4 | unhex(s[i+2])
			i += 2
		} else if c == '+' && plus {
			c = ' '
		}
		t.arena = append(t.arena, c)
	}
	return t.arena[start:len(t.arena):len(t.arena)]
}

// queryNames collects the names of a query, not its values. It says whether all fitted.
func (t *Templater) queryNames(query []byte) bool {
	whole := true
	if len(query) > maxQuery {
		query, whole = query[:maxQuery], false
	}
	for len(query) > 0 {
		pair := query
		if i := bytes.IndexByte(query, '&'); i >= 0 {
			pair, query = query[:i], query[i+1:]
		} else {
			query = nil
		}
		if len(pair) == 0 {
			continue
		}
		name, _, hasValue := bytes.Cut(pair, []byte("="))
		mark := len(t.arena)
		switch name = t.queryName(name, hasValue); {
		case contains(t.names, name):
			t.arena = t.arena[:mark]
		case len(t.names) == maxNames:
			return false
		default:
			t.names = append(t.names, name)
		}
	}
	return whole
}

// queryName is a name that may be told, in the arena. Names from lists lose their numbers
// ("ids[3]" is "ids[]").
func (t *Templater) queryName(raw []byte, hasValue bool) []byte {
	mark := len(t.arena)
	if len(raw) <= maxName {
		name := dropIndexes(t.decode(raw, true))
		if tellableName(name, hasValue) {
			return name
		}
	}
	t.arena = append(t.arena[:mark], nameWord...)
	return t.arena[mark:len(t.arena):len(t.arena)]
}

// dropIndexes takes numbers out of brackets, in place.
func dropIndexes(name []byte) []byte {
	kept := name[:0]
	for i := 0; i < len(name); i++ {
		kept = append(kept, name[i])
		if name[i] != '[' {
			continue
		}
		if end := bytes.IndexByte(name[i:], ']'); end > 0 && allDigits(name[i+1:i+end]) {
			i += end - 1
		}
	}
	return kept
}

func contains(names [][]byte, name []byte) bool {
	for _, n := range names {
		if bytes.Equal(n, name) {
			return true
		}
	}
	return false
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

func allDigits(s []byte) bool {
	for _, c := range s {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}
