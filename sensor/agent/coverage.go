// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"sync"
	"sync/atomic"
	"time"

	weirv1 "github.com/weir-project/weir/proto/wire/weir/v1"
	"github.com/weir-project/weir/sensor/exchange"
)

// coverWindow is the stretch of time that a coverage figure stands for, at least.
const coverWindow = 15 * time.Second

// notKnown is the coverage of a stretch in which nothing passed: neither good nor bad.
const notKnown = -1

// coverage says how much of what passed was really read: the smaller of the share of exchanges seen
// whole and the share of stream bytes that were HTTP to the sensor. A mirror that goes dead, or a
// service that moves to TLS, moves it within a minute.
type coverage struct {
	next           exchange.Sink
	complete, told atomic.Uint64
	counters       func() []*weirv1.Counter
	now            func() time.Time

	mu    sync.Mutex
	at    time.Time
	was   sums
	value float64
}

// sums are what a coverage figure is the difference of.
type sums struct{ complete, told, read, passed uint64 }

// Exchange implements exchange.Sink.
func (c *coverage) Exchange(x *exchange.Exchange) {
	if x.Last {
		c.told.Add(1)
		if x.Coverage == exchange.Complete {
			c.complete.Add(1)
		}
	}
	c.next.Exchange(x)
}

// share gives the coverage of the last stretch, from 0 to 1; notKnown where nothing passed.
func (c *coverage) share() float64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	if !c.at.IsZero() && now.Sub(c.at) < coverWindow {
		return c.value
	}
	is := sums{complete: c.complete.Load(), told: c.told.Load()}
	for _, n := range c.counters() {
		switch n.Name {
		case "http_stream_bytes":
			is.passed += n.Value
		case "http_stream_bytes_read":
			is.read += n.Value
		}
	}
	c.value = shareOf(is, c.was)
	c.at, c.was = now, is
	return c.value
}

func shareOf(is, was sums) float64 {
	value := float64(notKnown)
	if told := is.told - was.told; told > 0 {
		value = float64(is.complete-was.complete) / float64(told)
	}
	if passed := is.passed - was.passed; passed > 0 {
		read := min(1, float64(is.read-was.read)/float64(passed))
		if value == notKnown || read < value {
			value = read
		}
	}
	return value
}
