// SPDX-License-Identifier: Apache-2.0

package checkpoint

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/klauspost/compress/s2"
)

// State is one partition as bytes. A state that was never saved has no Ledger chunks.
type State struct {
	Partition  int
	Generation uint64   // number of saves
	Ledger     [][]byte // a base, then changes, in the order in which the ledger takes them
	Incidents  []byte
	Outbox     []byte
	Watermarks []byte
	Extra      map[string][]byte // named sections of later rooms
}

// A chunk is one format byte and an s2 stream of sections:
//
//	+------------+--------------+------+----------------+-------+
//	| kind (1)   | name length  | name | content length | bytes |
//	|            | varint       |      | varint         |       |
//	+------------+--------------+------+----------------+-------+
//
// in the order of kinds, extras in the order of names. Only extras have names. The s2 stream has
// its own checksums; whoever keeps chunks keeps their SHA-256.
const chunkFormat = 1

const (
	sectionLedger = iota + 1 // may come more than once
	sectionIncidents
	sectionOutbox
	sectionWatermarks
	sectionExtra
)

// maxState bounds what one chunk unpacks to.
const maxState = 4 << 30

var errDamaged = errors.New("the chunk is damaged")

func encodeChunk(st *State) []byte {
	var out bytes.Buffer
	out.WriteByte(chunkFormat)
	// The writer allocates whole blocks; most chunks are small.
	block := min(max(size(st), 4<<10), 1<<20)
	w := s2.NewWriter(&out, s2.WriterConcurrency(1), s2.WriterBlockSize(block))
	section := func(kind byte, name string, content []byte) {
		head := append([]byte{kind}, binary.AppendUvarint(nil, uint64(len(name)))...)
		head = binary.AppendUvarint(append(head, name...), uint64(len(content)))
		mustWrite(w, head)
		mustWrite(w, content)
	}
	for _, chunk := range st.Ledger {
		section(sectionLedger, "", chunk)
	}
	section(sectionIncidents, "", st.Incidents)
	section(sectionOutbox, "", st.Outbox)
	section(sectionWatermarks, "", st.Watermarks)
	for _, name := range slices.Sorted(maps.Keys(st.Extra)) {
		section(sectionExtra, name, st.Extra[name])
	}
	if err := w.Close(); err != nil {
		panic("BUG: writing to memory failed: " + err.Error())
	}
	return out.Bytes()
}

func size(st *State) int {
	n := len(st.Incidents) + len(st.Outbox) + len(st.Watermarks)
	for _, chunk := range st.Ledger {
		n += len(chunk)
	}
	for _, content := range st.Extra {
		n += len(content)
	}
	return n
}

func mustWrite(w io.Writer, b []byte) {
	if _, err := w.Write(b); err != nil {
		panic("BUG: writing to memory failed: " + err.Error())
	}
}

// decodeChunk adds a chunk to st: its ledger part comes after those that are there, everything else
// takes the place of what was there.
func decodeChunk(st *State, chunk []byte) error {
	if len(chunk) == 0 || chunk[0] != chunkFormat {
		return fmt.Errorf("%w: no known format byte", errDamaged)
	}
	raw, err := io.ReadAll(io.LimitReader(s2.NewReader(bytes.NewReader(chunk[1:])), maxState+1))
	if err != nil {
		return fmt.Errorf("%w: %w", errDamaged, err)
	}
	if len(raw) > maxState {
		return fmt.Errorf("%w: it unpacks to more than %d bytes", errDamaged, maxState)
	}
	st.Extra = nil
	for last := byte(0); len(raw) > 0; {
		kind := raw[0]
		name, rest, ok := field(raw[1:])
		content, rest, ok2 := field(rest)
		if !ok || !ok2 || kind < last || kind < sectionLedger || kind > sectionExtra {
			return errDamaged
		}
		raw, last = rest, kind
		switch kind {
		case sectionLedger:
			st.Ledger = append(st.Ledger, content)
		case sectionIncidents:
			st.Incidents = content
		case sectionOutbox:
			st.Outbox = content
		case sectionWatermarks:
			st.Watermarks = content
		case sectionExtra:
			if st.Extra == nil {
				st.Extra = make(map[string][]byte)
			}
			st.Extra[string(name)] = content
		}
	}
	return nil
}

func field(b []byte) (content, rest []byte, ok bool) {
	n, size := binary.Uvarint(b)
	if size <= 0 || n > uint64(len(b)-size) {
		return nil, nil, false
	}
	end := size + int(n)
	return b[size:end:end], b[end:], true
}
