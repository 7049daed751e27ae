// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/weir-project/weir/deploy/demo/shop"
	"github.com/weir-project/weir/proto/keyhash"
	"github.com/weir-project/weir/proto/natsconn"
	"github.com/weir-project/weir/sensor/identity"
)

// binaries are where make build puts them.
const binaries = "bin"

// stage is everything that plays.
type stage struct {
	dir      string
	started  time.Time
	now      time.Time // of the theft
	recorded bool      // the theft comes from a generated capture
	people   []*shop.Person
	victim   *shop.Person // whose token the thief has
	thief    *shop.Person
	api      *shop.API
	server   netip.AddrPort
	keyFile  string
	keys     *keyhash.Keys
	ours     map[string]bool // principals of the people

	processes []*process
	conn      *natsconn.Conn
	url       string // of the analyzer's API
	past      tally
	recent    []shop.Entry // of the past's last hour

	mu     sync.Mutex
	alerts []alerted
	first  chan struct{} // closed with the first alert
}

// process is one of the real binaries.
type process struct {
	name string
	cmd  *exec.Cmd
	log  *os.File
	done chan struct{}
}

func newStage(seed uint64, now time.Time, recorded bool) (*stage, error) {
	dir, err := os.MkdirTemp("", "weir-demo-")
	if err != nil {
		return nil, fmt.Errorf("make a folder: %w", err)
	}
	s := &stage{dir: dir, started: time.Now(), now: now, recorded: recorded, people: shop.People(seed), first: make(chan struct{})}
	s.api = shop.NewAPI(s.people)
	for _, p := range s.people {
		if p.Role == shop.Agent && (s.victim == nil || p.Working(now) && !s.victim.Working(now)) {
			s.victim = p
		}
	}
	s.thief = &shop.Person{Name: "the thief", Token: s.victim.Token, Address: netip.MustParseAddr("127.0.66.6")}
	s.server = netip.MustParseAddrPort("127.0.0.1:8086")
	s.keyFile = filepath.Join(dir, "tenant.key")
	key, _, err := keyhash.LoadOrCreate(s.keyFile)
	if err != nil {
		return nil, err
	}
	s.keys = key.Derive()
	s.ours = map[string]bool{}
	for _, p := range s.people {
		s.ours[s.principal(p.Token)] = true
	}
	return s, nil
}

// principal is the id of a token's principal, as weir writes it.
func (s *stage) principal(token string) string {
	var id identity.Identity
	resolver := identity.NewResolver(s.keys, identity.Config{})
	resolver.Resolve(&identity.Request{ServerName: []byte(shop.Host), Target: []byte("/"),
		Fields: []identity.Field{{Name: []byte("Authorization"), Value: []byte("Bearer " + token)}}}, &id)
	return fmt.Sprintf("%x", id.PrincipalID[:])
}

// start runs one of the binaries with its log in the demo's folder.
func (s *stage) start(name string, args ...string) (*process, error) {
	log, err := os.Create(filepath.Join(s.dir, name+".log"))
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	p := &process{name: name, cmd: exec.Command(filepath.Join(binaries, name), args...), log: log, done: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s (run `make build` first): %w", name, err)
	}
	go func() {
		defer close(p.done)
		_ = p.cmd.Wait() // how it ended stands in its log
	}()
	s.processes = append(s.processes, p)
	return p, nil
}

// end asks a process to end and waits.
func (p *process) end() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(15 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.done
	}
	_ = p.log.Close()
}

// close ends everything and removes the folder, unless something failed: then its logs are shown.
func (s *stage) close() {
	if s.conn != nil {
		s.conn.Close()
	}
	for i := len(s.processes) - 1; i >= 0; i-- {
		s.processes[i].end()
	}
	if os.Getenv("KEEP") == "" {
		_ = os.RemoveAll(s.dir)
	}
}

// await waits for a file that a process makes when it is ready.
func (s *stage) await(ctx context.Context, p *process, file string) error {
	for {
		if _, err := os.Stat(file); err == nil {
			return nil
		}
		select {
		case <-p.done:
			return fmt.Errorf("%s ended before it was ready: %s", p.name, tail(p.log.Name()))
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready: %w: %s", p.name, ctx.Err(), tail(p.log.Name()))
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// tail gives the end of a log.
func tail(file string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-2000):])
}

func (s *stage) startAnalyzer(ctx context.Context) error {
	address, err := freeAddress()
	if err != nil {
		return err
	}
	nats, err := freeAddress()
	if err != nil {
		return err
	}
	s.url = "http://" + address
	ready := filepath.Join(s.dir, "analyzer.ready")
	p, err := s.start("weir-analyzer", "run", "--cluster", "demo", "--nats-dir", filepath.Join(s.dir, "nats"), "--nats-listen", nats, "--http-addr", address, "--ready-file", ready)
	if err != nil {
		return err
	}
	if err := s.await(ctx, p, ready); err != nil {
		return err
	}
	say("weir-analyzer runs, with its own NATS server; a plain NATS subscriber listens on weir.v1.alerts.>")
	if s.conn, err = s.connect(ctx, "sensor"); err != nil {
		return err
	}
	return s.subscribe(ctx)
}

func (s *stage) credentials(user string) string {
	return filepath.Join(s.dir, "nats", user+".nats.json")
}

func (s *stage) connect(ctx context.Context, user string) (*natsconn.Conn, error) {
	conn, err := natsconn.Connect(ctx, natsconn.Config{CredsFile: s.credentials(user), Name: "demo-" + user})
	if err != nil {
		return nil, err
	}
	return conn, conn.WaitConnected(ctx)
}

// natsURL reads where the embedded server listens.
func (s *stage) natsURL() (string, error) {
	text, err := os.ReadFile(s.credentials("sensor"))
	if err != nil {
		return "", fmt.Errorf("find the NATS server: %w", err)
	}
	var file struct{ URL string }
	if err := json.Unmarshal(text, &file); err != nil {
		return "", fmt.Errorf("find the NATS server: %w", err)
	}
	return file.URL, nil
}

// subscribe takes alerts as any subscriber would.
func (s *stage) subscribe(ctx context.Context) error {
	reader, err := s.connect(ctx, "reader")
	if err != nil {
		return err
	}
	_, err = reader.NATS().Subscribe("weir.v1.alerts.>", func(m *nats.Msg) { s.take(m.Data) })
	if err != nil {
		return fmt.Errorf("subscribe to alerts: %w", err)
	}
	return reader.NATS().Flush()
}

// freeAddress finds a port of the loopback interface that nobody has.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	return l.Addr().String(), l.Close()
}

// counted asks the analyzer what it has counted for the company's people: whatever else speaks HTTP
// on this machine is none of the demo's business.
func (s *stage) counted(ctx context.Context) (tally, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+"/api/v1/top?n=10000", nil)
	if err != nil {
		return tally{}, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return tally{}, fmt.Errorf("ask the analyzer: %w", err)
	}
	defer response.Body.Close()
	var answer struct {
		Rows []struct {
			Principal     string `json:"principal_id"`
			Requests      uint64 `json:"requests"`
			Records       uint64 `json:"records"`
			ResponseBytes uint64 `json:"response_bytes"`
		} `json:"rows"`
	}
	if err := json.NewDecoder(io.LimitReader(response.Body, 64<<20)).Decode(&answer); err != nil {
		return tally{}, fmt.Errorf("ask the analyzer: %w", err)
	}
	var sum tally
	for _, row := range answer.Rows {
		if s.ours[row.Principal] {
			sum.requests, sum.records, sum.bytes = sum.requests+row.Requests, sum.records+row.Records, sum.bytes+row.ResponseBytes
		}
	}
	return sum, nil
}

// awaitCount waits until the analyzer has counted exactly what was said.
func (s *stage) awaitCount(ctx context.Context, want tally) error {
	for {
		got, err := s.counted(ctx)
		if err != nil {
			return err
		}
		if got == want {
			return nil
		}
		if got.requests > want.requests {
			return fmt.Errorf("the analyzer counted %d requests, the API's log has %d", got.requests, want.requests)
		}
		select {
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("the analyzer counted %+v, the API's log has %+v", got, want), ctx.Err())
		case <-time.After(200 * time.Millisecond):
		}
	}
}
