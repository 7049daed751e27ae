// SPDX-License-Identifier: Apache-2.0

package keyhash

import (
	"encoding/binary"
	"fmt"
	"hash"
	"io"
	"sync"

	"github.com/dchest/siphash"
)

// Domains of the exchanges key: the first byte that is hashed.
const (
	domainPacket  = 1
	domainLogLine = 2
)

// ExchangesKey makes exchange ids. It never rotates with the others.
type ExchangesKey struct {
	sips *sync.Pool // of *sip; fmt cannot see what a pool holds
	id   uint32
}

// sip is one keyed SipHash-128 with room for what it must not allocate.
type sip struct {
	hash.Hash
	small [9]byte
	sum   [16]byte
}

func newExchangesKey(key []byte, id uint32) *ExchangesKey {
	return &ExchangesKey{id: id, sips: &sync.Pool{New: func() any {
		return &sip{Hash: siphash.New128(key)}
	}}}
}

// KeyID names the key; it is not secret.
func (e *ExchangesKey) KeyID() uint32 { return e.id }

// Format prints "redacted" for every verb.
func (*ExchangesKey) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// ExchangeID names an exchange seen in packets: SipHash-2-4-128 over 0x01, the sequence number of
// the request's first byte as sent, the stream id (0 for HTTP/1), and the raw header block. A block
// not wholly seen is left out (nil): sequence and stream id alone.
func (e *ExchangesKey) ExchangeID(seq, stream uint32, head []byte) ID {
	s := e.sips.Get().(*sip)
	s.small[0] = domainPacket
	binary.BigEndian.PutUint32(s.small[1:], seq)
	binary.BigEndian.PutUint32(s.small[5:], stream)
	return e.finish(s, head)
}

// LogLineID names an exchange read from an access log: SipHash-2-4-128 over 0x02, the line's offset
// in its file, and the line without its end.
func (e *ExchangesKey) LogLineID(offset uint64, line []byte) ID {
	s := e.sips.Get().(*sip)
	s.small[0] = domainLogLine
	binary.BigEndian.PutUint64(s.small[1:], offset)
	return e.finish(s, line)
}

func (e *ExchangesKey) finish(s *sip, text []byte) ID {
	s.Write(s.small[:])
	s.Write(text)
	id := ID(s.Sum(s.sum[:0]))
	s.Reset()
	e.sips.Put(s)
	return id
}
