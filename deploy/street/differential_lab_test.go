// SPDX-License-Identifier: Apache-2.0

package street

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/weir-project/weir/proto/wire"
	weirv1 "github.com/weir-project/weir/proto/wire/weir/v1"
)

// row is one exchange: as a server's own log has it, or as the sensor told it. Bodies are in bytes
// as sent, without framing. The last three are gRPC's: its status, and messages each way.
type row struct {
	Method, Host, Path  string
	Status              uint32
	In, Out             uint64
	Code, MsgIn, MsgOut int
}

func (r row) String() string {
	s := fmt.Sprintf("%s %s%s -> %d, %d bytes in, %d out", r.Method, r.Host, r.Path, r.Status, r.In, r.Out)
	if r.Code|r.MsgIn|r.MsgOut != 0 {
		s += fmt.Sprintf(", code %d, %d messages out", r.Code, r.MsgOut)
	}
	return s
}

func compareRows(a, b row) int {
	return cmp.Or(strings.Compare(a.Path, b.Path), strings.Compare(a.Method, b.Method), strings.Compare(a.Host, b.Host),
		cmp.Compare(a.Status, b.Status), cmp.Compare(a.Out, b.Out), cmp.Compare(a.In, b.In), cmp.Compare(a.Code, b.Code), cmp.Compare(a.MsgOut, b.MsgOut))
}

// cable sets both ends: offloads are what makes frames of 64 KB of segments, and packets without
// checksums.
func (l *lab) cable(mtu int, offloads bool) {
	l.t.Helper()
	state := map[bool]string{true: "on", false: "off"}[offloads]
	for _, end := range [][]string{{serverLink}, {clientLink, "ip", "netns", "exec", os.Getenv(clients)}} {
		link, inside := end[0], end[1:]
		for _, line := range []string{
			fmt.Sprintf("ip link set %s mtu %d", link, mtu),
			fmt.Sprintf("ethtool -K %s gro %s gso %s tso %s tx %s", link, state, state, state, state),
		} {
			args := append(slices.Clone(inside), strings.Fields(line)...)
			if out, err := exec.CommandContext(l.ctx, args[0], args[1:]...).CombinedOutput(); err != nil {
				l.t.Fatalf("%s: %v: %s", line, err, out)
			}
		}
	}
}

// settings are the cables of the street. The first is how it is made.
var settings = []struct {
	name     string
	mtu      int
	offloads bool
}{
	{"mtu 1500, offloads on", 1500, true},
	{"mtu 1500, offloads off", 1500, false},
	{"mtu 9000, offloads on", 9000, true},
	{"mtu 9000, offloads off", 9000, false},
}

// scene is what happens under one sensor.
type scene struct {
	*lab
	sensor  *process
	dial    func(ctx context.Context, network, address string) (net.Conn, error)
	told    []*weirv1.Exchange
	claimed []bool // of told: some server's log has it
	read    int    // bytes of the sensor's output
	capture []*weirv1.Counter
	faults  []string
}

func (s *scene) fault(format string, args ...any) {
	s.faults = append(s.faults, fmt.Sprintf(format, args...))
}

// scene runs a scene under a sensor that sees the server's end. Where the kernel had to drop frames
// the scene runs once more, and never a third time; where what was told is wrong it runs again with a
// capture that is kept.
func (l *lab) scene(do func(s *scene), flags ...string) {
	l.t.Helper()
	s := l.play(do, flags)
	if n := s.counter("packets_dropped"); n > 0 {
		l.t.Logf("THE KERNEL DROPPED %d of %d frames: once more", n, s.counter("packets_seen"))
		if s = l.play(do, flags); s.counter("packets_dropped") > 0 {
			l.t.Fatalf("the kernel dropped %d frames again: this machine is too slow for the test", s.counter("packets_dropped"))
		}
	}
	l.t.Logf("%d frames, %d exchanges, %d bytes of TCP, nothing dropped", s.counter("packets_seen"), len(s.told), s.counter("flow_delivered_bytes"))
	if len(s.faults) == 0 {
		return
	}
	if len(s.faults) > 40 {
		s.faults = append(s.faults[:40], "...")
	}
	l.t.Errorf("%d faults:\n%s", len(s.faults), strings.Join(s.faults, "\n"))
	l.keep(do, flags)
}

func (l *lab) play(do func(s *scene), flags []string) *scene {
	l.t.Helper()
	s := &scene{lab: l, dial: l.dialFrom()}
	s.sensor = l.printer(serverLink, append([]string{"--ring", "256MiB"}, flags...)...)
	do(s)
	if code := l.end(s.sensor); code != 0 {
		s.fault("the sensor ends with %d", code)
	}
	s.listen()
	for i, x := range s.told {
		if !s.claimed[i] {
			s.fault("told, and no server served it: %v", x)
		}
	}
	if s.counter("packets_seen") == 0 {
		s.fault("the sensor gives no counters of its capture")
	}
	return s
}

// keep runs the scene again beside tcpdump, for whoever looks into the faults.
func (l *lab) keep(do func(s *scene), flags []string) {
	dir, err := os.MkdirTemp("", "weir-differential-")
	l.must(err)
	file := filepath.Join(dir, "cable.pcap")
	dump := l.start("tcpdump", "-i", serverLink, "-w", file, "-s", "0", "-B", "65536")
	l.until("tcpdump captures", func() bool { return strings.Contains(dump.log.String(), "listening on") })
	s := l.play(do, flags)
	l.end(dump)
	l.t.Logf("again, with %d faults; the packets are in %s (%s)", len(s.faults), file, strings.TrimSpace(dump.log.String()))
	for _, fault := range s.faults {
		l.t.Log(fault)
	}
}

// listen takes what the sensor has told since.
func (s *scene) listen() {
	all := s.sensor.out.Bytes()
	for {
		line, _, whole := bytes.Cut(all[s.read:], []byte("\n"))
		if !whole {
			return
		}
		s.read += len(line) + 1
		var x wire.Line
		s.must(wire.ParseLine(line, &x))
		switch {
		case x.Exchange != nil:
			s.told, s.claimed = append(s.told, x.Exchange), append(s.claimed, false)
		case x.Capture != nil:
			s.capture = x.Capture.Counters
		}
	}
}

func (s *scene) counter(name string) (n uint64) {
	for _, c := range s.capture {
		if c.Name == name {
			n += c.Value
		}
	}
	return n
}

func rowOf(x *weirv1.Exchange) row {
	r := row{Method: x.HttpRequestMethod, Host: bare(x.ServerName), Path: x.UrlPath, Status: x.HttpResponseStatusCode, In: x.HttpRequestBodySize, Out: x.HttpResponseBodySize}
	if strings.HasPrefix(x.UrlPath, "/weir.street.") {
		r.Code, r.MsgOut = int(x.RpcGrpcStatusCode), int(x.RecordCount)
	}
	return r
}

// bare is a host without its port.
func bare(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		return name
	}
	return host
}

// about gives the exchanges told whose path has a mark, and claims them.
func (s *scene) about(mark string, claim bool) (all []*weirv1.Exchange) {
	s.listen()
	for i, x := range s.told {
		if strings.Contains(x.UrlPath, mark) && !s.claimed[i] {
			all = append(all, x)
			s.claimed[i] = claim
		}
	}
	return all
}

// patience is how long a scene waits for what a server must log, and the sensor tell.
const patience = 3 * time.Second

// soon waits for something; whoever asks says what is missing.
func (s *scene) soon(is func() bool) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); !is() && time.Now().Before(end); {
		<-tick.C
	}
}

// whole says whether all of an exchange was seen. A client of HTTP/2 that has all which the length promised
// may leave before the stream is ended: then nothing on the cable says that it was over, and its bytes,
// which are held against both ends, say it.
func whole(x *weirv1.Exchange) bool {
	left := !slices.ContainsFunc(x.Anomalies, func(a string) bool { return a != "stream_reset" && a != "premature_close" })
	return x.Coverage == weirv1.Coverage_COVERAGE_COMPLETE || x.NetworkProtocolVersion == "2" && left && x.HttpResponseStatusCode != 0
}

// equal holds what the sensor told of a mark against a server's rows: the same exchanges, to the byte. It
// gives the bytes told of answers.
func (s *scene) equal(what, mark string, want int, served func() []row) (out uint64) {
	ofMark := func() (all []row) {
		for _, r := range served() {
			if strings.Contains(r.Path, mark) {
				all = append(all, r)
			}
		}
		return all
	}
	s.soon(func() bool { return len(ofMark()) >= want })
	truth := ofMark()
	if len(truth) != want {
		s.fault("%s: the server logged %d requests of %d", what, len(truth), want)
	}
	s.soon(func() bool { return len(s.about(mark, false)) >= len(truth) })
	var told []row
	for _, x := range s.about(mark, true) {
		told = append(told, rowOf(x))
		out += x.HttpResponseBodySize
		if x.RequestCount != 1 || !whole(x) || x.GapBytes != 0 {
			s.fault("%s: not one whole exchange: %v", what, x)
		}
	}
	s.compare(what, truth, told)
	return out
}

// compare tells what is in one list alone.
func (s *scene) compare(what string, truth, told []row) {
	slices.SortFunc(truth, compareRows)
	slices.SortFunc(told, compareRows)
	for i, j := 0, 0; i < len(truth) || j < len(told); {
		switch {
		case j == len(told) || i < len(truth) && compareRows(truth[i], told[j]) < 0:
			s.fault("%s: not told: %v", what, truth[i])
			i++
		case i == len(truth) || compareRows(truth[i], told[j]) > 0:
			s.fault("%s: not served: %v", what, told[j])
			j++
		default:
			i, j = i+1, j+1
		}
	}
}

// need skips where a program is missing: deploy/ci/skips.txt says which may be.
func (l *lab) need(names ...string) {
	l.t.Helper()
	for _, name := range names {
		if _, err := exec.LookPath(name); err != nil {
			l.t.Skipf("SKIPPED: %s is not installed", name)
		}
	}
}

// across starts a program in the clients' namespace.
func (l *lab) across(name string, args ...string) *process {
	l.t.Helper()
	return l.start("ip", append([]string{"netns", "exec", os.Getenv(clients), name}, args...)...)
}

// client runs a client to its end; one that fails is a fault.
func (s *scene) client(name string, args ...string) string {
	s.t.Helper()
	p := s.across(name, args...)
	select {
	case <-p.done:
	case <-s.ctx.Done():
		p.kill()
		s.t.Fatalf("%s does not end", p.cmd)
	}
	code := p.cmd.ProcessState.ExitCode()
	s.running = slices.DeleteFunc(s.running, func(x *process) bool { return x == p }) // one that is over
	if code != 0 {
		s.fault("%s exits with %d: %s %s", p.cmd, code, tail(p.log.Bytes()), tail(p.out.Bytes()))
	}
	return p.out.String()
}

// nextPort counts up, below the ports that the kernel hands out: one that it gave and that was closed
// again it may give to the next server before the first one listens.
var nextPort atomic.Int32

// freePorts gives addresses on the server's end that nobody listens on: the namespace is the tests' own.
func (l *lab) freePorts(n int) (addrs, ports []string) {
	l.t.Helper()
	for range n {
		port := strconv.Itoa(10_000 + int(nextPort.Add(1)))
		addrs, ports = append(addrs, net.JoinHostPort(serverAddr, port)), append(ports, port)
	}
	return addrs, ports
}
