// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/weir-project/weir/deploy/bench/world"
	"github.com/weir-project/weir/proto/wire"
	weirv1 "github.com/weir-project/weir/proto/wire/weir/v1"
)

// feed gives what a world of 300 events is turned into.
func feed(t *testing.T, json bool) *bytes.Buffer {
	t.Helper()
	path := filepath.Join(t.TempDir(), "events.csv.gz")
	var file bytes.Buffer
	z := gzip.NewWriter(&file)
	fmt.Fprintln(z, "ts,token,ip,endpoint,requests,status4xx,bytes,records,ids,fresh_ids,seq,sensitive")
	for i := range 300 {
		fmt.Fprintf(z, "%d,t%05d,198.51.100.%d,GET /orders?since,%d,%d,%d,%d,%d,%d,0.60,240\n", 1666915200+i/4*60+i%4, i%7, i%250, 2+i%30, i%3, i*1000, i*10, i*9, i*8)
	}
	z.Close()
	if err := os.WriteFile(path, file.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	events, err := world.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer events.Close()
	var out bytes.Buffer
	w := &writer{out: bufio.NewWriter(&out), json: json}
	tokens, err := w.feed(events)
	if err = errors.Join(err, w.out.Flush()); err != nil || len(tokens) != 7 {
		t.Fatal(err, len(tokens))
	}
	return &out
}

// Both forms are what the analyzer reads, and hold the same.
func TestFeedIsReadable(t *testing.T) {
	var records [2]uint64
	lines := bufio.NewScanner(feed(t, true))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var l wire.Line
		if err := errors.Join(wire.ParseLine(lines.Bytes(), &l), wire.ValidateLine(&l)); err != nil {
			t.Fatalf("%s: %v", lines.Bytes(), err)
		}
		if l.Exchange != nil {
			records[0] += l.Exchange.RecordCount
		}
	}
	batches := bufio.NewReader(feed(t, false))
	for {
		var b weirv1.Batch
		err := wire.ReadDelimited(batches, &b)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range b.Exchanges {
			records[1] += x.RecordCount
		}
	}
	if want := uint64(300 * 299 / 2 * 10); records[0] != want || records[1] != want {
		t.Errorf("%d records, want %d", records, want)
	}
}
