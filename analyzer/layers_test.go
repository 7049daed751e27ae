// SPDX-License-Identifier: Apache-2.0

package main

import (
	"testing"

	"github.com/weir-project/weir/deploy/lawtest"
)

// law is the import law of the analyzer: which of weir's own packages each room may import. Rooms
// are named by their folder; "proto/..." are shared. Wiring may import what it wires.
var law = map[string][]string{
	"finding":    {},
	"ui":         {},
	"broker":     {},
	"ledger":     {"proto/wire", "proto/wire/weir/v1"},
	"ingest":     {"proto/wire", "proto/wire/weir/v1", "proto/natsconn"},
	"inventory":  {"proto/wire", "proto/wire/weir/v1", "finding"},
	"population": {"proto/wire", "proto/wire/weir/v1", "ledger", "finding", "proto/natsconn"},
	"detect":     {"ledger", "finding"},
	"incident":   {"finding", "ledger"},
	"partition":  {"proto/wire/weir/v1", "ledger", "finding", "detect", "population", "incident"},
	"checkpoint": {"proto/wire", "proto/wire/weir/v1", "ledger", "incident", "inventory", "ingest", "proto/natsconn"},
	"alert":      {"incident", "proto/wire", "proto/wire/weir/v1", "proto/natsconn"},
	"history":    {"proto/wire", "proto/wire/weir/v1", "proto/keyhash", "ledger", "incident", "proto/natsconn"},
	"api":        {"ledger", "incident", "inventory", "history", "population"},
	"config":     {"proto/conf"},
	"app":        {"*"},
	".":          {"app", "config"},
}

// libraries says which rooms may import a library, by prefix of its path.
var libraries = map[string][]string{
	"github.com/nats-io/nats-server": {"broker", "app"},
	"github.com/nats-io/nats.go":     {"ingest", "population", "checkpoint", "alert", "history", "app"},
	"github.com/google/gopacket":     {},
	"github.com/cilium/ebpf":         {},
	"github.com/rs/zerolog":          {"app", "broker", "."},
}

func TestImportLaw(t *testing.T) {
	lawtest.Check(t, lawtest.Law{Side: "analyzer", Never: []string{"sensor", "bpf", "deploy"}, Rooms: law, Libraries: libraries})
}
