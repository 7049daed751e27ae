// SPDX-License-Identifier: Apache-2.0

package http2

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"golang.org/x/net/http2/hpack"
)

// codeLength has the length in bits of the code of every byte, RFC 7541 appendix B.
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

// TestHuffmanCode makes the code again from the lengths.
func TestHuffmanCode(t *testing.T) {
	var quick [1 << quickLen]uint16
	code, n := uint32(0), 0
	for length := 1; length <= maxCode; length++ {
		code <<= 1
		first, from := code, n
		for b := range codeLength {
			if int(codeLength[b]) != length {
				continue
			}
			if huffmanOrder[n] != uint8(b) {
				t.Errorf("byte %d in order is %#x, want %#x", n, huffmanOrder[n], b)
			}
			if length <= quickLen {
				for i := code << (quickLen - length); i < (code+1)<<(quickLen-length); i++ {
					quick[i] = uint16(length)<<8 | uint16(b)
				}
			}
			code++
			n++
		}
		if length <= quickLen {
			continue
		}
		if l := huffmanLong[length-quickLen-1]; int(l.count) != n-from || n > from && (l.first != first || int(l.from) != from) {
			t.Errorf("codes of %d bits: %+v, want %d from %d, %#x", length, l, n-from, from, first)
		}
	}
	if quick != huffmanQuick {
		t.Errorf("short codes are not as their lengths say: %#v", quick)
	}
	if n != 256 || code+1 != 1<<maxCode { // all but EOS
		t.Errorf("%d codes up to %#x", n, code)
	}
}

func decodeHuffman(src []byte) ([]byte, bool) {
	return appendHuffman(make([]byte, 0, len(src)*8/shortestCode), src)
}

// TestHuffmanBytes decodes what another implementation encodes: every byte with others around it, and random ones.
func TestHuffmanBytes(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	f := func(want []byte) {
		t.Helper()
		code := hpack.AppendHuffmanString(nil, string(want))
		if got, ok := decodeHuffman(code); !ok || !bytes.Equal(got, want) {
			t.Fatalf("%q: got %q, %v", want, got, ok)
		}
	}
	f(nil)
	for b := range 256 {
		for n := range 20 {
			f(append(bytes.Repeat([]byte("0"), n), byte(b)))
			f(append(bytes.Repeat([]byte{byte(b)}, n), 'z', byte(b)))
		}
	}
	for range 2000 {
		b := make([]byte, r.IntN(100))
		for i := range b {
			if b[i] = byte(' ' + r.IntN(95)); r.IntN(10) == 0 {
				b[i] = byte(r.Uint32())
			}
		}
		f(b)
	}
}

// TestHuffmanWrong compares what is wrong, and where EOS begins, with another implementation.
func TestHuffmanWrong(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	wrong := 0
	for range 100_000 {
		b := make([]byte, r.IntN(20))
		for i := range b {
			if b[i] = byte(r.Uint32()); r.IntN(2) == 0 {
				b[i] |= ^byte(0xff >> r.IntN(9))
			}
		}
		want, err := hpack.HuffmanDecodeToString(b)
		got, ok := decodeHuffman(b)
		if ok != (err == nil) || ok && string(got) != want {
			t.Fatalf("%x: got %q, %v; want %q, %v", b, got, ok, want, err)
		}
		if !ok {
			wrong++
		}
	}
	if wrong < 10_000 {
		t.Errorf("only %d of the strings are wrong", wrong)
	}
}
