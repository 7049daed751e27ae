// SPDX-License-Identifier: Apache-2.0

package http1

// Resting says that the Parser stands between two messages and holds nothing: a Parser that At has told the
// same position and role goes on as this one would.
func (p *Parser) Resting() bool {
	return p.state == atStart && len(p.buf) == 0 && p.next == 0 && p.tail == 0 && p.messages > 0 && !p.bare
}

// At makes a Parser that was just Reset stand at offset, after messages.
func (p *Parser) At(offset int64, messages int) { p.offset, p.messages = offset, messages }
