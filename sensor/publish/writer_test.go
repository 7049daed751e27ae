// SPDX-License-Identifier: Apache-2.0

package publish_test

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weir-project/weir/proto/wire"
	weirv1 "github.com/weir-project/weir/proto/wire/weir/v1"
	"github.com/weir-project/weir/sensor/exchange"
	"github.com/weir-project/weir/sensor/publish"
)

// read gives the exchanges that a Writer wrote.
func read(t *testing.T, format publish.WriterFormat, data []byte) (all []*weirv1.Exchange) {
	t.Helper()
	if format == publish.JSONLines {
		for line := range bytes.Lines(data) {
			var l wire.Line
			if err := wire.ParseLine(line, &l); err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			if err := wire.ValidateLine(&l); err != nil {
				t.Errorf("%s: %v", line, err)
			}
			if l.Exchange != nil {
				all = append(all, l.Exchange)
			}
		}
		return all
	}
	r := bufio.NewReader(bytes.NewReader(data))
	for n := uint64(1); ; n++ {
		var b weirv1.Batch
		if err := wire.ReadDelimited(r, &b); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		if b.Sequence != n {
			t.Errorf("batch %d has sequence %d", n, b.Sequence)
		}
		all = append(all, b.Exchanges...)
	}
}

// parts cuts an exchange into n parts.
func parts(x exchange.Exchange, n int) (all []exchange.Exchange) {
	for i := range n {
		p := x
		p.Part, p.Last = uint32(i), i == n-1
		if i > 0 {
			p.RequestCount, p.RequestHeaderSize, p.ResponseHeaderSize = 0, 0, 0
			p.ResponseBodyOffset = uint64(i) * 100
		}
		if i < n-1 {
			p.Duration = 0
		}
		p.ResponseBodySize, p.Records = 100, 1
		p.Objects, p.ObjectsSeen = []uint64{uint64(i + 1)}, 1
		p.PartStart += int64(i)
		p.PartEnd += int64(i)
		all = append(all, p)
	}
	return all
}

func TestWriterMergesParts(t *testing.T) {
	for _, format := range []publish.WriterFormat{publish.JSONLines, publish.Delimited} {
		var out bytes.Buffer
		w := publish.NewWriter(&out, publish.WriterConfig{Format: format})
		x := *newSample(1, 1, 1).next()
		y := x
		y.ID = number('x', 99)
		long, other := parts(x, 3), parts(y, 2)
		for _, p := range []exchange.Exchange{long[0], other[0], long[1], other[1], long[2]} {
			w.Exchange(&p)
		}
		lost := parts(y, 3) // its last part never comes
		w.Exchange(&lost[0])
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		got := read(t, format, out.Bytes())
		if len(got) != 3 {
			t.Fatalf("%d exchanges, want 3", len(got))
		}
		whole := got[1]
		if whole.RequestCount != 1 || whole.HttpResponseBodySize != 300 || whole.RecordCount != 3 || whole.PartNumber != 0 || !whole.PartLast ||
			whole.ObjectsSeen != 3 || len(whole.ObjectHashes) != 3 || whole.DurationNano != uint64(x.Duration) || whole.HttpRequestHeaderSize != 180 ||
			whole.PartStartTimeUnixNano != uint64(x.PartStart) || whole.PartEndTimeUnixNano != uint64(x.PartEnd)+2 || whole.ResponseBodyOffset != 0 {
			t.Errorf("merged: %v", whole)
		}
		if got[2].PartLast || got[2].HttpResponseBodySize != 100 {
			t.Errorf("without its end: %v", got[2])
		}
	}
}

// The bytes are the same whether parts are merged, not merged, or merged in little memory.
func TestWriterKeepsTotalsInLittleMemory(t *testing.T) {
	var sums [3]uint64
	var lines [3]int
	for i, cfg := range []publish.WriterConfig{{Format: publish.JSONLines}, {Format: publish.JSONLines, Parts: true}, {Format: publish.JSONLines, MaxPending: 4096}} {
		var out bytes.Buffer
		w := publish.NewWriter(&out, cfg)
		s := newSample(1, 5, 1)
		var open [][]exchange.Exchange
		for range 40 {
			open = append(open, parts(*s.next(), 4))
		}
		for p := range 4 {
			for _, x := range open {
				w.Exchange(&x[p])
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		for _, x := range read(t, cfg.Format, out.Bytes()) {
			sums[i] += x.HttpResponseBodySize
			lines[i]++
		}
		if _, cut, _ := w.Written(); (cut > 0) != (cfg.MaxPending > 0) {
			t.Errorf("%d exchanges written in pieces", cut)
		}
	}
	if sums != [3]uint64{16000, 16000, 16000} || lines[0] != 40 || lines[1] != 160 || lines[2] < 41 {
		t.Errorf("bytes %v in lines %v", sums, lines)
	}
}

// Whatever the traffic held, a line is one line of valid JSON, and the batch is valid.
func TestHostileTextTravels(t *testing.T) {
	nasty := []byte("a\"b\\c\n\r\x00\x1b[31m\u2028\u202e\xff\xfe\x80é😀")
	var line, stream bytes.Buffer
	js := publish.NewWriter(&line, publish.WriterConfig{Format: publish.JSONLines})
	pb := publish.NewWriter(&stream, publish.WriterConfig{Format: publish.Delimited})
	x := *newSample(1, 1, 1).next()
	x.ServerName, x.Method, x.RequestID, x.CredentialName, x.ContentType, x.ContentEncoding = nasty, nasty, nasty, nasty, nasty, nasty
	x.Path, x.Template, x.Operation, x.Target = bytes.Repeat(nasty, 500), nasty, nasty, nasty
	x.ClientSoftware, x.Point, x.File = string(nasty), string(nasty), string(nasty)
	for range 100 {
		x.QueryNames = append(x.QueryNames, nasty)
		x.OtherTokenIDs = append(x.OtherTokenIDs, number('t', 5))
	}
	x.ResponseBodySize, x.GapBytes, x.Records, x.RequestBodyOffset = math.MaxUint64, 1<<62, math.MaxUint64, math.MaxUint64
	x.Duration, x.PartStart, x.PartEnd, x.Status, x.RequestCount = math.MaxInt64, -5, math.MinInt64, 65535, 9
	js.Exchange(&x)
	pb.Exchange(&x)
	if err := errors.Join(js.Close(), pb.Close()); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(line.String(), "\n"); n != 1 || strings.ContainsAny(line.String(), "\x1b\x00\r\u2028\u202e") {
		t.Errorf("%d lines: %q", n, line.String()[:200])
	}
	fromJSON, fromPB := read(t, publish.JSONLines, line.Bytes()), read(t, publish.Delimited, stream.Bytes())
	a, _ := fromJSON[0].MarshalVT()
	b, _ := fromPB[0].MarshalVT()
	if d := cmp.Diff(a, b); d != "" {
		t.Errorf("the two forms differ:\n%v\n%v", fromJSON[0], fromPB[0])
	}
	if got := fromPB[0]; len(got.QueryNames) != 64 || len(got.UrlPath) > wire.MaxPath || !slices.Contains(got.Anomalies, "list_cut") || !slices.Contains(got.Anomalies, "number_cut") {
		t.Errorf("bounds: %v", got)
	}
}

func TestWriterCaptureLinkAndErrors(t *testing.T) {
	var out bytes.Buffer
	w := publish.NewWriter(&out, publish.WriterConfig{Format: publish.JSONLines})
	older := number('p', 1)
	w.Link(&weirv1.PrincipalLink{OlderId: older[:], PrincipalId: older[:]})
	w.Capture(&weirv1.CaptureCounters{StartUnixNano: 1, EndUnixNano: 2, Counters: []*weirv1.Counter{{Name: "packets", Value: 7}}})
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	want := `{"principal_link":{"older_id":"70000000000000000000000000000002","principal_id":"70000000000000000000000000000002"}}
{"capture":{"start_unix_nano":1,"end_unix_nano":2,"counters":[{"name":"packets","value":7}]}}
`
	if d := cmp.Diff(want, out.String()); d != "" {
		t.Error(d)
	}
	broken := publish.NewWriter(brokenPipe{}, publish.WriterConfig{Format: publish.Delimited})
	broken.Exchange(newSample(1, 1, 1).next())
	if err := broken.Close(); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("a broken pipe: %v", err)
	}
}

type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }
