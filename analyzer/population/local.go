// SPDX-License-Identifier: Apache-2.0

package population

import (
	"github.com/weir-project/weir/analyzer/finding"
	weirv1 "github.com/weir-project/weir/proto/wire/weir/v1"
)

// Local is the population of one process: summarisers and owner in one, without NATS. A backtest
// tells it every event hour. Not for concurrent use.
type Local struct {
	budget      float64
	state       *State
	summarisers []*Summariser
	current     *InForce
	next        *InForce // made, but in force from a later hour
	last        *weirv1.PopulationState
}

// NewLocal makes the population of n partitions for a budget, going on from a version made earlier
// (nil: none). Open says whether a principal has an open incident.
func NewLocal(n int, budget float64, from *weirv1.PopulationState, open func(finding.ID) bool) *Local {
	l := &Local{budget: budget, state: NewState(budget, from), current: NewInForce(from, budget), last: from}
	for p := range n {
		l.summarisers = append(l.summarisers, NewSummariser(uint32(p), open))
	}
	return l
}

// Summariser gives the summariser of a partition, for the ledger's hooks.
func (l *Local) Summariser(partition int) *Summariser { return l.summarisers[partition] }

// Hour tells that an event hour is over in every partition, and moves to the version in force in the
// hour after it. Hours must come in order; hours in which nothing happened may be left out.
func (l *Local) Hour(hour int64) {
	for _, s := range l.summarisers {
		l.state.Fold(s.Close(hour))
	}
	if m := l.state.Close(hour); m != nil {
		l.last, l.next = m, NewInForce(m, l.budget)
	}
	if l.next != nil && hour+1 >= l.next.EventHour {
		l.current, l.next = l.next, nil
	}
}

// Current gives the version in force.
func (l *Local) Current() *InForce { return l.current }

// State gives the newest version, to be saved; nil before the first day is over.
func (l *Local) State() *weirv1.PopulationState { return l.last }
