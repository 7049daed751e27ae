// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"net"
	"net/netip"

	weirv1 "github.com/weir-project/weir/proto/wire/weir/v1"
	"github.com/weir-project/weir/sensor/config"
	"github.com/weir-project/weir/sensor/exchange"
	"github.com/weir-project/weir/sensor/legs"
)

// joint is where the legs of proxied exchanges meet, from all interfaces. joiner is nil where
// configuration wants every leg told.
type joint struct {
	sink   exchange.Sink
	joiner *legs.Joiner
}

// newJoint puts a Joiner in front of a sink. A seed of 0 makes two readings of a file the same.
func newJoint(cfg *config.Config, seed uint64, next exchange.Sink) joint {
	if !cfg.JoinLegs {
		return joint{sink: next}
	}
	j := legs.New(legs.Config{Hold: int64(cfg.LegHold), Seed: seed, Local: legAddresses(cfg)}, next)
	return joint{sink: j, joiner: j}
}

func legAddresses(cfg *config.Config) (out []netip.Addr) {
	for _, p := range cfg.LegAddresses {
		out = append(out, p.Addr())
	}
	return out
}

// know tells the addresses of this host's interfaces: whoever is asked at one of them may ask others
// from another.
func (b joint) know(cfg *config.Config) {
	if b.joiner == nil {
		return
	}
	local := legAddresses(cfg)
	addrs, _ := net.InterfaceAddrs() // none known: loopback is one host still
	for _, a := range addrs {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			local = append(local, p.Addr())
		}
	}
	b.joiner.SetLocal(local)
}

// flush tells all that waits.
func (b joint) flush() {
	if b.joiner != nil {
		b.joiner.Flush()
	}
}

// counters gives the counters of legs.
func (b joint) counters(scope string) (out []*weirv1.Counter) {
	if b.joiner == nil {
		return nil
	}
	n := b.joiner.Counters()
	n.Each(func(name, reason string, value uint64) {
		if value > 0 {
			out = append(out, &weirv1.Counter{Name: "legs_" + name, Reason: reason, Scope: scope, Value: value})
		}
	})
	return out
}
