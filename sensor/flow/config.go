// SPDX-License-Identifier: Apache-2.0

package flow

import "time"

const (
	scanEvery = int64(5 * time.Millisecond) // packet time between two looks at holes and idle connections
	lruGrain  = 30                          // a connection moves up in its list once in 2^30 ns at most
	clockLeap = int64(time.Minute)          // time that goes back further than this is believed
	resetWait = int64(time.Second)          // how long a RST waits for its sender to contradict it

	// lateWindow is how far beyond the end of a closed connection a segment still counts as its own:
	// data that was in flight when the RST came.
	lateWindow = 8 << 20
)

// Config bounds a Tracker. A field that is zero or negative gets its default.
type Config struct {
	MaxConns    int // connections with state of their own, about 520 B each; default 262,144
	MaxHalfOpen int // handshakes and lately closed connections together, about 100 B each; default 262,144

	FlowBytes    int // out-of-order bytes held per connection, in buffers as allocated; default 2 MiB
	FlowSegments int // out-of-order segments held per side; default 1,024
	TotalBytes   int // out-of-order bytes held by the tracker; default 128 MiB

	Idle            int64 // ns without a segment after which a connection ends; default 15 min
	HalfOpenTimeout int64 // ns a handshake may take; default 30 s
	Linger          int64 // ns a closed connection is remembered for late retransmits; default 10 s

	GapTimeout int64 // ns a hole waits for its retransmission when nobody acknowledges it; default 5 s
	// AckSlack is how many ns a hole still waits once the receiver has acknowledged its bytes: they
	// cannot be lost on the way, so either the capture lost them or its two directions come out of step.
	// Default 20 ms.
	AckSlack int64
	// Window is how many bytes a segment or ACK may lie beyond what was seen before it needs a second one to
	// be believed; default 64 MiB. Real windows are smaller, but whatever the capture lost comes on top.
	Window int

	Listening    []uint16 // server ports known from the system or by configuration: evidence for the direction
	IgnoreVLAN   bool     // VLAN ids are no part of a flow's key (the two directions use different ones)
	IgnoreTunnel bool     // tunnel ids are no part of a flow's key (GTP-U and some GRE: one id per direction)
	Owners       *Owners  // shared by the Trackers of a host's interfaces; nil: every flow is this one's
	Me           uint32   // which of them this one is: a Tracker made later with the same number is its successor
	FirstID      uint64   // Conn.ID counts from here, so that several makers of one process stay apart
}

func (c *Config) setDefaults() {
	size := func(p *int, v int) {
		if *p <= 0 {
			*p = v
		}
	}
	span := func(p *int64, v time.Duration) {
		if *p <= 0 {
			*p = int64(v)
		}
	}
	size(&c.MaxConns, 1<<18)
	size(&c.MaxHalfOpen, 1<<18)
	size(&c.FlowBytes, 2<<20)
	size(&c.FlowSegments, 1024)
	size(&c.TotalBytes, 128<<20)
	size(&c.Window, 64<<20)
	c.Window = min(c.Window, 1<<30) // RFC 7323: no window is larger
	span(&c.Idle, 15*time.Minute)
	span(&c.HalfOpenTimeout, 30*time.Second)
	span(&c.Linger, 10*time.Second)
	span(&c.GapTimeout, 5*time.Second)
	span(&c.AckSlack, 20*time.Millisecond)
}
