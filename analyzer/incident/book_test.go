// SPDX-License-Identifier: Apache-2.0

package incident_test

import (
	"encoding/hex"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/weir-project/weir/analyzer/finding"
	"github.com/weir-project/weir/analyzer/incident"
	"github.com/weir-project/weir/analyzer/ledger"
)

const (
	minute = int64(time.Minute)
	hour   = int64(time.Hour)
	day    = 24 * hour
)

var t0 = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC).UnixNano()

// thief is a principal who took n fresh records, one a request, since start.
func thief(id byte, start, now int64, n uint64) *ledger.View {
	return &ledger.View{
		ID: ledger.ID{id, 0xab, 0xcd, 0xef, 5}, Assurance: 3, Kind: 2, Now: now, Born: start - 30*day,
		LastSeen: now, Endpoint: "GET shop.example /customers/{id}", Known: float64(n) + 500,
		Run: ledger.Run{Start: start, Last: now, Requests: n, Records: n, FreshObjects: n, ResponseBytes: 200 * n},
		Total: ledger.Totals{Requests: n + 10_000, Records: n + 20_000, FreshObjects: n + 500,
			ResponseBytes: 200*n + 4_000_000},
		Addresses: []ledger.AddressShare{{Address: netip.MustParseAddr("203.0.113.7"), Records: n, FirstSeen: start}},
		Exemplars: []ledger.Exemplar{{Time: now, Client: netip.MustParseAddrPort("203.0.113.7:4711"),
			RequestID: "r-1", ServerName: "shop.example", Method: "GET", Template: "/customers/{id}", Status: 200,
			ExchangeID: [16]byte{9}}},
	}
}

func found(v *ledger.View, h finding.Horizon, u finding.Unit, observed float64) *finding.Finding {
	s := finding.Score{Channel: finding.Fresh, Horizon: h, Unit: u, Observed: observed, Own: 300, Peers: 1500, Value: 2, Ratio: 1.83}
	return &finding.Finding{Principal: v.ID, Time: v.Now, Top: s, Scores: []finding.Score{s}, Confidence: 1.0 / 4000}
}

func TestIDGolden(t *testing.T) {
	principal := [16]byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}
	at := time.Date(2022, 11, 25, 3, 10, 59, 999, time.UTC).UnixNano()
	id := incident.NewID(incident.SubjectPrincipal, principal[:], at)
	// sha256(01 0010 0102..10 0000000001a8895e)[:16]
	if got, want := hex.EncodeToString(id[:]), "ae49aa5576d1228c95042b6d98eadb73"; got != want {
		t.Errorf("id %s, want %s", got, want)
	}
	if incident.NewID(incident.SubjectPrincipal, principal[:], at-59*int64(time.Second)) != id {
		t.Error("two times in one minute give two ids")
	}
	if incident.NewID(incident.SubjectEndpoint, principal[:], at) == id {
		t.Error("the kind of subject does not count")
	}
}

func TestLife(t *testing.T) {
	b := incident.New(incident.Config{})
	v := thief(1, t0, t0+5*minute, 400)
	c, ok := b.Observe(v, found(v, finding.Hour, finding.FreshObjects, 400))
	if !ok || c.Kind != incident.Opened || c.Incident.Revision != 1 || c.Incident.Severity != incident.Low {
		t.Fatalf("open: %v %+v", ok, c)
	}
	if got, want := c.Incident.Taken, (incident.Figures{Requests: 400, Records: 400, ResponseBytes: 80_000, FreshObjects: 400}); got != want {
		t.Errorf("figures %+v, want %+v", got, want)
	}
	id := c.Incident.ID
	var told []uint64
	for n := uint64(500); n <= 5000; n += 100 {
		v := thief(1, t0, t0+int64(n/100)*minute, n)
		if c, ok := b.Observe(v, found(v, finding.Hour, finding.FreshObjects, float64(n))); ok {
			told = append(told, c.Incident.Taken.Records)
			if c.Kind != incident.Grew || c.Incident.ID != id || c.Incident.AtOpening != incident.Low {
				t.Errorf("growth: %+v", c)
			}
		}
	}
	if want := []uint64{800, 1600, 3200}; !cmp.Equal(told, want) {
		t.Errorf("told at %v, want %v", told, want)
	}
	if !b.IsOpen(v.ID) || b.Open()[0].Severity != incident.Medium {
		t.Error("open and medium expected")
	}
	last := t0 + 50*minute
	if cs := b.Tick(last + 7*day - 1); cs != nil {
		t.Errorf("closed early: %v", cs)
	}
	cs := b.Tick(last + 7*day)
	if len(cs) != 1 || cs[0].Kind != incident.Closed || cs[0].Incident.Revision != 5 || b.IsOpen(v.ID) {
		t.Fatalf("close: %+v", cs)
	}
	// The week's sum still stands above its threshold: no new incident from the old taking.
	w := thief(1, t0, last+7*day+minute, 5000)
	if c, ok := b.Observe(w, found(w, finding.Month, finding.FreshObjects, 5000)); ok {
		// The first month-long sum is news: the closed incident never saw one.
		if c.Incident.ID == id {
			t.Error("an id came twice")
		}
	}
}

func TestLongSumsAloneAreNoNewEvidence(t *testing.T) {
	b := incident.New(incident.Config{})
	v := thief(1, t0, t0+5*minute, 4000)
	v.Run = ledger.Run{}
	if _, ok := b.Observe(v, found(v, finding.Month, finding.FreshObjects, 4000)); !ok {
		t.Fatal("not opened")
	}
	for d := int64(1); d < 28; d++ { // the sum stays for 28 days after the thief has gone
		v.Now = t0 + d*day
		if c, ok := b.Observe(v, found(v, finding.Month, finding.FreshObjects, 4000)); ok {
			t.Fatalf("day %d: %v", d, c.Kind)
		}
		if cs := b.Tick(v.Now); (len(cs) == 1) != (d == 8) {
			t.Fatalf("day %d: %d changes", d, len(cs))
		}
	}
	v.Now += hour
	c, ok := b.Observe(v, found(v, finding.Month, finding.FreshObjects, 4400))
	if !ok || c.Kind != incident.Opened {
		t.Error("a growing sum opens again")
	}
}

func TestRunThatGoesOnGetsANewID(t *testing.T) {
	b := incident.New(incident.Config{QuietDays: 1})
	v := thief(1, t0, t0+5*minute, 400)
	first, _ := b.Observe(v, found(v, finding.Hour, finding.FreshObjects, 400))
	b.Tick(t0 + 2*day)
	v = thief(1, t0, t0+3*day, 900)
	second, ok := b.Observe(v, found(v, finding.Hour, finding.FreshObjects, 400))
	if !ok || second.Incident.ID == first.Incident.ID || second.Incident.Start != t0+3*day {
		t.Errorf("second: %v %+v", ok, second.Incident)
	}
}

// A finding on arrival changes when revision 1 is sent and nothing else.
func TestArrivalTeachesNothing(t *testing.T) {
	play := func(arrival bool) []byte {
		b := incident.New(incident.Config{})
		if arrival {
			v := thief(1, t0, t0+3*minute, 250)
			v.Arrival = true
			f := found(v, finding.Day, finding.Records, 250)
			f.Arrival = true
			f.Top.Channel = finding.Volume
			if c, ok := b.Observe(v, f); !ok || c.Incident.Revision != 1 {
				t.Fatal("arrival does not open")
			}
			if _, ok := b.Observe(v, f); ok {
				t.Error("arrival grows")
			}
		}
		for n := uint64(400); n <= 3000; n += 100 {
			v := thief(1, t0, t0+int64(n/100)*minute, n)
			b.Refresh(v)
			b.Observe(v, found(v, finding.Hour, finding.FreshObjects, float64(n)))
		}
		inc := b.Open()[0]
		inc.Opened = 0
		inc.Updated = 0
		return []byte(incident.Sentence(&inc) + string(inc.ID[:]) + inc.Detector.String() + string(rune('0'+inc.Revision)))
	}
	if diff := cmp.Diff(string(play(false)), string(play(true))); diff != "" {
		t.Error(diff)
	}
}

func TestSeverity(t *testing.T) {
	for _, c := range []struct {
		name  string
		n     uint64
		known float64 // on the endpoint
		edit  func(*ledger.View)
		want  incident.Severity
	}{
		{"few", 999, 0, nil, incident.Low},
		{"thousand", 1000, 0, nil, incident.Medium},
		{"ten thousand", 10_000, 0, nil, incident.High},
		{"hundred thousand", 100_000, 0, nil, incident.Critical},
		{"a hundredth of all", 501, 50_000, nil, incident.Critical},
		{"below a hundredth", 500, 50_000, nil, incident.Low},
		{"re-read", 5000, 0, func(v *ledger.View) { v.Run.FreshObjects = 10; v.Total.FreshObjects = 510 }, incident.Low},
		{"no objects to tell apart", 5000, 0, func(v *ledger.View) {
			v.Run.FreshObjects, v.Total.FreshObjects, v.Known = 0, 0, 0
		}, incident.Medium},
		{"harmless objects", 5000, 0, func(v *ledger.View) { v.Total.SensitiveInspected = true }, incident.Low},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := incident.New(incident.Config{EndpointObjects: func(string) float64 { return c.known }})
			v := thief(1, t0, t0+5*minute, c.n)
			if c.edit != nil {
				c.edit(v)
			}
			f := found(v, finding.Hour, finding.Records, float64(c.n))
			got, _ := b.Observe(v, f)
			if got.Incident.Severity != c.want || got.Incident.AtOpening != c.want {
				t.Errorf("severity %v, want %v", got.Incident.Severity, c.want)
			}
		})
	}
}

func TestBounded(t *testing.T) {
	b := incident.New(incident.Config{MaxOpen: 16, KeepClosed: 4})
	open := func(id byte, n uint64) bool {
		v := thief(id, t0, t0+5*minute, n)
		_, ok := b.Observe(v, found(v, finding.Hour, finding.FreshObjects, float64(n)))
		return ok
	}
	for id := range byte(100) {
		open(id, 200)
	}
	if got := len(b.Open()); got != 8 {
		t.Errorf("%d small incidents, want half of the book", got)
	}
	if !open(200, 200_000) {
		t.Error("a flood of small incidents keeps a large one out")
	}
	if c := b.Counts(); c.RefusedFull != 92 || c.Opened != 9 {
		t.Errorf("counts %+v", c)
	}
	cs := b.Tick(t0 + 30*day)
	if len(cs) != 9 || len(b.Closed()) != 4 || b.Counts().Forgotten != 5 {
		t.Errorf("%d closed, %d kept, %+v", len(cs), len(b.Closed()), b.Counts())
	}
	for i := 1; i < len(cs); i++ {
		if cs[i-1].Incident.Principal[0] >= cs[i].Incident.Principal[0] {
			t.Error("not in the order of principals")
		}
	}
}

func TestChangesAreCopies(t *testing.T) {
	b := incident.New(incident.Config{})
	v := thief(1, t0, t0+5*minute, 400)
	c, _ := b.Observe(v, found(v, finding.Hour, finding.FreshObjects, 400))
	before := incident.Sentence(&c.Incident)
	v.Addresses[0].Address = netip.MustParseAddr("192.0.2.1")
	b.Refresh(v)
	if incident.Sentence(&c.Incident) != before {
		t.Error("a told change changed")
	}
}

func TestHostileText(t *testing.T) {
	b := incident.New(incident.Config{})
	v := thief(1, t0, t0+5*minute, 400)
	v.Endpoint = "GET evil\x1b[31m\u202e\n\xff /" + strings.Repeat("é", 4000)
	v.Label = "a\x00b\u2028c"
	v.Exemplars[0].RequestID = strings.Repeat("\u200b", 500)
	c, _ := b.Observe(v, found(v, finding.Hour, finding.FreshObjects, 400))
	s := incident.Sentence(&c.Incident)
	if !utf8.ValidString(s) || strings.ContainsAny(s, "\x1b\u202e\n\x00\u2028\u200b") || len(s) > 1500 {
		t.Errorf("%d bytes: %q", len(s), s)
	}
}

func TestSentence(t *testing.T) {
	b := incident.New(incident.Config{})
	v := thief(1, t0, t0+2*hour+17*minute, 412_345)
	c, _ := b.Observe(v, found(v, finding.Week, finding.FreshObjects, 412_400))
	want := "Principal 01abcdef (bearer token) took 412,345 records in 412,345 requests (82.5 MB), mostly from " +
		"GET shop.example /customers/{id}, since 2026-03-02 09:00 UTC, and about 412,345 of the objects in them " +
		"were new to it; in 7 days it took about 412,400 objects it had never read, where at most 300 is usual for it (1,374x) and " +
		"at most 1,500 for 99.9% of its peers (274x); 100% of its records went to 203.0.113.7, first seen 2026-03-02 09:00 UTC; " +
		"sensitive fields: not inspected; 1.8 times the alert threshold, expected once in 4,000 principal-years of clean traffic."
	if got := incident.Sentence(&c.Incident); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got, want := incident.Title(&c.Incident), "Principal 01abcdef: records it had never read before"; got != want {
		t.Errorf("title %q, want %q", got, want)
	}
	if got := incident.Sentence(&incident.Incident{}); !strings.HasPrefix(got, "Principal 00000000 takes more than usual since 1970") {
		t.Errorf("empty: %s", got)
	}
}

func TestSnapshot(t *testing.T) {
	b := incident.New(incident.Config{})
	for id := range byte(20) {
		v := thief(id, t0, t0+5*minute, 300+100*uint64(id))
		b.Observe(v, found(v, finding.Horizon(1+id%4), finding.FreshObjects, 400))
		if id == 9 {
			b.Tick(t0 + 30*day)
		}
	}
	snap := b.AppendSnapshot(nil)
	c := incident.New(incident.Config{})
	if err := c.Restore(snap); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(b.Open(), c.Open()) || !reflect.DeepEqual(b.Closed(), c.Closed()) {
		t.Errorf("got %+v\nwant %+v", c.Open(), b.Open())
	}
	if diff := cmp.Diff(snap, c.AppendSnapshot(nil)); diff != "" {
		t.Error(diff)
	}
	// Both go on the same way.
	v := thief(15, t0, t0+9*minute, 9000)
	x, _ := b.Observe(v, found(v, finding.Hour, finding.FreshObjects, 9000))
	y, _ := c.Observe(v, found(v, finding.Hour, finding.FreshObjects, 9000))
	if incident.Sentence(&x.Incident) != incident.Sentence(&y.Incident) || x.Incident.Revision != y.Incident.Revision {
		t.Error("a restored book goes another way")
	}
	for cut := range len(snap) {
		if err := c.Restore(snap[:cut]); err == nil && cut > 0 {
			t.Fatalf("a snapshot cut at %d of %d was taken", cut, len(snap))
		}
	}
	if err := c.Restore([]byte{99}); err == nil || !strings.Contains(err.Error(), "version 99") {
		t.Errorf("version: %v", err)
	}
}

func FuzzRestore(f *testing.F) {
	b := incident.New(incident.Config{})
	f.Add(b.AppendSnapshot(nil))
	v := thief(1, t0, t0+5*minute, 400)
	b.Observe(v, found(v, finding.Hour, finding.FreshObjects, 400))
	f.Add(b.AppendSnapshot(nil))
	b.Tick(t0 + 30*day)
	f.Add(b.AppendSnapshot(nil))
	f.Fuzz(func(t *testing.T, snapshot []byte) {
		b := incident.New(incident.Config{})
		if b.Restore(snapshot) != nil {
			return
		}
		again := b.AppendSnapshot(nil)
		c := incident.New(incident.Config{})
		if err := c.Restore(again); err != nil || string(c.AppendSnapshot(nil)) != string(again) {
			t.Fatalf("not the same again: %v", err)
		}
		for _, inc := range b.Open() {
			_ = incident.Sentence(&inc) + incident.Title(&inc)
		}
		b.Tick(1 << 62)
	})
}
