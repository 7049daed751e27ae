// SPDX-License-Identifier: Apache-2.0

package http2

import "github.com/weir-project/weir/sensor/exchange"

// Gap takes n bytes that were not seen.
func (p *Parser) Gap(n int64) {
	for n > 0 {
		n -= p.stepGap(n)
	}
}

// stepGap takes some of n bytes that were not seen and says how many.
func (p *Parser) stepGap(n int64) int64 {
	switch p.state {
	case seeking:
		p.gapSeek(n)
		return n
	case inPreface:
		n = min(n, int64(len(Preface)-int(p.got)))
		p.offset += n
		p.counts.Lost += n
		if p.got += uint8(n); int(p.got) == len(Preface) {
			p.state, p.got = atHeader, 0
		}
		return n
	case atHeader:
		p.lost()
		return 0
	}
	n = int64(p.gapPayload(int(min(n, int64(p.left)))))
	if p.left == 0 {
		p.frameEnd()
	}
	return n
}

// gapPayload takes some of n bytes of the payload that were not seen and says how many.
func (p *Parser) gapPayload(n int) int {
	switch {
	case p.use == toHandler && p.need > 0:
		// How much is padding is not known: what is surely body counts as body.
		p.need = 0
		p.take(1)
		p.pad = min(255, p.left)
		return 1
	case p.use == toHandler && p.left > p.pad:
		n = min(n, p.left-p.pad)
		p.offset += int64(n)
		p.left -= n
		p.counts.Body += int64(n)
		p.handler.Gap(p, p.frame.stream, int64(n))
		return n
	case p.use == toHandler:
		p.take(n)
		return n
	case p.use == toBlock:
		p.gapBlock(n)
	case p.use == toScratch:
		p.torn = true
		if p.frame.kind == typeSettings && (p.read()+n)%settingLen == 0 {
			p.torn = false // the next setting is whole again
		}
	}
	p.offset += int64(n)
	p.left -= n
	p.counts.Lost += int64(n)
	return n
}

// lost says that frames may be missing, and begins to seek.
func (p *Parser) lost() {
	if p.state == atHeader {
		p.counts.Junk += int64(p.got)
	}
	p.got = 0
	p.cutBlock(exchange.GapInHeader)
	// What a client loses most often is WINDOW_UPDATE. If all its streams have ended, only a new one can have had a
	// header block, and the number of the next stream will say whether there was one (RFC 9113 section 5.1.1: streams
	// "MUST be numerically greater than all streams that the initiating endpoint has opened").
	if p.doubted = p.whole && p.unended == 0; !p.doubted {
		p.loseTable()
	}
	p.startSeek()
	p.handler.Lost(p)
}

// unread takes back a frame header that is none: frames are sought from its first byte.
func (p *Parser) unread(raw []byte) {
	var b [frameHeader]byte
	copy(b[:], raw)
	p.offset = p.begin
	m := p.block.Mark
	if p.open {
		m = p.mark
	}
	p.state = inPayload // nothing of it is junk yet
	p.lost()
	p.seek.add(b[:], m)
}

func (p *Parser) loseTable() {
	p.whole, p.doubted = false, false
	if p.fresh {
		p.fresh = false
		p.table.lose()
	}
}
