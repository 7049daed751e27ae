// SPDX-License-Identifier: Apache-2.0

package ingest_test

import (
	"testing"
	"time"

	"github.com/weir-project/weir/analyzer/ingest"
	weirv1 "github.com/weir-project/weir/proto/wire/weir/v1"
)

// A sensor's clock that is wrong by years moves nothing but itself: its batches come with the
// stream's time. What is merely late stays where it is.
func TestAWrongClockIsCorrected(t *testing.T) {
	js := connect(t, startServer(t))
	year, now := 365*24*time.Hour, time.Now()
	cases := []struct {
		name   string
		source weirv1.BatchSource
		clock  time.Duration // the sensor's, beyond ours
		age    time.Duration // of the window's end when it is sent
		want   time.Duration // where the window's end comes to lie, from now
		reason string
	}{
		{"right", weirv1.BatchSource_BATCH_SOURCE_LIVE, 0, time.Second, -time.Second, ""},
		{"a little ahead", weirv1.BatchSource_BATCH_SOURCE_LIVE, 20 * time.Second, 0, 20 * time.Second, ""},
		{"years ahead", weirv1.BatchSource_BATCH_SOURCE_LIVE, 40 * year, time.Second, -time.Second, "ahead"},
		{"years behind", weirv1.BatchSource_BATCH_SOURCE_LIVE, -40 * year, time.Second, -time.Second, "behind"},
		{"a spool is late, not skewed", weirv1.BatchSource_BATCH_SOURCE_SPOOL, 0, 6 * time.Hour, -6 * time.Hour, ""},
		{"a spool of a wrong clock", weirv1.BatchSource_BATCH_SOURCE_SPOOL, 2 * year, 6 * time.Hour, -6 * time.Hour, "ahead"},
		{"only the window is ahead", weirv1.BatchSource_BATCH_SOURCE_LIVE, 0, -year, time.Minute, "window_ahead"},
		{"an import is of its own time", weirv1.BatchSource_BATCH_SOURCE_IMPORT, 0, year, -year, ""},
	}
	for i, c := range cases {
		b := batch(1, i+1)
		end := now.Add(c.clock - c.age)
		b.Source, b.SentUnixNano = c.source, uint64(now.Add(c.clock).UnixNano())
		b.WindowStartUnixNano, b.WindowEndUnixNano = uint64(end.Add(-time.Second).UnixNano()), uint64(end.UnixNano())
		b.Gaps = []*weirv1.Gap{{EndUnixNano: uint64(end.UnixNano()), Reason: "restart"}}
		if c.source == weirv1.BatchSource_BATCH_SOURCE_IMPORT {
			b.SensorId = "import"
		}
		publishBatch(t, js, b)
	}
	s, _ := start(t, js, ingest.Config{})
	want := map[string]uint64{}
	for _, c := range cases {
		d := next(t, s, 1)
		got := time.Unix(0, int64(d.Batch.WindowEndUnixNano)).Sub(now)
		if off := (got - c.want).Abs(); off > 31*time.Second {
			t.Errorf("%s: the window ends %v from now, want %v", c.name, got, c.want)
		}
		if g := d.Batch.Gaps[0]; g.StartUnixNano != 0 {
			t.Errorf("%s: an unknown time became known", c.name)
		}
		if c.reason != "" {
			want[c.reason]++
		}
		if err := d.Ack(); err != nil {
			t.Fatal(err)
		}
	}
	got := map[string]uint64{}
	for _, n := range s.Counts() {
		if n.Name == "clock_corrected" {
			got[n.Reason] = n.Value
		}
	}
	for reason, n := range want {
		if got[reason] != n {
			t.Errorf("clock_corrected %v, want %v", got, want)
		}
	}
}

// An import has times of its own, so it must be one, and it may not come from the future: one batch of
// the year 2100 would close every minute before it.
func TestAnImportMustBeOne(t *testing.T) {
	js := connect(t, startServer(t))
	for i, c := range []struct {
		sensor string
		ahead  time.Duration
	}{{"s1", 0}, {"import", 2 * time.Hour}, {"import", 75 * 365 * 24 * time.Hour}, {"import", 8 * time.Minute}} {
		b := batch(1, i+1)
		b.Source, b.SensorId = weirv1.BatchSource_BATCH_SOURCE_IMPORT, c.sensor
		b.WindowEndUnixNano = uint64(time.Now().Add(c.ahead).UnixNano())
		publishBatch(t, js, b)
	}
	s, _ := start(t, js, ingest.Config{})
	if d := next(t, s, 1); d.Batch.Sequence != 4 {
		t.Errorf("batch %d was let in", d.Batch.Sequence)
	} else if err := d.Ack(); err != nil {
		t.Fatal(err)
	}
	until(t, "an empty stream", func() bool { return left(t, js) == 0 })
	refused := map[string]uint64{}
	for _, n := range s.Counts() {
		if n.Name == "refused" {
			refused[n.Reason] = n.Value
		}
	}
	if refused["import_sensor"] != 1 || refused["import_future"] != 2 {
		t.Errorf("refused %v", refused)
	}
}
