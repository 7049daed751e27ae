// SPDX-License-Identifier: Apache-2.0

package app

import (
	"maps"

	"github.com/weir-project/weir/analyzer/api"
	"github.com/weir-project/weir/analyzer/ledger"
)

// figures are what a shard shows of itself to metrics and to the API's summary.
type figures struct {
	summary  api.Summary
	counted  api.Summary // the highest that summary was: what counters show
	closed   int64
	counters []ledger.Counter
	bounds   []ledger.Counter // what bounds of other rooms cost
	missing  uint64           // batches that have not come though later ones have
	batches  uint64
	repeated uint64
	refused  uint64
	alerts   map[[2]string]uint64 // detector and severity
	waits    uint64               // imports that waited in vain for a population version
	outbox   int
	saves    uint64
	failures uint64
}

// show copies the figures to where other goroutines may read them.
func (s *shard) show() {
	t, open := s.part.Ledger.Totals(), s.part.Ledger.Open()
	summary := api.Summary{
		Principals: s.part.Ledger.Len(), Requests: t.Requests + open.Requests, Records: t.Records + open.Records,
		RequestBytes: t.RequestBytes + open.RequestBytes, ResponseBytes: t.ResponseBytes + open.ResponseBytes,
		EstimatedRecords: t.EstimatedRecords + open.EstimatedRecords, OpenIncidents: len(s.part.Book.Open()),
	}
	s.now.summary, s.now.closed = summary, s.part.Closed()
	raise(&s.now.counted, &summary)
	s.now.bounds, s.now.missing = s.bounds(), s.marks.Missing()
	s.now.counters, s.now.outbox = s.part.Ledger.Counters(), len(s.outbox.Pending())
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shown = s.now
	s.shown.alerts = maps.Clone(s.now.alerts)
}

// raise lifts a summary to another where that is higher. Of an exchange that two points saw both copies
// count until the end of its minute; a counter that went down then would be taken for one that began
// again.
func raise(to, from *api.Summary) {
	to.Requests = max(to.Requests, from.Requests)
	to.Records = max(to.Records, from.Records)
	to.EstimatedRecords = max(to.EstimatedRecords, from.EstimatedRecords)
	to.RequestBytes = max(to.RequestBytes, from.RequestBytes)
	to.ResponseBytes = max(to.ResponseBytes, from.ResponseBytes)
}

// bounds lists what the bounds of outbox, watermarks and votes turned away.
func (s *shard) bounds() []ledger.Counter {
	marks, votes := s.marks.Counts(), s.part.Votes().Dropped
	return []ledger.Counter{
		{Name: "alerts", Reason: "outbox_full", Value: s.outbox.Dropped()},
		{Name: "batches_refused", Reason: "boots_full", Value: marks.RefusedBoots},
		{Name: "batches_refused", Reason: "holes_full", Value: marks.RefusedHoles},
		{Name: "boots_forgotten", Reason: "boots_full", Value: marks.BootsForgotten},
		{Name: "holes_given_up", Reason: "holes_full", Value: marks.HolesGivenUp},
		{Name: "votes", Reason: "groups_full", Value: votes.Groups},
		{Name: "votes", Reason: "hour_full", Value: votes.Votes},
		{Name: "votes", Reason: "maxima_full", Value: votes.Maxima},
		{Name: "votes", Reason: "networks_full", Value: votes.Networks},
	}
}
