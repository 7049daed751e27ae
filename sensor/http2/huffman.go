// SPDX-License-Identifier: Apache-2.0

package http2

// codeLength has the length in bits of the code of every byte, RFC 7541 appendix B. The code is canonical: codes of
// one length are consecutive numbers in the order of their bytes, and a longer one begins where the shorter ones
// ended. So the lengths are the whole code. EOS, which must not occur, is the last one of 30 bits.
var codeLength = [256]uint8{
	13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28,
	28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
	6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
	5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
	13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
	7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
	15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5,
	6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
	20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
	24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
	22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,
	21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
	26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
	19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
	20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
	26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
}

const (
	maxCode  = 30
	quickLen = 10 // codes up to this length are found by one look
)

// huffmanCode is what decoding needs of the code.
type huffmanCode struct {
	quick [1 << quickLen]uint16 // by the next bits: length<<8 | byte; 0 for longer codes
	first [maxCode + 2]uint32   // the first code of each length
	from  [maxCode + 2]uint16   // and where its byte stands in order
	count [maxCode + 2]uint16
	order [256]uint8 // bytes by length, then by value
}

var huffman = newHuffmanCode()

func newHuffmanCode() *huffmanCode {
	h := &huffmanCode{}
	code, n := uint32(0), uint16(0)
	for length := 1; length <= maxCode; length++ {
		code <<= 1
		h.first[length], h.from[length] = code, n
		for b := range codeLength {
			if int(codeLength[b]) != length {
				continue
			}
			h.order[n] = uint8(b)
			if length <= quickLen {
				for i := code << (quickLen - length); i < (code+1)<<(quickLen-length); i++ {
					h.quick[i] = uint16(length)<<8 | uint16(b)
				}
			}
			code++
			n++
			h.count[length]++
		}
	}
	return h
}

// appendHuffman appends what src says to dst, RFC 7541 section 5.2; false if it is wrong: a code that is none, EOS, or
// padding that is longer than 7 bits or not of ones.
func appendHuffman(dst, src []byte) ([]byte, bool) {
	var bits uint64 // the next bits, from the highest on
	n := 0          // how many they are
	for {
		for n <= 56 && len(src) > 0 {
			bits |= uint64(src[0]) << (56 - n)
			src = src[1:]
			n += 8
		}
		if n == 0 {
			return dst, true
		}
		length, b := 0, byte(0)
		if q := huffman.quick[bits>>(64-quickLen)]; q != 0 {
			length, b = int(q>>8), byte(q)
		} else if length, b = huffman.long(bits); length == 0 {
			return dst, n < 8 && bits>>(64-n) == 1<<n-1
		}
		if length > n { // only padding is left
			return dst, n < 8 && bits>>(64-n) == 1<<n-1
		}
		dst = append(dst, b)
		bits <<= length
		n -= length
	}
}

// long finds a code that quick does not have; 0 if there is none.
func (h *huffmanCode) long(bits uint64) (length int, b byte) {
	for length = quickLen + 1; length <= maxCode; length++ {
		if i := uint32(bits>>(64-length)) - h.first[length]; i < uint32(h.count[length]) {
			return length, h.order[int(h.from[length])+int(i)]
		}
	}
	return 0, 0
}
