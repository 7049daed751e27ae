// SPDX-License-Identifier: Apache-2.0

package wire

import "unicode/utf8"

// Bounds of texts, in bytes. AppendText cuts to them, Validate refuses beyond them.
const (
	MaxText   = 256      // every text without a bound of its own
	MaxPath   = 2048     // url_path, url_template, operation
	MaxTarget = 64 << 10 // http_request_target, which is never published
)

const hexDigits = "0123456789abcdef"

func appendHex(dst, b []byte) []byte {
	for _, c := range b {
		dst = append(dst, hexDigits[c>>4], hexDigits[c&15])
	}
	return dst
}

func appendHex64(dst []byte, v uint64) []byte {
	for shift := 60; shift >= 0; shift -= 4 {
		dst = append(dst, hexDigits[v>>shift&15])
	}
	return dst
}

// AppendText appends s as a text that Validate accepts: at most max bytes, cut between characters,
// with U+FFFD for what is not UTF-8 and for control characters. dst and s must not overlap.
func AppendText(dst, s []byte, max int) []byte {
	if len(s) <= max && isPlain(s) {
		return append(dst, s...)
	}
	limit := len(dst) + max
	for len(s) > 0 {
		r, n := utf8.DecodeRune(s)
		if isControl(r) {
			r = utf8.RuneError
		}
		if len(dst)+utf8.RuneLen(r) > limit {
			break
		}
		dst = utf8.AppendRune(dst, r)
		s = s[n:]
	}
	return dst
}

// isPlain says whether s is printable ASCII, the common case.
func isPlain(s []byte) bool {
	for _, c := range s {
		if c < 0x20 || c >= 0x7f {
			return false
		}
	}
	return true
}

// IsText says whether s may travel: bounded, UTF-8, no control characters.
func IsText(s string, max int) bool {
	if len(s) > max {
		return false
	}
	for i := 0; i < len(s); {
		if c := s[i]; c >= 0x20 && c < 0x7f {
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n <= 1 || isControl(r) {
			return false
		}
		i += n
	}
	return true
}

func isControl(r rune) bool { return r < 0x20 || r >= 0x7f && r < 0xa0 }

// isInvisible says which characters are escaped in JSON though they may travel: line separators
// and what reorders or hides text on a terminal.
func isInvisible(r rune) bool {
	return r >= 0x200b && r <= 0x200f || r >= 0x2028 && r <= 0x202e || r >= 0x2060 && r <= 0x206f || r == 0xfeff || r == 0x061c
}
