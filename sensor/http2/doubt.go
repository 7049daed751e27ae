// SPDX-License-Identifier: Apache-2.0

package http2

// resolve settles whether blocks were lost, by the next one: none was if it is the request of the next stream.
// Trailers have the number of a stream too, whose request may be what was lost.
func (p *Parser) resolve(b *Block, raw []byte) {
	p.doubted = false
	next := p.own + 2
	if p.own == 0 {
		next = 1
	}
	if b.Promised != 0 || b.Stream != next || !asks(raw) {
		p.loseTable()
	}
}

// asks says whether a block is a request without help of the dynamic table, which may be wrong: by a field whose name
// is one of the first seven of the static table (RFC 7541 appendix A), which trailers must not have (RFC 9113 section
// 8.1). Of requests nearly all have one in :method or :scheme.
func asks(raw []byte) bool {
	const lastAsked = 7 // :scheme https
	r := reader{b: raw}
	for len(r.b) > 0 && !r.bad {
		c := r.b[0]
		if c>>5 == 1 {
			r.integer(5)
			continue
		}
		bits := 4
		switch {
		case c>>7 == 1:
			bits = 7
		case c>>6 == 1:
			bits = 6
		}
		i := r.integer(bits)
		if i >= 1 && i <= lastAsked {
			return true
		}
		if bits == 7 {
			continue
		}
		if i == 0 {
			r.text()
		}
		r.text()
	}
	return false
}

// begun notes which streams of a client have begun and not ended.
func (p *Parser) begun(b *Block) {
	switch {
	case b.Promised != 0:
	case b.Stream > p.own && b.Stream%2 == 1:
		p.own = b.Stream
		if !b.EndStream {
			p.unended++
		}
	case b.EndStream:
		p.unended = max(0, p.unended-1)
	}
}
