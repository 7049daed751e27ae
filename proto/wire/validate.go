// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"math"

	weirv1 "github.com/weir-project/weir/proto/wire/weir/v1"
)

// Bounds of the numbers of one exchange. Rollups may hold 64 times as much, so that sums of millions
// of messages stay below 2^63.
const (
	MaxSize     = 1 << 50                      // bytes: one pebibyte
	MaxCount    = 1 << 40                      // records, objects, sensitive fields
	MaxDuration = 400 * 24 * 3600 * int64(1e9) // nanoseconds
	rollupTimes = 64
	idLen       = 16
)

// Validate checks everything a published batch must keep: see FORMAT.md. The error is a *Refusal.
func Validate(b *weirv1.Batch) error { return validate(b, false) }

func validate(b *weirv1.Batch, stream bool) error {
	c := checker{partition: b.Partition, stream: stream}
	c.batch(b)
	for _, x := range b.Exchanges {
		c.exchange(x)
	}
	for _, r := range b.Rollups {
		c.rollup(r)
	}
	for _, l := range b.Links {
		c.link(l)
		c.home("older_id", l.OlderId)
	}
	c.counters(b.Counters)
	for _, g := range b.Gaps {
		c.span("gaps", g.StartUnixNano, g.EndUnixNano)
		c.text("gaps.reason", g.Reason, MaxText)
	}
	return c.err
}

// checker keeps the first fault.
type checker struct {
	partition uint32
	stream    bool
	err       error
}

func (c *checker) refuse(reason, field, format string, args ...any) {
	if c.err == nil {
		c.err = refuse(reason, field, format, args...)
	}
}

func (c *checker) batch(b *weirv1.Batch) {
	if b.SchemaVersion != SchemaVersion {
		c.refuse(ReasonVersion, "schema_version", "%d, this reader knows %d", b.SchemaVersion, SchemaVersion)
	}
	if b.Partition >= Partitions && !(c.stream && b.Partition == Unpartitioned) {
		c.refuse(ReasonPartition, "partition", "%d", b.Partition)
	}
	if b.SensorId == "" || b.Sequence == 0 {
		c.refuse(ReasonID, "sequence", "a batch needs a sensor_id and a sequence")
	}
	c.text("cluster", b.Cluster, MaxText)
	c.text("sensor_id", b.SensorId, MaxText)
	c.enum("source", int32(b.Source), len(sources))
	c.span("window", b.WindowStartUnixNano, b.WindowEndUnixNano)
	c.moment("sent_unix_nano", b.SentUnixNano)
	c.count("exchanges", len(b.Exchanges), MaxExchanges)
	c.count("rollups", len(b.Rollups), MaxRollups)
	c.count("links", len(b.Links), maxLinks)
	c.count("gaps", len(b.Gaps), maxGaps)
}

func (c *checker) link(l *weirv1.PrincipalLink) {
	c.id("older_id", l.OlderId, true)
	c.id("principal_id", l.PrincipalId, true)
	c.enum("principal_assurance", int32(l.PrincipalAssurance), len(assurances))
	c.enum("evidence", int32(l.Evidence), len(evidences))
	c.moment("time_unix_nano", l.TimeUnixNano)
}

func (c *checker) counters(list []*weirv1.Counter) {
	c.count("counters", len(list), maxCounters)
	for _, n := range list {
		c.text("counters.name", n.Name, MaxText)
		c.text("counters.reason", n.Reason, MaxText)
		c.text("counters.scope", n.Scope, MaxText)
	}
}

// id checks a keyed id: 16 bytes, or absent where that is allowed.
func (c *checker) id(field string, id []byte, must bool) {
	if len(id) != idLen && (must || len(id) != 0) {
		c.refuse(ReasonID, field, "%d bytes, want %d", len(id), idLen)
	}
}

// home checks that a principal belongs to the batch's partition.
func (c *checker) home(field string, id []byte) {
	if c.partition < Partitions && PartitionOf(id) != int(c.partition) {
		c.refuse(ReasonPartition, field, "belongs to partition %d, not %d", PartitionOf(id), c.partition)
	}
}

func (c *checker) enum(field string, v int32, n int) {
	if v < 0 || int(v) >= n {
		c.refuse(ReasonEnum, field, "%d", v)
	}
}

func (c *checker) text(field, s string, max int) {
	if !IsText(s, max) {
		c.refuse(ReasonText, field, "longer than %d bytes, not UTF-8, or with control characters", max)
	}
}

func (c *checker) address(field string, a []byte) {
	if n := len(a); n != 0 && n != 4 && n != 16 {
		c.refuse(ReasonAddress, field, "%d bytes", n)
	}
}

func (c *checker) port(field string, p uint32) {
	if p > math.MaxUint16 {
		c.refuse(ReasonNumber, field, "%d", p)
	}
}

func (c *checker) count(field string, n, max int) {
	if n > max {
		c.refuse(ReasonCount, field, "%d, at most %d", n, max)
	}
}

func (c *checker) number(field string, n, max uint64) {
	if n > max {
		c.refuse(ReasonNumber, field, "%d, at most %d", n, max)
	}
}

func (c *checker) moment(field string, t uint64) {
	if t > math.MaxInt64 {
		c.refuse(ReasonTime, field, "beyond int64 nanoseconds")
	}
}

func (c *checker) span(field string, start, end uint64) {
	c.moment(field, start)
	c.moment(field, end)
	if end < start {
		c.refuse(ReasonTime, field, "ends before it starts")
	}
}

func (c *checker) classes(field string, counts []*weirv1.SensitiveCount) {
	c.count(field, len(counts), maxClasses)
	for _, s := range counts {
		c.enum(field, int32(s.Class), len(classes))
		c.text(field, s.Custom, MaxText)
		c.number(field, s.Count, MaxCount*rollupTimes)
		if s.Custom != "" && s.Class != weirv1.SensitiveClass_SENSITIVE_CLASS_CUSTOM {
			c.refuse(ReasonEnum, field, "a name without the custom class")
		}
	}
}
