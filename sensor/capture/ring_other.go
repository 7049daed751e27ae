// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package capture

import (
	"errors"

	"github.com/weir-project/weir/sensor/packet"
)

// Ring captures live on Linux only; here OpenRing always fails.
type Ring struct{}

// OpenRing says that live capture needs Linux.
func OpenRing(string, RingConfig) (*Ring, error) {
	return nil, errors.New("live capture needs Linux; read a capture file instead, as in: tcpdump -w - | weir-sensor read -")
}

// Run is never reached.
func (*Ring) Run(func(*packet.Frame), func(int64)) error { return ErrInterfaceGone }

// Stop does nothing.
func (*Ring) Stop() {}

// Stats are zero.
func (*Ring) Stats() Stats { return Stats{} }
