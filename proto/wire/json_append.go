// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"math"
	"net/netip"
	"strconv"
	"unicode/utf8"

	weirv1 "github.com/weir-project/weir/proto/wire/weir/v1"
)

// appender writes one JSON object. Fields that are zero or absent are left out. It never allocates
// where dst has room.
type appender struct {
	dst   []byte
	comma bool
}

func (a *appender) open() { a.dst, a.comma = append(a.dst, '{'), false }

func (a *appender) close() { a.dst, a.comma = append(a.dst, '}'), true }

func (a *appender) key(name string) {
	if a.comma {
		a.dst = append(a.dst, ',')
	}
	a.comma = true
	a.dst = append(a.dst, '"')
	a.dst = append(a.dst, name...)
	a.dst = append(a.dst, '"', ':')
}

func (a *appender) number(name string, v uint64) {
	if v != 0 {
		a.key(name)
		a.dst = strconv.AppendUint(a.dst, v, 10)
	}
}

func (a *appender) signed(name string, v int64) {
	if v != 0 {
		a.key(name)
		a.dst = strconv.AppendInt(a.dst, v, 10)
	}
}

func (a *appender) flag(name string, v bool) {
	if v {
		a.key(name)
		a.dst = append(a.dst, "true"...)
	}
}

func (a *appender) text(name, s string) {
	if s != "" {
		a.key(name)
		a.dst = appendString(a.dst, s)
	}
}

func (a *appender) texts(name string, list []string) {
	if len(list) == 0 {
		return
	}
	a.key(name)
	a.dst = append(a.dst, '[')
	for i, s := range list {
		if i > 0 {
			a.dst = append(a.dst, ',')
		}
		a.dst = appendString(a.dst, s)
	}
	a.dst = append(a.dst, ']')
}

func (a *appender) id(name string, id []byte) {
	if len(id) != 0 {
		a.key(name)
		a.dst = append(a.dst, '"')
		a.dst = appendHex(a.dst, id)
		a.dst = append(a.dst, '"')
	}
}

func (a *appender) ids(name string, list [][]byte) {
	if len(list) == 0 {
		return
	}
	a.key(name)
	open := byte('[')
	for _, id := range list {
		a.dst = append(a.dst, open, '"')
		a.dst = appendHex(a.dst, id)
		a.dst = append(a.dst, '"')
		open = ','
	}
	a.dst = append(a.dst, ']')
}

// hash writes a 64-bit hash as 16 hex digits: JSON readers lose bits of such a number.
func (a *appender) hash(name string, v uint64) {
	if v != 0 {
		a.key(name)
		a.dst = append(a.dst, '"')
		a.dst = appendHex64(a.dst, v)
		a.dst = append(a.dst, '"')
	}
}

func (a *appender) hashes(name string, list []uint64) {
	if len(list) == 0 {
		return
	}
	a.key(name)
	open := byte('[')
	for _, v := range list {
		a.dst = append(a.dst, open, '"')
		a.dst = appendHex64(a.dst, v)
		a.dst = append(a.dst, '"')
		open = ','
	}
	a.dst = append(a.dst, ']')
}

func (a *appender) address(name string, b []byte) {
	if len(b) != 0 {
		a.key(name)
		a.dst = append(a.dst, '"')
		a.dst = appendAddress(a.dst, b)
		a.dst = append(a.dst, '"')
	}
}

// enum writes the word of a value, or its number where this version has no word for it.
func (a *appender) enum(name string, v int32, words []string) {
	if v == 0 {
		return
	}
	a.key(name)
	if v < 0 || int(v) >= len(words) {
		a.dst = strconv.AppendInt(a.dst, int64(v), 10)
		return
	}
	a.dst = append(a.dst, '"')
	a.dst = append(a.dst, words[v]...)
	a.dst = append(a.dst, '"')
}

// entry writes one counted key of an object such as {"email":3}.
func (a *appender) entry(count uint64) {
	a.dst = append(a.dst, '"', ':')
	a.dst = strconv.AppendUint(a.dst, count, 10)
}

func (a *appender) nextEntry() {
	if a.comma {
		a.dst = append(a.dst, ',')
	}
	a.comma = true
	a.dst = append(a.dst, '"')
}

func (a *appender) classes(name string, list []*weirv1.SensitiveCount) {
	if len(list) == 0 {
		return
	}
	a.key(name)
	a.open()
	for _, s := range list {
		a.nextEntry()
		a.dst = appendClass(a.dst, s)
		a.entry(s.Count)
	}
	a.close()
}

func appendClass(dst []byte, s *weirv1.SensitiveCount) []byte {
	if s.Class < 0 || int(s.Class) >= len(classes) {
		return strconv.AppendInt(dst, int64(s.Class), 10)
	}
	dst = append(dst, classes[s.Class]...)
	if s.Custom != "" {
		dst = append(dst, ':')
		dst = appendEscaped(dst, s.Custom)
	}
	return dst
}

func (a *appender) names(name string, list []*weirv1.NameCount) {
	if len(list) == 0 {
		return
	}
	a.key(name)
	a.open()
	for _, n := range list {
		a.nextEntry()
		a.dst = appendEscaped(a.dst, n.Name)
		a.entry(n.Count)
	}
	a.close()
}

func (a *appender) addresses(name string, list []*weirv1.AddressCount) {
	if len(list) == 0 {
		return
	}
	a.key(name)
	a.open()
	for _, n := range list {
		a.nextEntry()
		a.dst = appendAddress(a.dst, n.Address)
		a.entry(n.Count)
	}
	a.close()
}

func (a *appender) idCounts(name string, list []*weirv1.IdCount) {
	if len(list) == 0 {
		return
	}
	a.key(name)
	a.open()
	for _, n := range list {
		a.nextEntry()
		a.dst = appendHex(a.dst, n.Id)
		a.entry(n.Count)
	}
	a.close()
}

func appendAddress(dst, b []byte) []byte {
	addr, ok := netip.AddrFromSlice(b)
	if !ok {
		return appendHex(dst, b) // no address: Validate refuses it, the line stays valid JSON
	}
	return addr.AppendTo(dst)
}

func appendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	dst = appendEscaped(dst, s)
	return append(dst, '"')
}

// appendEscaped writes what stands between quotes: valid JSON whatever s holds, with nothing in it
// that moves a terminal's cursor or reorders its text.
func appendEscaped(dst []byte, s string) []byte {
	done := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= 0x20 && c < 0x7f && c != '"' && c != '\\' {
			i++
			continue
		}
		r, n := rune(c), 1
		if c >= utf8.RuneSelf {
			r, n = utf8.DecodeRuneInString(s[i:])
			if !(r == utf8.RuneError && n == 1) && !isControl(r) && !isInvisible(r) {
				i += n
				continue
			}
		}
		dst = append(dst, s[done:i]...)
		dst = appendEscape(dst, r)
		i += n
		done = i
	}
	return append(dst, s[done:]...)
}

func appendEscape(dst []byte, r rune) []byte {
	switch {
	case r == '"' || r == '\\':
		return append(dst, '\\', byte(r))
	case r > math.MaxUint16:
		return utf8.AppendRune(dst, r)
	}
	return append(dst, '\\', 'u', hexDigits[r>>12], hexDigits[r>>8&15], hexDigits[r>>4&15], hexDigits[r&15])
}
