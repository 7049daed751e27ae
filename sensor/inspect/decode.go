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
	maxDrain   = 256 << 10 // twice the largest block of zstd
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
	if len(l.enc) == 0 {
		l.done = true
		return
	}
	d := &l.in.decoders
	d.in.Reset(l.enc)
	if d.out == nil {
		d.out = make([]byte, decodeStep)
	}
	defer clear(d.out)
	src, err := d.open(l.coding, l.enc)
	out, ended := 0, false
	for err == nil && !ended {
		var n int
		n, err = src.Read(d.out)
		out += n
		ended = n > 0 && !l.read(d.out[:n], l.in.prefix)
	}
	taken := len(l.enc) - d.in.Len()
	switch {
	case ended && out >= l.in.prefix && out > bombRatio*max(taken, 1):
		l.anomalies.Add(exchange.BodyBomb)
	case ended:
		taken = d.share(src, l.r, out)
	case !errors.Is(err, io.EOF) && (whole || !errors.Is(err, io.ErrUnexpectedEOF)):
		l.anomalies.Add(exchange.BodyUndecodable)
		whole = false
	}
	l.settleDecoded(whole && !ended, taken)
}

// share is how many encoded bytes hold what was read. Decoders run ahead, so their output is drained
// until they take more input, a bounded while; what they have taken then belongs to all of it.
func (d *decoders) share(src io.Reader, r *reader, out int) int {
	left := d.in.Len()
	taken := int(d.in.Size()) - left
	for end := out + maxDrain; out < end; {
		n, err := src.Read(d.out)
		if d.in.Len() != left {
			break
		}
		if out += n; err != nil {
			break
		}
	}
	if r == nil || out == 0 {
		return 0
	}
	return int(uint64(taken) * r.total / uint64(out))
}

// settleDecoded counts the encoded bytes of what was read, and takes the result.
func (l *Look) settleDecoded(whole bool, taken int) {
	switch {
	case l.mode == modeNone || l.mode == modeEstimate: // not JSON after all
		l.done, l.inspected = true, 0
		return
	case whole:
		l.inspected = l.body
	case l.r != nil:
		l.inspected = min(uint64(taken), l.body)
	}
	if !l.done && l.r != nil {
		l.settle(whole)
	}
	l.done = true
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
