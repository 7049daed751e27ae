// SPDX-License-Identifier: Apache-2.0

package capture_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-project/weir/sensor/capture"
	"github.com/weir-project/weir/sensor/packet"
)

// world is two network namespaces joined by a veth pair: 10.77.0.1 in a, 10.77.0.2 in b.
type world struct {
	t    *testing.T
	a, b string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED: needs root for network namespaces and packet sockets")
	}
	id := fmt.Sprintf("weir%d-%d", os.Getpid(), time.Now().UnixNano()%1e6)
	w := &world{t: t, a: id + "a", b: id + "b"}
	for _, ns := range []string{w.a, w.b} {
		w.ip("netns", "add", ns)
		t.Cleanup(func() { w.ip("netns", "del", ns) })
		w.ip("-n", ns, "link", "set", "lo", "up")
	}
	w.pair()
	return w
}

func (w *world) pair() {
	w.ip("-n", w.a, "link", "add", "va", "type", "veth", "peer", "name", "vb", "netns", w.b)
	for ns, dev := range map[string]string{w.a: "va", w.b: "vb"} {
		w.ip("-n", ns, "addr", "add", "10.77.0."+map[string]string{"va": "1", "vb": "2"}[dev]+"/24", "dev", dev)
		w.ip("-n", ns, "link", "set", dev, "up")
	}
}

func (w *world) ip(args ...string) {
	w.t.Helper()
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		w.t.Fatalf("ip %v: %v %s", args, err, out)
	}
}

// in runs fn on a thread in the namespace; the thread ends with it.
func (w *world) in(ns string, fn func() error) {
	w.t.Helper()
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // and never unlock: the thread must not be used again
		f, err := os.Open("/run/netns/" + ns)
		if err == nil {
			err = unix.Setns(int(f.Fd()), unix.CLONE_NEWNET)
			_ = f.Close()
		}
		if err == nil {
			err = fn()
		}
		done <- err
	}()
	if err := <-done; err != nil {
		w.t.Fatalf("in %s: %v", ns, err)
	}
}

// tap is a ring that runs, and what came out of it.
type tap struct {
	ring    *capture.Ring
	err     chan error
	mu      sync.Mutex
	frames  uint64
	largest int
	bytes   map[uint16]int // TCP payload by source port
	last    packet.Frame
	vlans   map[uint32]int
	idles   chan int64
}

func (w *world) tap(ns, dev string, cfg capture.RingConfig, hold <-chan struct{}) *tap {
	w.t.Helper()
	p := &tap{err: make(chan error, 1), bytes: map[uint16]int{}, vlans: map[uint32]int{}, idles: make(chan int64, 1)}
	w.in(ns, func() (err error) {
		p.ring, err = capture.OpenRing(dev, cfg)
		return err
	})
	d := packet.NewDecoder(packet.DecoderConfig{})
	emit := func(f *packet.Frame) {
		if hold != nil {
			<-hold
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		p.frames++
		p.largest = max(p.largest, len(f.Data))
		var s packet.Segment
		if d.Decode(f, &s) == packet.OK {
			p.bytes[s.Src.Port()] += s.PayloadLen
			p.vlans[s.VLAN]++
		}
		p.last = *f
		p.last.Data = nil
	}
	go func() {
		p.err <- p.ring.Run(emit, func(now int64) {
			select {
			case p.idles <- now:
			default:
			}
		})
	}()
	return p
}

// stop ends the ring and holds its counters against what came out.
func (p *tap) stop(t *testing.T) capture.Stats {
	t.Helper()
	p.ring.Stop()
	if err := <-p.err; err != nil {
		t.Error(err)
	}
	s := p.ring.Stats()
	if s.Received != p.frames+s.Dropped {
		t.Errorf("received %d, handed on %d, dropped %d", s.Received, p.frames, s.Dropped)
	}
	return s
}

// transfer sends n bytes each way over TCP between two namespaces and gives the server's port.
func (w *world) transfer(from, to, addr string, n int) uint16 {
	w.t.Helper()
	var l net.Listener
	w.in(to, func() (err error) {
		l, err = net.Listen("tcp4", addr+":0")
		return err
	})
	served := make(chan error, 1)
	go func() {
		c, err := l.Accept()
		if err == nil {
			_, err = io.CopyN(c, c, int64(n))
			_ = c.Close()
		}
		served <- err
	}()
	w.in(from, func() error {
		c, err := net.Dial("tcp4", l.Addr().String())
		if err != nil {
			return err
		}
		sent := make(chan error, 1)
		go func() {
			_, err := c.Write(make([]byte, n))
			sent <- err
		}()
		_, err = io.Copy(io.Discard, c)
		return errors.Join(err, <-sent, c.Close())
	})
	if err := errors.Join(<-served, l.Close()); err != nil {
		w.t.Fatal(err)
	}
	return uint16(l.Addr().(*net.TCPAddr).Port)
}

func TestPrivilegedVeth(t *testing.T) {
	w := newWorld(t)
	p := w.tap(w.a, "va", capture.RingConfig{Index: 7}, nil)
	const n = 4 << 20
	start := time.Now().UnixNano()
	port := w.transfer(w.b, w.a, "10.77.0.1", n)
	s := p.stop(t)
	// retransmissions may add to it, losses would take from it
	if s.Dropped == 0 && p.bytes[port] < n {
		t.Errorf("%d bytes of %d from the server", p.bytes[port], n)
	}
	if p.largest < 10_000 {
		t.Errorf("largest frame %d: giant frames of TSO expected", p.largest)
	}
	if p.last.Iface != 7 || p.last.Time < start || p.last.Time > time.Now().UnixNano() || p.last.Link != packet.LinkEthernet {
		t.Errorf("last frame %+v", p.last)
	}
	t.Logf("%+v, largest frame %d", s, p.largest)
}

// A loopback shows each frame going out and coming in; it counts once.
func TestPrivilegedLoopbackOnce(t *testing.T) {
	w := newWorld(t)
	p := w.tap(w.a, "lo", capture.RingConfig{}, nil)
	const n = 4 << 20
	port := w.transfer(w.a, w.a, "127.0.0.1", n)
	s := p.stop(t)
	if s.Dropped == 0 && (p.bytes[port] < n || p.bytes[port] > n+n/2) {
		t.Errorf("%d bytes of %d", p.bytes[port], n)
	}
	t.Logf("%+v, %d bytes for %d, largest frame %d", s, p.bytes[port], n, p.largest)
}

// The receiving side finds the tag in the ring's metadata, the sending side in the frame.
func TestPrivilegedVLAN(t *testing.T) {
	w := newWorld(t)
	in := w.tap(w.a, "va", capture.RingConfig{}, nil)
	out := w.tap(w.b, "vb", capture.RingConfig{}, nil)
	frame := append([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1, 0x81, 0, 0x60, 0x2a, 0x08, 0x00,
		0x45, 0, 0, 44, 0, 1, 0, 0, 64, 6, 0, 0, 10, 77, 0, 2, 10, 77, 0, 1,
		0x30, 0x39, 0, 80, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 0x18, 1, 0, 0, 0, 0, 0}, "weir"...)
	w.in(w.b, func() error {
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		dev, err := net.InterfaceByName("vb")
		if err != nil {
			return err
		}
		return unix.Sendto(fd, frame, 0, &unix.SockaddrLinklayer{Ifindex: dev.Index})
	})
	in.stop(t)
	out.stop(t)
	for name, p := range map[string]*tap{"receiving": in, "sending": out} {
		if p.vlans[42] != 1 || p.bytes[12345] != 4 {
			t.Errorf("%s side: segments by VLAN %v, bytes %v, last %+v", name, p.vlans, p.bytes, p.last)
		}
	}
}

// With a ring that is full, what is lost is counted.
func TestPrivilegedDropsAreCounted(t *testing.T) {
	w := newWorld(t)
	hold := make(chan struct{})
	p := w.tap(w.a, "va", capture.RingConfig{BlockBytes: 1 << 17, Blocks: 2}, hold)
	w.transfer(w.b, w.a, "10.77.0.1", 8<<20)
	close(hold)
	s := p.stop(t)
	if s.Dropped == 0 || s.Freezes == 0 {
		t.Errorf("%+v", s)
	}
	if again := p.ring.Stats(); again != s {
		t.Errorf("stats changed after the end: %+v, %+v", s, again)
	}
	t.Logf("%+v, handed on %d", s, p.frames)
}

func TestPrivilegedLinkFlap(t *testing.T) {
	w := newWorld(t)
	p := w.tap(w.a, "va", capture.RingConfig{Idle: 5 * time.Millisecond}, nil)
	w.ip("-n", w.a, "link", "set", "va", "down")
	w.wait("down", func() bool { return p.ring.Stats().Down })
	if now := <-p.idles; time.Since(time.Unix(0, now)) > time.Minute {
		t.Errorf("idle with the time %d", now)
	}
	w.ip("-n", w.a, "link", "set", "va", "up")
	w.wait("up", func() bool { return !p.ring.Stats().Down })
	port := w.transfer(w.b, w.a, "10.77.0.1", 1<<16)
	s := p.stop(t)
	if s.Flaps != 1 || p.bytes[port] < 1<<16 {
		t.Errorf("%+v, %d bytes", s, p.bytes[port])
	}
}

// wait polls for a change in the kernel that nothing announces.
func (w *world) wait(what string, fn func() bool) {
	w.t.Helper()
	for end := time.Now().Add(5 * time.Second); !fn(); runtime.Gosched() {
		if time.Now().After(end) {
			w.t.Fatalf("not %s within 5 s", what)
		}
	}
}

func TestPrivilegedInterfaceDeleted(t *testing.T) {
	w := newWorld(t)
	p := w.tap(w.a, "va", capture.RingConfig{}, nil)
	w.transfer(w.b, w.a, "10.77.0.1", 1<<20)
	w.ip("-n", w.a, "link", "del", "va")
	start := time.Now()
	err := <-p.err
	if !errors.Is(err, capture.ErrInterfaceGone) || !strings.Contains(err.Error(), "va") {
		t.Errorf("error %v", err)
	}
	t.Logf("noticed after %v: %v", time.Since(start), err)
	if s := p.ring.Stats(); s.Received != p.frames+s.Dropped || s.Received == 0 {
		t.Errorf("%+v, handed on %d", s, p.frames)
	}
	p.ring.Stop() // after the end it does nothing
	w.pair()
	w.tap(w.a, "va", capture.RingConfig{}, nil).stop(t)
}

func descriptors(t *testing.T) int {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}

func TestPrivilegedOpenCloseLeaksNothing(t *testing.T) {
	w := newWorld(t)
	cfg := capture.RingConfig{BlockBytes: 1 << 17, Blocks: 4, Retire: time.Millisecond}
	before := 0
	for i := range 200 {
		if i == 1 {
			before = descriptors(t) // the first round opens the runtime's own
		}
		if i%2 == 0 { // never run
			w.in(w.a, func() error {
				r, err := capture.OpenRing("lo", cfg)
				if err == nil {
					r.Stop()
					err = r.Run(nil, nil)
				}
				return err
			})
			continue
		}
		w.tap(w.a, "lo", cfg, nil).stop(t)
	}
	if after := descriptors(t); after > before {
		t.Errorf("%d descriptors, then %d", before, after)
	}
}

func TestPrivilegedNoPermission(t *testing.T) {
	w := newWorld(t)
	w.in(w.a, func() error {
		hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var none [2]unix.CapUserData
		if err := unix.Capset(&hdr, &none[0]); err != nil { // of this thread, which ends
			return err
		}
		_, err := capture.OpenRing("lo", capture.RingConfig{})
		if !errors.Is(err, os.ErrPermission) || !strings.Contains(err.Error(), "CAP_NET_RAW") || !strings.Contains(err.Error(), "setcap cap_net_raw+ep") {
			return fmt.Errorf("without CAP_NET_RAW: %w", err)
		}
		return nil
	})
}

func TestNoInterface(t *testing.T) {
	_, err := capture.OpenRing("weir-none", capture.RingConfig{})
	none := new(capture.NoInterfaceError)
	if !errors.As(err, &none) || none.Name != "weir-none" || !strings.Contains(err.Error(), "lo") {
		t.Error(err)
	}
	have, err := capture.Interfaces()
	if err != nil || len(have) == 0 {
		t.Error(have, err)
	}
	if !capture.IfaceIsLoopback("lo") || capture.IfaceIsLoopback("weir-none") {
		t.Error("lo is the loopback")
	}
}
