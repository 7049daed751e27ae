// SPDX-License-Identifier: Apache-2.0

package incident

import (
	"bytes"
	"slices"

	"github.com/weir-project/weir/analyzer/finding"
	"github.com/weir-project/weir/analyzer/ledger"
)

const (
	day       = 24 * 60 * minute
	maxScores = 6
	maxText   = 256 // bytes of one text that came from traffic
	maxList   = 5   // addresses and exemplars
	// minDoubling keeps tiny figures from being told with every record: less than this counts as
	// this much.
	minDoubling = 100
	// growth is by how much a week's or 28 days' sum must exceed the largest so far to be evidence
	// that the taking goes on.
	growth = 1.01
)

// Book holds the incidents of one partition. It is not safe for concurrent use.
type Book struct {
	cfg    Config
	open   map[ledger.ID]*Incident
	closed map[ledger.ID]*Incident // the last closed one of each principal
	quiet  int64
	next   int64 // no incident can close before; 0: not known
	counts Counts
}

// New makes an empty Book.
func New(cfg Config) *Book {
	if cfg.QuietDays <= 0 {
		cfg.QuietDays = 7
	}
	if cfg.MaxOpen <= 0 {
		cfg.MaxOpen = 1024
	}
	if cfg.KeepClosed <= 0 {
		cfg.KeepClosed = 256
	}
	return &Book{
		cfg:    cfg,
		open:   make(map[ledger.ID]*Incident),
		closed: make(map[ledger.ID]*Incident),
		quiet:  int64(cfg.QuietDays) * day,
	}
}

// Observe takes a finding and the view it was made from. It reports a change when the finding opens
// an incident, or when the figures have doubled since the last one told. A finding on arrival opens
// at once but changes nothing that is open: growth, start and detector come from closed minutes.
func (b *Book) Observe(v *ledger.View, f *finding.Finding) (Change, bool) {
	inc := b.open[v.ID]
	if inc == nil {
		return b.observeNew(v, f)
	}
	if f.Arrival {
		return Change{}, false
	}
	if inc.Arrival {
		b.confirm(inc, v, f)
		return Change{}, false
	}
	evident := inc.evidence(f)
	inc.refresh(v)
	inc.judge(f)
	inc.Severity = max(inc.Severity, b.severity(inc))
	if evident {
		inc.LastEvidence = max(inc.LastEvidence, f.Time)
	}
	if !evident || !inc.doubled() {
		return Change{}, false
	}
	b.counts.Grew++
	return inc.tell(Grew, f.Time), true
}

// Refresh brings the running figures of a principal's open incident up to a view of closed minutes.
// It never makes a change.
func (b *Book) Refresh(v *ledger.View) {
	if inc := b.open[v.ID]; inc != nil && !v.Arrival && !inc.Arrival {
		inc.refresh(v)
		inc.Severity = max(inc.Severity, b.severity(inc))
	}
}

// Tick closes what has been quiet for long enough at event time now, in the order of principals.
func (b *Book) Tick(now int64) []Change {
	if len(b.open) == 0 || (b.next != 0 && now < b.next) {
		return nil
	}
	b.next = 0
	var due []*Incident
	for _, inc := range b.open {
		end := inc.LastEvidence + b.quiet
		if now >= end {
			due = append(due, inc)
		} else if b.next == 0 || end < b.next {
			b.next = end
		}
	}
	if due == nil {
		return nil
	}
	slices.SortFunc(due, byPrincipal)
	changes := make([]Change, 0, len(due))
	for _, inc := range due {
		inc.ClosedAt = now
		changes = append(changes, inc.tell(Closed, now))
		delete(b.open, inc.Principal)
		b.keep(inc)
		b.counts.Closed++
	}
	return changes
}

// IsOpen says whether a principal has an open incident: then its history must not learn.
func (b *Book) IsOpen(principal ledger.ID) bool { return b.open[principal] != nil }

// Open gives copies of the open incidents in the order of principals.
func (b *Book) Open() []Incident { return copies(b.open) }

// Closed gives copies of the last closed incident of each principal still remembered, in the order
// of principals.
func (b *Book) Closed() []Incident { return copies(b.closed) }

// Counts gives what happened so far.
func (b *Book) Counts() Counts { return b.counts }

func (b *Book) observeNew(v *ledger.View, f *finding.Finding) (Change, bool) {
	past := b.closed[v.ID]
	if past != nil && f.Time < past.ClosedAt+28*day {
		probe := *past
		if !probe.evidence(f) {
			return Change{}, false // the tail of what was closed, still inside a long horizon
		}
	}
	inc := b.begin(v, f, past)
	inc.AtOpening = inc.Severity
	if len(b.open) >= b.room(inc.Severity) {
		b.counts.RefusedFull++
		return Change{}, false
	}
	b.open[v.ID] = inc
	delete(b.closed, v.ID)
	b.next = 0
	b.counts.Opened++
	return inc.tell(Opened, f.Time), true
}

// room leaves a share of the book to the worse incidents, so that a flood of small ones cannot keep
// a large one from opening.
func (b *Book) room(s Severity) int {
	switch s {
	case Critical:
		return b.cfg.MaxOpen
	case High:
		return b.cfg.MaxOpen - b.cfg.MaxOpen/8
	case Medium:
		return b.cfg.MaxOpen - b.cfg.MaxOpen/4
	}
	return b.cfg.MaxOpen - b.cfg.MaxOpen/2
}

func (b *Book) begin(v *ledger.View, f *finding.Finding, past *Incident) *Incident {
	inc := &Incident{
		Principal: v.ID, Detector: f.Top.Channel, Arrival: f.Arrival,
		Opened: f.Time, LastEvidence: f.Time,
	}
	inc.begin(v, f)
	if past != nil && inc.Start <= past.Start {
		// The run that was closed has not ended. An id is never used twice.
		inc.Start = floorMinute(f.Time)
		inc.base = figures(&v.Total)
	}
	inc.ID = NewID(SubjectPrincipal, v.ID[:], inc.Start)
	inc.evidence(f)
	inc.refresh(v)
	inc.judge(f)
	inc.Severity = b.severity(inc)
	return inc
}

// confirm puts what the closed minute says in place of what was assumed on arrival. The id that was
// told stays: people hold it.
func (b *Book) confirm(inc *Incident, v *ledger.View, f *finding.Finding) {
	start := inc.Start
	inc.Arrival = false
	inc.Detector = f.Top.Channel
	inc.begin(v, f)
	if inc.Start != start {
		b.counts.StartMoved++
	}
	inc.evidence(f)
	inc.LastEvidence = f.Time
	inc.refresh(v)
	inc.judge(f)
	inc.Severity = b.severity(inc)
	inc.told = marks{inc.Taken.Records, inc.Taken.FreshObjects}
}

func (b *Book) severity(inc *Incident) Severity {
	took := inc.taken()
	switch {
	case took >= 100_000:
		return Critical
	case b.cfg.EndpointObjects != nil:
		if known := b.cfg.EndpointObjects(inc.Endpoint); known >= 1000 && took > known/100 {
			return Critical
		}
	}
	switch {
	case took >= 10_000:
		return High
	case took >= 1_000:
		return Medium
	}
	return Low
}

func (b *Book) keep(inc *Incident) {
	b.closed[inc.Principal] = inc
	if len(b.closed) <= b.cfg.KeepClosed {
		return
	}
	var oldest *Incident
	for _, c := range b.closed {
		if oldest == nil || c.ClosedAt < oldest.ClosedAt ||
			(c.ClosedAt == oldest.ClosedAt && byPrincipal(c, oldest) < 0) {
			oldest = c
		}
	}
	delete(b.closed, oldest.Principal)
	b.counts.Forgotten++
}

func byPrincipal(a, b *Incident) int { return bytes.Compare(a.Principal[:], b.Principal[:]) }

func sorted(m map[ledger.ID]*Incident) []*Incident {
	list := make([]*Incident, 0, len(m))
	for _, inc := range m {
		list = append(list, inc)
	}
	slices.SortFunc(list, byPrincipal)
	return list
}

func copies(m map[ledger.ID]*Incident) []Incident {
	list := sorted(m)
	out := make([]Incident, len(list))
	for i, inc := range list {
		out[i] = inc.clone()
	}
	return out
}
