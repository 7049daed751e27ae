// SPDX-License-Identifier: Apache-2.0

package flow

import "github.com/weir-project/weir/sensor/stream"

// Counters is what a Tracker has done since it was made. All but the last group only grow.
//
// PayloadBytes = DeliveredBytes + UncapturedBytes + DuplicateBytes + Dropped.Sum() + BufferedBytes
// holds between any two calls.
type Counters struct {
	Segments     uint64
	PayloadBytes uint64 // payload as the headers say, captured or not

	DeliveredBytes  uint64 // handed on as data
	UncapturedBytes uint64 // seen on the wire but cut by the capture: handed on as gaps
	DuplicateBytes  uint64 // seen before: retransmits, keep-alive probes, copies from other interfaces
	Dropped         Dropped

	LostBytes    uint64    // bytes in no segment we saw: handed on as gaps
	Gaps         Gaps      // how many gaps of lost bytes, by what decided them
	Inconsistent uint64    // retransmits that contradicted bytes we still held
	Opened       uint64    // connections with state of their own
	Mid          uint64    // of those, picked up in the middle
	Yielded      uint64    // connections left to the Tracker that saw them first
	Joined       uint64    // flows whose directions carry different VLAN or tunnel ids
	Silent       uint64    // of those, ended without any byte: the sink never heard of them
	Closed       [8]uint64 // ended, by stream.End; index 0: by Drop

	HalfOpenSeen    uint64 // handshakes begun
	HalfOpenExpired uint64 // given up by time
	HalfOpenEvicted uint64 // given up for memory
	HalfOpenReset   uint64 // refused
	LingerEvicted   uint64 // closed connections forgotten early for memory

	StraySegments   uint64 // no payload, no SYN, of no connection we know
	IgnoredResets   uint64 // RST with a number its connection cannot have, or whose sender went on
	DoubtfulResets  uint64 // RST near but not at the expected sequence number
	IgnoredFINs     uint64 // FIN where its side has sent bytes beyond, or far outside
	IgnoredAcks     uint64 // ACK of bytes far beyond what was seen
	IgnoredSYNs     uint64 // SYN on a living connection that nothing confirmed (so far)
	ReorderedBlocks uint64 // pieces that came before their turn and were held

	BufferedBytes uint64 // now: bytes held out of order
	HeldMemory    uint64 // now: memory of the buffers in use
	Live          uint64 // now: connections with state of their own
	HalfOpen      uint64 // now: handshakes, and connections of which only ACKs were seen
	Lingering     uint64 // now: closed connections remembered
	Waiting       uint64 // now: connections with a hole
}

// Dropped counts payload bytes that were seen and not handed on, by reason.
type Dropped struct {
	BeforeStart uint64 // older than the first byte of a connection picked up in the middle
	Outside     uint64 // far outside the window
	AfterClose  uint64 // behind a FIN or RST
	NoAck       uint64 // neither ACK nor SYN: no TCP accepts it
	Unproved    uint64 // in a SYN that would replace a living connection
	Ignored     uint64 // the sink wants nothing of the connection
	Quarantined uint64 // of a connection given up by Drop
	OtherOwner  uint64 // of a connection that another Tracker of the host tells
	SameEnds    uint64 // both ends are the same address and port: sides cannot be told apart
}

// Sum adds all reasons up.
func (d *Dropped) Sum() uint64 {
	return d.BeforeStart + d.Outside + d.AfterClose + d.NoAck + d.Unproved + d.Ignored + d.Quarantined + d.OtherOwner + d.SameEnds
}

// Gaps counts gaps by what made an end of waiting.
type Gaps struct {
	Acked       uint64 // the receiver has the bytes, we do not
	Timeout     uint64
	FlowBudget  uint64 // the connection held as much as it may
	TotalBudget uint64 // the tracker held as much as it may
	Closed      uint64 // the connection ended
	Skipped     uint64 // the sink did not need the bytes
}

// Each calls f for every counter with a stable name in snake_case, gauges (the last group) too.
func (n *Counters) Each(f func(name string, value uint64)) {
	f("segments", n.Segments)
	f("payload_bytes", n.PayloadBytes)
	f("delivered_bytes", n.DeliveredBytes)
	f("uncaptured_bytes", n.UncapturedBytes)
	f("duplicate_bytes", n.DuplicateBytes)
	f("dropped_before_start_bytes", n.Dropped.BeforeStart)
	f("dropped_outside_bytes", n.Dropped.Outside)
	f("dropped_after_close_bytes", n.Dropped.AfterClose)
	f("dropped_no_ack_bytes", n.Dropped.NoAck)
	f("dropped_unproved_bytes", n.Dropped.Unproved)
	f("dropped_ignored_bytes", n.Dropped.Ignored)
	f("dropped_quarantined_bytes", n.Dropped.Quarantined)
	f("dropped_other_owner_bytes", n.Dropped.OtherOwner)
	f("dropped_same_ends_bytes", n.Dropped.SameEnds)
	f("lost_bytes", n.LostBytes)
	f("gaps_acked", n.Gaps.Acked)
	f("gaps_timeout", n.Gaps.Timeout)
	f("gaps_flow_budget", n.Gaps.FlowBudget)
	f("gaps_total_budget", n.Gaps.TotalBudget)
	f("gaps_closed", n.Gaps.Closed)
	f("gaps_skipped", n.Gaps.Skipped)
	f("inconsistent", n.Inconsistent)
	f("opened", n.Opened)
	f("mid", n.Mid)
	f("silent", n.Silent)
	f("yielded", n.Yielded)
	f("joined", n.Joined)
	for end, name := range [...]string{stream.EndNone: "dropped", stream.EndFIN: "fin", stream.EndRST: "rst",
		stream.EndIdle: "idle", stream.EndEvicted: "evicted", stream.EndReuse: "reuse", stream.EndCapture: "capture"} {
		f("closed_"+name, n.Closed[end])
	}
	f("half_open_seen", n.HalfOpenSeen)
	f("half_open_expired", n.HalfOpenExpired)
	f("half_open_evicted", n.HalfOpenEvicted)
	f("half_open_reset", n.HalfOpenReset)
	f("linger_evicted", n.LingerEvicted)
	f("stray_segments", n.StraySegments)
	f("ignored_resets", n.IgnoredResets)
	f("doubtful_resets", n.DoubtfulResets)
	f("ignored_fins", n.IgnoredFINs)
	f("ignored_acks", n.IgnoredAcks)
	f("ignored_syns", n.IgnoredSYNs)
	f("reordered_blocks", n.ReorderedBlocks)
	f("buffered_bytes", n.BufferedBytes)
	f("held_memory", n.HeldMemory)
	f("live", n.Live)
	f("half_open", n.HalfOpen)
	f("lingering", n.Lingering)
	f("waiting", n.Waiting)
}
