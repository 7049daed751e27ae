// SPDX-License-Identifier: Apache-2.0

package http2

// stepData reads a piece of a DATA payload: pad length, body or padding.
func (p *Parser) stepData(b []byte) int {
	if p.need > 0 {
		p.need = 0
		p.take(1)
		if p.pad = int(b[0]); p.pad > p.left { // RFC 9113 section 6.1: a connection error
			p.badPadding()
			p.pad = p.left
		}
		return 1
	}
	if n := min(len(b), p.left-p.pad); n > 0 {
		p.offset += int64(n)
		p.left -= n
		p.counts.Body += int64(n)
		p.handler.Data(p, p.frame.stream, b[:n])
		return n
	}
	p.take(len(b))
	return len(b)
}

// badPadding notes padding longer than its frame.
func (p *Parser) badPadding() {
	p.bad++
	if p.unsure && !p.replaying {
		p.lost()
	}
}
