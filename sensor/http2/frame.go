// SPDX-License-Identifier: Apache-2.0

package http2

import "encoding/binary"

// A frame begins with nine bytes, RFC 9113 section 4.1:
//
//	+-----------------------------------------------+
//	|                 Length (24)                   |
//	+---------------+---------------+---------------+
//	|   Type (8)    |   Flags (8)   |
//	+-+-------------+---------------+---------------+
//	|R|               Stream Identifier (31)        |
//	+-+---------------------------------------------+
const frameHeader = 9

// defaultFrame is the payload every reader must take, RFC 9113 section 4.2.
const defaultFrame = 1 << 14

// The frame types of RFC 9113 section 6, and those of RFC 7838, 8336 and 9218.
const (
	typeData           = 0x0
	typeHeaders        = 0x1
	typePriority       = 0x2
	typeReset          = 0x3
	typeSettings       = 0x4
	typePushPromise    = 0x5
	typePing           = 0x6
	typeGoAway         = 0x7
	typeWindowUpdate   = 0x8
	typeContinuation   = 0x9
	typeAltSvc         = 0xa
	typeOrigin         = 0xc
	typePriorityUpdate = 0x10
)

// The flags. END_STREAM and ACK are the same bit.
const (
	flagEndStream  = 0x1
	flagAck        = 0x1
	flagEndHeaders = 0x4
	flagPadded     = 0x8
	flagPriority   = 0x20
)

// frame is a frame header.
type frame struct {
	length int
	stream uint32
	kind   byte
	flags  byte
}

func parseFrame(b []byte) frame {
	_ = b[frameHeader-1]
	return frame{
		length: int(b[0])<<16 | int(b[1])<<8 | int(b[2]),
		kind:   b[3],
		flags:  b[4],
		stream: binary.BigEndian.Uint32(b[5:]) & (1<<31 - 1), // the reserved bit MUST be ignored
	}
}

func (f frame) has(flag byte) bool { return f.flags&flag != 0 }

// ofBlock says that the payload carries a piece of a header block.
func (f frame) ofBlock() bool {
	return f.kind == typeHeaders || f.kind == typePushPromise || f.kind == typeContinuation
}

// prefix is how many bytes stand before what the frame carries.
func (f frame) prefix() int {
	n := 0
	switch f.kind {
	case typeData, typeHeaders, typePushPromise:
		if f.has(flagPadded) {
			n = 1
		}
	}
	switch {
	case f.kind == typeHeaders && f.has(flagPriority):
		n += 5
	case f.kind == typePushPromise:
		n += 4
	}
	return n
}

// flaw says how a frame breaks its own format.
type flaw uint8

const (
	sound  flaw = iota + 1
	bad         // a stream error: readers go on behind it
	broken      // a connection error: nobody sends it and lives
)

// flaw checks what RFC 9113 section 6 demands of one frame by itself. Unknown types are sound: readers
// "MUST ignore and discard" them (section 5.5).
func (f frame) flaw() flaw {
	wrong := false
	switch f.kind {
	case typeData, typeHeaders, typePushPromise, typeContinuation:
		wrong = f.stream == 0 || f.length < f.prefix()
	case typePriority:
		if f.stream != 0 && f.length != 5 {
			return bad
		}
		wrong = f.stream == 0
	case typeReset:
		wrong = f.stream == 0 || f.length != 4
	case typeSettings:
		wrong = f.stream != 0 || f.length%6 != 0 || f.has(flagAck) && f.length != 0
	case typePing:
		wrong = f.stream != 0 || f.length != 8
	case typeGoAway:
		wrong = f.stream != 0 || f.length < 8
	case typeWindowUpdate:
		wrong = f.length != 4
	}
	if wrong {
		return broken
	}
	return sound
}
