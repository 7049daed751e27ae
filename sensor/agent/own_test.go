// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"maps"
	"net"
	"net/netip"
	"slices"
	"testing"
)

// What the sensor does not look at is its own and nothing else: an API behind the metrics' port of
// another address is looked at.
func TestOnlyTheMetricsOfTheSensorAreItsOwn(t *testing.T) {
	host := []net.Addr{
		&net.IPNet{IP: net.IPv4(127, 0, 0, 1), Mask: net.CIDRMask(8, 32)},
		&net.IPNet{IP: net.IPv4(192, 0, 2, 7), Mask: net.CIDRMask(24, 32)},
		&net.IPNet{IP: net.ParseIP("2001:db8::7"), Mask: net.CIDRMask(64, 128)},
	}
	for listen, want := range map[string][]string{
		"127.0.0.1:9746":  {"127.0.0.1:9746"},
		"localhost:9746":  {"127.0.0.1:9746"},
		"192.0.2.7:80":    {"192.0.2.7:80"},
		":9746":           {"127.0.0.1:9746", "192.0.2.7:9746", "[2001:db8::7]:9746"},
		"0.0.0.0:9746":    {"127.0.0.1:9746", "192.0.2.7:9746", "[2001:db8::7]:9746"},
		"[::]:9746":       {"127.0.0.1:9746", "192.0.2.7:9746", "[2001:db8::7]:9746"},
		"":                {},
		"metrics.local:9": {}, // a name: who knows what it stands for
	} {
		got := map[netip.AddrPort]bool{}
		addMetrics(got, listen, host)
		wanted := map[netip.AddrPort]bool{}
		for _, w := range want {
			wanted[netip.MustParseAddrPort(w)] = true
		}
		if !maps.Equal(got, wanted) {
			t.Errorf("%q: %v, want %v", listen, slices.Collect(maps.Keys(got)), want)
		}
	}
}
