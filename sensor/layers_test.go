// SPDX-License-Identifier: Apache-2.0

package main

import (
	"testing"

	"github.com/weir-project/weir/deploy/lawtest"
)

// law is the import law of the sensor: which of weir's own packages each room may import. Rooms
// are named by their folder; "proto/..." are shared. Wiring may import what it wires.
var law = map[string][]string{
	"packet":   {},
	"stream":   {},
	"exchange": {},
	"workload": {},
	"template": {},
	"capture":  {"bpf", "packet"},
	"tlsprobe": {"bpf", "stream"},
	"flow":     {"packet", "stream"},
	"http1":    {"exchange"},
	"http2":    {"exchange"},
	"identity": {"exchange", "proto/keyhash"},
	"inspect":  {"exchange", "proto/keyhash"},
	"session":  {"stream", "http1", "http2", "template", "identity", "inspect", "exchange", "proto/keyhash"},
	"legs":     {"exchange"},
	"publish":  {"exchange", "proto/wire", "proto/wire/weir/v1", "proto/natsconn"},
	"config":   {"proto/conf"},
	"agent":    {"*"},
	".":        {"agent", "config"},
}

// libraries says which rooms may import a library, by prefix of its path.
var libraries = map[string][]string{
	"github.com/google/gopacket":     {"capture", "packet", "flow"},
	"github.com/cilium/ebpf":         {"capture", "tlsprobe"},
	"github.com/nats-io/nats.go":     {"publish", "agent"},
	"github.com/nats-io/nats-server": {},
	"github.com/rs/zerolog":          {"agent", "."},
}

func TestImportLaw(t *testing.T) {
	lawtest.Check(t, lawtest.Law{Side: "sensor", Never: []string{"analyzer", "deploy"}, Rooms: law, Libraries: libraries})
}
