// SPDX-License-Identifier: Apache-2.0

package inspect

import (
	"bytes"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/weir-project/weir/sensor/exchange"
)

// Ranks of id keys: the lowest names the record. Keys of an object inside the element come after
// all of the element's own.
const (
	rankID        = 1
	rankClassID   = 5
	rankWeak      = 6
	weakestSingle = rankClassID // a lone object needs a real id: "key" may be anything
	wrapPenalty   = 20
)

// idRank says how well a key names a record of a class; 0: not at all.
func idRank(k, class []byte) uint8 {
	n := len(k)
	if n < 2 || n > 40 {
		return 0
	}
	switch k[n-1] | 0x20 { // all id keys end so
	case 'd', 'y', 'k':
	default:
		return 0
	}
	var room [40]byte
	low := room[:0]
	for _, c := range k {
		if c != '_' && c != '-' || len(low) == 0 {
			low = append(low, lowerByte(c))
		}
	}
	switch string(low) {
	case "id", "@id":
		return rankID
	case "_id":
		return rankID + 1
	case "uuid":
		return rankID + 2
	case "guid":
		return rankID + 3
	case "key", "pk", "uid", "oid":
		return rankWeak
	}
	return classIDRank(low, class)
}

// classIDRank knows "customer_id" and "customerId" among customers.
func classIDRank(low, class []byte) uint8 {
	stem, ok := bytes.CutSuffix(low, []byte("id"))
	if !ok {
		return 0
	}
	stem = bytes.TrimSuffix(bytes.TrimSuffix(stem, []byte("uu")), []byte("gu"))
	if len(stem) < 2 {
		return 0
	}
	var room [maxClass]byte
	name := room[:0]
	for _, c := range class {
		if c != '_' && c != '-' && len(name) < maxClass {
			name = append(name, lowerByte(c))
		}
	}
	if bytes.Equal(stem, name) {
		return rankClassID
	}
	for _, plural := range [...]struct{ end, instead string }{{"ies", "y"}, {"es", ""}, {"s", ""}} {
		cut := len(name) - len(plural.end)
		if cut < 1 || string(name[cut:]) != plural.end {
			continue
		}
		if len(stem) == cut+len(plural.instead) && bytes.HasPrefix(stem, name[:cut]) && string(stem[cut:]) == plural.instead {
			return rankClassID
		}
	}
	return 0
}

// wrapRole knows keys of an element whose object is, or names, the record.
func wrapRole(k []byte) role {
	switch string(k) {
	case "node", "item", "resource", "_source":
		return roleWrap
	case "_id":
		return roleOID
	}
	return 0
}

// isGenericName knows names of arrays and envelopes that say nothing of what is in them.
func isGenericName(k []byte) bool {
	var room [16]byte
	if len(k) > len(room) {
		return false
	}
	low := room[:0]
	for _, c := range k {
		low = append(low, lowerByte(c))
	}
	switch string(low) {
	case "data", "items", "item", "results", "result", "records", "record", "rows", "row", "values", "value",
		"content", "contents", "list", "entries", "entry", "edges", "nodes", "node", "hits", "response", "payload",
		"body", "objects", "object", "elements", "resources", "resource", "collection", "docs", "documents", "page",
		"output", "d", "ids", "_embedded", "embedded", "matches", "all", "array", "batch", "return", "success", "":
		return true
	}
	return false
}

// arrayClass is the class of an array's elements: the key it stands under if that says something,
// else the path's; in the edges and nodes of GraphQL the nearest name around them.
func (r *reader) arrayClass(parent *frame) []byte {
	key := r.name[:r.nName]
	if !isGenericName(key) {
		return key
	}
	around := parent.name[:parent.nName]
	if (string(key) == "edges" || string(key) == "nodes" || len(r.class) == 0) && !isGenericName(around) {
		return around
	}
	return r.class
}

// objectClass is the class of a single object, by the same rule.
func (r *reader) objectClass(f *frame) []byte {
	if key := f.name[:f.nName]; !isGenericName(key) {
		return key
	}
	return r.class
}

// nameHash is FNV-1a of a field name, mixed so that sums of them tell sets apart.
func nameHash(k []byte) uint64 {
	h := uint64(14695981039346656037)
	for _, c := range k {
		h = (h ^ uint64(c)) * 1099511628211
	}
	h ^= h >> 32
	h *= 0xD6E8FEB86659FD93
	return h ^ h>>32
}

// objectSet keeps the smallest hashes, sorted and distinct.
type objectSet struct {
	hashes [exchange.MaxObjects]uint64
	n      int
	seen   uint32 // distinct as far as the kept ones tell
}

func (s *objectSet) add(h uint64) {
	if s.n == len(s.hashes) && h > s.hashes[s.n-1] {
		s.seen++
		return
	}
	i, ok := slices.BinarySearch(s.hashes[:s.n], h)
	if ok {
		return
	}
	s.seen++
	if s.n < len(s.hashes) {
		s.n++
	}
	copy(s.hashes[i+1:s.n], s.hashes[i:])
	s.hashes[i] = h
}

func isInteger(text []byte) bool {
	for _, c := range text {
		if c != '-' && (c < '0' || c > '9') {
			return false
		}
	}
	return len(text) > 0
}

func lowerByte(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// unescape decodes the escapes of a JSON string (RFC 8259 section 7), appending to dst, which must
// have room for the text. A broken escape stays as it is, a lone surrogate becomes U+FFFD.
func unescape(dst, s []byte) []byte {
	const plain, means = `"\/bfnrt`, "\"\\/\b\f\n\r\t"
	for i := 0; i < len(s); {
		if s[i] != '\\' || i+1 == len(s) {
			dst = append(dst, s[i])
			i++
			continue
		}
		if k := strings.IndexByte(plain, s[i+1]); k >= 0 {
			dst = append(dst, means[k])
			i += 2
			continue
		}
		c, n := hex4(s[i:]), 6
		if c < 0 {
			dst = append(dst, s[i])
			i++
			continue
		}
		if 0xD800 <= c && c < 0xDC00 && i+6 < len(s) {
			if low := hex4(s[i+6:]); 0xDC00 <= low && low < 0xE000 {
				c, n = 0x10000+(c-0xD800)<<10+(low-0xDC00), 12
			}
		}
		dst = utf8.AppendRune(dst, c)
		i += n
	}
	return dst
}

// hex4 reads \uXXXX; -1 when it is none.
func hex4(s []byte) rune {
	if len(s) < 6 || s[1] != 'u' || s[0] != '\\' {
		return -1
	}
	var c rune
	for _, d := range s[2:6] {
		switch {
		case '0' <= d && d <= '9':
			c = c<<4 | rune(d-'0')
		case 'a' <= d|0x20 && d|0x20 <= 'f':
			c = c<<4 | rune(d|0x20-'a'+10)
		default:
			return -1
		}
	}
	return c
}
