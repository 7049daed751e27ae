// SPDX-License-Identifier: Apache-2.0

// Package keyhash makes weir's keyed ids and the canonical texts they are made from.
//
// It assumes that a tenant key is 32 secret bytes shared by a fleet. It refuses to print a key:
// key types format as "redacted".
//
// The canonical forms are specified, with golden vectors, in CANONICAL.md and testdata beside it.
package keyhash

// ID is the first 16 bytes of a keyed hash.
type ID [16]byte

// Partitions is the fixed number of partitions.
const Partitions = 64

// Partition gives the partition of a principal: fnv1a64(id) % 64.
func Partition(id ID) int {
	const offset, prime = 14695981039346656037, 1099511628211
	h := uint64(offset)
	for _, b := range id {
		h = (h ^ uint64(b)) * prime
	}
	return int(h % Partitions)
}
