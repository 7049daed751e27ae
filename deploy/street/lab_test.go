// SPDX-License-Identifier: Apache-2.0

package street

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/weir-project/weir/proto/keyhash"
	"github.com/weir-project/weir/proto/natsconn"
)

// lab is one test's folder, key and processes.
type lab struct {
	t       *testing.T
	ctx     context.Context
	dir     string
	key     string // file
	keys    *keyhash.Keys
	nats    string // address of the embedded server
	api     string // address of the analyzer's API
	starts  int
	running []*process
}

// newLab begins a test, or skips it.
func newLab(t *testing.T) *lab {
	t.Helper()
	if os.Getenv(wanted) != "1" {
		t.Skip("SKIPPED: the street runs with WEIR_STREET=1 alone (make street): it needs root and the binaries")
	}
	for _, name := range []string{"weir-sensor", "weir-analyzer"} {
		if _, err := os.Stat(binary(name)); err != nil {
			t.Fatalf("%v (run `make build` first)", err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 85*time.Second)
	l := &lab{t: t, ctx: ctx, dir: t.TempDir()}
	l.key = filepath.Join(l.dir, "tenant.key")
	key, _, err := keyhash.LoadOrCreate(l.key)
	l.must(err)
	l.keys = key.Derive()
	l.nats, l.api = l.freeAddress(), l.freeAddress()
	t.Cleanup(func() {
		defer cancel()
		for i := len(l.running) - 1; i >= 0; i-- {
			l.running[i].kill()
		}
		if t.Failed() {
			for _, p := range l.running {
				t.Logf("--- the end of the log of %s\n%s", p.cmd, tail(p.log.Bytes()))
			}
		}
	})
	return l
}

func (l *lab) must(err error) {
	l.t.Helper()
	if err != nil {
		l.t.Fatal(err)
	}
}

// binary is the path of a binary that make build made.
func binary(name string) string {
	path, err := filepath.Abs(filepath.Join("..", "..", "bin", name))
	if err != nil {
		return name
	}
	return path
}

func (l *lab) freeAddress() string {
	l.t.Helper()
	x, err := net.Listen("tcp", "127.0.0.1:0")
	l.must(err)
	defer x.Close()
	return x.Addr().String()
}

// process is a program that runs.
type process struct {
	cmd  *exec.Cmd
	out  *buffer // stdout
	log  *buffer // stderr
	done chan struct{}
}

// start runs a program; it dies with the test.
func (l *lab) start(name string, args ...string) *process {
	l.t.Helper()
	if strings.HasPrefix(name, "weir-") {
		name = binary(name)
	}
	p := &process{cmd: exec.Command(name, args...), out: &buffer{}, log: &buffer{}, done: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	l.must(p.cmd.Start())
	go func() {
		defer close(p.done)
		_ = p.cmd.Wait() // how it ended stands in ProcessState
	}()
	l.running = append(l.running, p)
	return p
}

// kill is kill -9.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.done
}

// end asks a process to end, and gives its exit code.
func (l *lab) end(p *process) int {
	l.t.Helper()
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	return l.wait(p)
}

// wait gives the exit code of a process that ends by itself.
func (l *lab) wait(p *process) int {
	l.t.Helper()
	select {
	case <-p.done:
	case <-time.After(40 * time.Second):
		p.kill()
		l.t.Fatalf("%s does not end", p.cmd)
	}
	return p.cmd.ProcessState.ExitCode()
}

// run runs a program to its end.
func (l *lab) run(name string, args ...string) (stdout, stderr string, code int) {
	l.t.Helper()
	p := l.start(name, args...)
	code = l.wait(p)
	return p.out.String(), p.log.String(), code
}

// until waits for something that must come true.
func (l *lab) until(what string, is func() bool) {
	l.t.Helper()
	for !is() {
		select {
		case <-l.ctx.Done():
			l.t.Fatalf("in vain: %s", what)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// ready waits for the file a process makes when it is ready.
func (l *lab) ready(p *process, file string) {
	l.t.Helper()
	l.until(fmt.Sprintf("%s is ready", p.cmd), func() bool {
		select {
		case <-p.done:
			l.t.Fatalf("%s has ended: %s", p.cmd, p.log.String())
		default:
		}
		_, err := os.Stat(file)
		return err == nil
	})
}

func (l *lab) readyFile() string {
	l.starts++
	return filepath.Join(l.dir, fmt.Sprintf("ready-%d", l.starts))
}

// analyzer starts an analyzer with its NATS server; the second one of a test has the data of the
// first.
func (l *lab) analyzer(args ...string) *process {
	l.t.Helper()
	file := l.readyFile()
	p := l.start("weir-analyzer", append([]string{"run", "--cluster", "street", "--nats-dir", filepath.Join(l.dir, "nats"), "--nats-listen", l.nats,
		"--http-addr", l.api, "--ready-file", file, "--log-format", "json"}, args...)...)
	l.ready(p, file)
	return p
}

// publishing are the flags with which a sensor publishes.
func (l *lab) publishing() []string { return l.publishingAs("s1") }

func (l *lab) publishingAs(id string) []string {
	return []string{"--cluster", "street", "--sensor-id", id, "--nats-url", "nats://" + l.nats, "--nats-creds", l.credentials("sensor"), "--key-file", l.key}
}

func (l *lab) credentials(user string) string {
	return filepath.Join(l.dir, "nats", user+".nats.json")
}

// sensor starts a capturing sensor that publishes.
func (l *lab) sensor(link string, args ...string) *process {
	l.t.Helper()
	file := l.readyFile()
	args = append([]string{"run", "-i", link, "--ready-file", file, "--http-addr", l.freeAddress(), "--log-format", "json"}, args...)
	p := l.start("weir-sensor", append(args, l.publishing()...)...)
	l.ready(p, file)
	return p
}

// printer starts a capturing sensor that prints JSON Lines.
func (l *lab) printer(link string, args ...string) *process {
	l.t.Helper()
	file := l.readyFile()
	p := l.start("weir-sensor", append([]string{"run", "-i", link, "--output", "json", "--key-file", l.key, "--ready-file", file}, args...)...)
	l.ready(p, file)
	return p
}

// connect connects to the embedded server.
func (l *lab) connect(user string) *natsconn.Conn {
	l.t.Helper()
	conn, err := natsconn.Connect(l.ctx, natsconn.Config{CredsFile: l.credentials(user), Name: "street-" + user})
	l.must(err)
	l.t.Cleanup(conn.Close)
	l.must(conn.WaitConnected(l.ctx))
	return conn
}

// tally is what was served, or counted.
type tally struct{ Requests, Records, Bytes uint64 }

// counted asks the analyzer; all zero while it is away.
func (l *lab) counted() tally {
	text, err := l.get("/api/v1/summary")
	var sum struct {
		Requests, Records uint64
		ResponseBytes     uint64 `json:"response_bytes"`
	}
	if err == nil {
		err = json.Unmarshal(text, &sum)
	}
	if err != nil {
		return tally{}
	}
	return tally{sum.Requests, sum.Records, sum.ResponseBytes}
}

func (l *lab) get(path string) ([]byte, error) { return fetch(l.ctx, "http://"+l.api+path) }

func fetch(ctx context.Context, url string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	return io.ReadAll(response.Body)
}

// countsExactly waits until the analyzer has counted what was served, and never more.
func (l *lab) countsExactly(want tally) {
	l.t.Helper()
	var got tally
	defer func() {
		if l.t.Failed() {
			l.t.Logf("counted %+v, served %+v", got, want)
		}
	}()
	l.until(fmt.Sprintf("the analyzer counts %+v", want), func() bool {
		got = l.counted()
		if got.Requests > want.Requests || got.Bytes > want.Bytes {
			l.t.Fatalf("counted %+v, served %+v", got, want)
		}
		return got == want
	})
}

func tail(text []byte) []byte {
	text = text[max(0, len(text)-3000):]
	return bytes.TrimSpace(text)
}
