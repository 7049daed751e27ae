// SPDX-License-Identifier: Apache-2.0

// Command worldfeed turns the events of a benchmark world into what the analyzer eats, on stdout:
//
//	worldfeed -dir DIR -o json | weir-analyzer backtest -
//	worldfeed -dir DIR -o pb   | weir-analyzer backtest -
//
// It assumes a folder made by `exfilbench gen`, and writes exchanges and rollups in event time: JSON
// Lines, or length-delimited batches that belong to no one partition. -names FILE writes which
// token each principal is.
package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/weir-project/weir/deploy/bench/world"
	"github.com/weir-project/weir/proto/wire"
	weirv1 "github.com/weir-project/weir/proto/wire/weir/v1"
)

func main() {
	dir := flag.String("dir", "out", "folder of events.csv.gz")
	form := flag.String("o", "json", "json or pb")
	names := flag.String("names", "", "file for lines principal_id,token")
	flag.Parse()
	if *form != "json" && *form != "pb" {
		fmt.Fprintln(os.Stderr, "worldfeed: -o is json or pb")
		os.Exit(2)
	}
	if err := run(*dir, *form == "json", *names); err != nil {
		fmt.Fprintln(os.Stderr, "worldfeed:", err)
		os.Exit(1)
	}
}

func run(dir string, json bool, names string) error {
	events, err := world.Open(filepath.Join(dir, "events.csv.gz"))
	if err != nil {
		return err
	}
	defer events.Close()
	w := &writer{out: bufio.NewWriterSize(os.Stdout, 1<<20), json: json}
	seen, err := w.feed(events)
	if err = errors.Join(err, w.out.Flush()); err != nil || names == "" {
		return err
	}
	return writeNames(names, seen)
}

// writer writes one batch per event minute, cut where it gets long.
type writer struct {
	out      *bufio.Writer
	json     bool
	buf      []byte
	sequence uint64
}

const maxItems = 512

func (w *writer) feed(events *world.Reader) (tokens map[string]bool, err error) {
	var e world.Event
	feeder, batch, minute := world.NewFeeder(), &weirv1.Batch{}, int64(0)
	tokens = map[string]bool{}
	for {
		err := events.Read(&e)
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		if err != nil || e.Time/60 != minute || len(batch.Exchanges) > maxItems {
			if e := w.write(batch, minute); e != nil {
				return nil, e
			}
			batch = &weirv1.Batch{}
		}
		if err != nil {
			return tokens, nil
		}
		minute = e.Time / 60
		tokens[e.Token] = true
		feeder.Feed(&e, batch)
	}
}

func (w *writer) write(b *weirv1.Batch, minute int64) error {
	if len(b.Exchanges)+len(b.Rollups) == 0 {
		return nil
	}
	w.buf = w.buf[:0]
	if w.json {
		for _, x := range b.Exchanges {
			w.buf = wire.AppendLineJSON(w.buf, &wire.Line{Exchange: x})
		}
		for _, r := range b.Rollups {
			w.buf = wire.AppendLineJSON(w.buf, &wire.Line{Rollup: r})
		}
	} else {
		w.sequence++
		b.SchemaVersion, b.Cluster, b.SensorId, b.BootId = wire.SchemaVersion, "bench", "import", 1
		b.Partition, b.Sequence, b.Source = wire.Unpartitioned, w.sequence, weirv1.BatchSource_BATCH_SOURCE_IMPORT
		b.WindowStartUnixNano, b.WindowEndUnixNano = uint64(minute*60)*1e9, uint64(minute*60+60)*1e9
		b.SentUnixNano = b.WindowEndUnixNano
		var err error
		if w.buf, err = wire.AppendDelimited(w.buf, b); err != nil {
			return fmt.Errorf("encode minute %d: %w", minute, err)
		}
	}
	if _, err := w.out.Write(w.buf); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	return nil
}

func writeNames(path string, tokens map[string]bool) error {
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("write names: %w", err)
	}
	out := bufio.NewWriter(f)
	for name := range tokens {
		fmt.Fprintf(out, "%x,%s\n", world.PrincipalOf(name), name)
	}
	if err := errors.Join(out.Flush(), f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}
