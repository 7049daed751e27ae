// SPDX-License-Identifier: Apache-2.0

package street

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/weir-project/weir/proto/wire"
)

// read parses JSON Lines of a sensor: requests, records and response bytes of those to a port.
func (l *lab) read(lines []byte) (sum tally) {
	l.t.Helper()
	for line := range bytes.Lines(lines) {
		var x wire.Line
		if err := wire.ParseLine(bytes.TrimSpace(line), &x); err != nil {
			l.t.Fatalf("%v: %s", err, line)
		}
		if x.Exchange != nil {
			sum.Requests += uint64(x.Exchange.RequestCount)
			sum.Records += x.Exchange.RecordCount
			sum.Bytes += x.Exchange.HttpResponseBodySize
		}
	}
	return sum
}

// TestLoopbackCountsOnce sends requests over lo, where each packet shows twice.
func TestLoopbackCountsOnce(t *testing.T) {
	l := newLab(t)
	shopAPI := l.open("127.0.0.1:0")
	sensor := l.printer("lo")
	for i := range 200 {
		shopAPI.ask(shopAPI.people[i%3], fmt.Sprintf("/customers?page=%d&size=%d", i, 1+i%200))
	}
	want := shopAPI.served()
	l.until("the sensor prints every exchange", func() bool { return bytes.Count(sensor.out.Bytes(), []byte("\n")) >= int(want.Requests) })
	if code := l.end(sensor); code != 0 {
		t.Errorf("exit %d", code)
	}
	if got := l.read(sensor.out.Bytes()); got != want || want.Requests != 200 {
		t.Errorf("told %+v, served %+v", got, want)
	}
}

// TestTcpdumpIntoRead pipes somebody else's capture into read.
func TestTcpdumpIntoRead(t *testing.T) {
	l := newLab(t)
	tcpdump, err := exec.LookPath("tcpdump")
	if err != nil {
		t.Skip("SKIPPED: tcpdump is not installed")
	}
	shopAPI := l.open("127.0.0.1:0")
	from, to, err := os.Pipe()
	l.must(err)
	notes := &buffer{}
	dump := exec.Command(tcpdump, "-i", "lo", "-Z", "root", "-s", "0", "-U", "-B", "16384", "-w", "-", "tcp")
	dump.Stdout, dump.Stderr = to, notes
	dump.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	l.must(dump.Start())
	defer func() { _ = dump.Process.Kill() }()
	to.Close()
	reader := exec.Command(binary("weir-sensor"), "read", "-", "--key-file", l.key)
	out, errs := &buffer{}, &buffer{}
	reader.Stdin, reader.Stdout, reader.Stderr = from, out, errs
	reader.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	l.must(reader.Start())
	from.Close()
	l.until("tcpdump listens", func() bool { return strings.Contains(notes.String(), "listening on") })
	for i := range 50 {
		shopAPI.ask(shopAPI.people[0], fmt.Sprintf("/customers?page=%d&size=10", i))
	}
	for _, c := range shopAPI.byWho {
		c.CloseIdleConnections()
	}
	time.Sleep(1500 * time.Millisecond) // tcpdump looks once a second, and what it has not read when it is interrupted is not written
	l.must(dump.Process.Signal(syscall.SIGINT))
	l.must(dump.Wait())
	if err := reader.Wait(); err != nil {
		t.Errorf("read: %v: %s", err, errs.String())
	}
	if got, want := l.read(out.Bytes()), shopAPI.served(); got != want || want.Requests != 50 {
		t.Errorf("told %+v, served %+v: %s", got, want, notes.String())
	}
}

// TestReadIntoBacktest pipes read into backtest, and holds that a second reading says the same.
func TestReadIntoBacktest(t *testing.T) {
	l := newLab(t)
	shopAPI := l.open("127.0.0.1:0")
	file, truth := shopAPI.capture(time.Date(2026, 5, 6, 7, 0, 0, 0, time.UTC), 10, 100)
	first, _, code := l.run("weir-sensor", "read", file, "--key-file", l.key)
	second, _, again := l.run("weir-sensor", "read", file, "--key-file", l.key)
	if code != 0 || again != 0 || first != second {
		t.Errorf("exit %d and %d; the readings are equal: %v", code, again, first == second)
	}
	if got := l.read([]byte(first)); got != truth {
		t.Errorf("told %+v, said %+v", got, truth)
	}
	out, errs, code := l.run("bash", "-c", fmt.Sprintf("set -o pipefail; %s read %s --key-file %s | %s backtest -", binary("weir-sensor"), file, l.key, binary("weir-analyzer")))
	if code != 0 || out != "" || !strings.Contains(errs, fmt.Sprintf("judged %d exchanges", truth.Requests)) {
		t.Errorf("exit %d, stdout %q, stderr %q", code, out, errs)
	}
	batches, _, _ := l.run("bash", "-c", fmt.Sprintf("set -o pipefail; %s read %s --output pb --key-file %s | %s backtest -", binary("weir-sensor"), file, l.key, binary("weir-analyzer")))
	if batches != out {
		t.Errorf("batches are judged otherwise: %q", batches)
	}
}

// TestASecondReplayCountsNothing replays the same file again, within the stream's memory of message
// ids and beyond it: a broker that begins anew remembers none of messages that are gone.
func TestASecondReplayCountsNothing(t *testing.T) {
	l := newLab(t)
	shopAPI := l.open("127.0.0.1:0")
	file, truth := shopAPI.capture(time.Now().Add(-2*time.Hour), 20, 100)
	analyzer := l.analyzer()
	replay := func() {
		if _, errs, code := l.run("weir-sensor", append([]string{"replay", file, "--time", "capture"}, l.publishing()...)...); code != 0 {
			t.Fatalf("replay: exit %d: %s", code, errs)
		}
	}
	replay()
	l.countsExactly(truth)
	replay()
	applied := l.metric("weir_analyzer_applied_batches_total")
	l.end(analyzer)
	analyzer = l.analyzer()
	replay()
	l.until("the third sending is taken in and refused", func() bool { return l.metric("weir_analyzer_repeated_batches_total") >= applied })
	l.countsExactly(truth)
	if n := l.metric("weir_analyzer_applied_batches_total"); n != 0 {
		t.Errorf("%v batches of the third sending are applied", n)
	}
	l.end(analyzer)
}

// metric is the sum of a metric of the analyzer over its labels; -1 while it is away.
func (l *lab) metric(name string) float64 {
	text, err := l.get("/metrics")
	if err != nil {
		return -1
	}
	sum := 0.0
	for line := range strings.Lines(string(text)) {
		var value float64
		if f := strings.Fields(line); len(f) == 2 && (f[0] == name || strings.HasPrefix(f[0], name+"{")) {
			if _, err := fmt.Sscan(f[1], &value); err == nil {
				sum += value
			}
		}
	}
	return sum
}
