// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"bytes"
	"net/netip"
)

// Config bounds a Partition. A zero field takes its default; every bound has a counter.
type Config struct {
	// Lateness is how long after an exchange's last part its observation point stays chosen, in
	// nanoseconds: the same bound by which the caller of Advance lags behind Newest. Default 120 s.
	Lateness int64
	// MaxPrincipals is how many principals have a row; the longest idle go first. Default 4 million.
	MaxPrincipals int
	// MaxPending is how many principals that were never accepted are remembered. Default 65,536.
	MaxPending int
	// MaxEndpoints and MaxNetworks bound the tallies of endpoints and of client networks; the
	// longest idle go first. Default 16,384 and 65,536.
	MaxEndpoints, MaxNetworks int
	// MaxOpenExchanges is how many exchanges are remembered for counting each once, and how many
	// items may wait in open minutes. Default 8 million.
	MaxOpenExchanges int
	// MaxTexts bounds the table of labels, client software and observation points. Default 1 million.
	MaxTexts int
	// DisjointPoints says that no two observation points of the fleet see the same traffic, so that
	// rollups of several points are added up.
	DisjointPoints bool
}

// Partition is the ledger of one partition. It has one owner: no method may run beside another.
type Partition struct {
	number  int
	cfg     Config
	newest  int64 // newest end of a batch window
	closed  int64 // every minute before this is closed
	start   int64 // of the deployment; 0: not known
	totals  Totals
	fresh   float64 // of totals
	count   counts
	minutes []*minute // open, by start
	spare   []*minute
	stores  *stores
	late    *minute // for what is older than the open minutes
	pending int     // items in open minutes

	rows        table[ID, row]
	unadmitted  table[ID, caller]
	exchanges   table[[16]byte, seen]
	endpoints   table[route, tally]
	networks    table[network, tally]
	aliases     table[ID, alias]
	serials     map[uint32]endpointRef
	lastSerial  uint32
	points      map[string]uint32 // observation points, in the order of arrival
	pointNames  []string
	texts       map[string]uint32 // labels and software
	textNames   []string
	textsSaved  int
	sensitives  slab[sensitiveRow]
	runs        slab[run]
	evidences   slab[evidence]
	sketches    sketches
	expiring    map[int64][]uint32
	spareQueues [][]uint32
	addresses   map[netip.AddrPort]string

	// Room to work in.
	tmp      [DayRing]float64
	chosen   []uint32
	group    []uint32 // one exchange's items
	down, up gaps
	order    []uint32
	kept     []uint32
	known    []uint32 // places of the closing minute's routes among endpoints, 0: not looked up
	hookView viewRoom
	view     viewRoom

	arrivals arrivals
	onRoll   func(id ID, v *View, day int64, records, fresh, records7, fresh7 float64)
	onHour   func(id ID, v *View, hour int64, records float64)
}

// EndpointTotals are the exact sums of one endpoint since it is remembered.
type EndpointTotals struct {
	Endpoint                        string
	FirstSeen, LastSeen             int64 // Unix nanoseconds
	Requests, Records, ResponseSize uint64
	Refused                         uint64  // 4xx
	Fresh                           float64 // fresh objects of all its principals
	Principals                      float64 // estimated, standard error 7 %
}

// NetworkTotals are the exact sums of one client network (IPv4 /24, IPv6 /48) since it is remembered.
type NetworkTotals struct {
	Network                         []byte // 3 or 6 bytes, network order; valid during the call
	FirstSeen, LastSeen             int64  // Unix nanoseconds
	Requests, Records, ResponseSize uint64
	Denied                          uint64  // 401, 403, 407
	Fresh                           float64 // fresh objects of all its principals
	Principals                      float64 // estimated, standard error 7 %
}

// Counter is one number of the ledger's own life with its reason.
type Counter struct {
	Name, Reason string
	Value        uint64
}

// New makes an empty ledger for a partition.
func New(partition int, cfg Config) *Partition {
	def := func(v *int, d int) {
		if *v <= 0 {
			*v = d
		}
	}
	if cfg.Lateness <= 0 {
		cfg.Lateness = 120e9
	}
	def(&cfg.MaxPrincipals, 4_000_000)
	def(&cfg.MaxPending, 1<<16)
	def(&cfg.MaxEndpoints, 1<<14)
	def(&cfg.MaxNetworks, 1<<16)
	def(&cfg.MaxOpenExchanges, 8_000_000)
	def(&cfg.MaxTexts, 1_000_000)
	p := &Partition{number: partition, cfg: cfg}
	p.clear()
	return p
}

// clear empties the state and keeps configuration and hooks.
func (p *Partition) clear() {
	lend := &stores{}
	*p = Partition{
		number: p.number, cfg: p.cfg, onRoll: p.onRoll, onHour: p.onHour,
		stores:     lend,
		late:       newMinute(lend),
		rows:       newTable[ID, row](compareIDs),
		unadmitted: newTable[ID, caller](compareIDs),
		exchanges:  newTable[[16]byte, seen](compareIDs),
		endpoints:  newTable[route, tally](route.compare),
		networks:   newTable[network, tally](compareNetworks),
		aliases:    newTable[ID, alias](compareIDs),
		serials:    map[uint32]endpointRef{},
		points:     map[string]uint32{},
		texts:      map[string]uint32{},
		textNames:  []string{""},
		expiring:   map[int64][]uint32{},
		addresses:  map[netip.AddrPort]string{},
		arrivals:   newArrivals(),
	}
}

func compareIDs(a, b ID) int { return bytes.Compare(a[:], b[:]) }

// SetDeploymentStart tells when the deployment began to learn, in Unix nanoseconds, where that is
// earlier than this partition's first exchange.
func (p *Partition) SetDeploymentStart(start int64) {
	if start > 0 && (p.start == 0 || start < p.start) {
		p.start = start
	}
}

// Start is when the deployment began to learn as far as this partition knows, in Unix nanoseconds; 0
// before its first exchange.
func (p *Partition) Start() int64 { return p.start }

// Oldest is the start of the oldest open minute, in Unix nanoseconds; 0 where none is open.
func (p *Partition) Oldest() int64 {
	if len(p.minutes) == 0 {
		return 0
	}
	return p.minutes[0].start
}

// Newest is the newest end of a batch window, in Unix nanoseconds; 0 before the first batch.
func (p *Partition) Newest() int64 { return p.newest }

// Totals are the sums over everything that was counted once, principals unknown or refused included.
func (p *Partition) Totals() Totals {
	t := p.totals
	t.FreshObjects = uint64(p.fresh + 0.5)
	return t
}

// Open are the sums over the minutes that are not closed yet: Totals and Open together are everything
// that came, but for what the end of its minute may still show to be a second copy.
func (p *Partition) Open() Totals {
	var t Totals
	for _, m := range p.minutes {
		t.Requests += m.sum.Requests
		t.Records += m.sum.Records
		t.EstimatedRecords += m.sum.EstimatedRecords
		t.RequestBytes += m.sum.RequestBytes
		t.ResponseBytes += m.sum.ResponseBytes
		t.SensitiveObjects += m.sum.SensitiveObjects
		t.Refused += m.sum.Refused
	}
	return t
}

// Len is the number of principals with a row.
func (p *Partition) Len() int { return p.rows.len() }

// OnRoll sets what is called when a principal's day closes, that is, in the first closed minute of
// a later day: v is the principal at the end of that day, records7 and fresh7 the sums of the day
// and the six before it.
func (p *Partition) OnRoll(f func(id ID, v *View, day int64, records, fresh, records7, fresh7 float64)) {
	p.onRoll = f
}

// OnHour sets what is called when a principal's hour with records closes, that is, in the first
// closed minute of a later hour.
func (p *Partition) OnHour(f func(id ID, v *View, hour int64, records float64)) { p.onHour = f }

// Alias gives the principal that a link named for an older id, if the link stands.
func (p *Partition) Alias(older ID) (ID, bool) {
	a := p.aliases.get(older)
	if a == nil || a.undone {
		return ID{}, false
	}
	return a.principal, true
}
