// SPDX-License-Identifier: Apache-2.0

package http2

import "encoding/binary"

// CodeLost is the error code told of a RST_STREAM whose code was not seen.
const CodeLost = 1<<32 - 1

// settingLen is the size of one setting: identifier (16), value (32).
const settingLen = 6

// maxSettings bounds how many settings of one frame are told; RFC 9113 defines six.
const maxSettings = 64

// read is how much of the payload was passed.
func (p *Parser) read() int { return p.frame.length - p.left }

// small reads a piece of SETTINGS, RST_STREAM or GOAWAY.
func (p *Parser) small(b []byte) {
	at := p.read()
	if p.frame.kind != typeSettings {
		for i := 0; i < len(b) && at+i < 8; i++ {
			p.scratch[at+i] = b[i]
		}
		return
	}
	for i := 0; i < len(b) && at+i < maxSettings*settingLen; i++ {
		k := (at + i) % settingLen
		p.scratch[k] = b[i]
		if k < settingLen-1 {
			continue
		}
		if !p.torn {
			p.handler.Setting(p, binary.BigEndian.Uint16(p.scratch[:]), binary.BigEndian.Uint32(p.scratch[2:]))
		}
		p.torn = false
	}
}

// smallEnd tells what a RST_STREAM or GOAWAY said.
func (p *Parser) smallEnd() {
	word := binary.BigEndian.Uint32(p.scratch[:])
	switch {
	case p.frame.kind == typeReset && p.torn:
		p.handler.Reset(p, p.frame.stream, CodeLost)
	case p.frame.kind == typeReset:
		p.handler.Reset(p, p.frame.stream, word)
	case p.frame.kind == typeGoAway && !p.torn:
		p.handler.GoAway(p, word&(1<<31-1), binary.BigEndian.Uint32(p.scratch[4:]))
	}
}
