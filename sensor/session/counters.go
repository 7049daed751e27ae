// SPDX-License-Identifier: Apache-2.0

package session

import (
	"runtime/debug"

	"github.com/weir-project/weir/sensor/exchange"
	"github.com/weir-project/weir/sensor/http1"
	"github.com/weir-project/weir/sensor/http2"
	"github.com/weir-project/weir/sensor/stream"
)

// Reason says why a connection is not looked at any more.
type Reason uint8

// The reasons. heed is none of them: go on.
const (
	heed    Reason = iota
	NotHTTP        // neither side speaks HTTP
	Bug            // a fault of ours while reading it
	numReasons
)

var reasonNames = [numReasons]string{heed: "none", NotHTTP: "not_http", Bug: "bug"}

// String gives the name that metrics carry.
func (r Reason) String() string {
	if r >= numReasons {
		return "invalid"
	}
	return reasonNames[r]
}

// Counters are cumulative. Bytes = the sum of the other byte counters once all connections are closed.
type Counters struct {
	Connections uint64
	HTTP2       uint64 // connections, or tunnels in them, that are HTTP/2
	Parked      uint64 // connections now that rest and are kept small
	Ignored     [numReasons]uint64
	Requests    uint64
	Responses   uint64 // final ones
	Exchanges   uint64 // told, whatever the number of their parts
	Parts       uint64 // told beyond the first of each exchange
	Anomalies   [exchange.NumAnomalies]uint64

	UntrackedStreams  uint64 // beyond a bound: their bytes are stray
	MisdirectedFrames uint64 // of streams that are over, or that nobody may open

	Bytes          uint64 // of all chunks, gaps included
	IgnoredBytes   uint64 // of connections not looked at
	UndecidedBytes uint64 // of an unfinished line or head when the connection was given up
	HeadBytes      uint64
	BodyBytes      uint64
	FramingBytes   uint64
	TunnelBytes    uint64
	ControlBytes   uint64 // HTTP/2 frames beside heads and bodies
	StrayBytes     uint64 // bodies of streams that are not told of
	JunkBytes      uint64 // that belong to no message
	LostBytes      uint64 // gaps outside bodies
}

func (n *Counters) add(c http1.Counts) {
	n.HeadBytes += uint64(c.Head)
	n.BodyBytes += uint64(c.Body)
	n.FramingBytes += uint64(c.Framing)
	n.TunnelBytes += uint64(c.Tunnel)
	n.JunkBytes += uint64(c.Junk)
	n.LostBytes += uint64(c.Lost)
}

func (n *Counters) addFrames(c http2.Counts) {
	n.HeadBytes += uint64(c.Head)
	n.BodyBytes += uint64(c.Body)
	n.FramingBytes += uint64(c.Framing)
	n.ControlBytes += uint64(c.Control)
	n.JunkBytes += uint64(c.Junk)
	n.LostBytes += uint64(c.Lost)
}

// Each calls f for every counter with its name and reason, in a fixed order.
func (n *Counters) Each(f func(name, reason string, value uint64)) {
	f("connections", "", n.Connections)
	f("connections_http2", "", n.HTTP2)
	f("connections_parked", "", n.Parked)
	for r := NotHTTP; r < numReasons; r++ {
		f("connections_ignored", r.String(), n.Ignored[r])
	}
	f("requests", "", n.Requests)
	f("responses", "", n.Responses)
	f("exchanges", "", n.Exchanges)
	f("exchange_parts", "", n.Parts)
	for a := exchange.IDPartial; int(a) < exchange.NumAnomalies; a++ {
		f("anomalies", a.String(), n.Anomalies[a])
	}
	f("streams_untracked", "", n.UntrackedStreams)
	f("frames_misdirected", "", n.MisdirectedFrames)
	f("stream_bytes", "", n.Bytes)
	f("stream_bytes_read", "head", n.HeadBytes)
	f("stream_bytes_read", "body", n.BodyBytes)
	f("stream_bytes_read", "framing", n.FramingBytes)
	f("stream_bytes_read", "tunnel", n.TunnelBytes)
	f("stream_bytes_read", "control", n.ControlBytes)
	f("stream_bytes_unread", "ignored", n.IgnoredBytes)
	f("stream_bytes_unread", "undecided", n.UndecidedBytes)
	f("stream_bytes_unread", "junk", n.JunkBytes)
	f("stream_bytes_unread", "stray", n.StrayBytes)
	f("stream_bytes_unread", "lost", n.LostBytes)
}

// Counters gives the counters as they are now.
func (s *Session) Counters() Counters { return s.n }

// Bug gives the stack of the last fault of ours, for the log, and how many there were.
func (s *Session) Bug() (stack []byte, n uint64) { return s.stack, s.n.Ignored[Bug] }

// contain ends a connection in which we failed; the others go on. What the connection had not told
// yet is lost, and counted by its Bug.
func (s *Session) contain(c *stream.Conn, v *stream.Verdict) {
	fault := recover()
	if fault == nil {
		return
	}
	s.n.Ignored[Bug]++
	s.stack = debug.Stack()
	switch k := c.State.(type) { // its memory is not used again: nobody knows what is in it
	case *conn:
		s.quiet.remove(k)
		s.calls -= s.running.removeAll(k)
		if k.nest != nil {
			s.calls -= s.running.removeAll(k.nest)
		}
		for i := range k.half {
			s.n.UndecidedBytes += uint64(k.half[i].end - k.half[i].begin)
		}
	case *mux:
		k.joined()
		s.calls -= s.running.removeAll(k)
		for i := range k.way {
			s.n.UndecidedBytes += uint64(k.way[i].end - k.way[i].begin)
		}
	}
	c.State = ignored{}
	if v != nil {
		*v = stream.Verdict{Act: stream.Ignore}
	}
}
