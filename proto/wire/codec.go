// SPDX-License-Identifier: Apache-2.0

// Package wire is what passes between sensors and analyzers: the batch codec, the JSON form, the
// object sets that merge, and the names of subjects, streams and buckets.
//
// It assumes nothing of what it decodes: sizes, counts, ids, texts and times are checked before
// anybody sees them. It refuses to know a side, a clock or a connection.
//
// FORMAT.md in weir/v1 specifies the bytes and the JSON form; testdata/v1 holds golden encodings.
package wire

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/klauspost/compress/s2"

	weirv1 "github.com/weir-project/weir/proto/wire/weir/v1"
)

// Bounds of one batch, the same for who sends and who receives.
const (
	SchemaVersion = 1
	MaxMessage    = 512 << 10 // bytes of one message as published
	MaxBatch      = 4 << 20   // bytes of one batch before compression
	MaxExchanges  = 4096      // in one batch; sensors cut at 512
	MaxRollups    = 4096
	// Unpartitioned stands for the partition in a batch of a delimited stream, which is a file
	// and not sent to anybody: its principals belong to many partitions.
	Unpartitioned = Partitions
)

// formatS2 says that the rest of a message is one s2 block that holds one protobuf Batch. Other
// values are kept for later formats.
const formatS2 = 1

// AppendBatch appends the message form of b to dst: one format byte, then an s2 block. It does not
// allocate where dst has room for the message, the batch and the compressor's worst case.
func AppendBatch(dst []byte, b *weirv1.Batch) ([]byte, error) {
	size := b.SizeVT()
	if size > MaxBatch {
		return dst, refuse(ReasonTooLarge, "batch", "%d bytes before compression, at most %d", size, MaxBatch)
	}
	start, worst := len(dst)+1, s2.MaxEncodedLen(size)
	dst = slices.Grow(dst, 1+worst+size)
	dst = append(dst, formatS2)
	raw := dst[start+worst : start+worst+size]
	if _, err := b.MarshalToSizedBufferVT(raw); err != nil {
		return dst[:start-1], fmt.Errorf("encode batch: %w", err)
	}
	block := s2.Encode(dst[start:start+worst], raw)
	if 1+len(block) > MaxMessage {
		return dst[:start-1], refuse(ReasonTooLarge, "message", "%d bytes, at most %d", 1+len(block), MaxMessage)
	}
	return dst[:start+len(block)], nil
}

// AppendRaw appends the message form of a batch that is encoded already, as AppendBatch does. A batch
// may be put together from pieces, in any order: a Batch without its lists, and the fields that
// AppendExchange, AppendRollup and AppendLink append.
func AppendRaw(dst, raw []byte) ([]byte, error) {
	if len(raw) > MaxBatch {
		return dst, refuse(ReasonTooLarge, "batch", "%d bytes before compression, at most %d", len(raw), MaxBatch)
	}
	start := len(dst) + 1
	dst = slices.Grow(dst, 1+s2.MaxEncodedLen(len(raw)))
	dst = append(dst, formatS2)
	block := s2.Encode(dst[start:cap(dst)], raw)
	if 1+len(block) > MaxMessage {
		return dst[:start-1], refuse(ReasonTooLarge, "message", "%d bytes, at most %d", 1+len(block), MaxMessage)
	}
	return dst[:start+len(block)], nil
}

// DecodeBatch reads one message into b, whose former content is lost, and validates it. The batch
// owns its memory: msg may be used again. Every error has a reason, see Reason.
func DecodeBatch(msg []byte, b *weirv1.Batch) error {
	raw, err := expand(msg)
	if err != nil {
		return err
	}
	if err := unmarshal(raw, b); err != nil {
		return err
	}
	return Validate(b)
}

// expand undoes the message form, within bounds.
func expand(msg []byte) ([]byte, error) {
	if len(msg) > MaxMessage {
		return nil, refuse(ReasonTooLarge, "message", "%d bytes, at most %d", len(msg), MaxMessage)
	}
	if len(msg) == 0 || msg[0] != formatS2 {
		return nil, refuse(ReasonFormat, "message", "no known format byte")
	}
	size, err := s2.DecodedLen(msg[1:])
	if err != nil {
		return nil, refuse(ReasonCompression, "message", "%v", err)
	}
	if size > MaxBatch {
		return nil, refuse(ReasonTooLarge, "batch", "%d bytes after decompression, at most %d", size, MaxBatch)
	}
	raw, err := s2.Decode(make([]byte, size), msg[1:])
	if err != nil {
		return nil, refuse(ReasonCompression, "message", "%v", err)
	}
	return raw, nil
}

// unmarshal counts before it lets anything be allocated: two bytes on the wire can become a
// kilobyte of structure.
func unmarshal(raw []byte, b *weirv1.Batch) error {
	if err := scanBatch(raw); err != nil {
		return err
	}
	b.Reset()
	if err := b.UnmarshalVT(raw); err != nil {
		return refuse(ReasonMalformed, "batch", "%v", err)
	}
	return nil
}

// AppendDelimited appends b in the stream form of `--output pb`: a varint length, then one
// protobuf Batch, not compressed.
func AppendDelimited(dst []byte, b *weirv1.Batch) ([]byte, error) {
	size := b.SizeVT()
	if size > MaxBatch {
		return dst, refuse(ReasonTooLarge, "batch", "%d bytes, at most %d", size, MaxBatch)
	}
	dst = slices.Grow(dst, binary.MaxVarintLen64+size)
	dst = binary.AppendUvarint(dst, uint64(size))
	start := len(dst)
	dst = dst[:start+size]
	if _, err := b.MarshalToSizedBufferVT(dst[start:]); err != nil {
		return dst[:start], fmt.Errorf("encode batch: %w", err)
	}
	return dst, nil
}

// ReadDelimited reads the next batch of a stream into b and validates it, except that a stream may
// be unpartitioned and may hold raw request-targets. It returns io.EOF at a clean end, and
// io.ErrUnexpectedEOF where the stream ends inside a batch.
func ReadDelimited(r *bufio.Reader, b *weirv1.Batch) error {
	if _, err := r.Peek(1); err != nil {
		return err
	}
	size, err := binary.ReadUvarint(r)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return io.ErrUnexpectedEOF
	}
	if err != nil {
		return refuse(ReasonMalformed, "length", "%v", err)
	}
	if size > MaxBatch {
		return refuse(ReasonTooLarge, "batch", "%d bytes, at most %d", size, MaxBatch)
	}
	raw := make([]byte, size)
	if _, err := io.ReadFull(r, raw); err != nil {
		if errors.Is(err, io.EOF) {
			return io.ErrUnexpectedEOF
		}
		return err
	}
	if err := unmarshal(raw, b); err != nil {
		return err
	}
	return validate(b, true)
}
