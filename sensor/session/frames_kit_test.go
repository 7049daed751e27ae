// SPDX-License-Identifier: Apache-2.0

package session_test

import (
	"bytes"
	"strconv"
	"strings"
	"testing"

	"github.com/weir-project/weir/sensor/stream"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// speaker writes one side's frames for the scripts.
type speaker struct {
	buf    bytes.Buffer
	block  bytes.Buffer
	framer *http2.Framer
	hpack  *hpack.Encoder
}

func newSpeaker() *speaker {
	s := &speaker{}
	s.framer = http2.NewFramer(&s.buf, nil)
	s.framer.AllowIllegalWrites = true
	s.hpack = hpack.NewEncoder(&s.block)
	return s
}

// frames writes the frames of a line, such as `headers 1 end :method=GET :path=/ ; data 1 100 end`. A "_" in a
// value stands for a blank.
func (s *speaker) frames(t testing.TB, line string) []byte {
	t.Helper()
	s.buf.Reset()
	for _, one := range strings.Split(line, ";") {
		s.frame(t, strings.Fields(one))
	}
	return bytes.Clone(s.buf.Bytes())
}

func (s *speaker) frame(t testing.TB, f []string) {
	t.Helper()
	num := func(i int) uint32 {
		n, err := strconv.ParseUint(f[i], 10, 32)
		if err != nil {
			t.Fatalf("%v: %v", f, err)
		}
		return uint32(n)
	}
	end := f[len(f)-1] == "end" || len(f) > 2 && f[2] == "end"
	switch f[0] {
	case "preface":
		s.buf.WriteString(http2.ClientPreface)
	case "settings":
		s.framer.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 20})
	case "headers":
		s.fields(f[2:])
		s.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: num(1), BlockFragment: s.block.Bytes(), EndStream: end, EndHeaders: true})
	case "push":
		s.fields(f[3:])
		s.framer.WritePushPromise(http2.PushPromiseParam{StreamID: num(1), PromiseID: num(2), BlockFragment: s.block.Bytes(), EndHeaders: true})
	case "data":
		s.framer.WriteData(num(1), end, bytes.Repeat([]byte("x"), int(num(2))))
	case "padded":
		s.framer.WriteDataPadded(num(1), end, bytes.Repeat([]byte("x"), int(num(2))), make([]byte, 50))
	case "rst":
		s.framer.WriteRSTStream(num(1), http2.ErrCode(num(2)))
	case "goaway":
		s.framer.WriteGoAway(num(1), 0, nil)
	case "ping":
		s.framer.WritePing(false, [8]byte{1})
	default:
		t.Fatalf("no frame: %v", f)
	}
}

func (s *speaker) fields(words []string) {
	s.block.Reset()
	for _, w := range words {
		if i := strings.LastIndexByte(w, '='); i > 0 {
			s.hpack.WriteField(hpack.HeaderField{Name: w[:i], Value: strings.ReplaceAll(w[i+1:], "_", " ")})
		}
	}
}

func isFrames(word string) bool {
	return strings.Contains("|preface|settings|headers|push|data|padded|rst|goaway|ping|", "|"+word+"|")
}

func (w *wire) speaker(side stream.Side) *speaker {
	if w.speakers[side] == nil {
		w.speakers[side] = newSpeaker()
	}
	return w.speakers[side]
}
