// SPDX-License-Identifier: Apache-2.0

package wire

import "google.golang.org/protobuf/encoding/protowire"

// Bounds of repeated fields.
const (
	maxHashes    = 64 // object lists of one exchange
	maxNames     = 64 // names in one list
	maxClasses   = 64 // sensitive classes, the operator's included
	maxTokens    = 16 // other_token_ids
	maxTop       = 64 // counted addresses, networks, token ids
	maxExemplars = 8
	maxLinks     = 4096
	maxCounters  = 4096
	maxGaps      = 256
	maxSetHashes = 256 // exact part of an ObjectSet
	scanFields   = 72  // field numbers looked at; higher ones are unknown and cost nothing
)

// bound is the bound of one repeated field of messages or strings.
type bound struct {
	field protowire.Number
	max   int
	child []bound // bounds inside each element
}

// exchangeBounds, rollupBounds and batchBounds hold every repeated field whose elements cost more
// memory than wire; packed numbers cost what they weigh and are checked by Validate.
var (
	exchangeBounds = []bound{{field: 13, max: maxTokens}, {field: 34, max: maxNames},
		{field: 62, max: maxClasses}, {field: 63, max: maxClasses}, {field: 68, max: maxNames}}
	rollupBounds = []bound{{field: 31, max: maxClasses}, {field: 32, max: maxClasses}, {field: 33, max: maxNames},
		{field: 34, max: maxTop}, {field: 35, max: maxTop}, {field: 36, max: maxTop}, {field: 37, max: maxExemplars},
		{field: 43, max: maxNames}}
	batchBounds = []bound{{field: 14, max: MaxExchanges, child: exchangeBounds}, {field: 15, max: MaxRollups, child: rollupBounds},
		{field: 16, max: maxLinks}, {field: 17, max: maxCounters}, {field: 18, max: maxGaps}}
)

// scanBatch walks the wire form and counts repeated fields before anything is allocated for them.
func scanBatch(raw []byte) error { return scan(raw, batchBounds) }

func scan(raw []byte, bounds []bound) error {
	var counts [scanFields]int
	for len(raw) > 0 {
		number, kind, n := protowire.ConsumeTag(raw)
		if n < 0 {
			return refuse(ReasonMalformed, "batch", "bad tag")
		}
		size := protowire.ConsumeFieldValue(number, kind, raw[n:])
		if size < 0 {
			return refuse(ReasonMalformed, "batch", "field %d is cut short", number)
		}
		value := raw[n : n+size]
		raw = raw[n+size:]
		if kind != protowire.BytesType || number >= scanFields {
			continue
		}
		counts[number]++
		for i := range bounds {
			if bounds[i].field == number {
				if err := scanElement(value, &bounds[i], counts[number]); err != nil {
					return err
				}
				break
			}
		}
	}
	return nil
}

func scanElement(value []byte, b *bound, count int) error {
	if count > b.max {
		return refuse(ReasonCount, "batch", "field %d occurs more than %d times", b.field, b.max)
	}
	if b.child == nil {
		return nil
	}
	inner, n := protowire.ConsumeBytes(value)
	if n < 0 {
		return refuse(ReasonMalformed, "batch", "field %d is cut short", b.field)
	}
	return scan(inner, b.child)
}
