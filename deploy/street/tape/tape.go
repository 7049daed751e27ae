// SPDX-License-Identifier: Apache-2.0

// Package tape makes captures of TCP conversations that were never held: frames in memory or a
// pcap file's bytes, the same every time.
//
// It assumes that hosts get all that is sent. It refuses to know what is said: truth is kept by
// whoever speaks. Checksums are left zero, as copies taken on a sending host have them.
package tape

import (
	"encoding/binary"
	"net/netip"
	"time"
)

// Frame is one Ethernet frame with the time of its capture.
type Frame struct {
	At   time.Time
	Data []byte
}

// Tape is a capture being made.
type Tape struct {
	Frames []Frame
	Step   time.Duration // between frames

	clock time.Time
	isn   uint32
}

// New begins a capture whose first frame comes Step after start; Step is 50 microseconds.
func New(start time.Time) *Tape { return &Tape{Step: 50 * time.Microsecond, clock: start} }

// Seek moves the clock on to at; it never goes back.
func (t *Tape) Seek(at time.Time) {
	if at.After(t.clock) {
		t.clock = at
	}
}

// Now is the time of the last frame.
func (t *Tape) Now() time.Time { return t.clock }

// Talk is one connection. Index 0 is the client, 1 the server.
type Talk struct {
	tape *Tape
	ends [2]netip.AddrPort
	next [2]uint32
	mss  int
}

// The bits of TCP's flags.
const (
	fin = 1 << iota
	syn
	_ // RST
	psh
	ack
)

// Dial opens a connection with a handshake. Addresses are IPv4.
func (t *Tape) Dial(client, server netip.AddrPort) *Talk {
	t.isn += 0x9E3779B9
	k := &Talk{tape: t, ends: [2]netip.AddrPort{client, server}, next: [2]uint32{t.isn, t.isn * 3}, mss: 1400}
	k.segment(0, syn, nil)
	k.segment(1, syn|ack, nil)
	k.segment(0, ack, nil)
	return k
}

// Client sends bytes of the client.
func (k *Talk) Client(data []byte) { k.send(0, data) }

// Server sends bytes of the server.
func (k *Talk) Server(data []byte) { k.send(1, data) }

// Close ends the connection, client first.
func (k *Talk) Close() {
	k.segment(0, fin|ack, nil)
	k.segment(1, fin|ack, nil)
	k.segment(0, ack, nil)
}

// Lose moves a side on by n bytes that no frame shows.
func (k *Talk) Lose(side, n int) { k.next[side] += uint32(n) }

func (k *Talk) send(side int, data []byte) {
	for len(data) > 0 {
		n := min(k.mss, len(data))
		flags := ack
		if n == len(data) {
			flags |= psh
		}
		k.segment(side, flags, data[:n])
		data = data[n:]
	}
}

// segment puts one frame on the tape: Ethernet II, IPv4 (RFC 791), TCP (RFC 9293).
func (k *Talk) segment(side, flags int, data []byte) {
	t := k.tape
	t.clock = t.clock.Add(t.Step)
	f := make([]byte, 14+20+20+len(data))
	copy(f, []byte{2, 0, 0, 0, 0, byte(2 - side), 2, 0, 0, 0, 0, byte(1 + side), 8, 0})
	ip, tcp := f[14:34], f[34:54]
	from, to := k.ends[side], k.ends[1-side]
	ip[0], ip[8], ip[9] = 0x45, 64, 6
	binary.BigEndian.PutUint16(ip[2:], uint16(40+len(data)))
	copy(ip[12:], from.Addr().AsSlice())
	copy(ip[16:], to.Addr().AsSlice())
	binary.BigEndian.PutUint16(tcp, from.Port())
	binary.BigEndian.PutUint16(tcp[2:], to.Port())
	binary.BigEndian.PutUint32(tcp[4:], k.next[side])
	if flags&ack != 0 {
		binary.BigEndian.PutUint32(tcp[8:], k.next[1-side])
	}
	tcp[12], tcp[13] = 5<<4, byte(flags)
	binary.BigEndian.PutUint16(tcp[14:], 64240)
	copy(f[54:], data)
	k.next[side] += uint32(len(data))
	if flags&(syn|fin) != 0 {
		k.next[side]++
	}
	t.Frames = append(t.Frames, Frame{t.clock, f})
}

// Pcap gives the capture as a pcap file with nanoseconds, little endian, link type Ethernet.
func (t *Tape) Pcap() []byte {
	le := binary.LittleEndian
	out := le.AppendUint32(nil, 0xa1b23c4d)
	out = le.AppendUint16(out, 2)
	out = le.AppendUint16(out, 4)
	out = append(out, make([]byte, 8)...)
	out = le.AppendUint32(out, 262144)
	out = le.AppendUint32(out, 1)
	for _, f := range t.Frames {
		out = le.AppendUint32(out, uint32(f.At.Unix()))
		out = le.AppendUint32(out, uint32(f.At.Nanosecond()))
		out = le.AppendUint32(out, uint32(len(f.Data)))
		out = le.AppendUint32(out, uint32(len(f.Data)))
		out = append(out, f.Data...)
	}
	return out
}
