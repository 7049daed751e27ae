// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/weir-project/weir/proto/keyhash"
	"github.com/weir-project/weir/proto/logs"
	"github.com/weir-project/weir/proto/natsconn"
	weirv1 "github.com/weir-project/weir/proto/wire/weir/v1"
	"github.com/weir-project/weir/sensor/capture"
	"github.com/weir-project/weir/sensor/config"
	"github.com/weir-project/weir/sensor/exchange"
	"github.com/weir-project/weir/sensor/packet"
	"github.com/weir-project/weir/sensor/publish"
)

// replay publishes captures. With capture time it is an import: the same files sent twice are the
// same batches under the same ids, and count once.
func replay(ctx context.Context, cfg *config.Config, words []string, env *Env) error {
	if err := harden(); err != nil {
		return err
	}
	keys, err := loadKeys(cfg, env)
	if err != nil {
		return err
	}
	log, _ := logs.New(env.Stderr, cfg.LogLevel, cfg.LogFormat)
	files, err := inspectFiles(words, env.Stdin)
	defer files.remove()
	if err != nil {
		return err
	}
	conn, err := natsconn.Connect(ctx, connection(cfg))
	if err != nil {
		return err
	}
	defer conn.Close()
	waiting, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if err := conn.WaitConnected(waiting); err != nil {
		return fmt.Errorf("connect to NATS: %w", err)
	}
	settings := publishConfig(cfg, keys)
	settings.Blocking = true
	if cfg.Time == "capture" {
		settings.Import, settings.SensorID, settings.BootID = true, publish.ImportSensor, publish.ImportBoot(files.sums...)
	}
	publisher, err := newPublisher(conn, settings)
	if err != nil {
		return err
	}
	faults := replayFiles(ctx, cfg, keys, files, publisher)
	deadline, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	faults = errors.Join(faults, publisher.Close(deadline))
	stats := publisher.Stats()
	log.Info().Uint64("exchanges", stats.Sent).Uint64("batches", stats.Batches).Uint64("bytes", stats.Bytes).Msg("replayed")
	return faults
}

func replayFiles(ctx context.Context, cfg *config.Config, keys *keyhash.Keys, files *replayed, publisher *publish.Publisher) error {
	speed, err := cfg.SpeedFactor()
	if err != nil {
		return err
	}
	clock := pacer{ctx: ctx, speed: speed}
	if cfg.Time == "now" {
		// At a pace of its own the first packet is now; without waiting the last one is.
		clock.shift = time.Now().UnixNano() - files.first
		if speed == 0 {
			clock.shift = time.Now().UnixNano() - files.last
		}
	}
	var faults []error
	for i, name := range files.names {
		source, err := capture.OpenFile(name)
		if err != nil {
			faults = append(faults, err)
			continue
		}
		both := newJoint(cfg, 0, publisher)
		p := newPipeline(cfg, keys, cfg.SensorID+"/"+files.shown[i], files.shown[i], files.shown[i], exchange.RankMirror, alone, both.sink)
		p.joiner = both.joiner
		publisher.SetCounters(func() []*weirv1.Counter { return slices.Concat(p.counters(), both.counters(p.scope)) })
		_, err = drive(ctx, source, p, clock.pace)
		p.end()
		both.flush()
		faults = append(faults, err, source.Close())
	}
	return errors.Join(faults...)
}

// pacer moves frames in time and waits until each is due.
type pacer struct {
	ctx     context.Context
	speed   float64 // 0: do not wait
	shift   int64
	started time.Time
	first   int64
}

func (c *pacer) pace(f *packet.Frame) {
	if c.speed > 0 {
		if c.started.IsZero() {
			c.started, c.first = time.Now(), f.Time
		}
		due := c.started.Add(time.Duration(float64(f.Time-c.first) / c.speed))
		if wait := time.Until(due); wait > time.Millisecond {
			timer := time.NewTimer(wait)
			defer timer.Stop()
			select {
			case <-timer.C:
			case <-c.ctx.Done():
			}
		}
	}
	f.Time += c.shift
}

// replayed are the files of a replay with what must be known before the first frame is sent.
type replayed struct {
	names, shown []string
	sums         [][sha256.Size]byte
	first, last  int64
	temporary    []string
}

// inspectFiles reads every file once for its checksum and its times. Stdin is copied to a file
// first, since it cannot be read twice.
func inspectFiles(words []string, stdin io.Reader) (*replayed, error) {
	files := &replayed{}
	for _, name := range words {
		shown := name
		if name == "-" {
			copied, err := keep(stdin)
			if err != nil {
				return files, err
			}
			files.temporary = append(files.temporary, copied)
			name, shown = copied, "stdin"
		}
		if err := files.add(name, shown); err != nil {
			return files, err
		}
	}
	return files, nil
}

func (r *replayed) add(name, shown string) error {
	f, err := os.Open(name)
	if err != nil {
		return fmt.Errorf("open capture: %w", err)
	}
	sum := sha256.New()
	_, err = io.Copy(sum, f)
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("read capture %s: %w", shown, err)
	}
	source, base, err := openCapture(name, nil)
	if err != nil {
		return err
	}
	defer source.Close()
	if shown == "stdin" {
		base = shown
	}
	var frame packet.Frame
	for source.Next(&frame) == nil { // what is damaged is told of when it is replayed
		if r.first == 0 || frame.Time < r.first {
			r.first = frame.Time
		}
		r.last = max(r.last, frame.Time)
	}
	r.names, r.shown, r.sums = append(r.names, name), append(r.shown, base), append(r.sums, [sha256.Size]byte(sum.Sum(nil)))
	return nil
}

func keep(from io.Reader) (string, error) {
	to, err := os.CreateTemp("", "weir-replay-*.pcap")
	if err != nil {
		return "", fmt.Errorf("keep stdin for a second reading: %w", err)
	}
	_, err = io.Copy(to, from)
	if err = errors.Join(err, to.Close()); err != nil {
		return to.Name(), fmt.Errorf("keep stdin for a second reading: %w", err)
	}
	return to.Name(), nil
}

func (r *replayed) remove() {
	for _, name := range r.temporary {
		_ = os.Remove(name)
	}
}

// newBoot draws the number that names one start of a sensor.
func newBoot() uint64 {
	var b [8]byte
	if _, err := rand.Read(b[:]); err != nil {
		panic("BUG: no randomness: " + err.Error())
	}
	return binary.BigEndian.Uint64(b[:])
}
