// SPDX-License-Identifier: Apache-2.0

package population

import (
	"context"
	"slices"

	"github.com/nats-io/nats.go/jetstream"

	weirv1 "github.com/weir-project/weir/proto/wire/weir/v1"
)

// Largest, OwnThreshold and ErrFenced are shown to the tests.
var (
	Largest      = largest
	OwnThreshold = ownThreshold
	ErrFenced    = errFenced
)

// LargestN is a longer tail than a summary keeps.
func LargestN(x []float64, n int) []float64 {
	slices.Sort(x)
	slices.Reverse(x)
	return x[:n]
}

// Owner is a term of ownership that a test drives by hand.
type Owner struct{ o *owner }

// TakeOver waits for the lease and loads the version in force.
func TakeOver(ctx context.Context, n *Node, kv jetstream.KeyValue) (Owner, error) {
	var seen watched
	for {
		o, err := n.takeLease(ctx, kv, &seen)
		if err != nil {
			return Owner{}, err
		}
		if o != nil {
			return Owner{o}, o.load(ctx)
		}
		if !pause(ctx, n.cfg.LeaseAge/4) {
			return Owner{}, ctx.Err()
		}
	}
}

// Renew renews the lease.
func (o Owner) Renew(ctx context.Context) error { return o.o.renew(ctx) }

// Write writes a version.
func (o Owner) Write(ctx context.Context, m *weirv1.PopulationState) error { return o.o.write(ctx, m) }

// Fence is the number of this term.
func (o Owner) Fence() uint64 { return o.o.lease.Fence }
