// SPDX-License-Identifier: Apache-2.0

package packet

var reasonNames = [numReasons]string{
	OK:           "ok",
	NotIP:        "not_ip",
	NotTCP:       "not_tcp",
	Fragment:     "fragment",
	Truncated:    "truncated",
	Malformed:    "malformed",
	UnknownLink:  "unknown_link",
	TooDeep:      "too_deep",
	FragmentLost: "fragment_lost",
}

// String gives the name a reason has in metrics and reports, or "invalid".
func (r Reason) String() string {
	if int(r) < len(reasonNames) {
		return reasonNames[r]
	}
	return "invalid"
}

// Filtered tells whether a frame with this reason was nothing weir wants (true), or was given up
// although it may have held a segment (false, as for OK).
func (r Reason) Filtered() bool {
	return r == NotIP || r == NotTCP || r == Fragment
}

// Counters are what a Decoder did since it was made. They only grow, FragmentsHeld apart.
//
// Two sums hold at any time. Every frame has one reason, so the sum of ByReason is the frames
// seen. And ByReason[Fragment] = FragmentsJoined + FragmentsExpired + FragmentsHeld: a fragment is
// counted as filtered when it comes, and appears in FragmentsExpired when that proves wrong.
type Counters struct {
	ByReason         [numReasons]uint64 // frames, indexed by Reason
	FragmentsJoined  uint64             // earlier fragments of datagrams that became whole
	FragmentsExpired uint64             // fragments given up with their datagram: timeout, bound or contradiction
	FragmentsHeld    uint64             // fragments that wait in unfinished datagrams now
	FragmentOverlaps uint64             // fragments that repeated bytes already there; the first bytes won
	LengthZero       uint64             // IP headers without a length (TSO, BIG TCP): the frame's length was used
	LengthOverrun    uint64             // IP headers that claimed more than the frame had on the wire: the wire was believed
	MirrorCut        uint64             // IP headers in a mirror tunnel that claimed more than arrived: the header was believed
}
