// SPDX-License-Identifier: Apache-2.0

package http2_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/weir-project/weir/sensor/http2"
)

// FuzzParser reads a side with gaps: no panic, every byte accounted (play checks both), and the same
// events however the input is cut. Gaps are pairs of bytes: how far they are from each other and how long.
func FuzzParser(f *testing.F) {
	for _, text := range scripts(f) {
		text, _, _ = strings.Cut(text, "----\n")
		s := parseScript(f, text)
		var b []byte
		for _, p := range s.pieces {
			b = append(b, p.data...)
		}
		f.Add(b, []byte{}, uint64(1), byte(s.begin))
		f.Add(b, []byte{10, 1, 20, 20, 30, 5}, uint64(2), byte(s.begin))
		f.Add(b, []byte{33, 9}, uint64(3), byte(http2.Joined))
	}
	f.Add(newTruth(1).exchanges(10, 300).b.Bytes(), []byte{100, 7, 250, 250, 1, 1}, uint64(4), byte(2))
	f.Fuzz(func(t *testing.T, b, gaps []byte, seed uint64, begin byte) {
		if len(b) > 1<<16 {
			t.Skip("larger than a fuzz input need be")
		}
		s := &script{begin: http2.Begin(begin%3 + 1), limits: http2.Limits{BlockBytes: 128, BlockFrames: 2, Fields: 8, FieldBytes: 512}}
		for at := int64(0); len(b) > 0; {
			n, gap := len(b), int64(0)
			if len(gaps) >= 2 {
				n, gap = min(n, int(gaps[0])), int64(gaps[1])*3
				gaps = gaps[2:]
			}
			if n > 0 {
				s.pieces = append(s.pieces, piece{data: b[:n], mark: http2.Mark{Offset: at}})
			}
			if gap > 0 {
				s.pieces = append(s.pieces, piece{gap: gap})
			}
			at += int64(n) + gap
			b = b[n:]
		}
		want, got := s.say(t, whole), s.say(t, cuts(seed))
		if !slices.Equal(got, want) {
			t.Fatalf("cut:\n%s\nwhole:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	})
}
