// SPDX-License-Identifier: Apache-2.0

package keyhash

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/dchest/siphash"
)

// separator stands between a class and an id, and between the parts of a composite id (U+001F).
const separator = 0x1F

// ObjectsKey makes object hashes. It rotates only as a declared migration.
type ObjectsKey struct {
	// words gives the two halves of the key. A function, since fmt follows pointers (a wrong verb
	// prints what a pointer points to), but never calls or opens a function.
	words func() (k0, k1 uint64)
	id    uint32
}

func newObjectsKey(key []byte, id uint32) *ObjectsKey {
	k0, k1 := binary.LittleEndian.Uint64(key), binary.LittleEndian.Uint64(key[8:])
	return &ObjectsKey{words: func() (uint64, uint64) { return k0, k1 }, id: id}
}

// KeyID names the key; it is not secret.
func (o *ObjectsKey) KeyID() uint32 { return o.id }

// Format prints "redacted" for every verb.
func (*ObjectsKey) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// Object is the hash of one record's identity: SipHash-2-4 over the canonical class, 0x1F and the
// canonical id. Both texts are made canonical here; they stay the caller's.
func (o *ObjectsKey) Object(class, id []byte) uint64 {
	var room [256]byte
	b := appendClass(room[:0], class)
	b = append(b, separator)
	b = CanonicalID(b, id)
	k0, k1 := o.words()
	return siphash.Hash(k0, k1, b)
}

// ObjectComposite is Object for a record named by several ids, in the order of their keys.
func (o *ObjectsKey) ObjectComposite(class []byte, ids ...[]byte) uint64 {
	var room [256]byte
	b := appendClass(room[:0], class)
	for _, id := range ids {
		b = append(b, separator)
		b = CanonicalID(b, id)
	}
	k0, k1 := o.words()
	return siphash.Hash(k0, k1, b)
}

// appendClass appends the canonical form of a class: trimmed, ASCII lower case.
func appendClass(dst, class []byte) []byte {
	return appendLower(dst, bytes.TrimSpace(class))
}

func appendLower(dst, text []byte) []byte {
	for _, c := range text {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		dst = append(dst, c)
	}
	return dst
}

// CanonicalID appends the canonical form of an id to dst: without white space around it, a UUID in
// lower case, everything else as written (a number keeps its digits and zeros).
func CanonicalID(dst, id []byte) []byte {
	id = bytes.TrimSpace(id)
	if isUUID(id) {
		return appendLower(dst, id)
	}
	return append(dst, id...)
}

// isUUID knows the form of RFC 9562 section 4: 8-4-4-4-12 hex digits.
func isUUID(id []byte) bool {
	if len(id) != 36 {
		return false
	}
	for i, c := range id {
		switch i {
		case 8, 13, 18, 23:
			if c != '-' {
				return false
			}
		default:
			if !isHex(c) {
				return false
			}
		}
	}
	return true
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'f'
}
