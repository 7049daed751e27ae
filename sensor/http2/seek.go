// SPDX-License-Identifier: Apache-2.0

package http2

import (
	"bytes"
	"encoding/binary"
	"math"
)

// After a loss the next frame is sought. A frame header has no magic number, so that one that fits proves
// little: believed is a chain of frames that follow each other by their lengths, with enough in them that
// nothing else would say by chance (frame.points). A body's last bytes may look like a frame that ends where the
// body does, and true frames would follow it: so the first frames of a chain that is believed are only read if
// they say enough by themselves (chain.trust). Bytes of a chain are kept until it is believed or broken
// and then read as ever, so that finding it late costs nothing; all others are junk at once. Gaps in a payload
// break no chain. Which chain is believed depends on the bytes alone: it is the one complete first.
//
// What cannot be told: HTTP/2 inside of DATA, with the frame around it lost, is HTTP/2. A frame larger than
// keptSought is never found, but the ones after it are.
const (
	keptSought = 64 << 10 // bytes of chains that are kept
	maxChains  = 64       // that are followed at one time
	maxRuns    = 128      // segments that are told apart in what is kept

	knownPoints   = 34 // what is asked of a chain where HTTP/2 is known to be: three frames or four
	unknownPoints = 40 // and where it is not: one more
	endPoints     = 12 // what it says that a chain ends with the side
	spokenPoints  = 40 // what a header block says that makes sense: enough
	mostTrust     = 18 // what is asked of the first frames by themselves, at most
)

// run is bytes of one segment without a hole.
type run struct {
	offset int64
	n      int
	mark   Mark
}

func (r run) end() int64 { return r.offset + int64(r.n) }

// chain is frames that follow each other, the last of which is whole when next is reached.
type chain struct {
	start, next int64
	seen        int64 // as seeker.seen at start
	points      int
	trust       int   // what the frames say by themselves, that true ones follow left aside
	asked       int   // how much trust is asked of the first ones
	trusted     int64 // where the first frame of as much trust stands, or -1
	last        frame
	stream      uint32 // of the last frame that had one
	block       bool   // a block is open
}

// seeker keeps what was fed since the first chain that is not broken. It is made when frames are lost and
// thrown away when they are found: an idle connection has none.
type seeker struct {
	buf    []byte // of the runs, joined, from head on
	head   int
	runs   []run
	at     int64 // the next position to look at
	from   int64 // where the bytes without a hole begin that at is in
	last   int64 // the end of what was fed
	seen   int64 // bytes that were fed, without gaps
	zeros  int64 // of the bytes before at
	chains []chain
	large  bool // it keeps much, and counts in Limits.Seek

	table  table // to see whether header blocks make sense
	fields []Field
	tried  int64 // bytes of those
}

// smallSought is what a seeker may keep without asking.
const smallSought = 4 << 10

// spare keeps the bound of all seekers: one that would be too many gives up its chains.
func (p *Parser) spare(s *seeker) {
	b := p.limits.Seek
	if b == nil || s.large || len(s.buf)-s.head <= smallSought {
		return
	}
	if b.large < b.Max {
		b.large++
		s.large = true
		return
	}
	s.chains = nil
	p.skipTo(s, s.at)
	s.buf, s.head = append([]byte(nil), s.buf[s.head:]...), 0
}

// noSeek ends the search.
func (p *Parser) noSeek() {
	if s := p.seek; s != nil && s.large {
		p.limits.Seek.large--
	}
	p.seek = nil
}

func (s *seeker) end() int64 { return s.last }

// startSeek begins to look for frames at the next byte.
func (p *Parser) startSeek() {
	p.state, p.unsure, p.left = seeking, true, 0
	p.seek = &seeker{at: p.offset, from: p.offset, last: p.offset}
}

// stepSeek takes some of b to look for frames in and says how much.
func (p *Parser) stepSeek(b []byte) int {
	s := p.seek
	b = b[:min(len(b), keptSought/4)]
	before := s.last
	s.add(b, p.mark)
	found, ok := p.look(s, false)
	if !ok {
		p.forget(s)
		p.spare(s)
		return len(b)
	}
	over := max(0, s.last-max(before, found.next))
	s.cut(int(over))
	p.found(s, found)
	return len(b) - int(over)
}

// gapSeek takes n bytes that were not seen.
func (p *Parser) gapSeek(n int64) {
	s := p.seek
	if found, ok := p.look(s, true); ok {
		p.found(s, found)
		p.Gap(n)
		return
	}
	s.last += n
	s.at, s.from = s.last, s.last
	s.drop(func(c *chain) bool { return c.next < s.last })
	p.forget(s)
	for len(s.runs) >= maxRuns && len(s.chains) > 0 { // of runs without a hole between them add makes one
		s.chains = s.chains[:copy(s.chains, s.chains[1:])]
		p.forget(s)
	}
}

// closeSeek ends the search. A chain that ends with the side is believed with less.
func (p *Parser) closeSeek() {
	s := p.seek
	found, ok := p.look(s, true)
	for i := 0; i < len(s.chains) && !ok; i++ {
		c := s.chains[i]
		if ok = c.next == s.last && c.trusted >= 0 && p.enough(c.points+endPoints); ok {
			found = c
		}
	}
	if ok {
		p.found(s, found)
		return
	}
	s.at, s.chains = s.last, s.chains[:0]
	p.forget(s)
	p.noSeek()
	clear(s.buf) // it may hold a credential
	p.offset = s.last
}

// found reads the frames of a chain that is believed, and what was kept behind it.
func (p *Parser) found(s *seeker, c chain) {
	p.skipTo(s, c.trusted)
	p.noSeek()
	p.verified = true
	p.state, p.offset, p.got = atHeader, c.trusted, 0
	p.replaying = true
	m := p.mark
	b := s.buf[s.head:]
	for _, r := range s.runs {
		p.Gap(r.offset - p.Offset())
		p.Data(b[:r.n], r.mark)
		b = b[r.n:]
	}
	p.Gap(s.last - p.Offset())
	p.replaying = false
	p.mark = m
	clear(s.buf) // it may hold a credential
}

// forget counts what belongs to no chain as junk.
func (p *Parser) forget(s *seeker) {
	s.drop(s.stale)
	to := s.at
	for i := range s.chains {
		to = min(to, s.chains[i].start)
	}
	p.skipTo(s, to)
}

// stale says that a chain would have more bytes than are kept. It depends on s.at alone, not on how much was
// fed beyond it, and is asked before a chain is believed.
func (s *seeker) stale(c *chain) bool { return s.seenAt()-c.seen > keptSought }

// seenAt is how many bytes were fed before s.at.
func (s *seeker) seenAt() int64 { return s.seen - (s.last - s.at) }

// skipTo gives up all before to.
func (p *Parser) skipTo(s *seeker, to int64) {
	i := 0
	for ; i < len(s.runs) && s.runs[i].offset < to; i++ {
		r := &s.runs[i]
		p.counts.Lost += r.offset - p.offset
		n := int(min(to, r.end()) - r.offset)
		p.counts.Junk += int64(n)
		s.head += n
		r.offset += int64(n)
		r.n -= n
		p.offset = r.offset
		if r.n > 0 {
			break
		}
	}
	s.runs = s.runs[:copy(s.runs, s.runs[i:])]
	p.counts.Lost += to - p.offset
	p.offset = to
	if s.head > len(s.buf)/2 {
		n := copy(s.buf, s.buf[s.head:])
		clear(s.buf[n:])
		s.buf, s.head = s.buf[:n], 0
	}
}

// add keeps b.
func (s *seeker) add(b []byte, m Mark) {
	s.buf = append(s.buf, b...)
	s.last += int64(len(b))
	s.seen += int64(len(b))
	if n := len(s.runs); n > 0 && s.runs[n-1].end() == s.last-int64(len(b)) {
		r := &s.runs[n-1]
		if r.mark != m && n >= maxRuns {
			r.mark.HasAck, m = false, r.mark // too many to tell apart: which ACK it was is not known
		}
		if r.mark == m || n >= maxRuns {
			r.n += len(b)
			return
		}
	}
	s.runs = append(s.runs, run{s.last - int64(len(b)), len(b), m})
}

// cut takes the last n bytes back.
func (s *seeker) cut(n int) {
	s.buf = s.buf[:len(s.buf)-n]
	s.last -= int64(n)
	s.seen -= int64(n)
	s.runs[len(s.runs)-1].n -= n
}

func (s *seeker) drop(gone func(c *chain) bool) {
	kept := s.chains[:0]
	for i := range s.chains {
		if !gone(&s.chains[i]) {
			kept = append(kept, s.chains[i])
		}
	}
	s.chains = kept
}

// look looks at every position whose bytes are there, in order, until a chain is to be believed; its next
// is then the position behind the bytes that decided. With final no more bytes follow the ones that are there.
func (p *Parser) look(s *seeker, final bool) (chain, bool) {
	far := int64(p.farthest())
	b := s.buf[len(s.buf)-int(s.last-s.at):]
	due := s.due()
	for {
		i := scan(b, int(min(due-s.at, int64(len(b)))), p.longest(), far)
		s.pass(b[:i])
		b = b[i:]
		if len(b) < frameHeader {
			if final {
				s.pass(b)
			}
			return chain{}, false
		}
		f := parseFrame(b)
		k := f.known(p, b)
		if k == tooShort && !final {
			return chain{}, false
		}
		if k != never || s.at == due {
			if c, ok := p.follow(s, f, k, b); ok {
				c.next = s.at + int64(frameHeader+f.peek())
				return c, true
			}
			due = s.due()
		}
		s.pass(b[:1])
		b = b[1:]
	}
}

// due is the next position that a chain leads to.
func (s *seeker) due() int64 {
	due := int64(math.MaxInt64)
	for i := range s.chains {
		due = min(due, s.chains[i].next)
	}
	return due
}

// pass goes on behind b.
func (s *seeker) pass(b []byte) {
	s.at += int64(len(b))
	s.zeros += int64(bytes.Count(b, []byte{0}))
}

// scan passes positions where no frame header can stand, up to due. It must pass fast what bodies are made
// of, zeros too.
func scan(b []byte, due, longest int, farthest int64) int {
	for i := 0; i < due; i++ {
		if i+frameHeader > len(b) {
			return i
		}
		h := b[i : i+frameHeader]
		if int(h[0])<<16 > longest || h[3] > typePriorityUpdate {
			continue
		}
		stream := int64(binary.BigEndian.Uint32(h[5:]))
		if stream == 0 && streams[h[3]]&connection != 0 || stream != 0 && stream <= farthest && streams[h[3]]&ofStream != 0 {
			return i
		}
	}
	return due
}
