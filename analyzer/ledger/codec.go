// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"encoding/binary"
	"errors"
	"math"
)

var errShort = errors.New("ends early")

// codec walks a value's fields and writes or reads them, so that both ways are one list of fields.
type codec struct {
	buf     []byte // writing: what was written; reading: what is left
	writing bool
	version byte // of the chunk
	err     error
	texts   []string          // told so far, each by its place in later uses
	places  map[string]uint64 // writing
}

func (c *codec) fail(err error) {
	if c.err == nil {
		c.err = err
	}
	c.buf = nil
}

func (c *codec) uvarint(x uint64) uint64 {
	if c.writing {
		c.buf = binary.AppendUvarint(c.buf, x)
		return x
	}
	x, n := binary.Uvarint(c.buf)
	if n <= 0 {
		c.fail(errShort)
		return 0
	}
	c.buf = c.buf[n:]
	return x
}

func (c *codec) u64(v *uint64) { *v = c.uvarint(*v) }

func (c *codec) u32(v *uint32) { *v = uint32(c.bounded(uint64(*v), math.MaxUint32)) }
func (c *codec) u16(v *uint16) { *v = uint16(c.bounded(uint64(*v), math.MaxUint16)) }
func (c *codec) u8(v *uint8)   { *v = uint8(c.bounded(uint64(*v), math.MaxUint8)) }

func (c *codec) bounded(x, most uint64) uint64 {
	if x = c.uvarint(x); x > most {
		c.fail(errors.New("a number is too large"))
		return 0
	}
	return x
}

func (c *codec) i64(v *int64) {
	x := c.uvarint(uint64(*v)<<1 ^ uint64(*v>>63))
	*v = int64(x>>1) ^ -int64(x&1)
}

// i32 is a day, an hour or another count of time since 1970.
func (c *codec) i32(v *int32) {
	x := int64(*v)
	c.i64(&x)
	if x != int64(int32(x)) {
		c.fail(errors.New("a number is too large"))
		return
	}
	*v = int32(x)
}

func (c *codec) flag(v *bool) {
	x := uint64(0)
	if *v {
		x = 1
	}
	*v = c.bounded(x, 1) == 1
}

// f64 is a float by its bits, most of which are zero in a small whole number: bytes turned around,
// as a varint. A NaN or an infinity is refused.
func (c *codec) f64(v *float64) {
	x := c.uvarint(swap(math.Float64bits(*v)))
	if *v = math.Float64frombits(swap(x)); math.IsNaN(*v) || math.IsInf(*v, 0) {
		c.fail(errors.New("not a number"))
		*v = 0
	}
}

func swap(x uint64) uint64 {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], x)
	return binary.LittleEndian.Uint64(b[:])
}

func (c *codec) f32(v *float32) {
	x := float64(*v)
	c.f64(&x)
	if *v = float32(x); float64(*v) != x {
		c.fail(errors.New("a number is too fine"))
	}
}

func (c *codec) bytes(v []byte) {
	if c.writing {
		c.buf = append(c.buf, v...)
		return
	}
	if len(c.buf) < len(v) {
		c.fail(errShort)
		return
	}
	c.buf = c.buf[copy(v, c.buf):]
}

// fixed64 is a hash.
func (c *codec) fixed64(v *uint64) {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], *v)
	c.bytes(b[:])
	*v = binary.LittleEndian.Uint64(b[:])
}

// count is the number of things that follow, each at least size bytes: a wrong one never makes
// memory grow.
func (c *codec) count(n, size int) int {
	x := c.uvarint(uint64(n))
	if !c.writing && (c.err != nil || x > uint64(len(c.buf)/size)) {
		c.fail(errShort)
		return 0
	}
	return int(x)
}

// text writes a string once; later uses are its place.
func (c *codec) text(v *string) {
	if c.writing {
		at, ok := c.places[*v]
		if !ok {
			if c.places == nil {
				c.places = map[string]uint64{}
			}
			at = uint64(len(c.places))
			c.places[*v] = at
		}
		c.uvarint(at)
		if !ok {
			c.uvarint(uint64(len(*v)))
			c.buf = append(c.buf, *v...)
		}
		return
	}
	at := c.uvarint(0)
	switch {
	case c.err != nil || at > uint64(len(c.texts)):
		c.fail(errors.New("an unknown text"))
	case at < uint64(len(c.texts)):
		*v = c.texts[at]
	default:
		b := make([]byte, c.count(0, 1))
		c.bytes(b)
		*v = string(b)
		c.texts = append(c.texts, *v)
	}
}
