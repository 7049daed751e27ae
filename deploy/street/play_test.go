// SPDX-License-Identifier: Apache-2.0

package street

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-project/weir/deploy/demo/shop"
	"github.com/weir-project/weir/deploy/street/tape"
	"github.com/weir-project/weir/sensor/exchange"
	"github.com/weir-project/weir/sensor/publish"
	"github.com/weir-project/weir/sensor/session"
	"github.com/weir-project/weir/sensor/stream"
)

// dialFrom gives a dial function whose sockets are made in the clients' namespace.
func (l *lab) dialFrom() func(ctx context.Context, network, address string) (net.Conn, error) {
	l.t.Helper()
	theirs, err := os.Open("/run/netns/" + os.Getenv(clients))
	l.must(err)
	l.t.Cleanup(func() { theirs.Close() })
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		runtime.LockOSThread()
		ours, err := os.Open("/proc/thread-self/ns/net")
		if err != nil {
			return nil, err
		}
		defer ours.Close()
		if err := unix.Setns(int(theirs.Fd()), unix.CLONE_NEWNET); err != nil {
			return nil, fmt.Errorf("enter the clients' namespace: %w", err)
		}
		conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
		if back := unix.Setns(int(ours.Fd()), unix.CLONE_NEWNET); back != nil {
			return nil, fmt.Errorf("leave the clients' namespace: %w", back) // the thread stays locked and ends with its goroutine
		}
		runtime.UnlockOSThread()
		return conn, err
	}
}

// company is the demo's customer API with people who use it, served on an address.
type company struct {
	*shop.API
	lab    *lab
	people []*shop.Person
	addr   string
	dial   func(ctx context.Context, network, address string) (net.Conn, error) // nil: from here
	extra  tally                                                                // of history
	mu     sync.Mutex
	byWho  map[*shop.Person]*http.Client
}

// open serves the API.
func (l *lab) open(addr string) *company {
	l.t.Helper()
	c := &company{lab: l, people: shop.People(5), byWho: map[*shop.Person]*http.Client{}}
	c.API = shop.NewAPI(c.people)
	listener, err := net.Listen("tcp4", addr)
	l.must(err)
	c.addr = listener.Addr().String()
	server := &http.Server{Handler: c.API, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = server.Serve(listener) }()
	l.t.Cleanup(func() { server.Close() })
	return c
}

// openAcross serves the API to clients on the other end of the cable. Questions to the analyzer go
// over lo, where a sensor would rightly count them too.
func (l *lab) openAcross() *company {
	l.t.Helper()
	c := l.open(serverAddr + ":0")
	c.dial = l.dialFrom()
	return c
}

// ask makes one request of a person, over the one connection the person has.
func (c *company) ask(p *shop.Person, path string) {
	c.lab.t.Helper()
	c.mu.Lock()
	client := c.byWho[p]
	if client == nil {
		t := &http.Transport{MaxConnsPerHost: 1, DisableCompression: true, DialContext: c.dial}
		client = &http.Client{Transport: t, Timeout: 10 * time.Second}
		c.byWho[p] = client
		c.lab.t.Cleanup(t.CloseIdleConnections)
	}
	c.mu.Unlock()
	request, err := http.NewRequest(http.MethodGet, "http://"+c.addr+path, nil)
	c.lab.must(err)
	request.Host = shop.Host
	request.Header.Set("Authorization", "Bearer "+p.Token)
	response, err := client.Do(request)
	c.lab.must(err)
	_, err = io.Copy(io.Discard, response.Body)
	c.lab.must(err)
	response.Body.Close()
}

// served is the API's own account, history included.
func (c *company) served() tally {
	sum := c.extra
	for _, p := range c.people {
		for _, e := range c.Log.Of(p.Token, time.Time{}) {
			sum.add(e)
		}
	}
	return sum
}

func (t *tally) add(e shop.Entry) {
	t.Requests++
	t.Records += uint64(e.Records)
	t.Bytes += uint64(e.Bytes)
}

type spoken struct {
	person *shop.Person
	call   shop.Call
}

// plan gives everybody's calls between two times, in order.
func (c *company) plan(from, to time.Time) []spoken {
	var all []spoken
	for _, p := range c.people {
		for _, call := range p.Between(from, to) {
			all = append(all, spoken{p, call})
		}
	}
	slices.SortStableFunc(all, func(a, b spoken) int { return a.call.At.Compare(b.call.At) })
	return all
}

// history imports days of past through the sensor's session and publisher, in event time.
func (c *company) history(days int, until time.Time) {
	l := c.lab
	l.t.Helper()
	conn := l.connect("sensor")
	transport, err := publish.NewNATS(conn, 0, 0)
	l.must(err)
	publisher := publish.New(publish.Config{
		Cluster: "street", SensorID: publish.ImportSensor, BootID: 7, Import: true, EventWindow: time.Hour,
		CredentialsKeyID: l.keys.Credentials.KeyID(), ObjectsKeyID: l.keys.Objects.KeyID(), ExchangesKeyID: l.keys.Exchanges.KeyID(),
	}, transport, nil)
	s := session.New(session.Config{Point: "history/log", Rank: exchange.RankServerPacket, Inspect: true}, l.keys, publisher)
	server := netip.MustParseAddrPort(serverAddr + ":80")
	for i, said := range c.plan(until.Truncate(24*time.Hour).AddDate(0, 0, -days), until) {
		request, response, entry := c.Wire(said.person, said.call)
		at, isn := said.call.At.UnixNano(), uint32(i)*2654435761+1
		conn := &stream.Conn{ID: uint64(i) + 1, Client: stream.A, Start: at}
		conn.Addr[stream.A], conn.Addr[stream.B] = netip.AddrPortFrom(said.person.Address, uint16(20000+i%40000)), server
		s.Chunk(&stream.Chunk{Conn: conn, Side: stream.A, Seq: isn, Ack: 1, HasAck: true, Time: at, Data: request})
		s.Chunk(&stream.Chunk{Conn: conn, Side: stream.B, Seq: 1, Ack: isn + uint32(len(request)), HasAck: true, Time: at + 2e6, Data: response})
		s.Close(conn, at+3e6, stream.EndFIN)
		c.extra.add(entry)
	}
	l.must(publisher.Close(l.ctx))
}

// capture writes a capture of people at work for some minutes, and gives its truth.
func (c *company) capture(from time.Time, minutes, perMinute int) (file string, truth tally) {
	tp := tape.New(from)
	n := 0
	for m := range minutes {
		for i := range perMinute {
			p := c.people[n%len(c.people)]
			path := fmt.Sprintf("/customers/%d", 1+n*7919%shop.Customers)
			if n%5 == 0 {
				path = fmt.Sprintf("/customers?page=%d&size=25", n%4000)
			}
			tp.Seek(from.Add(time.Duration(m)*time.Minute + time.Duration(i)*time.Minute/time.Duration(perMinute)))
			request, response, entry := c.Wire(p, shop.Call{At: tp.Now(), Path: path})
			k := tp.Dial(netip.AddrPortFrom(p.Address, uint16(20000+n%40000)), netip.MustParseAddrPort(serverAddr+":80"))
			k.Client(request)
			k.Server(response)
			k.Close()
			truth.add(entry)
			n++
		}
	}
	file = filepath.Join(c.lab.dir, fmt.Sprintf("capture-%d-%d.pcap", minutes, perMinute))
	c.lab.must(os.WriteFile(file, tp.Pcap(), 0o600))
	return file, truth
}
