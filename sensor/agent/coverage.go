// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"sync/atomic"

	"github.com/weir-project/weir/sensor/exchange"
)

// coverage counts how well exchanges were seen while they pass.
type coverage struct {
	next           exchange.Sink
	complete, told atomic.Uint64
}

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

// share gives the share of complete exchanges since it was asked last; 1 where there were none.
func (c *coverage) share() float64 {
	told, complete := c.told.Swap(0), c.complete.Swap(0)
	if told == 0 {
		return 1
	}
	return float64(complete) / float64(told)
}
