// SPDX-License-Identifier: Apache-2.0

package publish

import (
	"crypto/sha256"
	"encoding/binary"
	"time"

	weirv1 "github.com/weir-project/weir/proto/wire/weir/v1"
)

// ImportSensor is the sensor_id of an import with capture time.
const ImportSensor = "import"

// Config says who publishes and within which bounds. Zero bounds give the defaults.
type Config struct {
	Cluster, SensorID                              string
	BootID                                         uint64 // random per start; of an import: ImportBoot
	CredentialsKeyID, ObjectsKeyID, ExchangesKeyID uint32

	// Source of every batch; 0: live, or spool when it is late. An import's is import.
	Source weirv1.BatchSource

	// Import cuts batches by event time and count and never by the clock, so that a second sending
	// of the same input makes the same batches under the same ids. Exchanges must then come from
	// one goroutine.
	Import bool
	// EventWindow is the aligned stretch of event time that a batch of an import never leaves;
	// default 1 minute. Sendings with different windows are different sendings.
	EventWindow time.Duration
	// Blocking makes Exchange wait for room instead of merging: for imports and replays, whose
	// input can wait. An import always does.
	Blocking bool

	MaxExchanges int           // in a batch; default 512
	MaxBytes     int           // of a batch before compression; default 256 KiB
	FlushEvery   time.Duration // a batch waits no longer than this; default 1 s; not used by imports
	QueueBytes   int64         // all that waits, in detail and merged; default 64 MiB, at least 1 MiB
	MaxInFlight  int           // batches sent and not acknowledged; default 256
	AckTimeout   time.Duration // after which a batch is sent again; default 10 s
	RetryMin     time.Duration // first pause after a failure; default 100 ms, doubling up to RetryMax
	RetryMax     time.Duration // default 5 s

	// Gap, if any, is the time this sensor was not running before this start. It travels in the
	// first batch of every partition.
	Gap *weirv1.Gap
	// Heartbeat fills in version, mode, interfaces and coverage; the rest is filled in already. It
	// is called every HeartbeatEvery (default 15 s). nil: no heartbeats.
	Heartbeat      func(*weirv1.Heartbeat)
	HeartbeatEvery time.Duration
}

func (c *Config) defaults() {
	def(&c.EventWindow, time.Minute)
	def(&c.MaxExchanges, 512)
	def(&c.MaxBytes, 256<<10)
	def(&c.FlushEvery, time.Second)
	def(&c.QueueBytes, 64<<20)
	def(&c.MaxInFlight, 256)
	def(&c.RetryMin, 100*time.Millisecond)
	def(&c.RetryMax, 5*time.Second)
	def(&c.HeartbeatEvery, 15*time.Second)
	c.Blocking = c.Blocking || c.Import
	c.QueueBytes = max(c.QueueBytes, 1<<20)
	c.MaxExchanges = min(c.MaxExchanges, 4096)
	c.MaxBytes = min(c.MaxBytes, 320<<10) // a message holds 512 KiB whatever the compressor makes of it
}

func def[T comparable](p *T, value T) {
	var zero T
	if *p == zero {
		*p = value
	}
}

// ImportBoot makes the boot_id of an import from the SHA-256 of its files, in the order in which
// they are read.
func ImportBoot(sums ...[sha256.Size]byte) uint64 {
	h := sha256.New()
	for _, s := range sums {
		h.Write(s[:])
	}
	return binary.BigEndian.Uint64(h.Sum(nil))
}
