// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"bytes"
	"math"
	"math/bits"
	"net/netip"
)

// network is an IPv4 /24 or IPv6 /48: 4 or 6, then its bytes.
type network [7]byte

func networkOf(client [16]byte) network {
	if a := netip.AddrFrom16(client); a.Is4In6() {
		return network{4, client[12], client[13], client[14]}
	}
	return network{6, client[0], client[1], client[2], client[3], client[4], client[5]}
}

func (n *network) bytes() []byte {
	if n[0] == 4 {
		return n[1:4]
	}
	return n[1:7]
}

// tally is what one endpoint or one client network took, exact but for the number of principals.
type tally struct {
	first, last       int64
	requests, records uint64
	response          uint64
	refused           uint64 // endpoint: 4xx; network: 401, 403, 407
	fresh             float64
	serial            uint32
	registers         [256]uint8 // a HyperLogLog of principals
}

func (t *tally) add(id ID, it *item, fresh float64) {
	if t.first == 0 || it.time < t.first {
		t.first = it.time
	}
	t.last = max(t.last, it.time)
	t.requests += uint64(it.requests)
	t.records += it.records
	t.response += it.response
	t.fresh += fresh
	t.meet(id)
}

// meet counts a principal. Ids are keyed hashes: their bits are uniform as they are.
func (t *tally) meet(id ID) {
	x := uint64(0)
	for _, b := range id[1:9] {
		x = x<<8 | uint64(b)
	}
	t.registers[id[0]] = max(t.registers[id[0]], uint8(bits.LeadingZeros64(x|1)+1))
}

// principals estimates how many (Flajolet et al. 2007, with linear counting when few).
func (t *tally) principals() float64 {
	sum, zero := 0.0, 0
	for _, r := range t.registers {
		sum += math.Ldexp(1, -int(r))
		if r == 0 {
			zero++
		}
	}
	const m = 256
	e := 0.7213 / (1 + 1.079/m) * m * m / sum
	if e <= 2.5*m && zero > 0 {
		return m * math.Log(m/float64(zero))
	}
	return e
}

func compareNetworks(a, b network) int { return bytes.Compare(a[:], b[:]) }

// endpointRef is where an endpoint stands, and its name.
type endpointRef struct {
	at   uint32
	name string
}

// openSerial and above stand for endpoints that no closed minute has, while Arrivals runs.
const openSerial = uint32(1) << 31

// endpointOf gives the tally of a minute's route and its serial, which a row may keep after the
// endpoint was evicted. p.known holds the places found since the minute began to close.
func (p *Partition) endpointOf(m *minute, route uint32) (*tally, uint32) {
	if at := p.known[route]; at != 0 {
		t := p.endpoints.at(at)
		return t, t.serial
	}
	if p.endpoints.get(m.routes[route]) == nil && p.endpoints.len() >= p.cfg.MaxEndpoints {
		p.evictEndpoints()
	}
	at, t, fresh := p.endpoints.put(m.routes[route])
	p.known[route] = at
	if fresh {
		p.lastSerial++
		t.serial = p.lastSerial
		p.serials[t.serial] = endpointRef{at, m.routes[route].name()}
	}
	return t, t.serial
}

func (p *Partition) evictEndpoints() {
	for _, i := range p.endpoints.idlest(p.cfg.MaxEndpoints/16+1, func(t *tally) int64 { return t.last }) {
		delete(p.serials, p.endpoints.at(i).serial)
		p.endpoints.drop(i, true)
		p.count.endpointsEvicted++
	}
	clear(p.known)
}

// routeOfSerial gives an endpoint still in the table.
func (p *Partition) routeOfSerial(serial uint32) (route, bool) {
	if serial >= openSerial {
		return p.arrivals.routes[serial-openSerial], true
	}
	e, ok := p.serials[serial]
	if !ok {
		return route{}, false
	}
	return p.endpoints.slots.at(e.at).key, true
}

func (p *Partition) networkTally(n network) *tally {
	if i, ok := p.networks.index[n]; ok {
		p.networks.touch(i)
		return p.networks.at(i)
	}
	if p.networks.len() >= p.cfg.MaxNetworks {
		for _, i := range p.networks.idlest(p.cfg.MaxNetworks/16+1, func(t *tally) int64 { return t.last }) {
			p.networks.drop(i, true)
			p.count.networksEvicted++
		}
	}
	_, t, _ := p.networks.put(n)
	return t
}

// tally charges an item to its endpoint and its network.
func (p *Partition) tally(id ID, m *minute, it *item, fresh float64) uint32 {
	t, serial := p.endpointOf(m, it.route)
	t.add(id, it, fresh)
	t.refused += uint64(it.refused) + uint64(it.denied)
	if it.marks&isRollup == 0 {
		if it.client == ([16]byte{}) {
			return serial
		}
		n := p.networkTally(networkOf(it.client))
		n.add(id, it, fresh)
		n.refused += uint64(it.denied)
		return serial
	}
	p.tallyRollup(id, m, it, fresh)
	return serial
}

// tallyRollup shares a rollup among its networks by their requests; what does not divide goes to the first.
func (p *Partition) tallyRollup(id ID, m *minute, it *item, fresh float64) {
	if it.extra == none {
		return
	}
	list := m.extras[it.extra].networks
	total := uint64(0)
	for _, n := range list {
		total += n.count
	}
	left := *it
	for k := len(list) - 1; k >= 0 && total > 0; k-- {
		share := float64(list[k].count) / float64(total)
		one := *it
		one.requests, one.denied = uint32(float64(it.requests)*share), uint32(float64(it.denied)*share)
		one.records, one.response = uint64(float64(it.records)*share), uint64(float64(it.response)*share)
		left.requests, left.denied = left.requests-min(one.requests, left.requests), left.denied-min(one.denied, left.denied)
		left.records, left.response = left.records-min(one.records, left.records), left.response-min(one.response, left.response)
		if k == 0 {
			one.requests, one.denied = one.requests+left.requests, one.denied+left.denied
			one.records, one.response = one.records+left.records, one.response+left.response
		}
		n := p.networkTally(list[k].network)
		n.add(id, &one, fresh*share)
		n.refused += uint64(one.denied)
	}
}

// Endpoints shows every endpoint, in the order of their names' parts.
func (p *Partition) Endpoints(visit func(*EndpointTotals)) {
	for _, i := range p.endpoints.sorted(nil, false) {
		t := p.endpoints.at(i)
		visit(&EndpointTotals{
			Endpoint: p.endpoints.slots.at(i).key.name(), FirstSeen: t.first, LastSeen: t.last, Requests: t.requests,
			Records: t.records, ResponseSize: t.response, Refused: t.refused, Fresh: t.fresh, Principals: t.principals(),
		})
	}
}

// Networks shows every client network, in the order of their bytes.
func (p *Partition) Networks(visit func(*NetworkTotals)) {
	for _, i := range p.networks.sorted(nil, false) {
		t := p.networks.at(i)
		visit(&NetworkTotals{
			Network: p.networks.slots.at(i).key.bytes(), FirstSeen: t.first, LastSeen: t.last, Requests: t.requests,
			Records: t.records, ResponseSize: t.response, Denied: t.refused, Fresh: t.fresh, Principals: t.principals(),
		})
	}
}
