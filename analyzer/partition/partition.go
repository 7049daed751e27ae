// SPDX-License-Identifier: Apache-2.0

// Package partition is the judgement of one partition: it hands batches to the ledger, closes
// minutes, lets detect judge each principal that a closed minute touched, and keeps the incidents.
//
// It assumes that each batch comes once and that one goroutine owns it. It refuses clocks, files
// and NATS: who owns it decides when minutes close and where changes go.
package partition

import (
	"encoding/binary"
	"errors"

	"github.com/weir-project/weir/analyzer/detect"
	"github.com/weir-project/weir/analyzer/finding"
	"github.com/weir-project/weir/analyzer/incident"
	"github.com/weir-project/weir/analyzer/ledger"
	"github.com/weir-project/weir/analyzer/population"
	weirv1 "github.com/weir-project/weir/proto/wire/weir/v1"
)

const (
	minute = int64(60e9)
	hour   = 60 * minute
)

// Config bounds a Partition.
type Config struct {
	Number   int
	Lateness int64 // nanoseconds by which newer data must have passed a minute before it closes
	Ledger   ledger.Config
	Incident incident.Config
}

// Partition owns the state of one partition.
type Partition struct {
	Ledger *ledger.Partition
	Book   *incident.Book

	votes    *population.Summariser
	detector detect.Detector
	lateness int64
	closed   int64 // every minute that ended by then is closed; 0: nothing came yet
}

// New makes an empty Partition. votes collects what the population learns from it; nil: its own,
// which nobody reads.
func New(cfg Config) *Partition {
	cfg.Ledger.Lateness = cfg.Lateness
	p := &Partition{Ledger: ledger.New(cfg.Number, cfg.Ledger), Book: incident.New(cfg.Incident), lateness: cfg.Lateness}
	p.Vote(population.NewSummariser(uint32(cfg.Number), p.Book.IsOpen))
	return p
}

// Vote sets who collects the partition's votes.
func (p *Partition) Vote(s *population.Summariser) {
	p.votes = s
	p.Ledger.OnHour(s.Hour)
	p.Ledger.OnRoll(s.Day)
}

// Votes gives the collector of votes.
func (p *Partition) Votes() *population.Summariser { return p.votes }

// Apply hands a batch to the ledger. Nothing is judged yet.
func (p *Partition) Apply(b *weirv1.Batch) {
	p.Ledger.Apply(b)
	if start := int64(b.WindowStartUnixNano); p.closed == 0 && start > 0 {
		p.closed = floor(start-p.lateness, hour)
	}
}

// Closable is up to when minutes may close: the newest data less the lateness bound.
func (p *Partition) Closable() int64 { return floor(p.Ledger.Newest()-p.lateness, minute) }

// Closed is up to when minutes are closed; 0 before the first batch.
func (p *Partition) Closed() int64 { return p.closed }

// Arrivals judges the principals that Apply touched since the last call, with open minutes counted
// in. What it finds may open an incident and teaches nothing.
func (p *Partition) Arrivals(in *population.InForce, emit func(incident.Change)) {
	p.Ledger.Arrivals(func(v *ledger.View) {
		if f, found := p.detector.Judge(v, in.Peers, in.Thresholds); found {
			if change, told := p.Book.Observe(v, &f); told {
				emit(change)
			}
		}
	})
}

// Step closes minutes up to through, but at most to the end of the current event hour, and judges
// what they touched. When the hour is over it says so and which: its votes are complete. Call it
// again while Closed is before through.
func (p *Partition) Step(through int64, in *population.InForce, emit func(incident.Change)) (ended int64, over bool) {
	if p.closed == 0 || through <= p.closed {
		return 0, false
	}
	p.skip(through)
	end := floor(p.closed, hour) + hour
	through = min(through, end)
	p.Ledger.Advance(through, func(v *ledger.View) { p.judge(v, in, emit) })
	p.closed = through
	for _, change := range p.Book.Tick(through) {
		emit(change)
	}
	return end/hour - 1, through == end
}

// skipBeyond is the longest stretch without data that is closed hour by hour. What is longer, such as
// the years between a capture of old and today, is passed over but for its last day.
const skipBeyond = 7 * 24 * hour

func (p *Partition) skip(through int64) {
	next := p.Ledger.Oldest()
	if next == 0 || next > through {
		next = through
	}
	if next-p.closed > skipBeyond {
		p.closed = floor(next, hour) - 24*hour
	}
}

func (p *Partition) judge(v *ledger.View, in *population.InForce, emit func(incident.Change)) {
	scores := p.detector.Scores(v, in.Peers, in.Thresholds)
	p.votes.Scores(v, scores)
	p.Book.Refresh(v)
	if len(scores) == 0 || scores[0].Ratio < 1 {
		return
	}
	f, found := p.detector.Judge(v, in.Peers, in.Thresholds)
	if !found {
		return
	}
	if change, told := p.Book.Observe(v, &f); told {
		emit(change)
	}
}

// Scores gives every score of a view as it would be judged now; the slice is valid until the next
// call on the Partition.
func (p *Partition) Scores(v *ledger.View, in *population.InForce) []finding.Score {
	return p.detector.Scores(v, in.Peers, in.Thresholds)
}

// AppendProgress appends how far the partition has closed: 1 byte version, 8 bytes big endian.
func (p *Partition) AppendProgress(dst []byte) []byte {
	return binary.BigEndian.AppendUint64(append(dst, 1), uint64(p.closed))
}

// ErrProgress says that a saved progress is not one.
var ErrProgress = errors.New("saved progress of a partition: not 9 bytes of version 1")

// RestoreProgress takes what AppendProgress wrote; nothing at all is the beginning.
func (p *Partition) RestoreProgress(from []byte) error {
	switch {
	case len(from) == 0:
		p.closed = 0
	case len(from) == 9 && from[0] == 1:
		p.closed = int64(binary.BigEndian.Uint64(from[1:]))
	default:
		return ErrProgress
	}
	return nil
}

func floor(t, unit int64) int64 {
	m := t % unit
	if m < 0 {
		m += unit
	}
	return t - m
}
