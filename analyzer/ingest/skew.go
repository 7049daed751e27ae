// SPDX-License-Identifier: Apache-2.0

package ingest

import (
	"time"

	weirv1 "github.com/weir-project/weir/proto/wire/weir/v1"
)

// grain is the unit in which clocks are corrected: rollups stay whole minutes, and what is smaller
// lies within any lateness bound in use. It is also how far a window may reach beyond its arrival.
const grain = time.Minute

// correct moves a batch whose sensor's clock is wrong to the stream's time. The skew is the time at
// which the stream took the batch less the time at which it was sent: a sensor writes that at each
// sending, so a spool is late and not skewed. An import has times of its own and is left alone.
//
// Without it one clock that is ahead would close every minute of its partitions up to its own, and
// all other sensors would be late until then. So a window that reaches beyond its arrival all the
// same ends there; what its exchanges say of later times is the ledger's to bound.
//
// It gives what was done, for a counter: "ahead", "behind" or "window_ahead"; "" for nothing.
func correct(b *weirv1.Batch, received time.Time) string {
	if b.Source == weirv1.BatchSource_BATCH_SOURCE_IMPORT || b.SentUnixNano == 0 || received.IsZero() {
		return ""
	}
	done := ""
	skew := received.Sub(time.Unix(0, int64(b.SentUnixNano))).Round(grain)
	switch {
	case skew < 0:
		done = "ahead"
	case skew > 0:
		done = "behind"
	}
	if skew != 0 {
		shift(b, int64(skew))
	}
	if limit := uint64(received.Add(grain).UnixNano()); b.WindowEndUnixNano > limit {
		b.WindowEndUnixNano = limit
		b.WindowStartUnixNano = min(b.WindowStartUnixNano, limit)
		if done == "" {
			done = "window_ahead"
		}
	}
	return done
}

// shift moves every time of a batch by d nanoseconds. A time that is not known stays unknown, and
// none leaves the years that wire admits.
func shift(b *weirv1.Batch, d int64) {
	move := func(times ...*uint64) {
		for _, t := range times {
			if *t != 0 {
				*t = uint64(max(int64(*t)+d, 1))
			}
		}
	}
	move(&b.WindowStartUnixNano, &b.WindowEndUnixNano, &b.SentUnixNano)
	for _, x := range b.Exchanges {
		move(&x.PartStartTimeUnixNano, &x.PartEndTimeUnixNano, &x.StartTimeUnixNano)
	}
	for _, r := range b.Rollups {
		move(&r.WindowStartUnixNano, &r.WindowEndUnixNano)
		for _, x := range r.Exemplars {
			move(&x.TimeUnixNano)
		}
	}
	for _, l := range b.Links {
		move(&l.TimeUnixNano)
	}
	for _, g := range b.Gaps {
		move(&g.StartUnixNano, &g.EndUnixNano)
	}
}
