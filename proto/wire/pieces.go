// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"encoding/binary"
	"math"
	"slices"

	weirv1 "github.com/weir-project/weir/proto/wire/weir/v1"
)

// Tags of Batch's fields that grow piece by piece: field number and wire type.
const (
	tagExchanges = 14<<3 | 2
	tagRollups   = 15<<3 | 2
	tagLinks     = 16<<3 | 2 // two bytes as a varint
	tagMark      = 19 << 3
)

// message is what vtprotobuf generates.
type message interface {
	SizeVT() int
	MarshalToSizedBufferVT([]byte) (int, error)
}

// AppendExchange appends x as one element of a Batch's exchanges; see AppendRaw.
func AppendExchange(dst []byte, x *weirv1.Exchange) []byte { return appendField(dst, tagExchanges, x) }

// AppendRollup appends r as one element of a Batch's rollups.
func AppendRollup(dst []byte, r *weirv1.Rollup) []byte { return appendField(dst, tagRollups, r) }

// AppendLink appends l as one element of a Batch's links.
func AppendLink(dst []byte, l *weirv1.PrincipalLink) []byte { return appendField(dst, tagLinks, l) }

// AppendMark appends a Batch's mark.
func AppendMark(dst []byte) []byte { return append(binary.AppendUvarint(dst, tagMark), 1) }

func appendField(dst []byte, tag uint64, m message) []byte {
	size := m.SizeVT()
	dst = slices.Grow(dst, 2*binary.MaxVarintLen32+size)
	dst = binary.AppendUvarint(dst, tag)
	dst = binary.AppendUvarint(dst, uint64(size))
	start := len(dst)
	dst = dst[:start+size]
	if _, err := m.MarshalToSizedBufferVT(dst[start:]); err != nil {
		panic("BUG: encode: " + err.Error()) // the buffer has the size the message asked for
	}
	return dst
}

// AppendRawDelimited appends an encoded batch in the stream form, as AppendDelimited does.
func AppendRawDelimited(dst, raw []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(raw)))
	return append(dst, raw...)
}

// AppendHeartbeat appends the message form of h: that of a batch with a Heartbeat in its block.
func AppendHeartbeat(dst []byte, h *weirv1.Heartbeat) ([]byte, error) {
	raw, err := h.MarshalVT()
	if err != nil {
		return dst, err
	}
	return AppendRaw(dst, raw)
}

// DecodeHeartbeat reads one heartbeat into h and checks its bounds. Every error has a reason.
func DecodeHeartbeat(msg []byte, h *weirv1.Heartbeat) error {
	raw, err := expand(msg)
	if err != nil {
		return err
	}
	if err := scan(raw, []bound{{field: 9, max: maxNames}, {field: 10, max: maxCounters}}); err != nil {
		return err
	}
	h.Reset()
	if err := h.UnmarshalVT(raw); err != nil {
		return refuse(ReasonMalformed, "heartbeat", "%v", err)
	}
	c := checker{}
	if h.SchemaVersion != SchemaVersion {
		c.refuse(ReasonVersion, "schema_version", "%d, this reader knows %d", h.SchemaVersion, SchemaVersion)
	}
	for _, s := range []string{h.Cluster, h.SensorId, h.Version, h.Mode} {
		c.text("heartbeat", s, MaxText)
	}
	for _, s := range h.Interfaces {
		c.text("interfaces", s, MaxText)
	}
	c.moment("sent_unix_nano", h.SentUnixNano)
	c.moment("started_unix_nano", h.StartedUnixNano)
	c.counters(h.Counters)
	if math.IsNaN(h.Coverage) || h.Coverage < 0 || h.Coverage > 1 {
		c.refuse(ReasonNumber, "coverage", "not between 0 and 1")
	}
	return c.err
}
