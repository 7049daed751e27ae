// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"testing"
	"time"

	weirv1 "github.com/weir-project/weir/proto/wire/weir/v1"
	"github.com/weir-project/weir/sensor/exchange"
)

func TestCoverageMovesWithEveryWayOfGoingBlind(t *testing.T) {
	now := time.Date(2026, 1, 5, 10, 0, 0, 0, time.UTC)
	var passed, read uint64
	c := coverage{next: &nowhere{}, now: func() time.Time { return now }, counters: func() []*weirv1.Counter {
		return []*weirv1.Counter{{Name: "http_stream_bytes", Value: passed}, {Name: "http_stream_bytes_read", Reason: "head", Value: read}}
	}}
	step := func(name string, bytes, known uint64, seen []exchange.Coverage, want float64) {
		t.Helper()
		passed, read, now = passed+bytes, read+known, now.Add(time.Minute)
		for _, grade := range seen {
			c.Exchange(&exchange.Exchange{Last: true, Coverage: grade})
		}
		if got := c.share(); got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
	step("nothing passed", 0, 0, nil, notKnown)
	step("all of it read", 1000, 1000, []exchange.Coverage{exchange.Complete, exchange.Complete}, 1)
	step("one side only", 1000, 1000, []exchange.Coverage{exchange.Complete, exchange.OneSided}, 0.5)
	step("all TLS", 1000, 0, nil, 0)
	step("a quarter in the clear", 1000, 250, []exchange.Coverage{exchange.Complete}, 0.25)
	step("a dead mirror", 0, 0, nil, notKnown)
	passed += 1000
	if now = now.Add(time.Second); c.share() != notKnown {
		t.Error("a figure stands for a stretch, not for the moment of asking")
	}
}
