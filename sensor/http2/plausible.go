// SPDX-License-Identifier: Apache-2.0

package http2

import (
	"encoding/binary"
	"math/bits"
)

const (
	near       = 2000 // how far apart the streams of frames are that are believed to belong together
	nearPushed = 100  // the same for streams that the server opened, which few do
)

// verdict says whether bytes may be a frame header, as a seeker sees it: stricter than RFC 9113, since a
// frame that it does not believe is only found later.
type verdict uint8

const (
	never    verdict = iota + 1
	may              // a frame may begin here
	tooShort         // more bytes are needed
)

// definedFlags are the flags of each type. Others "have no defined semantics ... MUST be left unset".
var definedFlags = [...]byte{
	typeData:           flagEndStream | flagPadded,
	typeHeaders:        flagEndStream | flagEndHeaders | flagPadded | flagPriority,
	typeSettings:       flagAck,
	typePushPromise:    flagEndHeaders | flagPadded,
	typePing:           flagAck,
	typeContinuation:   flagEndHeaders,
	typePriorityUpdate: 0,
}

const (
	connection = 1 // frames of the type stand on stream 0
	ofStream   = 2 // and on others
)

// streams says where frames of each type may stand; of others nowhere.
var streams = [...]byte{
	typeData:           ofStream,
	typeHeaders:        ofStream,
	typePriority:       ofStream,
	typeReset:          ofStream,
	typeSettings:       connection,
	typePushPromise:    ofStream,
	typePing:           connection,
	typeGoAway:         connection,
	typeWindowUpdate:   connection | ofStream,
	typeContinuation:   ofStream,
	typeAltSvc:         connection | ofStream,
	typeOrigin:         connection,
	typePriorityUpdate: connection,
}

// longest is the longest payload that is believed.
func (p *Parser) longest() int { return max(int(p.maxFrame), defaultFrame) }

// farthest is the highest stream that is believed.
func (p *Parser) farthest() uint32 {
	if p.high == 0 {
		return 1<<31 - 1
	}
	return min(p.high, 1<<31-1-near) + near
}

// peek is how many bytes of the payload say whether a frame is one.
func (f frame) peek() int {
	n := 0
	switch f.kind {
	case typeData:
		n = f.prefix()
	case typeHeaders:
		if n = f.prefix(); f.has(flagEndHeaders) && f.length <= maxSpoken {
			n = f.length
		}
	case typePushPromise:
		n = f.prefix()
	case typePriority:
		n = 4
	case typeReset, typeWindowUpdate:
		n = 4
	case typeSettings:
		n = 2
	case typeGoAway:
		n = 8
	}
	return min(n, f.length)
}

// known says whether b may begin with the frame f.
func (f frame) known(p *Parser, b []byte) verdict {
	if int(f.kind) >= len(definedFlags) || f.flags&^definedFlags[f.kind] != 0 || b[5] >= 0x80 ||
		f.length > p.longest() || !f.fits() || !p.knownStream(f) {
		return never
	}
	if len(b) < frameHeader+f.peek() {
		return tooShort
	}
	if !f.starts(b[frameHeader:]) {
		return never
	}
	return may
}

// fits checks type, length and stream against each other.
func (f frame) fits() bool {
	switch f.kind {
	case typeData:
		return f.flaw() == sound && (f.length > 0 || f.has(flagEndStream))
	case typeHeaders, typePushPromise:
		return f.flaw() == sound && f.length > f.prefix()
	case typeContinuation, typeReset, typeSettings, typePing, typeGoAway, typeWindowUpdate, typePriority:
		return f.flaw() == sound
	case typeAltSvc:
		return f.length >= 2
	case typeOrigin:
		return f.stream == 0
	case typePriorityUpdate:
		return f.stream == 0 && f.length >= 4
	}
	return false
}

// knownStream says whether the stream is near those that are in use.
func (p *Parser) knownStream(f frame) bool {
	if f.stream == 0 {
		return true
	}
	if f.stream%2 == 0 {
		return p.pushed != 0 && f.stream <= p.pushed+nearPushed
	}
	return f.stream <= p.farthest()
}

// starts checks the payload's first bytes, as many as peek says.
func (f frame) starts(b []byte) bool {
	word := func(at int) uint32 { return binary.BigEndian.Uint32(b[at:]) }
	switch f.kind {
	case typeData, typeHeaders, typePushPromise:
		if f.has(flagPadded) && int(b[0]) > f.length-f.prefix() {
			return false
		}
		if f.kind == typePushPromise {
			promised := word(f.prefix() - 4)
			return promised != 0 && promised%2 == 0 && promised < 1<<31
		}
	case typePriority:
		return word(0)&(1<<31-1) != f.stream
	case typeReset:
		return word(0) <= 0xd
	case typeWindowUpdate:
		return word(0) != 0 && word(0) < 1<<31
	case typeSettings:
		return f.length == 0 || b[0] == 0 && b[1] != 0 && b[1] <= 0x10
	case typeGoAway:
		return word(0) < 1<<31 && word(4) <= 0xd
	}
	return true
}

// points says how little a frame may be chance, after the frames of c: about the bits that its header says
// beyond what any bytes say of which most are zero or small, as numbers are, since those look like frames
// most often.
func (f frame) points(c *chain) int {
	switch f.kind {
	case typeData:
		n := 6
		switch {
		case f.length == 0:
			n = 0
		case f == c.last && f.length >= 4096:
			n = 15
		case c.last.kind == typeData && c.last.stream == f.stream:
			n = 9
		}
		return n
	case typeSettings:
		if f.length == 0 && f.has(flagAck) {
			return 10
		}
		if f.length == 0 {
			return 3
		}
	case typeHeaders, typePushPromise:
		if !f.has(flagEndHeaders) {
			return 8
		}
	case typeContinuation, typeAltSvc, typeOrigin, typeGoAway:
		return 8
	}
	return 12
}

// follow adds the frame that may stand at s.at to the chain that leads there, or begins one with it. It
// gives the chain if it is to be believed by that.
func (p *Parser) follow(s *seeker, f frame, v verdict, b []byte) (chain, bool) {
	spoken := v == may && s.speaks(f, b[frameHeader:])
	best := -1 // of those that lead here, the one that says most stands for all
	for i := range s.chains {
		c := &s.chains[i]
		if c.next == s.at && v != never && !s.stale(c) && c.takes(f) && (best < 0 || c.points > s.chains[best].points) {
			best = i
		}
	}
	if best >= 0 {
		c := &s.chains[best]
		c.add(f, s, spoken)
		if c.trusted >= 0 && p.enough(c.points) {
			return *c, true
		}
	}
	s.drop(func(c *chain) bool { return c.next == s.at })
	if best >= 0 || v == never || f.kind == typeContinuation {
		return chain{}, false
	}
	if len(s.chains) == maxChains {
		s.drop(s.stale)
	}
	if len(s.chains) < maxChains {
		c := chain{start: s.at, next: s.at, trusted: -1, seen: s.seenAt(), last: frame{kind: typeOrigin}}
		c.asked = min(mostTrust, 5+bits.Len64(uint64(s.at-s.from+1)))
		c.add(f, s, spoken)
		if spoken {
			return c, true
		}
		s.chains = append(s.chains, c)
	}
	return chain{}, false
}

// takes says whether f may follow the chain's last frame.
func (c *chain) takes(f frame) bool {
	if c.block != (f.kind == typeContinuation) || c.block && f.stream != c.last.stream {
		return false
	}
	if f.stream == 0 || c.stream == 0 {
		return true
	}
	if f.stream == c.last.stream && c.last.kind == typeData && c.last.has(flagEndStream) &&
		f.kind != typeReset && f.kind != typeWindowUpdate && f.kind != typePriority {
		return false
	}
	return max(f.stream, c.stream)-min(f.stream, c.stream) <= near
}

// add makes f, which stands at s.at, the chain's last frame.
func (c *chain) add(f frame, s *seeker, spoken bool) {
	n := f.points(c)
	if spoken {
		n = spokenPoints
	}
	c.points += n
	if c.trust += n + f.rare(s); c.trusted < 0 && c.trust >= c.asked && f.kind != typeContinuation {
		c.trusted = s.at
	}
	c.next += int64(frameHeader + f.length)
	c.last = f
	if f.stream != 0 {
		c.stream = f.stream
	}
	if f.ofBlock() {
		c.block = !f.has(flagEndHeaders)
	}
}

// rare is what the zeros of a header say beyond points, where few bytes are zero.
func (f frame) rare(s *seeker) int {
	if f.length == 0 {
		return 0
	}
	each := min(3, max(0, bits.Len64(uint64(s.seenAt()+2))-bits.Len64(uint64(s.zeros+1))-1))
	if f.kind == typeData {
		return 4 * each
	}
	return 3 * each
}

// enough says whether a chain is to be believed.
func (p *Parser) enough(points int) bool {
	if p.verified {
		return points >= knownPoints
	}
	return points >= unknownPoints
}

// tooLong says that a frame is longer than the other side allows, as far as that is known: without it, a long
// frame is one if all else in its header fits.
func (p *Parser) tooLong(f frame) bool {
	if f.length <= p.longest() {
		return false
	}
	return p.maxFrame > 0 || int(f.kind) >= len(definedFlags) || f.flags&^definedFlags[f.kind] != 0 || !f.fits() ||
		!p.knownStream(f)
}
