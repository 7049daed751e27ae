// SPDX-License-Identifier: Apache-2.0

package flow

import "math/bits"

// block is a piece of a segment that came before its turn. A block without buf stands for bytes that
// were on the wire and not captured.
type block struct {
	next  *block
	off   int64
	n     int64
	buf   []byte // nil, or n bytes
	time  int64
	ack   uint32
	flags uint8
	class int8 // index of the free list, -1 without buf
}

// flags of a block.
const (
	blockHasAck uint8 = 1 << iota
	blockInconsistent
)

func (b *block) end() int64 { return b.off + b.n }

const (
	minClass  = 8  // 256 B
	maxClass  = 16 // 64 KiB; larger pieces are split
	blockCost = 96 // the block itself
	maxBlock  = 1 << maxClass
)

// blockPool lends buffers under one limit and takes them back for the next loan.
type blockPool struct {
	limit int
	used  int // lent
	idle  int // in the free lists
	free  [maxClass - minClass + 2]*block
}

// cost is what a block of n bytes with a buffer (or without) takes of the budgets.
func cost(n int64, buf bool) int {
	if !buf {
		return blockCost
	}
	return blockCost + 1<<classOf(n)
}

func classOf(n int64) int { return max(minClass, bits.Len64(uint64(n-1))) }

// get lends a block for n bytes, with a buffer or without; nil when the limit is reached.
func (p *blockPool) get(n int64, buf bool) *block {
	c := cost(n, buf)
	list := len(p.free) - 1
	if buf {
		list = classOf(n) - minClass
	}
	if b := p.free[list]; b != nil {
		p.free[list] = b.next
		p.idle -= c
		p.used += c
		*b = block{buf: b.buf[:cap(b.buf)], n: n, class: b.class}
		if buf {
			b.buf = b.buf[:n]
		}
		return b
	}
	if p.used+c > p.limit {
		return nil
	}
	if p.used+p.idle+c > p.limit { // too much of other sizes lies idle
		p.free, p.idle = [len(p.free)]*block{}, 0
	}
	p.used += c
	b := &block{n: n, class: int8(list)}
	if buf {
		b.buf = make([]byte, n, 1<<classOf(n))
	}
	return b
}

// put takes a block back.
func (p *blockPool) put(b *block) {
	c := b.cost()
	p.used -= c
	p.idle += c
	b.next = p.free[b.class]
	p.free[b.class] = b
}

func (b *block) cost() int {
	if b.buf == nil {
		return blockCost
	}
	return blockCost + cap(b.buf)
}
