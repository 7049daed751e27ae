// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weir-project/weir/deploy/street/tape"
	"github.com/weir-project/weir/proto/keyhash"
	"github.com/weir-project/weir/sensor/config"
	"github.com/weir-project/weir/sensor/exchange"
	"github.com/weir-project/weir/sensor/packet"
)

var (
	start  = time.Date(2026, 3, 4, 10, 0, 0, 0, time.UTC)
	client = netip.MustParseAddrPort("192.0.2.7:40000")
	server = netip.MustParseAddrPort("192.0.2.80:80")
)

func testKeys(t testing.TB) *keyhash.Keys {
	t.Helper()
	k, err := keyhash.ParseTenantKey([]byte(strings.Repeat("5a", 32)))
	if err != nil {
		t.Fatal(err)
	}
	return k.Derive()
}

// tenantKey writes a tenant key that no other test has to share.
func tenantKey(t testing.TB) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "tenant.key")
	if err := os.WriteFile(name, []byte(strings.Repeat("5a", 32)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// readConfig is what `read` runs with, after flags.
func readConfig(t testing.TB, flags ...string) *config.Config {
	t.Helper()
	cfg, _, err := config.Parse("read", append([]string{"-", "--sensor-id", "s"}, flags...), nil, &bytes.Buffer{})
	if err != nil {
		t.Fatal(err)
	}
	return &cfg
}

// newTestPipeline makes a pipeline of one file.
func newTestPipeline(t testing.TB, sink exchange.Sink, flags ...string) *pipeline {
	t.Helper()
	return newPipeline(readConfig(t, flags...), testKeys(t), "s/file", "file", "file", exchange.RankMirror, alone, sink)
}

// feed hands a tape's frames to a pipeline.
func feed(p *pipeline, frames []tape.Frame) {
	for _, f := range frames {
		p.frame(&packet.Frame{Time: f.At.UnixNano(), Data: f.Data, Length: len(f.Data), Link: packet.LinkEthernet})
	}
}

// told is what a sink keeps of an exchange: a copy, since what it refers to is used again.
type told struct {
	Method, Path, Server string
	Token, ID            exchange.ID
	Status               uint16
	Request, Response    uint64 // body bytes
	Records              uint64
	Coverage             exchange.Coverage
	Gap                  uint64
}

// memory is a sink that keeps what it is told.
type memory struct{ all []told }

func (m *memory) Exchange(x *exchange.Exchange) {
	m.all = append(m.all, told{
		Method: string(x.Method), Path: string(x.Path), Server: string(x.ServerName), Token: x.TokenID, ID: x.ID, Status: x.Status,
		Request: x.RequestBodySize, Response: x.ResponseBodySize, Records: x.Records, Coverage: x.Coverage, Gap: x.GapBytes,
	})
}

// nowhere is a sink that counts.
type nowhere struct{ exchanges, bytes uint64 }

func (n *nowhere) Exchange(x *exchange.Exchange) {
	n.exchanges += uint64(x.RequestCount)
	n.bytes += x.ResponseBodySize
}

// request and response are messages of HTTP/1.1.
func request(path, token, body string) []byte {
	length := ""
	method := "GET"
	if body != "" {
		method, length = "POST", fmt.Sprintf("Content-Length: %d\r\n", len(body))
	}
	return fmt.Appendf(nil, "%s %s HTTP/1.1\r\nHost: api.example\r\nAuthorization: Bearer %s\r\n%s\r\n%s", method, path, token, length, body)
}

func response(status int, body string) []byte {
	return fmt.Appendf(nil, "HTTP/1.1 %d X\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", status, len(body), body)
}

// list is a JSON array of n records.
func list(n int) string {
	var rows []string
	for i := range n {
		rows = append(rows, fmt.Sprintf(`{"id":%d,"name":"n%d"}`, i+1, i))
	}
	return "[" + strings.Join(rows, ",") + "]"
}

// totals adds up a pipeline's counters by name.
func totals(p *pipeline) map[string]uint64 {
	sum := map[string]uint64{}
	for _, c := range p.counters() {
		sum[c.Name] += c.Value
	}
	return sum
}

func contextFor(t testing.TB, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(t.Context(), d)
}
