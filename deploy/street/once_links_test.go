// SPDX-License-Identifier: Apache-2.0

package street

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestFiveInterfacesCountOnce has one sensor capture on all that traffic passes on its way through a host: a bridge and
// its port, both ends of a cable to a second bridge, and that bridge.
func TestFiveInterfacesCountOnce(t *testing.T) {
	l := newLab(t)
	l.bridge()
	l.ip("link add weirbr2 type bridge")
	t.Cleanup(func() { _ = exec.Command("ip", "link", "del", "weirbr2").Run() })
	l.ip("link add weir4 type veth peer name weir5")
	t.Cleanup(func() { _ = exec.Command("ip", "link", "del", "weir4").Run() })
	// Else the first bridge answers for the second one's address, and requests take another way than responses.
	l.must(os.WriteFile("/proc/sys/net/ipv4/conf/all/arp_ignore", []byte("1"), 0))
	l.ip("addr del " + bridgeAddr + "/24 dev weirbr")
	l.ip("addr add " + bridgeAddr + "/24 dev weirbr2")
	l.ip("link set weir4 master weirbr up")
	l.ip("link set weir5 master weirbr2 up")
	l.ip("link set weirbr2 up")
	shopAPI := l.open(bridgeAddr + ":0")
	shopAPI.dial = l.dialFrom()
	analyzer := l.analyzer("--lateness", "3s")
	sensor := l.sensor("weirbr", "-i", "weir2", "-i", "weir4", "-i", "weir5", "-i", "weirbr2")
	shopAPI.work(300)
	l.countsExactly(shopAPI.served())
	l.end(sensor)
	l.closes()
	l.countsExactly(shopAPI.served())
	l.end(analyzer)
}

// mirror copies every packet of the server's link twice to a cable, as a switch does that mirrors both ports a packet
// passes; what comes from the other end of the cable is what a sensor there sees.
func (l *lab) mirror() (tap string) {
	l.t.Helper()
	l.ip("link add weirspan type veth peer name weirtap")
	l.t.Cleanup(func() { _ = exec.Command("ip", "link", "del", "weirspan").Run() })
	for _, link := range []string{"weirspan", "weirtap"} {
		l.ip("link set " + link + " mtu 65521 up promisc on") // frames are up to 64 KB here
	}
	from, to := l.packetSocket(serverLink, unix.ETH_P_ALL), l.packetSocket("weirspan", 0)
	l.must(unix.SetsockoptTimeval(from, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Usec: 50_000}))
	l.must(unix.SetsockoptInt(from, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 64<<20))
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		frame := make([]byte, 1<<17)
		for {
			select {
			case <-stop:
				return
			default:
			}
			n, err := unix.Read(from, frame)
			for range 2 {
				if err == nil {
					_, err = unix.Write(to, frame[:n])
				}
			}
			if err != nil && err != unix.EAGAIN && err != unix.EINTR {
				l.t.Errorf("mirror: %v", err)
				return
			}
		}
	}()
	l.t.Cleanup(func() {
		close(stop)
		<-stopped
		unix.Close(from)
		unix.Close(to)
	})
	return "weirtap"
}

func (l *lab) packetSocket(link string, protocol uint16) int {
	l.t.Helper()
	device, err := net.InterfaceByName(link)
	l.must(err)
	big := protocol<<8 | protocol>>8
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, int(big))
	l.must(err)
	l.must(unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: big, Ifindex: device.Index}))
	return fd
}

// TestAMirrorOfTwoPortsCountsOnce has a sensor at a mirror that shows every packet twice, and later a second one at the
// server.
func TestAMirrorOfTwoPortsCountsOnce(t *testing.T) {
	l := newLab(t)
	tap := l.mirror()
	shopAPI := l.openAcross()
	analyzer := l.analyzer("--lateness", "3s")
	mirror := l.other(tap, "m1", "mirror")
	shopAPI.work(150)
	l.countsExactly(shopAPI.served()) // the mirror alone
	server := l.sensor(serverLink)
	shopAPI.work(150)
	l.countsExactly(shopAPI.served())
	l.end(mirror)
	l.countsExactly(shopAPI.served())
	l.end(server)
	l.closes()
	l.countsExactly(shopAPI.served())
	l.end(analyzer)
}

// other starts another publishing sensor.
func (l *lab) other(link, id, rank string) *process {
	l.t.Helper()
	file := l.readyFile()
	p := l.start("weir-sensor", append([]string{"run", "-i", link, "--rank", rank, "--ready-file", file, "--http-addr", l.freeAddress(),
		"--log-format", "json"}, l.publishingAs(id)...)...)
	l.ready(p, file)
	return p
}

// download is a long response that waits at its middle until it is let on.
type download struct {
	size     int
	half, on chan struct{}
	done     chan error
	addr     string
	got      atomic.Int64 // bytes that the client has
}

func (d *download) Write(b []byte) (int, error) {
	d.got.Add(int64(len(b)))
	return len(b), nil
}

// offer serves a download on an address.
func (l *lab) offer(addr string, size int) *download {
	l.t.Helper()
	d := &download{size: size, half: make(chan struct{}), on: make(chan struct{}), done: make(chan error, 1), addr: addr}
	var once sync.Once
	listener, err := net.Listen("tcp4", addr)
	l.must(err)
	server := &http.Server{ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(size))
		piece := make([]byte, 1<<20)
		for i := range size / len(piece) {
			if i == size/len(piece)/2 {
				once.Do(func() { close(d.half) })
				<-d.on
			}
			if _, err := w.Write(piece); err != nil {
				return
			}
		}
	})}
	go func() { _ = server.Serve(listener) }()
	l.t.Cleanup(func() { server.Close() })
	return d
}

// begin begins the download from the other end of the cable.
func (l *lab) begin(d *download) {
	l.t.Helper()
	transport := &http.Transport{DialContext: l.dialFrom(), DisableKeepAlives: true}
	client := &http.Client{Transport: transport, Timeout: 80 * time.Second}
	go func() {
		response, err := client.Get("http://" + d.addr + "/dump")
		if err == nil {
			_, err = io.Copy(d, response.Body)
			response.Body.Close()
		}
		d.done <- err
	}()
}

// TestOneOfTwoSensorsDiesInsideADownload kills the better one of two sensors in the middle of a download. The two cut
// parts differently, for they see frames of other sizes. What the other one shows beyond counts when the minute closes, and
// nothing twice.
func TestOneOfTwoSensorsDiesInsideADownload(t *testing.T) {
	l := newLab(t)
	l.bridge()
	analyzer := l.analyzer("--lateness", "3s")
	if out, err := exec.Command("ethtool", "-K", "weir2", "gro", "off", "gso", "off", "tso", "off").CombinedOutput(); err != nil {
		t.Logf("ethtool: %v: %s", err, out)
	}
	d := l.offer(bridgeAddr+":8072", 96<<20)
	better := l.sensor("weirbr")
	other := l.other("weir2", "s2", "client")
	l.begin(d)
	<-d.half
	l.until("parts of the first half are counted", func() bool { return l.counted().Bytes >= 16<<20 })
	better.kill()
	close(d.on)
	l.must(<-d.done)
	l.end(other)
	l.closes()
	if got := l.counted(); got.Requests != 1 || got.Bytes != uint64(d.size) {
		t.Errorf("counted %+v of %d bytes", got, d.size)
	}
	l.end(analyzer)
}

// closed is up to when the analyzer has closed minutes; before, what one point showed is not weighed against another's.
func (l *lab) closed() time.Time {
	text, err := l.get("/api/v1/summary")
	var sum struct {
		At string `json:"closed_through"`
	}
	if err == nil {
		err = json.Unmarshal(text, &sum)
	}
	at, _ := time.Parse(time.RFC3339, sum.At) // "" before the first
	if err != nil {
		return time.Time{}
	}
	return at
}

// closes waits until what came so far is closed.
func (l *lab) closes() {
	l.t.Helper()
	now := time.Now().UTC()
	l.until("minutes are closed", func() bool { return l.closed().After(now) })
}

// TestWhatARestartedSensorSaw kills a sensor in the middle of a download and lets another one see the rest. What was told
// of it, and what the second one counts as bytes it could not read, is all there was but for what the first one had
// in hand; none of it stands in two exchanges, and no principal is charged with bytes whose request was not seen.
func TestWhatARestartedSensorSaw(t *testing.T) {
	l := newLab(t)
	d := l.offer(serverAddr+":8073", 96<<20)
	first := l.printer(serverLink, "--parts")
	l.begin(d)
	<-d.half
	l.until("parts are told", func() bool { return bytes.Count(first.out.Bytes(), []byte("\n")) >= 2 })
	l.until("the first half is through", func() bool { return d.got.Load() == int64(d.size)/2 })
	first.kill()
	second := l.printer(serverLink, "--parts")
	close(d.on)
	l.must(<-d.done)
	l.end(second)
	before, _ := l.toldOf(first)
	after, unread := l.toldOf(second)
	if after["unknown"]+unread != uint64(d.size)/2 || len(after) > 1 {
		t.Errorf("the second sensor tells %v and could not read %d bytes, of %d", after, unread, d.size/2)
	}
	if n := before["address"]; n < 32<<20 || n > uint64(d.size)/2 || len(before) != 1 {
		t.Errorf("the first sensor told %v", before)
	}
}

// toldOf sums response bytes by the assurance of their principal, and the bytes of streams that were not read.
func (l *lab) toldOf(p *process) (by map[string]uint64, unread uint64) {
	l.t.Helper()
	by = map[string]uint64{}
	for line := range bytes.Lines(p.out.Bytes()) {
		if !bytes.HasSuffix(line, []byte("\n")) {
			break // it died while it wrote
		}
		var x struct {
			Assurance string `json:"principal_assurance"`
			Size      uint64 `json:"http_response_body_size"`
			Capture   *struct {
				Counters []struct {
					Name  string
					Value uint64
				}
			}
		}
		l.must(json.Unmarshal(line, &x))
		if x.Capture == nil {
			by[x.Assurance] += x.Size
			continue
		}
		for _, c := range x.Capture.Counters {
			if c.Name == "http_stream_bytes_unread" {
				unread += c.Value
			}
		}
	}
	return by, unread
}
