// SPDX-License-Identifier: Apache-2.0

package inspect

import (
	"bytes"
	"errors"
	"io"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"

	"github.com/weir-project/weir/sensor/exchange"
)

const (
	decodeStep = 16 << 10
	// A body that has grown this many times when the bound ends it is taken for a bomb; lists of
	// like records reach a tenth of it.
	bombRatio = 200
	// maxWindow bounds what a zstd frame may ask for: the 8 MiB that RFC 8878 section 3.1.1.1.2
	// recommends for decoders.
	maxWindow = 8 << 20
)

// decoders are the decompressors of an Inspector, one body at a time.
type decoders struct {
	in   bytes.Reader
	gzip *gzip.Reader
	zlib io.ReadCloser
	raw  io.ReadCloser
	zstd *zstd.Decoder
	out  []byte
}

// decode undoes the coding of what was kept and reads it up to the prefix. whole says that nothing
// of the body is missing.
func (l *Look) decode(whole bool) {
	defer l.dropBuffer()
	l.mode = modeSniff
	if l.media == mediaJSON || l.media == mediaNDJSON {
		l.mode = modeRead
	}
	d := &l.in.decoders
	d.in.Reset(l.enc)
	if d.out == nil {
		d.out = make([]byte, decodeStep)
	}
	defer clear(d.out)
	src, err := d.open(l.coding, l.enc)
	out, ended := 0, false
	for err == nil && !l.done {
		var n int
		n, err = src.Read(d.out)
		out += n
		if n > 0 && !l.read(d.out[:n], l.in.prefix) {
			ended = true
		}
	}
	taken := len(l.enc) - d.in.Len()
	switch {
	case ended && out >= l.in.prefix && out > bombRatio*max(taken, 1):
		l.anomalies.Add(exchange.BodyBomb)
	case err != nil && !errors.Is(err, io.EOF) && (whole || !errors.Is(err, io.ErrUnexpectedEOF)):
		l.anomalies.Add(exchange.BodyUndecodable)
		whole = false
	}
	l.settleDecoded(whole && !ended, taken)
}

// settleDecoded counts the encoded bytes behind what was read.
func (l *Look) settleDecoded(whole bool, taken int) {
	if l.mode == modeNone || l.mode == modeEstimate { // not JSON after all
		l.done, l.inspected = true, 0
		return
	}
	if l.r == nil { // nothing could be decoded
		l.done, l.inspected = true, 0
		if whole {
			l.inspected = l.body
		}
		return
	}
	l.inspected = min(uint64(taken), l.body)
	if whole {
		l.inspected = l.body
	}
	if !l.done {
		l.settle(whole)
	}
}

// open makes a reader for a coding. "deflate" is zlib by the RFC and raw by many servers.
func (d *decoders) open(c coding, enc []byte) (src io.Reader, err error) {
	switch c {
	case codingGzip:
		if d.gzip == nil {
			d.gzip = new(gzip.Reader)
		}
		return d.gzip, d.gzip.Reset(&d.in)
	case codingZstd:
		if d.zstd == nil {
			d.zstd, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
			if err != nil {
				panic("BUG: zstd refuses fixed options: " + err.Error())
			}
		}
		return d.zstd, d.zstd.Reset(&d.in)
	}
	if len(enc) >= 2 && enc[0]&0x0F == 8 && (uint(enc[0])<<8|uint(enc[1]))%31 == 0 {
		if d.zlib == nil {
			d.zlib, err = zlib.NewReader(&d.in)
			return d.zlib, err
		}
		return d.zlib, d.zlib.(zlib.Resetter).Reset(&d.in, nil)
	}
	if d.raw == nil {
		d.raw = flate.NewReader(&d.in)
		return d.raw, nil
	}
	return d.raw, d.raw.(flate.Resetter).Reset(&d.in, nil)
}
