// SPDX-License-Identifier: Apache-2.0

package inspect

import "hash/maphash"

const (
	maxSamples   = 4096    // endpoints whose record size is remembered
	sampleWeight = 1 << 40 // bytes after which old samples count half
	maxSequences = 1 << 14 // tokens and endpoints whose last ids are remembered
	lanes        = 4       // a token may walk in several places at once
	maxStep      = 8       // the longest step of a walk, so that parallel requests stay one
)

// samples remember how many bytes a record of an endpoint takes. A newer endpoint takes the place
// of an older one.
type samples struct{ rows []sample }

type sample struct{ endpoint, bytes, records uint64 }

func (s *samples) add(endpoint, bytes, records uint64) {
	if s.rows == nil {
		s.rows = make([]sample, maxSamples)
	}
	row := &s.rows[endpoint%maxSamples]
	if row.endpoint != endpoint {
		*row = sample{endpoint: endpoint}
	}
	row.bytes += bytes
	row.records += records
	if row.bytes > sampleWeight {
		row.bytes, row.records = row.bytes/2, max(row.records/2, 1)
	}
}

// of gives bytes and their records; zero when nothing is known.
func (s *samples) of(endpoint uint64) (bytes, records uint64) {
	if s.rows == nil {
		return 0, 0
	}
	row := &s.rows[endpoint%maxSamples]
	if row.endpoint != endpoint {
		return 0, 0
	}
	return row.bytes, row.records
}

// sequences remember the last numbers that a token asked an endpoint for.
type sequences struct{ rows []sequence }

type sequence struct {
	key  uint64
	last [lanes]uint64 // newest first
	used uint8
}

// follows says whether an id goes on, up or down, from one of the last of its key, and remembers
// it. Only the digits at the end of an id count; what stands before them belongs to the key.
func (s *sequences) follows(key uint64, seed maphash.Seed, id []byte) bool {
	digits := 0
	for digits < len(id) && digits < 18 && id[len(id)-1-digits]-'0' <= 9 {
		digits++
	}
	if digits == 0 {
		return false
	}
	var number uint64
	for _, c := range id[len(id)-digits:] {
		number = number*10 + uint64(c-'0')
	}
	key ^= maphash.Bytes(seed, id[:len(id)-digits]) | 1
	if s.rows == nil {
		s.rows = make([]sequence, maxSequences)
	}
	row := &s.rows[key%maxSequences]
	if row.key != key {
		*row = sequence{key: key}
	}
	return row.step(number)
}

// step puts a number in front, in the place of the one it follows or repeats, else of the oldest.
func (q *sequence) step(number uint64) bool {
	place, follows := lanes-1, false
	if q.used < lanes {
		place = int(q.used)
	}
	for i := range int(q.used) {
		diff := max(q.last[i], number) - min(q.last[i], number)
		if diff <= maxStep {
			place, follows = i, diff > 0
			break
		}
	}
	if place == int(q.used) {
		q.used++
	}
	copy(q.last[1:place+1], q.last[:place])
	q.last[0] = number
	return follows
}
