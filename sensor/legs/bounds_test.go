// SPDX-License-Identifier: Apache-2.0

package legs_test

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/weir-project/weir/sensor/exchange"
	"github.com/weir-project/weir/sensor/legs"
)

// Clients that nobody saw before cannot push out what may really be a leg.
func TestAFloodOfNewClients(t *testing.T) {
	out := &nowhere{}
	j := legs.New(legs.Config{MaxHeld: 100}, out)
	play(t, j, `
		P GET /x 10.0.0.1>10.0.0.2 0..1 id=w
		Q GET /x 192.0.2.1>10.0.0.1 0..1 id=v
		flush
		B GET /x 10.0.0.1>10.0.0.2 10002..10008 bytes=100 id=r`)
	flood := parse(t, "F GET /x 192.0.2.1>10.0.0.9 10003..10004 id=12345678")
	const many = 100_000
	for i := range uint64(many) {
		a := [16]byte{0x20, 1, 0xd, 0xb8}
		binary.BigEndian.PutUint64(a[8:], i)
		flood.Client = netip.AddrPortFrom(netip.AddrFrom16(a), 1)
		binary.BigEndian.PutUint64(flood.RequestID, i)
		binary.BigEndian.PutUint64(flood.ID[8:], i)
		j.Exchange(flood)
	}
	play(t, j, "A GET /x 192.0.2.1>10.0.0.1 10001..10009 bytes=30 id=r")
	j.Flush()
	if n := j.Counters(); n.Joined != 1 || n.Strangers < many-100 || out.n != many+2+1 {
		t.Errorf("%d told, %+v", out.n, n)
	}
}

// One id for everything joins nothing, and costs no more than a look at a few.
func TestOneIDForAll(t *testing.T) {
	out := &nowhere{}
	j := legs.New(legs.Config{}, out)
	x := parse(t, "F GET /x 10.0.0.1>10.0.0.1 1..9000 id=same trace=7")
	for i := range uint64(1000) {
		binary.BigEndian.PutUint64(x.ID[8:], i)
		x.Start++
		j.Exchange(x)
	}
	j.Flush()
	if n := j.Counters(); n.Joined != 0 || n.Crowded < 900 || out.n != 1000 {
		t.Errorf("%d told, %+v", out.n, n)
	}
}

// A trace of very many calls does not keep legs from being joined by their request ids, but joins
// nothing any more by itself.
func TestATraceOfManyCalls(t *testing.T) {
	out := &sink{}
	j := legs.New(legs.Config{}, out)
	for i := range 200 {
		play(t, j, fmt.Sprintf("%c GET /other/%d 192.0.2.1>10.0.0.1 1..2 trace=7 id=q%d", 200+i%50, i, i))
	}
	play(t, j, `
		B GET /x 10.0.0.1>10.0.0.2 1002..1008 bytes=100 trace=7 id=r
		A GET /x 192.0.2.1>10.0.0.1 1001..1009 bytes=30 trace=7 id=r
		D GET /y 10.0.0.1>10.0.0.2 1002..1008 bytes=100 trace=7
		C GET /y 192.0.2.1>10.0.0.1 1001..1009 bytes=30 trace=7
		flush`)
	text := out.String()
	if n := j.Counters(); n.Joined != 1 || !strings.Contains(text, "A/A 100 bytes") || !strings.Contains(text, "C/C 30 bytes") || strings.Contains(text, "B/B") {
		t.Errorf("%+v\n%s", n, text)
	}
}

// What waits is bounded in bytes too, and time alone ends the waiting.
func TestMemoryAndTimeAreBounded(t *testing.T) {
	out := &nowhere{}
	j := legs.New(legs.Config{MaxBytes: 100 << 10}, out)
	x := parse(t, "F GET /x 10.0.0.1>10.0.0.1 1..9 id=12345678")
	x.Path = []byte("/" + strings.Repeat("x", 4000))
	for i := range uint64(1000) {
		binary.BigEndian.PutUint64(x.RequestID, i)
		binary.BigEndian.PutUint64(x.ID[8:], i)
		j.Exchange(x)
		if n := j.Counters(); n.Waiting > 25 {
			t.Fatalf("%+v", n)
		}
	}
	j.Advance(base + 9*ms + 2_000*ms - 1)
	before := j.Counters()
	j.Advance(base + 9*ms + 2_000*ms)
	after := j.Counters()
	if before.Waiting == 0 || after.Waiting != 0 || out.n != 1000 {
		t.Errorf("%d told, %+v, then %+v", out.n, before, after)
	}
	j.Exchange(x)
	j.Advance(base - 3600_000*ms) // a clock that was set back
	if n := j.Counters(); n.Waiting != 0 {
		t.Errorf("%+v", n)
	}
}

// Exchanges that never end give up their place when others need it, and not before they rested long.
func TestExchangesThatNeverEnd(t *testing.T) {
	out := &nowhere{}
	j := legs.New(legs.Config{MaxRunning: 20}, out)
	open := func(n byte, at int64) {
		for leg, line := range []string{"B GET /x 10.0.0.1>10.0.0.2 %d..%d bytes=1 id=%d more", "A GET /x 192.0.2.1>10.0.0.1 %d..%d bytes=1 id=%d more"} {
			x := parse(t, fmt.Sprintf(line, at+1-int64(leg), at+10, n))
			x.ID = exchange.ID{n, byte(leg)}
			j.Exchange(x)
		}
		j.Advance(base + (at+3000)*ms)
	}
	for n := range byte(15) {
		open(n+1, int64(n)*4000)
	}
	if n := j.Counters(); n.Joined != 10 || n.Runners != 10 || n.GivenUp != 0 {
		t.Errorf("%+v", n)
	}
	open(99, 3600_000)
	if n := j.Counters(); n.Joined != 11 || n.GivenUp != 20 {
		t.Errorf("%+v", n)
	}
	play(t, j, "B GET /x 10.0.0.1>10.0.0.2 1..3600000 bytes=1 id=1 part=1") // of one that was given up
	j.Flush()
	if n := j.Counters(); n.Waiting != 0 || out.n != 11+10+1 {
		t.Errorf("%d told, %+v", out.n, n)
	}
}
