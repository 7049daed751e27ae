// SPDX-License-Identifier: Apache-2.0

package http1

import "unsafe"

// Held is how much memory a Parser holds, itself included.
func (p *Parser) Held() int {
	return int(unsafe.Sizeof(*p)) + cap(p.buf) + cap(p.folded) + cap(p.msg.Fields)*int(unsafe.Sizeof(Field{}))
}

// StillViable and Viable are what a Parser asks of a partial line.
func StillViable(line []byte, seen int, r Role) bool { return stillViable(line, seen, r) }
func Viable(line []byte, r Role) bool                { return viable(line, r) }
