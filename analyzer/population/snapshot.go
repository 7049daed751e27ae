// SPDX-License-Identifier: Apache-2.0

package population

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math"
	"net/netip"
	"slices"

	"github.com/weir-project/weir/analyzer/finding"
)

// A snapshot is
//
//	format  u8, 1
//	claims  day varint, count varint, then per claim: network, id
//	votes   count varint, then per vote: id, network, endpoint, flags u8, values float64 (1 or 4)
//	weeks   the running one and a finished one: number varint, count varint, then per principal:
//	        id, network, flags u8 (bit i: score i follows, bit 7: dirty), scores float32
//	started u8
//
// varints are binary.AppendVarint's, ids 16 bytes, a network its bits u8, its length u8 and its bytes,
// an endpoint a varint length and its bytes; numbers are little-endian. Maps are written in the
// order of ids, networks in their own, so that the same state gives the same bytes.
const snapshotFormat = 1

const (
	voteDay = 1 << iota
	voteWeek
)

const dirtyMark = 1 << 7

// errSnapshot says that a snapshot is not one of this format.
var errSnapshot = errors.New("damaged or foreign snapshot of votes")

// AppendSnapshot appends all that a Summariser holds, for a checkpoint: after Restore it gives the
// same summaries.
func (s *Summariser) AppendSnapshot(dst []byte) []byte {
	dst = append(dst, snapshotFormat)
	dst = binary.AppendVarint(dst, s.claimDay)
	dst = binary.AppendVarint(dst, int64(len(s.claims)))
	for _, n := range slices.SortedFunc(maps.Keys(s.claims), netip.Prefix.Compare) {
		id := s.claims[n]
		dst = append(appendNetwork(dst, n), id[:]...)
	}
	dst = binary.AppendVarint(dst, int64(len(s.votes)))
	for i := range s.votes {
		dst = s.votes[i].append(dst)
	}
	dst = s.week.append(dst)
	dst = s.finished.append(dst)
	started := byte(0)
	if s.started {
		started = 1
	}
	return append(dst, started)
}

func appendNetwork(dst []byte, n netip.Prefix) []byte {
	a := n.Addr().AsSlice()
	return append(append(dst, byte(n.Bits()), byte(len(a))), a...)
}

func (v *vote) append(dst []byte) []byte {
	dst = appendNetwork(append(dst, v.id[:]...), v.network)
	dst = append(binary.AppendVarint(dst, int64(len(v.endpoint))), v.endpoint...)
	if !v.isDay {
		return appendFloat(append(dst, 0), v.hour)
	}
	flags := byte(voteDay)
	if v.countsWeek {
		flags |= voteWeek
	}
	dst = append(dst, flags)
	for _, x := range []float64{v.day, v.fresh, v.week, v.weekFresh} {
		dst = appendFloat(dst, x)
	}
	return dst
}

func appendFloat(dst []byte, x float64) []byte {
	return binary.LittleEndian.AppendUint64(dst, math.Float64bits(x))
}

func (w *week) append(dst []byte) []byte {
	dst = binary.AppendVarint(dst, w.number)
	dst = binary.AppendVarint(dst, int64(len(w.maxima)))
	byID := func(a, b finding.ID) int { return bytes.Compare(a[:], b[:]) }
	for _, id := range slices.SortedFunc(maps.Keys(w.maxima), byID) {
		m := w.maxima[id]
		dst = appendNetwork(append(dst, id[:]...), m.network)
		at := len(dst)
		dst = append(dst, 0)
		for i, x := range m.score {
			if x > 0 {
				dst[at] |= 1 << i
				dst = binary.LittleEndian.AppendUint32(dst, math.Float32bits(x))
			}
		}
		if m.dirty {
			dst[at] |= dirtyMark
		}
	}
	return dst
}

// Restore replaces what a Summariser holds with a snapshot. On an error it is as new.
func (s *Summariser) Restore(snapshot []byte) error {
	fresh := NewSummariser(s.partition, s.open)
	r := &decoder{rest: snapshot}
	if r.byte() != snapshotFormat {
		r.failed = true
	}
	fresh.claimDay = r.varint()
	for range r.count(maxNetworks, 22) {
		n := r.network()
		fresh.claims[n] = r.id()
	}
	for range r.count(maxVotes, 32) {
		fresh.votes = append(fresh.votes, r.vote())
	}
	fresh.week, fresh.finished = r.week(), r.week()
	fresh.started = r.byte() == 1
	if r.failed || len(r.rest) > 0 {
		*s = *NewSummariser(s.partition, s.open)
		return fmt.Errorf("restore partition %d: %w", s.partition, errSnapshot)
	}
	*s = *fresh
	return nil
}

// decoder reads a snapshot. After a fault everything reads as zero.
type decoder struct {
	rest   []byte
	failed bool
}

var zeros [64]byte

func (r *decoder) take(n int) []byte {
	if n < 0 || n > len(r.rest) {
		r.failed, r.rest = true, nil
		return zeros[:min(max(n, 0), len(zeros))]
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}

func (r *decoder) byte() byte { return r.take(1)[0] }

func (r *decoder) varint() int64 {
	x, n := binary.Varint(r.rest)
	if n <= 0 {
		r.failed, r.rest = true, nil
		return 0
	}
	r.rest = r.rest[n:]
	return x
}

// count reads how many items follow, each of some least size.
func (r *decoder) count(most, least int) int {
	n := r.varint()
	if n < 0 || n > int64(most) || int(n)*least > len(r.rest) {
		r.failed, r.rest = true, nil
		return 0
	}
	return int(n)
}

func (r *decoder) id() finding.ID { return finding.ID(r.take(16)) }

func (r *decoder) network() netip.Prefix {
	bits, length := int(r.byte()), int(r.byte())
	a, ok := netip.AddrFromSlice(r.take(min(length, 16)))
	if !ok || bits > a.BitLen() {
		r.failed, r.rest = true, nil
		return netip.Prefix{}
	}
	return netip.PrefixFrom(a, bits)
}

func (r *decoder) float() float64 {
	x := math.Float64frombits(binary.LittleEndian.Uint64(r.take(8)))
	if !(x >= 0 && x <= math.MaxFloat64) {
		r.failed = true
		return 0
	}
	return x
}

func (r *decoder) vote() vote {
	v := vote{id: r.id(), network: r.network()}
	length := r.varint()
	if length < 0 || length > int64(len(r.rest)) {
		r.failed, r.rest = true, nil
		return v
	}
	v.endpoint = string(r.take(int(length)))
	flags := r.byte()
	if flags&voteDay == 0 {
		v.hour = r.float()
		return v
	}
	v.isDay, v.countsWeek = true, flags&voteWeek != 0
	v.day, v.fresh, v.week, v.weekFresh = r.float(), r.float(), r.float(), r.float()
	return v
}

func (r *decoder) week() week {
	w := week{number: r.varint()}
	n := r.count(maxWeek, 23)
	if n > 0 {
		w.maxima = make(map[finding.ID]*maximum, n)
	}
	for range n {
		id := r.id()
		m := &maximum{network: r.network()}
		marks := r.byte()
		m.dirty = marks&dirtyMark != 0
		for i := range m.score {
			if marks&(1<<i) == 0 {
				continue
			}
			m.score[i] = math.Float32frombits(binary.LittleEndian.Uint32(r.take(4)))
			if !(m.score[i] >= 0 && m.score[i] <= math.MaxFloat32) {
				r.failed = true
			}
		}
		w.maxima[id] = m
	}
	return w
}
