// SPDX-License-Identifier: Apache-2.0

package street

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"
)

// One exchange counts once, however many interfaces, sensors, mirrors and files show it.

func (l *lab) ip(line string) {
	l.t.Helper()
	if out, err := exec.Command("ip", strings.Fields(line)...).CombinedOutput(); err != nil {
		l.t.Fatalf("ip %s: %v: %s", line, err, out)
	}
}

const bridgeAddr = "10.98.0.1"

// bridge makes a bridge with one port, whose cable ends at the clients.
func (l *lab) bridge() {
	l.t.Helper()
	l.ip("link add weirbr type bridge")
	l.t.Cleanup(func() { _ = exec.Command("ip", "link", "del", "weirbr").Run() })
	l.ip("link add weir2 type veth peer name weir3 netns " + os.Getenv(clients))
	l.t.Cleanup(func() { _ = exec.Command("ip", "link", "del", "weir2").Run() })
	l.ip("link set weir2 master weirbr up")
	l.ip("link set weirbr up")
	l.ip("addr add " + bridgeAddr + "/24 dev weirbr")
	l.ip("-n " + os.Getenv(clients) + " addr add 10.98.0.2/24 dev weir3")
	l.ip("-n " + os.Getenv(clients) + " link set weir3 up")
}

// work has people ask for lists of several sizes.
func (c *company) work(n int) {
	for i := range n {
		c.ask(c.people[i%3], fmt.Sprintf("/customers?page=%d&size=%d", i, 1+i%200))
	}
}

// TestBridgeAndItsPortCountOnce captures on a bridge and on its port, which show the same packets.
func TestBridgeAndItsPortCountOnce(t *testing.T) {
	l := newLab(t)
	l.bridge()
	shopAPI := l.open(bridgeAddr + ":0")
	shopAPI.dial = l.dialFrom()
	analyzer := l.analyzer()
	sensor := l.sensor("weirbr", "-i", "weir2")
	shopAPI.work(300)
	l.countsExactly(shopAPI.served())
	if text, err := l.get("/metrics"); err != nil || len(text) == 0 {
		t.Error(err)
	}
	l.end(sensor)
	l.countsExactly(shopAPI.served())
	l.end(analyzer)
}

// TestTwoSensorsCountOnce has two sensors see the same traffic, one as the server does and one as the client does: the
// better rank counts, whichever comes first.
func TestTwoSensorsCountOnce(t *testing.T) {
	l := newLab(t)
	l.bridge()
	shopAPI := l.open(bridgeAddr + ":0")
	shopAPI.dial = l.dialFrom()
	analyzer := l.analyzer()
	file := l.readyFile()
	other := l.start("weir-sensor", append([]string{"run", "-i", "weir2", "--rank", "client", "--ready-file", file, "--http-addr", l.freeAddress(),
		"--log-format", "json"}, l.publishingAs("s2")...)...)
	l.ready(other, file)
	sensor := l.sensor("weirbr")
	shopAPI.work(150)
	l.countsExactly(shopAPI.served())
	l.end(other) // one of them goes, and nothing changes
	shopAPI.work(150)
	l.end(sensor)
	l.countsExactly(shopAPI.served())
	l.end(analyzer)
}

// packets reads a capture file.
func (l *lab) packets(file string) (data [][]byte, infos []gopacket.CaptureInfo) {
	l.t.Helper()
	f, err := os.Open(file)
	l.must(err)
	defer f.Close()
	r, err := pcapgo.NewReader(f)
	l.must(err)
	for {
		b, ci, err := r.ReadPacketData()
		if err == io.EOF {
			return data, infos
		}
		l.must(err)
		data, infos = append(data, b), append(infos, ci)
	}
}

// rewrite writes a capture with every packet changed, or repeated.
func (l *lab) rewrite(file, name string, change func([]byte) [][]byte) string {
	l.t.Helper()
	data, infos := l.packets(file)
	var buf bytes.Buffer
	w := pcapgo.NewWriterNanos(&buf)
	l.must(w.WriteFileHeader(1<<18, layers.LinkTypeEthernet))
	for i := range data {
		for _, b := range change(data[i]) {
			ci := infos[i]
			ci.CaptureLength, ci.Length = len(b), len(b)
			l.must(w.WritePacket(ci, b))
		}
	}
	out := filepath.Join(l.dir, name)
	l.must(os.WriteFile(out, buf.Bytes(), 0o600))
	return out
}

func (l *lab) replay(file string) {
	l.t.Helper()
	if _, errs, code := l.run("weir-sensor", append([]string{"replay", file, "--time", "capture"}, l.publishing()...)...); code != 0 {
		l.t.Fatalf("replay: exit %d: %s", code, errs)
	}
}

// TestADoubledMirrorCountsOnce has every packet twice, as a mirror of two ports shows it.
func TestADoubledMirrorCountsOnce(t *testing.T) {
	l := newLab(t)
	shopAPI := l.open("127.0.0.1:0")
	file, truth := shopAPI.capture(time.Now().Add(-2*time.Hour), 5, 60)
	analyzer := l.analyzer()
	l.replay(l.rewrite(file, "doubled.pcap", func(b []byte) [][]byte { return [][]byte{b, b} }))
	l.countsExactly(truth)
	l.end(analyzer)
}

// TestDNATCountsOnce sees the same traffic before and behind an address translation: other addresses and ports,
// the same sequence numbers and bytes.
func TestDNATCountsOnce(t *testing.T) {
	l := newLab(t)
	shopAPI := l.open("127.0.0.1:0")
	file, truth := shopAPI.capture(time.Now().Add(-2*time.Hour), 1, 300) // within the lateness bound
	behind := l.rewrite(file, "behind.pcap", func(b []byte) [][]byte { return [][]byte{l.translate(b)} })
	for _, order := range [][]string{{file, behind}, {behind, file}} {
		l.t.Run(filepath.Base(order[0])+" first", func(*testing.T) {
			analyzer := l.analyzer()
			l.replay(order[0])
			l.replay(order[1])
			l.until("both imports are applied", func() bool { return l.counted() != tally{} })
			l.countsExactly(truth)
			l.end(analyzer)
			l.must(os.RemoveAll(filepath.Join(l.dir, "nats")))
		})
	}
}

// translate gives the server of a packet another address and port.
func (l *lab) translate(b []byte) []byte {
	p := gopacket.NewPacket(b, layers.LayerTypeEthernet, gopacket.Default)
	eth, _ := p.Layer(layers.LayerTypeEthernet).(*layers.Ethernet)
	ip, _ := p.Layer(layers.LayerTypeIPv4).(*layers.IPv4)
	tcp, _ := p.Layer(layers.LayerTypeTCP).(*layers.TCP)
	if eth == nil || ip == nil || tcp == nil {
		l.t.Fatal("a packet of the capture is no TCP over IPv4")
	}
	pod := netip.MustParseAddr("10.244.7.9").AsSlice()
	if tcp.DstPort == 80 {
		ip.DstIP, tcp.DstPort = pod, 8443
	} else {
		ip.SrcIP, tcp.SrcPort = pod, 8443
	}
	l.must(tcp.SetNetworkLayerForChecksum(ip))
	out := gopacket.NewSerializeBuffer()
	l.must(gopacket.SerializeLayers(out, gopacket.SerializeOptions{ComputeChecksums: true, FixLengths: true}, eth, ip, tcp, gopacket.Payload(tcp.Payload)))
	return bytes.Clone(out.Bytes())
}

// TestARestartInsideADownload kills the sensor while a download runs and starts another: nothing counts twice, and
// what was told before it died stands.
func TestARestartInsideADownload(t *testing.T) {
	l := newLab(t)
	const size = 96 << 20
	half, on := make(chan struct{}), make(chan struct{})
	var once sync.Once
	slow := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(size))
		piece := make([]byte, 1<<20)
		for i := range size / len(piece) {
			if i == size/len(piece)/2 {
				once.Do(func() { close(half) })
				<-on
			}
			if _, err := w.Write(piece); err != nil {
				return
			}
		}
	})
	addr := serverAddr + ":8071"
	listener, err := net.Listen("tcp4", addr)
	l.must(err)
	server := &http.Server{Handler: slow, ReadHeaderTimeout: time.Second}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { server.Close() })
	analyzer := l.analyzer()
	sensor := l.sensor(serverLink)
	client := &http.Client{Transport: &http.Transport{DialContext: l.dialFrom()}, Timeout: 60 * time.Second}
	done := make(chan error, 1)
	go func() {
		var response *http.Response
		var err error
		response, err = client.Get("http://" + addr + "/dump")
		if err == nil {
			_, err = io.Copy(io.Discard, response.Body)
			response.Body.Close()
		}
		done <- err
	}()
	<-half
	l.until("parts of the first half are counted", func() bool { return l.counted().Bytes >= 16<<20 })
	sensor.kill()
	before := l.counted()
	sensor = l.sensor(serverLink)
	close(on)
	l.must(<-done)
	l.end(sensor)
	var after tally
	l.until("what the second sensor saw is applied", func() bool {
		after = l.counted()
		return l.metric("weir_analyzer_applied_batches_total") > 0
	})
	if after.Bytes < before.Bytes || after.Bytes > size {
		t.Errorf("%d bytes counted before the restart, %d after it, of %d", before.Bytes, after.Bytes, size)
	}
	l.end(analyzer)
}
