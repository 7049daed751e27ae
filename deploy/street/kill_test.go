// SPDX-License-Identifier: Apache-2.0

package street

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/weir-project/weir/proto/wire"
	weirv1 "github.com/weir-project/weir/proto/wire/weir/v1"
)

// TestKilledAnalyzerCountsToTheByte kills the analyzer, and the broker in it, at random times while
// a capture is sent to it. What is counted in the end is what was said.
func TestKilledAnalyzerCountsToTheByte(t *testing.T) {
	const kills, seed = 12, 20260305
	l := newLab(t)
	shopAPI := l.open("127.0.0.1:0")
	file, truth := shopAPI.capture(time.Now().Add(-3*time.Hour), 3, 2000)
	analyzer := l.analyzer()
	replay := l.start("weir-sensor", append([]string{"replay", file, "--time", "capture", "--speed", "9", "--log-format", "json"}, l.publishing()...)...)
	rng := rand.New(rand.NewPCG(seed, 1))
	during := 0
	for range kills {
		select {
		case <-replay.done:
		case <-time.After(time.Duration(100+rng.IntN(900)) * time.Millisecond):
			during++
		}
		analyzer.kill()
		analyzer = l.analyzer()
	}
	if code := l.wait(replay); code != 0 {
		t.Fatalf("replay: exit %d: %s", code, replay.log.String())
	}
	l.countsExactly(truth)
	// And nothing more comes: what was sent twice was counted once.
	applied := l.metric("weir_analyzer_applied_batches_total")
	l.until("the queue is empty", func() bool {
		now := l.metric("weir_analyzer_applied_batches_total")
		still := now == applied
		applied = now
		return still
	})
	l.countsExactly(truth)
	if during < 10 {
		t.Errorf("only %d of %d kills fell into the import", during, kills)
	}
	if l.end(analyzer) != 0 {
		t.Error("the last analyzer does not end well")
	}
	l.analyzer()
	l.countsExactly(truth)
}

// batches collects every batch that is published.
type batches struct {
	mu  sync.Mutex
	all []*weirv1.Batch
}

func (b *batches) take(m *nats.Msg) {
	batch := &weirv1.Batch{}
	if wire.DecodeBatch(m.Data, batch) == nil {
		b.mu.Lock()
		b.all = append(b.all, batch)
		b.mu.Unlock()
	}
}

func (b *batches) any(is func(*weirv1.Batch) bool) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, x := range b.all {
		if is(x) {
			return true
		}
	}
	return false
}

// TestAKilledSensorSaysSo kills a capturing sensor. Its successor counts what comes from then on,
// and tells of the time in which nobody looked.
func TestAKilledSensorSaysSo(t *testing.T) {
	l := newLab(t)
	l.analyzer()
	heard := &batches{}
	conn := l.connect("analyzer").NATS()
	_, err := conn.Subscribe("weir.v1.exchanges.>", heard.take)
	l.must(err)
	l.must(conn.Flush())
	shopAPI := l.openAcross()
	ask := func(n int) {
		for i := range n {
			shopAPI.ask(shopAPI.people[i%5], fmt.Sprintf("/customers/%d", i+1))
		}
	}
	first := l.sensor(serverLink)
	ask(50)
	l.countsExactly(shopAPI.served())
	var boot uint64
	heard.any(func(b *weirv1.Batch) bool { boot = b.BootId; return true })
	first.kill()
	ask(20) // nobody sees these
	for _, c := range shopAPI.byWho {
		c.CloseIdleConnections()
	}

	all := shopAPI.served()
	second := l.sensor(serverLink)
	began := time.Now()
	before := l.counted()
	unseen := tally{all.Requests - before.Requests, all.Records - before.Records, all.Bytes - before.Bytes}
	ask(30)
	want := shopAPI.served()
	l.countsExactly(tally{want.Requests - unseen.Requests, want.Records - unseen.Records, want.Bytes - unseen.Bytes})
	l.until("the second start tells of a gap", func() bool {
		return heard.any(func(b *weirv1.Batch) bool {
			for _, g := range b.Gaps {
				if b.BootId != boot && g.Reason == "restart" && time.Unix(0, int64(g.EndUnixNano)).Before(began) {
					return true
				}
			}
			return false
		})
	})
	if unseen.Requests != 20 {
		t.Errorf("%d requests were not seen", unseen.Requests)
	}
	l.end(second)
}

// TestNATSAway starts a sensor before there is a NATS server, and takes the server away under
// traffic: batches wait, and the totals are whole in the end.
func TestNATSAway(t *testing.T) {
	l := newLab(t)
	l.end(l.analyzer()) // it has made the users; now it is away
	sensor := l.sensor(serverLink)
	shopAPI := l.openAcross()
	ask := func(n int) {
		for i := range n {
			shopAPI.ask(shopAPI.people[i%7], fmt.Sprintf("/customers?page=%d&size=%d", i, 1+i%50))
		}
	}
	ask(100)
	analyzer := l.analyzer()
	l.countsExactly(shopAPI.served())
	for range 2 {
		ask(50)
		l.end(analyzer)
		done := time.Now().Add(2 * time.Second)
		for time.Now().Before(done) { // traffic while it is away
			ask(10)
		}
		analyzer = l.analyzer()
		ask(50)
	}
	l.countsExactly(shopAPI.served())
	if code := l.end(sensor); code != 0 {
		t.Errorf("the sensor ends with %d", code)
	}
	if bytes.Contains(sensor.log.Bytes(), []byte("panic")) {
		t.Error("the sensor panicked")
	}
	l.countsExactly(shopAPI.served())
}

// TestASensorEndsWithoutNATS does not hang on a server that never comes.
func TestASensorEndsWithoutNATS(t *testing.T) {
	l := newLab(t)
	l.end(l.analyzer())
	sensor := l.sensor(serverLink)
	shopAPI := l.openAcross()
	for i := range 20 {
		shopAPI.ask(shopAPI.people[0], fmt.Sprintf("/customers/%d", i+1))
	}
	if code := l.end(sensor); code != 1 {
		t.Errorf("exit %d though nothing could be sent: %s", code, sensor.log.String())
	}
	if !bytes.Contains(sensor.log.Bytes(), []byte("20 exchanges")) {
		t.Errorf("what was lost is not told: %s", tail(sensor.log.Bytes()))
	}
}
