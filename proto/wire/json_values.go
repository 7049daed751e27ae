// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"math"
	"net/netip"
	"strconv"
	"strings"

	weirv1 "github.com/weir-project/weir/proto/wire/weir/v1"
)

// texts, ids, hashes and the like read the values of weir's JSON form; a list replaces what an
// earlier equal key held.

func (r *reader) texts() []string {
	var list []string
	r.array(func() { list = append(list, r.text()) })
	return list
}

// bytes reads hex digits.
func (r *reader) bytes() []byte {
	if r.null() {
		return nil
	}
	return r.unhex(r.rawText())
}

func (r *reader) unhex(text []byte) []byte {
	if len(text)%2 != 0 {
		r.fail("an odd number of hex digits")
		return nil
	}
	out := make([]byte, len(text)/2)
	for i := range out {
		high, low := hexValue(text[2*i]), hexValue(text[2*i+1])
		if high < 0 || low < 0 {
			r.fail("want hex digits")
			return nil
		}
		out[i] = byte(high<<4 | low)
	}
	return out
}

func (r *reader) id() []byte {
	id := r.bytes()
	if r.err == nil && len(id) != 0 && len(id) != idLen {
		r.fail("want an id of 32 hex digits")
	}
	return id
}

func (r *reader) ids() [][]byte {
	var list [][]byte
	r.array(func() { list = append(list, r.id()) })
	return list
}

func (r *reader) hash() uint64 {
	if r.null() {
		return 0
	}
	text := r.rawText()
	var v uint64
	for _, c := range text {
		d := hexValue(c)
		if d < 0 {
			r.fail("want hex digits")
			return 0
		}
		v = v<<4 | uint64(d)
	}
	if len(text) != 16 {
		r.fail("want 16 hex digits")
		return 0
	}
	return v
}

func (r *reader) hashes() []uint64 {
	var list []uint64
	r.array(func() { list = append(list, r.hash()) })
	return list
}

func (r *reader) address() []byte {
	text := r.text()
	if text == "" {
		return nil
	}
	return r.parseAddress(text)
}

func (r *reader) parseAddress(text string) []byte {
	addr, err := netip.ParseAddr(text)
	if err != nil || addr.Zone() != "" {
		r.fail("want an IP address")
		return nil
	}
	return addr.AsSlice()
}

// enum reads a word, or the number of a value that the writer had no word for.
func (r *reader) enum(words []string) int32 {
	if r.null() {
		return 0
	}
	if c := r.peek(); c == '-' || c >= '0' && c <= '9' {
		return r.signed()
	}
	text := r.rawText()
	for i, w := range words {
		if w == string(text) {
			return int32(i)
		}
	}
	r.fail("an unknown word")
	return 0
}

func (r *reader) classes() []*weirv1.SensitiveCount {
	var list []*weirv1.SensitiveCount
	r.object(func(key []byte) {
		word, custom, _ := strings.Cut(string(key), ":")
		s := &weirv1.SensitiveCount{Custom: custom}
		s.Class = weirv1.SensitiveClass(r.class(word))
		s.Count = r.u64()
		list = append(list, s)
	})
	return list
}

func (r *reader) class(word string) int32 {
	for i, w := range classes {
		if w == word {
			return int32(i)
		}
	}
	n, err := strconv.ParseInt(word, 10, 32)
	if err != nil {
		r.fail("an unknown class")
	}
	return int32(n)
}

func (r *reader) names() []*weirv1.NameCount {
	var list []*weirv1.NameCount
	r.object(func(key []byte) {
		list = append(list, &weirv1.NameCount{Name: string(key), Count: r.u64()})
	})
	return list
}

func (r *reader) addresses() []*weirv1.AddressCount {
	var list []*weirv1.AddressCount
	r.object(func(key []byte) {
		list = append(list, &weirv1.AddressCount{Address: r.parseAddress(string(key)), Count: r.u64()})
	})
	return list
}

func (r *reader) idCounts() []*weirv1.IdCount {
	var list []*weirv1.IdCount
	r.object(func(key []byte) {
		list = append(list, &weirv1.IdCount{Id: r.unhex(key), Count: r.u64()})
	})
	return list
}

func (r *reader) objectSet() *weirv1.ObjectSet {
	if r.null() {
		return nil
	}
	s := &weirv1.ObjectSet{}
	r.object(func(key []byte) {
		r.key = key
		switch string(r.key) {
		case "hashes":
			s.Hashes = r.hashes()
		case "hyperloglog":
			s.Hyperloglog = r.bytes()
		case "seen":
			s.Seen = r.u64()
		default:
			r.skip()
		}
	})
	return s
}

func (r *reader) port() uint32 { return uint32(r.number(math.MaxUint16)) }
