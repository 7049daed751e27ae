// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	"github.com/weir-project/weir/deploy/demo/shop"
)

const (
	theftRate  = 50 // requests a second
	theftBegin = 5 * time.Second
	// A generated capture is long enough for the minutes of the theft to close on its own clock.
	recordedBefore = 2 * time.Minute
	recordedTheft  = 6 * time.Minute
)

// history sends the past and waits until it is counted.
func (s *stage) history(ctx context.Context) error {
	until := s.now
	if s.recorded {
		until = s.now.Add(-recordedBefore)
	}
	started := time.Now()
	var err error
	if s.past, s.recent, err = sendHistory(ctx, s.keys, s.conn, s.api, s.people, until, s.server); err != nil {
		return err
	}
	if err := s.awaitCount(ctx, s.past); err != nil {
		return fmt.Errorf("history: %w", err)
	}
	say("the past is counted, exactly: %d requests, %d records, %d bytes of responses (%s)", s.past.requests, s.past.records, s.past.bytes, time.Since(started).Round(100*time.Millisecond))
	if n := len(s.flagged()); n != 0 {
		return fmt.Errorf("%d alerts on a past without a thief", n)
	}
	return nil
}

// live captures from the wire while people work and the thief steals.
func (s *stage) live(ctx context.Context) error {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("serve the customer API: %w", err)
	}
	server := &http.Server{Handler: s.api, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = server.Serve(listener) }()
	defer server.Close()
	sensor, err := s.startSensor(ctx)
	if err != nil {
		return err
	}
	say("weir-sensor captures from lo; the customer API is at %s", listener.Addr())
	acting, stop := context.WithCancel(ctx)
	var actors sync.WaitGroup
	for _, p := range s.people {
		actors.Go(func() { s.work(acting, p, listener.Addr().String()) })
	}
	wait(ctx, theftBegin)
	say("%s's token is in the wrong hands now: %s reads /customers/{id} at %d a second from %s", s.victim.Name, s.thief.Name, theftRate, s.thief.Address)
	actors.Go(func() { s.steal(acting, listener.Addr().String()) })
	select {
	case <-s.first:
		wait(ctx, 3*time.Second) // is anyone else flagged?
	case <-ctx.Done():
	}
	stop()
	actors.Wait()
	wait(ctx, 500*time.Millisecond)
	sensor.end() // flushes what it holds
	return ctx.Err()
}

func (s *stage) startSensor(ctx context.Context) (*process, error) {
	url, err := s.natsURL()
	if err != nil {
		return nil, err
	}
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	ready := filepath.Join(s.dir, "sensor.ready")
	p, err := s.start("weir-sensor", "run", "-i", "lo", "--cluster", "demo", "--nats-url", url, "--nats-creds", s.credentials("sensor"),
		"--key-file", s.keyFile, "--http-addr", address, "--ready-file", ready)
	if err != nil {
		return nil, err
	}
	return p, s.await(ctx, p, ready)
}

// client makes a person's HTTP client: one connection at a time, from an address of its own.
func client(p *shop.Person) *http.Client {
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: p.Address.AsSlice()}}
	return &http.Client{Transport: &http.Transport{DialContext: dialer.DialContext, MaxConnsPerHost: 1, DisableCompression: true}, Timeout: 10 * time.Second}
}

// work makes a person's planned calls as their time comes.
func (s *stage) work(ctx context.Context, p *shop.Person, address string) {
	c := client(p)
	defer c.CloseIdleConnections()
	for _, call := range p.Between(time.Now(), time.Now().Add(24*time.Hour)) {
		if !wait(ctx, time.Until(call.At)) {
			return
		}
		_ = get(c, p, address, call.Path) // the API's log has what was served
	}
}

// steal reads one customer after another, in no order that would give it away.
func (s *stage) steal(ctx context.Context, address string) {
	c := client(s.thief)
	defer c.CloseIdleConnections()
	tick := time.NewTicker(time.Second / theftRate)
	defer tick.Stop()
	for _, id := range rand.New(rand.NewPCG(6, 6)).Perm(shop.Customers) {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			_ = get(c, s.thief, address, fmt.Sprintf("/customers/%d", id+1))
		}
	}
}

func get(c *http.Client, p *shop.Person, address, path string) error {
	// Not bound to the context: what was asked is answered, so that sensor and log agree to the end.
	request, err := http.NewRequest(http.MethodGet, "http://"+address+path, nil)
	if err != nil {
		return err
	}
	request.Host = shop.Host
	request.Header.Set("User-Agent", "shop-client/1.0")
	request.Header.Set("Authorization", "Bearer "+p.Token)
	response, err := c.Do(request)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, response.Body)
	return errors.Join(err, response.Body.Close())
}

// wait pauses and says whether ctx still goes on.
func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(max(0, d))
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

// replay makes a capture of the same play and sends it through the sensor in its own time.
func (s *stage) replay(ctx context.Context) error {
	file := filepath.Join(s.dir, "demo.pcap")
	if err := s.record(file); err != nil {
		return err
	}
	info, err := os.Stat(file)
	if err != nil {
		return err
	}
	say("a capture of %s is generated (%.1f MB): the theft begins at %s", recordedBefore+recordedTheft, float64(info.Size())/1e6, s.now.UTC().Format(time.RFC3339))
	url, err := s.natsURL()
	if err != nil {
		return err
	}
	out, err := exec.CommandContext(ctx, filepath.Join(binaries, "weir-sensor"), "replay", file, "--time", "capture", "--cluster", "demo",
		"--nats-url", url, "--nats-creds", s.credentials("sensor"), "--key-file", s.keyFile).CombinedOutput()
	if err != nil {
		return fmt.Errorf("weir-sensor replay: %w: %s", err, out)
	}
	select {
	case <-s.first:
		wait(ctx, time.Second)
	case <-ctx.Done():
		return fmt.Errorf("no alert: %w", ctx.Err())
	}
	return nil
}

// record writes what people and the thief say into a capture file.
func (s *stage) record(file string) error {
	r, err := newRecording(file, s.server)
	if err != nil {
		return err
	}
	from, to := s.now.Add(-recordedBefore), s.now.Add(recordedTheft)
	said := plan(s.people, from, to)
	thefts := rand.New(rand.NewPCG(6, 6)).Perm(shop.Customers)
	for i := range int(recordedTheft.Seconds()) * theftRate {
		at := s.now.Add(time.Duration(i) * time.Second / theftRate)
		said = append(said, spoken{s.thief, shop.Call{At: at, Path: fmt.Sprintf("/customers/%d", thefts[i]+1)}})
	}
	order(said)
	for _, x := range said {
		request, response, entry := s.api.Wire(x.person, x.call)
		if err := r.converse(x.person, x.call, request, response); err != nil {
			return err
		}
		s.api.Log.Add(entry)
	}
	return r.close()
}
