// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	weirv1 "github.com/weir-project/weir/proto/wire/weir/v1"
)

// Config bounds a Partition. A zero field takes its default; every bound has a counter.
type Config struct {
	// Lateness is how long after an exchange's last part its observation point stays chosen, in
	// nanoseconds: the same bound by which the caller of Advance lags behind Newest. Default 120 s.
	Lateness int64
	// MaxPrincipals is how many principals have a row; the longest idle go first. Default 4 million.
	MaxPrincipals int
	// MaxPending is how many principals that were never accepted are remembered. Default 65,536.
	MaxPending int
	// MaxEndpoints and MaxNetworks bound the tallies of endpoints and of client networks; the
	// longest idle go first. Default 16,384 and 65,536.
	MaxEndpoints, MaxNetworks int
	// MaxOpenExchanges is how many exchanges are remembered for counting each once, and how many
	// items may wait in open minutes. Default 8 million.
	MaxOpenExchanges int
	// MaxTexts bounds the table of labels, client software and observation points. Default 1 million.
	MaxTexts int
	// DisjointPoints says that no two observation points of the fleet see the same traffic, so that
	// rollups of several points are added up.
	DisjointPoints bool
}

// Partition is the ledger of one partition. It has one owner: no method may run beside another.
type Partition struct {
	number int
	cfg    Config
	newest int64
	totals Totals
	onRoll func(id ID, v *View, day int64, records, fresh, records7, fresh7 float64)
	onHour func(id ID, v *View, hour int64, records float64)
}

// EndpointTotals are the exact sums of one endpoint since it is remembered.
type EndpointTotals struct {
	Endpoint                        string
	FirstSeen, LastSeen             int64 // Unix nanoseconds
	Requests, Records, ResponseSize uint64
	Refused                         uint64  // 4xx
	Principals                      float64 // estimated, standard error 7 %
}

// NetworkTotals are the exact sums of one client network (IPv4 /24, IPv6 /48) since it is remembered.
type NetworkTotals struct {
	Network                         []byte // 3 or 6 bytes, network order; valid during the call
	FirstSeen, LastSeen             int64  // Unix nanoseconds
	Requests, Records, ResponseSize uint64
	Denied                          uint64  // 401, 403, 407
	Fresh                           float64 // fresh objects of all its principals
	Principals                      float64 // estimated, standard error 7 %
}

// Counter is one number of the ledger's own life with its reason.
type Counter struct {
	Name, Reason string
	Value        uint64
}

// New makes an empty ledger for a partition.
func New(partition int, cfg Config) *Partition {
	return &Partition{number: partition, cfg: cfg}
}

// Apply merges a batch into the open minutes. Batches may come in any order but each once; b is not
// kept. What is older than the closed minutes reaches totals and the day it belongs to at once.
func (p *Partition) Apply(b *weirv1.Batch) {
	p.newest = max(p.newest, int64(b.WindowEndUnixNano))
}

// SetDeploymentStart tells when the deployment began to learn, in Unix nanoseconds, where that is
// known to be earlier than this partition's first exchange.
func (p *Partition) SetDeploymentStart(start int64) {}

// Newest is the newest end of a batch window, in Unix nanoseconds; 0 before the first batch.
func (p *Partition) Newest() int64 { return p.newest }

// Advance closes every minute that ends at or before through, in time order and within a minute in
// the order of principal ids, and shows each principal touched in it as it then stands. The caller
// passes Newest less the lateness bound.
func (p *Partition) Advance(through int64, visit func(*View)) {}

// Arrivals shows the principals that Apply touched since the last call, with open minutes counted
// in, in the order of ids. It changes nothing that Advance builds on.
func (p *Partition) Arrivals(visit func(*View)) {}

// Lookup gives a principal as its last closed minute left it.
func (p *Partition) Lookup(id ID) (*View, bool) { return nil, false }

// Each shows every principal, in no stated order.
func (p *Partition) Each(visit func(*View)) {}

// Top gives the n principals with the largest by, largest first; the views own their slices.
func (p *Partition) Top(n int, by func(*View) float64) []View { return nil }

// Endpoints shows every endpoint, in the order of their names.
func (p *Partition) Endpoints(visit func(*EndpointTotals)) {}

// Networks shows every client network, in the order of their bytes.
func (p *Partition) Networks(visit func(*NetworkTotals)) {}

// Totals are the sums over everything that was counted once, principals unknown or refused included.
func (p *Partition) Totals() Totals { return p.totals }

// Counters are the ledger's own numbers, sorted by name and reason.
func (p *Partition) Counters() []Counter { return nil }

// Len is the number of principals with a row.
func (p *Partition) Len() int { return 0 }

// OnRoll sets what is called when a principal's day closes, that is, in the first closed minute of
// a later day: v is the principal at the end of that day, records7 and fresh7 the sums of the day
// and the six before it.
func (p *Partition) OnRoll(f func(id ID, v *View, day int64, records, fresh, records7, fresh7 float64)) {
	p.onRoll = f
}

// OnHour sets what is called when a principal's hour with records closes, that is, in the first
// closed minute of a later hour.
func (p *Partition) OnHour(f func(id ID, v *View, hour int64, records float64)) { p.onHour = f }

// AppendSnapshot appends the whole state, open minutes included, as one chunk. The same state gives
// the same bytes.
func (p *Partition) AppendSnapshot(dst []byte) []byte { return dst }

// AppendChanges appends what changed since the last AppendSnapshot, AppendChanges or Restore.
func (p *Partition) AppendChanges(dst []byte) []byte { return dst }

// Restore replaces the state with a base chunk and the changes made after it, in order. On an error
// the partition is empty.
func (p *Partition) Restore(chunks ...[]byte) error { return nil }
