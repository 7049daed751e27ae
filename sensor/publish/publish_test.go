// SPDX-License-Identifier: Apache-2.0

package publish_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/weir-project/weir/proto/wire"
	weirv1 "github.com/weir-project/weir/proto/wire/weir/v1"
	"github.com/weir-project/weir/sensor/exchange"
	"github.com/weir-project/weir/sensor/publish"
)

func TestNothingHandedInIsLost(t *testing.T) {
	cases := []struct {
		name                         string
		queue                        int64
		principals, endpoints, count int
		outage                       int // exchanges handed in while nothing can be sent
		widen                        bool
	}{
		{"room for all", 64 << 20, 20, 3, 2000, 500, false},
		{"merged into minutes", 2 << 20, 5, 1, 20000, 20000, false},
		{"merged into longer windows", 1 << 20, 20, 4, 30000, 30000, true},
		{"back and forth", 1 << 20, 50, 2, 20000, 10000, false},
	}
	for seed, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			m := newMemory(t)
			r := rand.New(rand.NewPCG(uint64(seed), 1))
			m.lose = func() int { return max(0, r.IntN(6)-3) }
			m.down = c.outage > 0
			cfg := config()
			cfg.QueueBytes = c.queue
			p := publish.New(cfg, m, nil)
			in, s := newLedger(), newSample(uint64(seed), c.principals, c.endpoints)
			in.handIn(p, s, c.outage)
			if q := p.Stats().QueueBytes; q > c.queue+c.queue/4 {
				t.Errorf("%d bytes wait, the bound is %d", q, c.queue)
			}
			m.set(func(m *memory) { m.down = false })
			in.handIn(p, s, c.count-c.outage)
			if err := p.Close(patience(t)); err != nil {
				t.Fatal(err)
			}
			st := p.Stats()
			if d := cmp.Diff(in.all, m.ledger().all); d != "" {
				t.Errorf("totals (-in +out):\n%s%+v", d, st)
			}
			if d := cmp.Diff(in.byPrincipal, m.ledger().byPrincipal); d != "" {
				t.Errorf("totals of principals (-in +out):\n%s", d)
			}
			if st.Exchanges != uint64(c.count) || st.Sent+st.Merged != st.Exchanges || st.QueueBytes != 0 {
				t.Errorf("the numbers do not add up: %+v", st)
			}
			if (st.Widened > 0) != c.widen && c.widen {
				t.Errorf("widened %d times", st.Widened)
			}
		})
	}
}

// When even rollups of a day per principal and server find no room, the rest is counted.
func TestWhatIsLostIsCounted(t *testing.T) {
	m := newMemory(t)
	m.down = true
	cfg := config()
	cfg.QueueBytes = 1 << 20
	p := publish.New(cfg, m, nil)
	in, s := newLedger(), newSample(9, 50000, 2)
	in.handIn(p, s, 20000)
	p.Exchange(&exchange.Exchange{PrincipalID: number('p', 1)})
	m.set(func(m *memory) { m.down = false })
	if err := p.Close(patience(t)); err != nil {
		t.Fatal(err)
	}
	p.Exchange(s.next())
	st, out := p.Stats(), m.ledger().all
	if st.DroppedQueueFull == 0 || st.DroppedNoID != 1 || st.DroppedClosed != 1 {
		t.Errorf("dropped %+v", st)
	}
	if st.Exchanges != st.Sent+st.Merged+st.DroppedQueueFull+st.DroppedNoID+st.DroppedClosed {
		t.Errorf("the numbers do not add up: %+v", st)
	}
	if in.all.Requests != out.Requests+st.LostRequests || in.all.ResponseBody != out.ResponseBody+st.LostBytes || in.all.Records != out.Records+st.LostRecords {
		t.Errorf("in %+v\nout %+v\nlost %+v", in.all, out, st)
	}
}

func TestObjectsOfARollupAreTheObjectsOfItsExchanges(t *testing.T) {
	m := newMemory(t)
	m.down = true
	cfg := config()
	cfg.QueueBytes = 1 << 20
	p := publish.New(cfg, m, nil)
	s := newSample(3, 1, 1)
	want := map[uint64]bool{}
	for range 20000 {
		x := s.next()
		x.PartStart, x.PartEnd = start, start+1
		for _, o := range x.Objects {
			want[o] = true
		}
		p.Exchange(x)
	}
	m.set(func(m *memory) { m.down = false })
	if err := p.Close(patience(t)); err != nil {
		t.Fatal(err)
	}
	var all weirv1.ObjectSet
	exemplars := 0
	for _, b := range m.got {
		for _, x := range b.Exchanges {
			wire.AddObjects(&all, x.ObjectHashes)
		}
		for _, r := range b.Rollups {
			wire.MergeObjects(&all, r.Objects)
			exemplars += len(r.Exemplars)
			if r.DetailLevel != weirv1.DetailLevel_DETAIL_LEVEL_ROLLUP || len(r.Addresses) != 1 || len(r.TokenIds) != 1 || len(r.Networks) != 1 {
				t.Errorf("rollup %+v", r)
			}
		}
	}
	if got := float64(wire.CountObjects(&all)); got < 0.9*float64(len(want)) || got > 1.1*float64(len(want)) {
		t.Errorf("%v distinct objects, want about %d", got, len(want))
	}
	if exemplars == 0 {
		t.Error("no exemplar")
	}
}

func TestAnImportSentTwiceIsTheSame(t *testing.T) {
	send := func(lose func() int, inFlight int) map[string]*weirv1.Batch {
		m := newMemory(t)
		m.lose = lose
		cfg := config()
		cfg.SensorID, cfg.BootID, cfg.Import, cfg.MaxInFlight = publish.ImportSensor, publish.ImportBoot([32]byte{1}, [32]byte{2}), true, inFlight
		cfg.QueueBytes = 1 << 20
		p := publish.New(cfg, m, nil)
		s := newSample(5, 300, 3)
		for range 2000 {
			p.Exchange(s.next())
		}
		if err := p.Close(patience(t)); err != nil {
			t.Fatal(err)
		}
		if lose == nil { // partitions keep step in event time
			minute := uint64(0)
			for _, id := range m.ids {
				at := m.got[id].WindowEndUnixNano / 60e9
				if at < minute {
					t.Errorf("minute %d after %d", at, minute)
				}
				minute = at
			}
		}
		for _, b := range m.got {
			if b.Source != weirv1.BatchSource_BATCH_SOURCE_IMPORT {
				t.Errorf("source %v", b.Source)
			}
			if len(b.Rollups) != 0 {
				t.Error("an import merged")
			}
			if b.WindowStartUnixNano/60e9 != b.WindowEndUnixNano/60e9 && b.WindowEndUnixNano-b.WindowStartUnixNano > 60e9 {
				t.Errorf("a batch spans %d ns", b.WindowEndUnixNano-b.WindowStartUnixNano)
			}
		}
		return m.got
	}
	r := rand.New(rand.NewPCG(1, 2))
	first := send(nil, 256)
	second := send(func() int { return max(0, r.IntN(30)-27) }, 3)
	ignore := protocmp.IgnoreFields(&weirv1.Batch{}, "sent_unix_nano", "counters")
	if d := cmp.Diff(first, second, protocmp.Transform(), ignore); d != "" {
		t.Errorf("a second sending differs:\n%.2000s", d)
	}
}

func TestAnImportTellsEveryPartitionThatADayIsOver(t *testing.T) {
	m := newMemory(t)
	cfg := config()
	cfg.SensorID, cfg.BootID, cfg.Import, cfg.EventWindow = publish.ImportSensor, 7, true, time.Hour
	p := publish.New(cfg, m, nil)
	const day = int64(24 * time.Hour)
	x := newSample(5, 1, 1).next() // one principal: 63 partitions have nothing to tell
	for _, at := range []int64{20000*day + int64(90*time.Minute), 20001*day - 1, 20001*day + int64(30*time.Minute), 20001*day + int64(2*time.Hour), 20004*day + int64(2*time.Hour)} {
		x.ID[0]++
		x.PartStart, x.PartEnd = at, at
		p.Exchange(x)
	}
	if err := p.Close(patience(t)); err != nil {
		t.Fatal(err)
	}
	marks := map[uint64]int{}
	for _, b := range m.got {
		if !b.Mark {
			continue
		}
		if len(b.Exchanges) != 0 {
			t.Error("a mark carries exchanges")
		}
		marks[b.WindowEndUnixNano]++
	}
	want := map[uint64]int{uint64(20001*day + int64(time.Hour)): 64, uint64(20004*day + int64(time.Hour)): 64}
	if d := cmp.Diff(want, marks); d != "" {
		t.Error(d)
	}
}

func TestABatchIsCutByCountAndBytes(t *testing.T) {
	m := newMemory(t)
	cfg := config()
	cfg.MaxExchanges, cfg.FlushEvery = 10, time.Hour
	p := publish.New(cfg, m, nil)
	s := newSample(1, 1, 1)
	for range 25 {
		p.Exchange(s.next())
	}
	if err := p.Flush(patience(t)); err != nil {
		t.Fatal(err)
	}
	if err := p.Close(patience(t)); err != nil {
		t.Fatal(err)
	}
	var sizes []int
	for i, id := range m.ids {
		b := m.got[id]
		sizes = append(sizes, len(b.Exchanges))
		if b.Sequence != uint64(i+1) {
			t.Errorf("batch %d has sequence %d", i, b.Sequence)
		}
		if len(b.Counters) == 0 || b.CredentialsKeyId != 1 || b.ObjectsKeyId != 2 || b.ExchangesKeyId != 3 || b.BootId != 0xabc {
			t.Errorf("head %+v", b)
		}
	}
	if !slices.Equal(sizes, []int{10, 10, 5}) {
		t.Errorf("batches of %v", sizes)
	}
}

func TestAgeIsTheClocks(t *testing.T) {
	var mu sync.Mutex
	clock := start
	now := func() int64 { mu.Lock(); defer mu.Unlock(); return clock }
	m := newMemory(t)
	m.down = true
	p := publish.New(config(), m, now)
	p.Exchange(newSample(1, 1, 1).next())
	mu.Lock()
	clock += int64(20 * time.Second)
	mu.Unlock()
	m.set(func(m *memory) { m.down = false })
	if err := p.Close(patience(t)); err != nil {
		t.Fatal(err)
	}
	for _, b := range m.got {
		if b.Source != weirv1.BatchSource_BATCH_SOURCE_SPOOL || b.SentUnixNano != uint64(clock) {
			t.Errorf("a late batch: source %v, sent %d", b.Source, b.SentUnixNano)
		}
	}
}

func TestGapCountersAndHeartbeat(t *testing.T) {
	m := newMemory(t)
	cfg := config()
	cfg.Gap = &weirv1.Gap{StartUnixNano: 5, EndUnixNano: 9, Reason: "restart"}
	cfg.Heartbeat = func(h *weirv1.Heartbeat) { h.Version, h.Mode = "v1", "file" }
	p := publish.New(cfg, m, nil)
	p.SetCounters(func() []*weirv1.Counter {
		return []*weirv1.Counter{{Name: "packets_dropped", Reason: "ring_full", Value: 3}}
	})
	s := newSample(1, 3, 1)
	for range 2 {
		for range 30 {
			p.Exchange(s.next())
		}
		if err := p.Flush(patience(t)); err != nil {
			t.Fatal(err)
		}
	}
	older := number('p', 77)
	p.Link(&weirv1.PrincipalLink{OlderId: older[:], PrincipalId: older[:], TimeUnixNano: 7})
	if err := p.Close(patience(t)); err != nil {
		t.Fatal(err)
	}
	links := 0
	for id, b := range m.got {
		if gap := len(b.Gaps) == 1; gap != (b.Sequence == 1) {
			t.Errorf("%s: gap %v", id, gap)
		}
		if !slices.ContainsFunc(b.Counters, func(c *weirv1.Counter) bool { return c.Reason == "ring_full" && c.Value == 3 }) {
			t.Errorf("%s: counters %v", id, b.Counters)
		}
		links += len(b.Links)
	}
	if links != 1 {
		t.Errorf("%d links", links)
	}
	if len(m.told) == 0 {
		t.Fatal("no heartbeat")
	}
	var h weirv1.Heartbeat
	if err := wire.DecodeHeartbeat(m.told[0], &h); err != nil || h.Version != "v1" || h.Partitions != 64 || h.Cluster != "Prod.EU" {
		t.Errorf("heartbeat %v: %v", &h, err)
	}
}

func TestCloseSaysWhatStayed(t *testing.T) {
	for _, hold := range []bool{false, true} {
		m := newMemory(t)
		m.down, m.hold = !hold, hold
		cfg := config()
		cfg.QueueBytes = 1 << 20
		p := publish.New(cfg, m, nil)
		s := newSample(1, 10, 1)
		const n = 5000
		for range n {
			p.Exchange(s.next())
		}
		var u *publish.UnsentError
		if err := p.Flush(short(t)); !errors.As(err, &u) {
			t.Errorf("flush: %v", err)
		}
		if err := p.Close(short(t)); !errors.As(err, &u) || u.Exchanges+u.Merged != n {
			t.Errorf("close: %v", err)
		}
		st := p.Stats()
		if st.DroppedUnsent+st.UnsentMerged != n || st.Sent != 0 {
			t.Errorf("the numbers do not add up: %+v", st)
		}
		if err := p.Close(context.Background()); err != nil {
			t.Errorf("closed again: %v", err)
		}
	}
}

// A caller that may wait does, and Close lets it go.
func TestBlockingWaitsForRoom(t *testing.T) {
	m := newMemory(t)
	m.down = true
	cfg := config()
	cfg.QueueBytes, cfg.Blocking, cfg.MaxExchanges = 1<<20, true, 64
	p := publish.New(cfg, m, nil)
	handed := make(chan struct{})
	go func() {
		defer close(handed)
		s := newSample(1, 10, 1)
		for range 10000 {
			p.Exchange(s.next())
		}
	}()
	select {
	case <-handed:
		t.Error("nobody waited")
	case <-short(t).Done():
	}
	m.set(func(m *memory) { m.down = false })
	select {
	case <-handed:
	case <-patience(t).Done():
		t.Fatal("still waiting")
	}
	if err := p.Close(patience(t)); err != nil {
		t.Fatal(err)
	}
	if st := p.Stats(); st.Sent != 10000 || st.Merged != 0 {
		t.Errorf("%+v", st)
	}
}

func TestManyCallers(t *testing.T) {
	m := newMemory(t)
	cfg := config()
	cfg.QueueBytes = 1 << 20
	p := publish.New(cfg, m, nil)
	var wg sync.WaitGroup
	var mu sync.Mutex
	sum := totals{}
	for i := range 4 {
		wg.Go(func() {
			in := newLedger()
			in.handIn(p, newSample(uint64(i), 100, 5), 3000)
			mu.Lock()
			defer mu.Unlock()
			sum.Records += in.all.Records
			sum.Requests += in.all.Requests
		})
	}
	wg.Wait()
	if err := p.Close(patience(t)); err != nil {
		t.Fatal(err)
	}
	if got := m.ledger().all; got.Records != sum.Records || got.Requests != sum.Requests {
		t.Errorf("%+v, want %+v", got, sum)
	}
}

// Where the other side is slow but alive, rollups do not wait behind exchanges for ever.
func TestRollupsGoOutThoughExchangesWait(t *testing.T) {
	var mu sync.Mutex
	clock := start
	pass := func(d time.Duration) { mu.Lock(); clock += int64(d); mu.Unlock() }
	one := &oneByOne{memory: newMemory(t), waiting: make(chan func(error), 1)}
	cfg := config()
	cfg.QueueBytes, cfg.MaxInFlight = 1<<20, 1
	p := publish.New(cfg, one, func() int64 { mu.Lock(); defer mu.Unlock(); return clock })
	s := newSample(1, 1, 1)
	for range 5000 {
		p.Exchange(s.next())
	}
	if p.Stats().Merged == 0 {
		t.Fatal("nothing was merged")
	}
	for i := 0; p.Stats().Rollups == 0; i++ {
		select {
		case done := <-one.waiting:
			pass(2 * time.Second)
			for range 600 { // the queue is never empty
				p.Exchange(s.next())
			}
			done(nil)
		case <-patience(t).Done():
			t.Fatalf("stuck: %+v", p.Stats())
		}
		if i > 500 {
			t.Fatalf("rollups starve: %+v", p.Stats())
		}
	}
	stop := make(chan error, 1)
	go func() { stop <- p.Close(patience(t)) }()
	for {
		select {
		case done := <-one.waiting:
			done(nil)
		case err := <-stop:
			if err != nil {
				t.Error(err)
			}
			return
		}
	}
}

// oneByOne acknowledges when the test says so.
type oneByOne struct {
	*memory
	waiting chan func(error)
}

func (o *oneByOne) Publish(_, _ string, _ []byte, done func(error)) error {
	o.waiting <- done
	return nil
}
