// SPDX-License-Identifier: Apache-2.0

package capture_test

import (
	"bytes"
	"encoding/binary"
)

// The builders write files by hand, in either byte order.

type order interface {
	binary.ByteOrder
	binary.AppendByteOrder
}

func pcapFile(o order, magic uint32, link uint32, records ...[]byte) []byte {
	b := o.AppendUint32(nil, magic)
	b = o.AppendUint16(b, 2)
	b = o.AppendUint16(b, 4)
	b = append(b, make([]byte, 8)...)
	b = o.AppendUint32(b, 65535)
	b = o.AppendUint32(b, link)
	return append(b, bytes.Join(records, nil)...)
}

func record(o order, seconds, fraction, length uint32, data string) []byte {
	b := o.AppendUint32(nil, seconds)
	b = o.AppendUint32(b, fraction)
	b = o.AppendUint32(b, uint32(len(data)))
	b = o.AppendUint32(b, length)
	return append(b, data...)
}

func block(o order, kind uint32, body ...[]byte) []byte {
	inner := bytes.Join(body, nil)
	for len(inner)%4 != 0 {
		inner = append(inner, 0)
	}
	b := o.AppendUint32(nil, kind)
	b = o.AppendUint32(b, uint32(len(inner)+12))
	b = append(b, inner...)
	return o.AppendUint32(b, uint32(len(inner)+12))
}

func words(o order, v ...uint32) (b []byte) {
	for _, w := range v {
		b = o.AppendUint32(b, w)
	}
	return b
}

func option(o order, code uint16, value []byte) []byte {
	b := o.AppendUint16(nil, code)
	b = o.AppendUint16(b, uint16(len(value)))
	b = append(b, value...)
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}

func section(o order) []byte {
	b := o.AppendUint32(nil, 0x1a2b3c4d)
	b = o.AppendUint16(b, 1)
	return block(o, 0x0a0d0d0a, o.AppendUint16(b, 0), bytes.Repeat([]byte{0xff}, 8), option(o, 4, []byte("made by hand")))
}

func idb(o order, link uint16, snap uint32, options ...[]byte) []byte {
	b := o.AppendUint16(nil, link)
	return block(o, 1, append(o.AppendUint16(b, 0), words(o, snap)...), bytes.Join(options, nil))
}

func epb(o order, iface uint32, ts uint64, length uint32, data string, options ...[]byte) []byte {
	padded := append([]byte(data), make([]byte, (4-len(data)%4)%4)...)
	return block(o, 6, words(o, iface, uint32(ts>>32), uint32(ts), uint32(len(data)), length), padded, bytes.Join(options, nil))
}
