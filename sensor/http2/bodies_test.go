// SPDX-License-Identifier: Apache-2.0

package http2_test

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
)

// bodies are what responses are made of, as far as it looks like frames.
var bodies = map[string]func(r *rand.Rand, b []byte){
	"zeros": func(r *rand.Rand, b []byte) {},
	"random": func(r *rand.Rand, b []byte) {
		fillWith(b, 8, func(b []byte) { binary.LittleEndian.PutUint64(b, r.Uint64()) })
	},
	"text": func(r *rand.Rand, b []byte) {
		const words = `{"id":12,"name":"Ada","tags":["a","b"],"note":null}` + "\r\n"
		fillWith(b, 7, func(b []byte) { copy(b, words[r.IntN(len(words)-7):]) })
	},
	"sparse": func(r *rand.Rand, b []byte) {
		for i := range b {
			if r.IntN(10) == 0 {
				b[i] = byte(r.IntN(10))
			}
		}
	},
	"half zero": func(r *rand.Rand, b []byte) {
		for i := range b {
			b[i] = byte(max(0, r.IntN(20)-9))
		}
	},
	"digits":     func(r *rand.Rand, b []byte) { fillWith(b, 1, func(b []byte) { b[0] = byte(r.IntN(10)) }) },
	"be16":       func(r *rand.Rand, b []byte) { fillWith(b, 2, func(b []byte) { b[1] = byte(r.IntN(10)) }) },
	"le16":       func(r *rand.Rand, b []byte) { fillWith(b, 2, func(b []byte) { b[0] = byte(r.IntN(10)) }) },
	"be24":       func(r *rand.Rand, b []byte) { fillWith(b, 3, func(b []byte) { b[2] = byte(r.IntN(10)) }) },
	"be32":       func(r *rand.Rand, b []byte) { fillWith(b, 4, func(b []byte) { b[3] = byte(r.IntN(10)) }) },
	"le32":       func(r *rand.Rand, b []byte) { fillWith(b, 4, func(b []byte) { b[0] = byte(r.IntN(10)) }) },
	"be64":       func(r *rand.Rand, b []byte) { fillWith(b, 8, func(b []byte) { b[7] = byte(r.IntN(10)) }) },
	"counter":    func(r *rand.Rand, b []byte) { counter(b, binary.BigEndian.PutUint32) },
	"le counter": func(r *rand.Rand, b []byte) { counter(b, binary.LittleEndian.PutUint32) },
	"same":       func(r *rand.Rand, b []byte) { fillWith(b, 4, func(b []byte) { b[3] = 3 }) },
	"sizes": func(r *rand.Rand, b []byte) { // lengths and types, as formats have them
		fillWith(b, 9, func(b []byte) {
			binary.BigEndian.PutUint32(b, r.Uint32N(1<<(2+r.IntN(14))))
			b[4] = byte(r.IntN(9))
			b[8] = byte(r.IntN(30))
		})
	},
	"protobuf": protobuf,
}

func fillWith(b []byte, width int, put func(b []byte)) {
	for ; len(b) >= width; b = b[width:] {
		put(b[:width])
	}
}

func counter(b []byte, put func([]byte, uint32)) {
	n := uint32(0)
	fillWith(b, 4, func(b []byte) { put(b, n); n++ })
}

// protobuf makes messages of varints and short strings behind the 5-byte prefix of gRPC.
func protobuf(r *rand.Rand, b []byte) {
	out := make([]byte, 0, len(b)+600)
	for len(out) < len(b) {
		var m []byte
		for range r.IntN(30) {
			m = append(m, byte(r.IntN(16)<<3))
			m = binary.AppendUvarint(m, r.Uint64N(1<<(1+r.IntN(20))))
			m = append(m, byte(r.IntN(16)<<3|2), byte(r.IntN(9)))
			m = append(m, make([]byte, m[len(m)-1])...)
		}
		out = append(binary.BigEndian.AppendUint32(append(out, 0), uint32(len(m))), m...)
	}
	copy(b, out)
}

var bodyNames = func() []string {
	var names []string
	for name := range bodies {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}()

func anyBody(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	bodies[bodyNames[r.IntN(len(bodyNames))]](r, b)
	return b
}
