// SPDX-License-Identifier: Apache-2.0

package ledger

// counts are the numbers behind Counters. What drops or refuses something has one.
type counts struct {
	late, openFull                                  uint64 // items counted at once
	duplicates                                      uint64
	badID, badTime                                  uint64
	unknown, excluded                               uint64 // requests counted, not scored
	links, linksRefused                             uint64
	principalsEvicted, pendingEvicted               uint64
	endpointsEvicted, networksEvicted, textsRefused uint64
	exchangesForgotten                              uint64
	gapBytes                                        uint64 // of bodies that a late part will not fill any more
}

// Counters are the ledger's own numbers, in a fixed order.
func (p *Partition) Counters() []Counter {
	c := &p.count
	return []Counter{
		{"duplicates", "other_point_or_part", c.duplicates},
		{"evicted", "endpoints", c.endpointsEvicted},
		{"evicted", "networks", c.networksEvicted},
		{"evicted", "pending_principals", c.pendingEvicted},
		{"evicted", "principals", c.principalsEvicted},
		{"forgotten_gap_bytes", "several_gaps", c.gapBytes},
		{"forgotten_exchanges", "table_full", c.exchangesForgotten},
		{"late", "minute_closed", c.late},
		{"late", "open_minutes_full", c.openFull},
		{"links", "recorded", c.links},
		{"links", "table_full", c.linksRefused},
		{"malformed", "id", c.badID},
		{"malformed", "time", c.badTime},
		{"texts", "table_full", c.textsRefused},
		{"unscored", "excluded", c.excluded},
		{"unscored", "unknown_principal", c.unknown},
	}
}

// fields lists them for the codec, in an order that only grows.
func (c *counts) fields() []*uint64 {
	return []*uint64{
		&c.late, &c.openFull, &c.duplicates, &c.badID, &c.badTime, &c.unknown, &c.excluded, &c.links, &c.linksRefused,
		&c.principalsEvicted, &c.pendingEvicted, &c.endpointsEvicted, &c.networksEvicted, &c.textsRefused, &c.exchangesForgotten, &c.gapBytes,
	}
}
