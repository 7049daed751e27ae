// SPDX-License-Identifier: Apache-2.0

package publish

import (
	"fmt"
	"io"
	"sync"

	"github.com/weir-project/weir/proto/wire"
	weirv1 "github.com/weir-project/weir/proto/wire/weir/v1"
	"github.com/weir-project/weir/sensor/exchange"
)

// WriterFormat is what a Writer writes.
type WriterFormat uint8

// The formats.
const (
	JSONLines WriterFormat = iota + 1 // one line an exchange
	Delimited                         // length-delimited Batches, not partitioned
)

// WriterConfig says what a Writer writes. Identity fields go into Batches only.
type WriterConfig struct {
	Format WriterFormat
	Parts  bool // write each part of a long exchange; else one merged exchange

	// MaxPending bounds the bytes of exchanges whose last part has not come; default 16 MiB. When
	// it is full the oldest is written as far as it is known, and its later parts after it.
	MaxPending int64
	BufferSize int // bytes collected before a write; default 64 KiB

	Cluster, SensorID                              string
	BootID                                         uint64
	CredentialsKeyID, ObjectsKeyID, ExchangesKeyID uint32
	Source                                         weirv1.BatchSource
}

// Writer is an exchange.Sink that writes to a file or pipe. Any number of goroutines may use it.
type Writer struct {
	mu      sync.Mutex
	out     io.Writer
	cfg     WriterConfig
	convert converter
	pending pending
	buf     []byte // JSON lines, or encoded list fields of the batch that grows
	scratch []byte
	head    weirv1.Batch
	count   int    // exchanges in the batch that grows
	written uint64 // exchanges
	err     error  // the first write error: nothing is written after it
}

// NewWriter makes a Writer; Flush writes what is collected, Close what is pending too.
func NewWriter(out io.Writer, cfg WriterConfig) *Writer {
	def(&cfg.MaxPending, 16<<20)
	def(&cfg.BufferSize, 64<<10)
	def(&cfg.SensorID, "read")
	def(&cfg.Source, weirv1.BatchSource_BATCH_SOURCE_IMPORT)
	w := &Writer{out: out, cfg: cfg}
	w.head = weirv1.Batch{
		SchemaVersion: wire.SchemaVersion, Cluster: cfg.Cluster, SensorId: cfg.SensorID, BootId: cfg.BootID,
		Partition: wire.Unpartitioned, Source: cfg.Source,
		CredentialsKeyId: cfg.CredentialsKeyID, ObjectsKeyId: cfg.ObjectsKeyID, ExchangesKeyId: cfg.ExchangesKeyID,
	}
	w.pending.init(cfg.MaxPending)
	return w
}

// Exchange writes an exchange, or keeps a part of it. It keeps nothing of x.
func (w *Writer) Exchange(x *exchange.Exchange) {
	w.mu.Lock()
	defer w.mu.Unlock()
	c := w.convert.convert(x)
	if w.cfg.Parts || x.Part == 0 && x.Last || x.ID.IsZero() {
		w.write(c)
		return
	}
	if whole := w.pending.add(c); whole != nil {
		w.write(whole)
	}
	for w.pending.full() {
		w.write(w.pending.oldest())
	}
}

// Link writes a principal link.
func (w *Writer) Link(l *weirv1.PrincipalLink) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cfg.Format == Delimited {
		w.buf = wire.AppendLink(w.buf, l)
		w.cover(l.TimeUnixNano, l.TimeUnixNano)
		return
	}
	w.buf = wire.AppendLineJSON(w.buf, &wire.Line{Link: l})
	w.spill()
}

// Capture writes the counters of an interval.
func (w *Writer) Capture(c *weirv1.CaptureCounters) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cfg.Format == Delimited {
		w.head.Counters = c.Counters
		w.cover(c.StartUnixNano, c.EndUnixNano)
		w.cutBatch()
		return
	}
	w.buf = wire.AppendLineJSON(w.buf, &wire.Line{Capture: c})
	w.spill()
}

func (w *Writer) write(x *weirv1.Exchange) {
	w.written++
	if w.cfg.Format == Delimited {
		w.buf = wire.AppendExchange(w.buf, x)
		w.count++
		w.cover(x.PartStartTimeUnixNano, x.PartEndTimeUnixNano)
		if w.count >= 512 || len(w.buf) >= 256<<10 {
			w.cutBatch()
		}
		return
	}
	w.buf = append(wire.AppendExchangeJSON(w.buf, x), '\n')
	w.spill()
}

func (w *Writer) cover(start, end uint64) {
	if w.head.WindowEndUnixNano == 0 || start < w.head.WindowStartUnixNano {
		w.head.WindowStartUnixNano = start
	}
	w.head.WindowEndUnixNano = max(w.head.WindowEndUnixNano, end)
}

// cutBatch writes the batch that grows.
func (w *Writer) cutBatch() {
	if len(w.buf) == 0 && len(w.head.Counters) == 0 {
		return
	}
	w.head.Sequence++
	var err error
	if w.buf, err = appendMessage(w.buf, &w.head); err != nil {
		panic("BUG: encode batch: " + err.Error())
	}
	w.scratch = wire.AppendRawDelimited(w.scratch[:0], w.buf)
	w.put(w.scratch)
	w.buf, w.count = w.buf[:0], 0
	w.head.Counters, w.head.WindowStartUnixNano, w.head.WindowEndUnixNano = nil, 0, 0
}

func (w *Writer) spill() {
	if len(w.buf) >= w.cfg.BufferSize {
		w.put(w.buf)
		w.buf = w.buf[:0]
	}
}

func (w *Writer) put(data []byte) {
	if w.err != nil || len(data) == 0 {
		return
	}
	if _, err := w.out.Write(data); err != nil {
		w.err = fmt.Errorf("write exchanges: %w", err)
	}
}

// Flush writes what is collected and gives the first error there was.
func (w *Writer) Flush() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.drain()
	return w.err
}

func (w *Writer) drain() {
	if w.cfg.Format == Delimited {
		w.cutBatch()
		return
	}
	w.put(w.buf)
	w.buf = w.buf[:0]
}

// Close writes everything: exchanges whose last part never came as far as they are known. It does
// not close what it writes to. It gives the first error there was.
func (w *Writer) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for !w.pending.empty() {
		w.write(w.pending.oldest())
	}
	w.drain()
	return w.err
}

// Written gives the number of exchanges (or parts) written, and of those how many were written in
// several pieces because MaxPending was reached. err is the first write error.
func (w *Writer) Written() (exchanges, cut uint64, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.written, w.pending.cut, w.err
}
