// SPDX-License-Identifier: Apache-2.0

package http2

import "encoding/binary"

// Shifts by lengths are masked, which changes nothing but spares the check for one of 64 and more.
const (
	maxCode      = 30
	shortestCode = 5
	quickLen     = 10 // codes up to this length are found by one look
)

// appendHuffman appends what src says to dst, RFC 7541 section 5.2; false if it is wrong: a code that is none, EOS, or
// padding that is longer than 7 bits or not of ones. dst must have room for 8/5 of the bytes of src.
func appendHuffman(dst, src []byte) ([]byte, bool) {
	out := dst[len(dst):cap(dst)]
	k := 0
	var bits uint64 // the next bits, from the highest on; n of them, and then perhaps some of the byte that follows
	n := 0
	for len(src) >= 8 {
		bits |= binary.BigEndian.Uint64(src) >> (n & 63)
		src = src[(63-n)>>3:]
		n |= 56
		for n >= quickLen {
			q := huffmanQuick[bits>>(64-quickLen)]
			if q == 0 {
				if n < maxCode {
					break
				}
				if q = longCode(bits); q == 0 {
					return dst, false
				}
			}
			out[k] = byte(q)
			k++
			bits <<= q >> 8 & 63
			n -= int(q >> 8)
		}
	}
	k, ok := huffmanEnd(out, k, src, bits, n)
	return dst[:len(dst)+k], ok
}

// huffmanEnd goes on where less than 8 bytes are left of src, to the padding.
func huffmanEnd(out []byte, k int, src []byte, bits uint64, n int) (int, bool) {
	for {
		for n <= 56 && len(src) > 0 {
			bits |= uint64(src[0]) << (56 - n)
			src = src[1:]
			n += 8
		}
		q := huffmanQuick[bits>>(64-quickLen)]
		if q == 0 {
			q = longCode(bits)
		}
		if length := int(q >> 8); length == 0 || length > n { // only padding is left
			return k, n < 8 && bits>>(56) == 0xff<<(8-n)&0xff
		}
		out[k] = byte(q)
		k++
		bits <<= q >> 8 & 63
		n -= int(q >> 8)
	}
}

// longCode finds a code that huffmanQuick does not have, as one of its entries; 0 if there is none.
func longCode(bits uint64) uint16 {
	for i := range huffmanLong {
		l := &huffmanLong[i]
		length := quickLen + 1 + i
		if k := uint32(bits>>(64-length)) - l.first; k < uint32(l.count) {
			return uint16(length)<<8 | uint16(huffmanOrder[int(l.from)+int(k)])
		}
	}
	return 0
}
