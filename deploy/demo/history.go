// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/weir-project/weir/deploy/demo/shop"
	"github.com/weir-project/weir/proto/keyhash"
	"github.com/weir-project/weir/proto/natsconn"
	"github.com/weir-project/weir/sensor/exchange"
	"github.com/weir-project/weir/sensor/publish"
	"github.com/weir-project/weir/sensor/session"
	"github.com/weir-project/weir/sensor/stream"
)

// historyDays is how much past the demo's company has.
const historyDays = 42

// spoken is one call with who makes it.
type spoken struct {
	person *shop.Person
	call   shop.Call
}

// plan gives everybody's calls between two times, in order.
func plan(people []*shop.Person, from, to time.Time) []spoken {
	var all []spoken
	for _, p := range people {
		for _, c := range p.Between(from, to) {
			all = append(all, spoken{p, c})
		}
	}
	order(all)
	return all
}

// order sorts what is said by time.
func order(said []spoken) {
	slices.SortStableFunc(said, func(a, b spoken) int { return a.call.At.Compare(b.call.At) })
}

// tally is what was said, by the API's own account.
type tally struct{ requests, records, bytes uint64 }

func (t *tally) add(e shop.Entry) {
	t.requests++
	t.records += uint64(e.Records)
	t.bytes += uint64(e.Bytes)
}

// sendHistory publishes the past through the sensor's own session, identity and inspection, as an
// import in event time. It returns what it held, and the entries of its last hour.
func sendHistory(ctx context.Context, keys *keyhash.Keys, conn *natsconn.Conn, api *shop.API, people []*shop.Person, until time.Time, server netip.AddrPort) (sent tally, recent []shop.Entry, err error) {
	var name [16]byte
	binary.BigEndian.PutUint64(name[:], uint64(until.UnixNano()))
	transport, err := publish.NewNATS(conn, 0, 0)
	if err != nil {
		return sent, nil, err
	}
	publisher := publish.New(publish.Config{
		Cluster: "demo", SensorID: publish.ImportSensor, BootID: publish.ImportBoot(sha256.Sum256(name[:])),
		Import: true, EventWindow: time.Hour,
		CredentialsKeyID: keys.Credentials.KeyID(), ObjectsKeyID: keys.Objects.KeyID(), ExchangesKeyID: keys.Exchanges.KeyID(),
	}, transport, nil)
	s := session.New(session.Config{Point: "history/log", Rank: exchange.RankServerPacket, Inspect: true}, keys, publisher)
	from := until.UTC().Truncate(24*time.Hour).AddDate(0, 0, -historyDays)
	for i, said := range plan(people, from, until) {
		request, response, entry := api.Wire(said.person, said.call)
		speak(s, uint32(i), said, server, request, response)
		sent.add(entry)
		if until.Sub(entry.Time) < time.Hour {
			recent = append(recent, entry)
		}
		if ctx.Err() != nil {
			break
		}
	}
	s.Advance(until.UnixNano())
	if err := publisher.Close(ctx); err != nil {
		return sent, nil, fmt.Errorf("send the history: %w", err)
	}
	return sent, recent, nil
}

// speak shows one call and its answer to a session, as a connection of its own.
func speak(s *session.Session, number uint32, said spoken, server netip.AddrPort, request, response []byte) {
	at := said.call.At.UnixNano()
	isn := number*2654435761 + 1
	port := uint16(20000 + number%40000)
	c := &stream.Conn{ID: uint64(number) + 1, Client: stream.A, Start: at}
	c.Addr[stream.A], c.Addr[stream.B] = netip.AddrPortFrom(said.person.Address, port), server
	end := isn + uint32(len(request))
	s.Chunk(&stream.Chunk{Conn: c, Side: stream.A, Seq: isn, Ack: 1, HasAck: true, Time: at, Data: request})
	s.Chunk(&stream.Chunk{Conn: c, Side: stream.B, Seq: 1, Ack: end, HasAck: true, Time: at + int64(2*time.Millisecond), Data: response})
	s.Finish(c, stream.A, at+int64(3*time.Millisecond), stream.EndFIN)
	s.Finish(c, stream.B, at+int64(3*time.Millisecond), stream.EndFIN)
	s.Close(c, at+int64(3*time.Millisecond), stream.EndFIN)
}
