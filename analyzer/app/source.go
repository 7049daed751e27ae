// SPDX-License-Identifier: Apache-2.0

package app

import (
	"cmp"
	"context"
	"encoding/hex"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weir-project/weir/analyzer/api"
	"github.com/weir-project/weir/analyzer/incident"
	"github.com/weir-project/weir/analyzer/ledger"
	"github.com/weir-project/weir/analyzer/partition"
	"github.com/weir-project/weir/analyzer/population"
	weirv1 "github.com/weir-project/weir/proto/wire/weir/v1"
)

// askTime bounds how long a question to all partitions may take.
const askTime = 5 * time.Second

// shards answers the API's questions for partitions that are owned by goroutines.
type shards struct {
	all []*shard
	pop *population.Node
}

// Top asks every partition at once for its first n and merges them: one that is busy for long keeps
// the others from nothing.
func (a *shards) Top(n int, by string) (top []api.Row, silent int) {
	ctx, cancel := context.WithTimeout(context.Background(), askTime)
	defer cancel()
	in := a.pop.Current()
	answers := make([][]ranked, len(a.all))
	var failed atomic.Int64
	var asked sync.WaitGroup
	for i, s := range a.all {
		asked.Go(func() {
			if s.do(ctx, func() { answers[i] = rank(s.part, in, n, by) }) != nil {
				failed.Add(1)
			}
		})
	}
	asked.Wait()
	return first(slices.Concat(answers...), n), int(failed.Load())
}

// Summary adds up what the partitions showed last.
func (a *shards) Summary() api.Summary {
	var sum api.Summary
	closed := int64(0)
	for _, s := range a.all {
		s.mu.Lock()
		add(&sum, &s.shown.summary)
		if c := s.shown.closed; c != 0 && (closed == 0 || c < closed) {
			closed = c
		}
		s.mu.Unlock()
	}
	sum.ClosedThrough = stamp(closed)
	return sum
}

// counted adds up what the partitions counted; it never goes down.
func (a *shards) counted() api.Summary {
	var sum api.Summary
	a.each(func(f *figures) { add(&sum, &f.counted) })
	return sum
}

func stamp(closed int64) string {
	if closed == 0 {
		return ""
	}
	return time.Unix(0, closed).UTC().Format(time.RFC3339)
}

func add(to, from *api.Summary) {
	to.Principals += from.Principals
	to.Requests += from.Requests
	to.Records += from.Records
	to.EstimatedRecords += from.EstimatedRecords
	to.RequestBytes += from.RequestBytes
	to.ResponseBytes += from.ResponseBytes
	to.OpenIncidents += from.OpenIncidents
}

// ranked is a row with what it is ordered by.
type ranked struct {
	value float64
	row   api.Row
}

// rank gives the first n of one partition.
func rank(p *partition.Partition, in *population.InForce, n int, by string) []ranked {
	order := api.Orders[by]
	if by == "peers" {
		order = func(v *ledger.View) float64 {
			if week := peerWeek(in, v.Endpoint); week > 0 {
				return (v.Records6 + v.DayRecords) / week
			}
			return 0
		}
	}
	open := map[ledger.ID]incident.ID{}
	for _, inc := range p.Book.Open() {
		open[inc.Principal] = inc.ID
	}
	rows := make(map[ledger.ID]ranked, n)
	put := func(v *ledger.View) {
		ratio, name := 0.0, ""
		if scores := p.Scores(v, in); len(scores) > 0 {
			ratio = scores[0].Ratio
		}
		if id, ok := open[v.ID]; ok {
			name = hex.EncodeToString(id[:])
		}
		rows[v.ID] = ranked{order(v), api.RowOf(v, word(weirv1.Assurance(v.Assurance), "ASSURANCE_"),
			word(weirv1.CredentialKind(v.Kind), "CREDENTIAL_KIND_"), peerWeek(in, v.Endpoint), name, ratio)}
	}
	views := p.Ledger.Top(n, order)
	for i := range views {
		put(&views[i])
	}
	p.Ledger.Now(put) // who is taking now counts with what open minutes hold
	return slices.Collect(maps.Values(rows))
}

// peerWeek is the p99.9 of the weeks of the peers that share an endpoint, or of everybody's.
func peerWeek(in *population.InForce, endpoint string) float64 {
	if in.Peers == nil {
		return 0
	}
	q, ok := in.Peers.ByEndpoint[endpoint]
	if !ok || q.WeekRecords == 0 {
		q = in.Peers.All
	}
	return q.WeekRecords
}

func first(rows []ranked, n int) []api.Row {
	slices.SortStableFunc(rows, func(a, b ranked) int {
		return cmp.Or(cmp.Compare(b.value, a.value), cmp.Compare(a.row.Principal, b.row.Principal))
	})
	out := make([]api.Row, 0, min(n, len(rows)))
	for _, r := range rows[:min(n, len(rows))] {
		out = append(out, r.row)
	}
	return out
}

// word gives an enum's value as JSON has it: lower case, without the enum's name.
func word(value interface{ String() string }, prefix string) string {
	return strings.ToLower(strings.TrimPrefix(value.String(), prefix))
}
