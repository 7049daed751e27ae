// SPDX-License-Identifier: Apache-2.0

package session

import (
	"github.com/weir-project/weir/sensor/exchange"
	"github.com/weir-project/weir/sensor/stream"
)

// end tells the last part of an exchange and gives its call back.
func (s *Session) end(t *call) {
	if !t.answered {
		t.spoilt = true
		t.x.Anomalies.Add(exchange.NoResponse)
		s.look(t)
	}
	s.tell(t, true)
	s.free(t)
}

// tell hands on what happened in an exchange since it was told of last.
func (s *Session) tell(t *call, last bool) {
	x := &t.x
	t.on.telling(t)
	x.Last = last
	if x.Part > 0 {
		x.PartStart = x.PartEnd
		s.n.Parts++
	} else {
		s.n.Exchanges++
	}
	x.RequestCount = 0
	if x.Part == 0 {
		x.RequestCount = 1
	}
	x.PartEnd = max(t.last, x.PartStart)
	x.Duration = max(0, x.PartEnd-x.Start)
	t.increments()
	x.Coverage = t.coverage(last)
	s.records(t, last)
	if last {
		s.countAnomalies(x.Anomalies)
	}
	s.sink.Exchange(x)
	x.Part++
	s.running.remove(t)
	if !last {
		t.told = s.now
		s.running.add(t)
	}
}

// increments fills in the sizes since the last part, and where they begin.
func (t *call) increments() {
	x, now, gone := &t.x, &t.total, &t.gone
	x.RequestHeaderSize = now.requestHead - gone.requestHead
	x.RequestBodySize, x.RequestBodyOffset = now.requestBody-gone.requestBody, gone.requestBody
	x.ResponseHeaderSize = now.responseHead - gone.responseHead
	x.ResponseBodySize, x.ResponseBodyOffset = now.responseBody-gone.responseBody, gone.responseBody
	x.GapBytes = now.gap - gone.gap
	*gone = *now
}

// records fills in what the inspection found since the last part.
func (s *Session) records(t *call, last bool) {
	x := &t.x
	x.Records, x.RecordsKind, x.UninspectedSize = 0, exchange.CountNone, 0
	x.Objects, x.ObjectsSeen, x.ObjectsEstimated, x.ObjectsUnhashed, x.ObjectListComplete = nil, 0, 0, 0, false
	x.RequestedObjects, x.RequestedSeen, x.SequentialObjects, x.FieldNamesHash = nil, 0, 0, 0
	if t.look == nil {
		x.UninspectedSize = x.ResponseBodySize
		return
	}
	t.look.Report(x, last)
}

// coverage grades how much of an exchange was seen so far.
func (t *call) coverage(last bool) exchange.Coverage {
	client, server := t.on.shown()
	switch {
	case t.orphan && client == 0, !t.orphan && !t.answered && last && server == 0:
		return exchange.OneSided
	case t.responseGap > 0 && t.responseGap == t.total.responseBody,
		t.requestBodyGap > 0 && t.requestBodyGap == t.total.requestBody && t.total.responseBody == 0:
		return exchange.HeaderOnly
	case t.spoilt, t.orphan, !t.answered && last:
		return exchange.Partial
	}
	return exchange.Complete
}

func (s *Session) countAnomalies(set exchange.AnomalySet) {
	for a := exchange.IDPartial; set>>a != 0; a++ {
		if set.Has(a) {
			s.n.Anomalies[a]++
		}
	}
}

var _ stream.Sink = (*Session)(nil)
