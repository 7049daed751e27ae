// SPDX-License-Identifier: Apache-2.0

package alert

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Outbox holds the messages that the stream may not have yet. It is a part of the checkpoint: a
// message is added with the change that made it and removed after its acknowledgement, so that each
// is published at least once, and readers drop by id what comes twice. It is not safe for
// concurrent use.
type Outbox struct {
	limit    int
	sequence uint64 // of the first message
	messages []Message
	dropped  uint64
}

// NewOutbox makes an empty Outbox that holds at most limit messages; 0 means 4096.
func NewOutbox(limit int) *Outbox {
	if limit <= 0 {
		limit = 4096
	}
	return &Outbox{limit: limit, sequence: 1}
}

// Add puts a message at the end. A full Outbox first gives up the oldest message that a later one
// of the same incident makes stale, else the oldest of all, and counts it.
func (o *Outbox) Add(m Message) {
	if len(o.messages) >= o.limit {
		i := max(o.stale(m), 0)
		o.messages = slices.Delete(o.messages, i, i+1)
		o.sequence++
		o.dropped++
	}
	o.messages = append(o.messages, m)
}

// stale finds the oldest message whose incident has a later one, next included; -1 if there is none.
func (o *Outbox) stale(next Message) int {
	later := map[string]bool{incidentOf(next.ID): true}
	found := -1
	for i := len(o.messages) - 1; i >= 0; i-- {
		id := incidentOf(o.messages[i].ID)
		if later[id] {
			found = i
		}
		later[id] = true
	}
	return found
}

func incidentOf(id string) string {
	incident, _, _ := strings.Cut(id, ".")
	return incident
}

// Pending gives the messages in order. The slice is valid until the next call on the Outbox.
func (o *Outbox) Pending() []Message { return o.messages }

// Sequence counts the messages that have left the Outbox, plus one: it names the first pending one.
func (o *Outbox) Sequence() uint64 { return o.sequence }

// Done removes the first n messages.
func (o *Outbox) Done(n int) {
	n = min(n, len(o.messages))
	o.messages = slices.Delete(o.messages, 0, n)
	o.sequence += uint64(n)
}

// Dropped says how many messages were given up because the Outbox was full.
func (o *Outbox) Dropped() uint64 { return o.dropped }

// A snapshot is a version byte, the sequence, the dropped and the number of messages as varints,
// then of each message subject, id and data after their lengths.
const snapshotVersion = 1

var errDamaged = errors.New("restore alerts: the snapshot is damaged")

// AppendSnapshot appends the Outbox's state to dst, the same bytes for the same state.
func (o *Outbox) AppendSnapshot(dst []byte) []byte {
	dst = append(dst, snapshotVersion)
	for _, n := range [...]uint64{o.sequence, o.dropped, uint64(len(o.messages))} {
		dst = binary.AppendUvarint(dst, n)
	}
	for _, m := range o.messages {
		dst = append(binary.AppendUvarint(dst, uint64(len(m.Subject))), m.Subject...)
		dst = append(binary.AppendUvarint(dst, uint64(len(m.ID))), m.ID...)
		dst = append(binary.AppendUvarint(dst, uint64(len(m.Data))), m.Data...)
	}
	return dst
}

// Restore replaces the state by a snapshot, which it copies. No bytes are the state of a new
// Outbox. After an error the Outbox is as it was.
func (o *Outbox) Restore(snapshot []byte) error {
	fresh := NewOutbox(o.limit)
	if len(snapshot) == 0 {
		*o = *fresh
		return nil
	}
	if snapshot[0] != snapshotVersion {
		return fmt.Errorf("restore alerts: version %d, this program reads version %d: use the program that wrote it or a newer one", snapshot[0], snapshotVersion)
	}
	rest := snapshot[1:]
	var numbers [3]uint64
	for i := range numbers {
		n, size := binary.Uvarint(rest)
		if size <= 0 {
			return errDamaged
		}
		numbers[i], rest = n, rest[size:]
	}
	fresh.sequence, fresh.dropped = numbers[0], numbers[1]
	for n := numbers[2]; n > 0; n-- {
		var parts [3][]byte
		for i := range parts {
			size, width := binary.Uvarint(rest)
			if width <= 0 || size > uint64(len(rest)-width) {
				return errDamaged
			}
			parts[i], rest = rest[width:width+int(size)], rest[width+int(size):]
		}
		fresh.messages = append(fresh.messages, Message{string(parts[0]), string(parts[1]), slices.Clone(parts[2])})
	}
	if len(rest) > 0 {
		return errDamaged
	}
	*o = *fresh
	return nil
}
