// SPDX-License-Identifier: Apache-2.0

package world

import (
	"crypto/sha256"
	"encoding/binary"
	"math"
	"slices"
	"strings"

	weirv1 "github.com/weir-project/weir/proto/wire/weir/v1"
)

const (
	// maxExchanges is into how many accepted exchanges the requests of an event are merged at most.
	maxExchanges = 8
	// listed is how many object hashes an exchange lists: the smallest.
	listed = 64
	// Sets are remembered as long as the reference does: a fresh object is one not read for 28 days.
	memoryDays = 28
	// rereadDays is within how many days a re-reader comes round to every object of its set again.
	rereadDays = 20
)

// Feeder makes exchanges and rollups of events. Use one per world.
//
// Events say how many objects were read and how many of them were fresh, not which. A token's
// objects are numbered in the order in which it first read them: fresh ones get new numbers,
// re-read ones are taken in turn from those that are still in memory. So every count is true of the
// hashes themselves: a sketch that remembers 28 days sees as many fresh objects as the event says.
//
// The accepted requests of an event are merged into at most eight exchanges, each with the 64 smallest
// of its hashes and the number of all, as a sensor sends long lists. Refused ones are a rollup.
type Feeder struct {
	tokens map[string]*reader
	serial uint64
}

// reader is a token's memory.
type reader struct {
	principal, tokenID [16]byte
	salt               uint64
	next               uint64 // the number of the next fresh object
	oldest             uint64 // the smallest number still re-read
	cursor             uint64 // the number re-read next
	day                int64
	fresh              [memoryDays]uint64 // fresh objects of the last days
	today              uint64             // objects re-read today
	perDay             float64            // objects re-read on a day, smoothed
}

// NewFeeder makes a Feeder.
func NewFeeder() *Feeder { return &Feeder{tokens: map[string]*reader{}} }

// PrincipalOf gives the principal id under which a token appears.
func PrincipalOf(token string) [16]byte { return keyed("principal", token) }

func keyed(kind, name string) [16]byte {
	h := sha256.Sum256([]byte(kind + "\x00" + name))
	return [16]byte(h[:16])
}

// Feed appends an event's exchanges and rollups to a batch.
func (f *Feeder) Feed(e *Event, b *weirv1.Batch) {
	t := f.tokens[e.Token]
	if t == nil {
		t = &reader{principal: PrincipalOf(e.Token), tokenID: keyed("token", e.Token), day: e.Time / 86400}
		t.salt = binary.LittleEndian.Uint64(t.principal[:])
		f.tokens[e.Token] = t
	}
	t.turn(e.Time / 86400)
	n := min(max(e.Requests-e.Refused, 1), maxExchanges, max(e.Objects, 1))
	fresh := min(e.Fresh, e.Objects)
	for i := range n {
		part := func(total int) int { return total*(i+1)/n - total*i/n }
		x := f.exchange(e, t)
		x.RecordCount, x.RecordCountKind = uint64(part(e.Records)), weirv1.RecordCountKind_RECORD_COUNT_KIND_EXACT
		x.HttpResponseBodySize = uint64(part(int(e.Bytes)))
		x.ObjectHashes, x.ObjectsSeen = t.read(part(fresh), part(e.Objects)-part(fresh))
		x.ObjectListComplete = int(x.ObjectsSeen) == len(x.ObjectHashes)
		x.RequestedObjects = uint32(part(e.Objects))
		x.SequentialObjects = uint32(float64(x.RequestedObjects)*e.Successor + 0.5)
		b.Exchanges = append(b.Exchanges, x)
	}
	if e.Refused > 0 {
		b.Rollups = append(b.Rollups, refusals(e, t))
	}
}

const serverName, point = "api.example", "world/eth0"

var serverAddress = []byte{192, 0, 2, 1}

// exchange makes what the exchanges of an event share.
func (f *Feeder) exchange(e *Event, t *reader) *weirv1.Exchange {
	f.serial++
	var id [16]byte
	binary.BigEndian.PutUint64(id[:], mix(f.serial))
	binary.BigEndian.PutUint64(id[8:], f.serial)
	method, template, query := route(e)
	at := uint64(e.Time) * 1e9
	return &weirv1.Exchange{
		ExchangeId: id[:], PartLast: true, RequestCount: 1,
		StartTimeUnixNano: at, PartStartTimeUnixNano: at, PartEndTimeUnixNano: at,
		PrincipalId: t.principal[:], TokenId: t.tokenID[:],
		PrincipalSource: "authorization", PrincipalAssurance: weirv1.Assurance_ASSURANCE_TOKEN,
		CredentialKind: weirv1.CredentialKind_CREDENTIAL_KIND_BEARER, CredentialName: "authorization",
		ClientAddress: e.Address.AsSlice(), ClientPort: 40000,
		ServerAddress: serverAddress, ServerPort: 443, ServerName: serverName,
		ObservationPoint: point, ObservationRank: weirv1.ObservationRank_OBSERVATION_RANK_SERVER_PACKET,
		NetworkProtocolName: "http", NetworkProtocolVersion: "1.1",
		HttpRequestMethod: method, UrlPath: template, UrlTemplate: template, QueryNames: query,
		HttpResponseStatusCode: 200, RpcGrpcStatusCode: -1,
		DetailLevel: weirv1.DetailLevel_DETAIL_LEVEL_FULL, Coverage: weirv1.Coverage_COVERAGE_COMPLETE,
	}
}

// refusals makes the rollup of an event's refused requests, each of which asked for one object.
func refusals(e *Event, t *reader) *weirv1.Rollup {
	method, template, _ := route(e)
	refused, start := uint64(min(e.Refused, e.Requests)), e.Time/60*60
	return &weirv1.Rollup{
		PrincipalId: t.principal[:], PrincipalAssurance: weirv1.Assurance_ASSURANCE_TOKEN,
		ServerName: serverName, ServerAddress: serverAddress, ServerPort: 443, HttpRequestMethod: method, UrlTemplate: template,
		ObservationPoint: point, ObservationRank: weirv1.ObservationRank_OBSERVATION_RANK_SERVER_PACKET,
		WindowStartUnixNano: uint64(start) * 1e9, WindowEndUnixNano: uint64(start+60) * 1e9,
		Requests_4Xx: refused, Exchanges: refused, RequestedRefusedObjects: refused,
		SequentialObjects: uint64(float64(refused)*e.Successor + 0.5),
		Addresses:         []*weirv1.AddressCount{{Address: e.Address.AsSlice(), Count: refused}},
		DetailLevel:       weirv1.DetailLevel_DETAIL_LEVEL_ROLLUP, WorstCoverage: weirv1.Coverage_COVERAGE_COMPLETE,
	}
}

func route(e *Event) (method, template string, query []string) {
	method, template, _ = strings.Cut(e.Endpoint, " ")
	template, name, ok := strings.Cut(template, "?")
	if ok {
		query = []string{name}
	}
	return method, template, query
}

// turn moves a token's memory on to a day.
func (t *reader) turn(day int64) {
	if day == t.day {
		return
	}
	t.perDay = math.Max(float64(t.today), 0.97*t.perDay)
	t.today = 0
	for d := t.day + 1; d <= day && d <= t.day+memoryDays; d++ {
		t.fresh[d%memoryDays] = 0
	}
	t.day = day
	var kept uint64
	for _, n := range t.fresh {
		kept += n
	}
	kept = max(kept, uint64(rereadDays*t.perDay))
	if kept < t.next {
		t.oldest = max(t.oldest, t.next-kept)
	}
}

// read gives the smallest hashes of some fresh and some known objects, and how many there are. One
// that knows fewer reads all it knows.
func (t *reader) read(fresh, known int) ([]uint64, uint32) {
	known = int(min(uint64(known), t.next-t.oldest))
	end := t.next
	n := fresh + known
	// Hashes are uniform, so the 64 smallest of n lie below this but for one case in 1e7, which then
	// lists fewer.
	limit := uint64(math.MaxUint64)
	if n > 2*listed {
		limit = uint64(math.MaxUint64 / float64(n) * (listed + 6*math.Sqrt(listed)))
	}
	dst := make([]uint64, 0, min(n, 2*listed))
	take := func(number uint64) {
		if h := mix(t.salt ^ mix(number)); h <= limit {
			dst = append(dst, h)
		}
	}
	for range fresh {
		take(t.next)
		t.next++
	}
	t.fresh[t.day%memoryDays] += uint64(fresh)
	for range known {
		if t.cursor < t.oldest || t.cursor >= end {
			t.cursor = t.oldest
		}
		take(t.cursor)
		t.cursor++
	}
	t.today += uint64(known)
	slices.Sort(dst)
	return dst[:min(len(dst), listed)], uint32(n)
}

// mix is splitmix64's.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
