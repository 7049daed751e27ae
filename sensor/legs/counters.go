// SPDX-License-Identifier: Apache-2.0

package legs

// Counters are cumulative. At rest Held = ToldJoined (of parts that waited) + Dropped + the sum of
// Told; later parts of joined exchanges count in ToldJoined and Dropped without having been held.
type Counters struct {
	Held       uint64 // exchanges and parts that waited for another leg
	Joined     uint64 // exchanges made of two legs or more
	ToldJoined uint64 // parts told of those
	Told       [numReasons]uint64

	Dropped              uint64 // parts of outer legs whose inner leg was told, and of copies
	DroppedRequestBytes  uint64 // of bodies
	DroppedResponseBytes uint64

	MarkedInner uint64 // told with a mark: an outer leg is there, but which or how is in doubt
	MarkedLate  uint64 // likewise: the inner leg had been told before it came

	Strangers uint64 // passed without waiting: too many whose hosts are new wait already
	Crowded   uint64 // passed without waiting: too many have its id
	Twice     uint64 // passed without waiting: the same exchange runs
	Runners   uint64 // passed without waiting: too many run
	GivenUp   uint64 // joined exchanges that rested too long to be remembered

	Waiting uint64 // now
}

// Each calls f for every counter with its name and reason, in a fixed order.
func (n *Counters) Each(f func(name, reason string, value uint64)) {
	f("held", "", n.Held)
	f("joined", "", n.Joined)
	f("told", "joined", n.ToldJoined)
	for r, value := range n.Told {
		f("told", reasonNames[r], value)
	}
	f("filtered", "outer_leg", n.Dropped)
	f("filtered_request_bytes", "outer_leg", n.DroppedRequestBytes)
	f("filtered_response_bytes", "outer_leg", n.DroppedResponseBytes)
	f("marked", "inner", n.MarkedInner)
	f("marked", "late", n.MarkedLate)
	f("passed", "new_hosts", n.Strangers)
	f("passed", "crowded", n.Crowded)
	f("passed", "twice", n.Twice)
	f("passed", "too_many_running", n.Runners)
	f("given_up", "rest", n.GivenUp)
	f("waiting", "", n.Waiting)
}

// Counters gives the counters as they are now.
func (j *Joiner) Counters() Counters {
	j.mu.Lock()
	defer j.mu.Unlock()
	n := j.n
	n.Waiting = uint64(j.waiting)
	return n
}
