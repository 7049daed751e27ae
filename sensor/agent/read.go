// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"

	"github.com/weir-project/weir/proto/keyhash"
	weirv1 "github.com/weir-project/weir/proto/wire/weir/v1"
	"github.com/weir-project/weir/sensor/capture"
	"github.com/weir-project/weir/sensor/config"
	"github.com/weir-project/weir/sensor/exchange"
	"github.com/weir-project/weir/sensor/packet"
	"github.com/weir-project/weir/sensor/publish"
)

// read prints the exchanges of capture files. A file that is damaged is told of and does not keep
// the others from being read.
func read(ctx context.Context, cfg *config.Config, words []string, env *Env) error {
	if err := harden(); err != nil {
		return err
	}
	keys, err := loadKeys(cfg, env)
	if err != nil {
		return err
	}
	writer := newWriter(cfg, keys, env.Stdout)
	var faults []error
	for _, name := range words {
		if err := readFile(ctx, cfg, keys, name, env.Stdin, writer); err != nil {
			faults = append(faults, err)
		}
		if _, _, err := writer.Written(); ctx.Err() != nil || err != nil {
			break
		}
	}
	return errors.Join(append(faults, writer.Close())...)
}

// newWriter makes the sink of --output; none writes to nowhere.
func newWriter(cfg *config.Config, keys *keyhash.Keys, to io.Writer) *publish.Writer {
	format := publish.JSONLines
	switch cfg.Output {
	case "pb":
		format = publish.Delimited
	case "none":
		to = io.Discard
	}
	return publish.NewWriter(to, publish.WriterConfig{
		Format: format, Parts: cfg.Parts, Cluster: cfg.Cluster, SensorID: cfg.SensorID,
		CredentialsKeyID: keys.Credentials.KeyID(), ObjectsKeyID: keys.Objects.KeyID(), ExchangesKeyID: keys.Exchanges.KeyID(),
	})
}

// readFile sends one capture through its own rooms and tells its counters at the end.
func readFile(ctx context.Context, cfg *config.Config, keys *keyhash.Keys, name string, stdin io.Reader, writer *publish.Writer) error {
	source, shown, err := openCapture(name, stdin)
	if err != nil {
		return err
	}
	defer source.Close()
	both := newJoint(cfg, 0, writer)
	p := newPipeline(cfg, keys, cfg.SensorID+"/"+shown, shown, shown, exchange.RankMirror, alone, both.sink)
	p.joiner = both.joiner
	first, err := drive(ctx, source, p, nil)
	p.end()
	both.flush()
	writer.Capture(&weirv1.CaptureCounters{StartUnixNano: uint64(first), EndUnixNano: uint64(p.newest), Counters: slices.Concat(p.counters(), both.counters(shown))})
	return err
}

// openCapture opens a file, or stdin for "-". shown is its name in exchanges and counters: the base
// name, since where a capture lies is nobody's business.
func openCapture(name string, stdin io.Reader) (source *capture.File, shown string, err error) {
	if name == "-" {
		source, err = capture.NewReader(stdin, "stdin")
		return source, "stdin", err
	}
	source, err = capture.OpenFile(name)
	return source, filepath.Base(name), err
}

// drive hands the frames of a file to a pipeline. before, if any, is shown each frame first.
func drive(ctx context.Context, source *capture.File, p *pipeline, before func(*packet.Frame)) (first int64, err error) {
	var f packet.Frame
	for n := uint64(0); ; n++ {
		err := source.Next(&f)
		if errors.Is(err, io.EOF) {
			return first, nil
		}
		if err != nil {
			return first, err
		}
		if n == 0 {
			first = f.Time
		}
		if n%4096 == 0 && ctx.Err() != nil {
			return first, fmt.Errorf("stopped: %w", ctx.Err())
		}
		if before != nil {
			before(&f)
		}
		p.frame(&f)
	}
}
