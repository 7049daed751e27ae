// SPDX-License-Identifier: Apache-2.0

// Package capture hands on frames: from capture files and pipes (File), or live from a Linux
// interface (Ring).
//
// It assumes that files may be damaged anywhere and that interfaces come and go. It refuses to
// keep a frame's bytes after the call that hands it on, to look into them, and to lose one uncounted.
package capture

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// FormatError says that a file is not a capture, or is damaged or cut at one place. All frames
// before that place have been handed on.
type FormatError struct {
	File   string
	Offset int64 // bytes from the start of the file to the record or block that is wrong
	Reason string
}

func (e *FormatError) Error() string {
	return fmt.Sprintf("%s: byte %d: %s", e.File, e.Offset, e.Reason)
}

// Stats are the frames that a source saw. They only grow.
//
// When the source has come to its end, Received = frames handed on + Dropped. A live ring may hold
// frames that are received and not yet handed on.
type Stats struct {
	Received uint64 // frames the source saw, those it lost included
	Dropped  uint64 // frames lost before they could be handed on; 0 for files that do not say
	Freezes  uint64 // times the ring was full
	Flaps    uint64 // times the interface went down while captured
	Down     bool   // the interface is down now: there is nothing to see
}

// RingConfig sets a Ring up. A zero field means the value named beside it.
type RingConfig struct {
	BlockBytes  int           // size of one block, 1 MiB; a power of two that holds the largest frame
	Blocks      int           // number of blocks, 32
	Retire      time.Duration // how long a block waits to be filled before it is handed over, 10 ms
	Idle        time.Duration // how often idle is called while nothing comes, 100 ms
	Index       int           // becomes Frame.Iface
	Promiscuous bool          // also take frames for other hosts (SPAN ports); undone when the ring closes
}

func (c RingConfig) withDefaults() RingConfig {
	if c.BlockBytes <= 0 {
		c.BlockBytes = 1 << 20
	}
	if c.Blocks <= 0 {
		c.Blocks = 32
	}
	if c.Retire <= 0 {
		c.Retire = 10 * time.Millisecond
	}
	if c.Idle <= 0 {
		c.Idle = 100 * time.Millisecond
	}
	return c
}

// ErrInterfaceGone is what Run's error wraps when the interface was deleted or moved to another
// network namespace. A new interface of the same name needs a new ring.
var ErrInterfaceGone = errors.New("interface is gone (deleted, or moved to another network namespace)")

// NoInterfaceError says that there is no interface of this name, and which there are.
type NoInterfaceError struct {
	Name string
	Have []string
}

func (e *NoInterfaceError) Error() string {
	if len(e.Have) == 0 {
		return fmt.Sprintf("no interface %q: this network namespace has none", e.Name)
	}
	have := slices.Clone(e.Have)
	slices.Sort(have)
	return fmt.Sprintf("no interface %q; there are: %s", e.Name, strings.Join(have, ", "))
}
