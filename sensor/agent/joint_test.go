// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weir-project/weir/deploy/street/tape"
	"github.com/weir-project/weir/proto/wire"
	weirv1 "github.com/weir-project/weir/proto/wire/weir/v1"
)

// proxied is a capture of both legs of exchanges that pass a proxy. The proxy has a token of its own,
// takes a prefix away, and packs what it hands on.
func proxied(frontend, backend string, ids bool) *tape.Tape {
	t := tape.New(start)
	own := netip.AddrPortFrom(netip.MustParseAddrPort(backend).Addr(), 50000)
	if !own.Addr().IsLoopback() {
		own = netip.AddrPortFrom(netip.MustParseAddrPort(frontend).Addr(), 50000)
	}
	inner := t.Dial(own, netip.MustParseAddrPort(backend))
	for i := range 4 {
		outer := t.Dial(netip.AddrPortFrom(client.Addr(), uint16(41000+i)), netip.MustParseAddrPort(frontend))
		id := ""
		if ids {
			id = fmt.Sprintf("X-Request-ID: req-%d\r\n", i)
		}
		ask := func(path, token string) []byte {
			return bytes.Replace(request(path, token, ""), []byte("\r\n\r\n"), []byte("\r\n"+id+"\r\n"), 1)
		}
		outer.Client(ask("/api/list", fmt.Sprintf("tok_test_client_%d", i)))
		inner.Client(ask("/list", "tok_test_proxy"))
		inner.Server(response(200, list(50*(i+1))))
		outer.Server(response(200, "packed"))
		outer.Close()
	}
	inner.Close()
	return t
}

// readLines runs read over a tape.
func readLines(t *testing.T, frames *tape.Tape, flags ...string) (all []*weirv1.Exchange, counters map[string]uint64) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "proxied.pcap")
	if err := os.WriteFile(name, frames.Pcap(), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, log bytes.Buffer
	args := append([]string{"read", name, "--key-file", tenantKey(t)}, flags...)
	if code := Main(args, Env{Stdout: &out, Stderr: &log}); code != 0 {
		t.Fatalf("exit %d: %s", code, log.String())
	}
	counters = map[string]uint64{}
	for line := range bytes.Lines(out.Bytes()) {
		var l wire.Line
		if err := wire.ParseLine(bytes.TrimSpace(line), &l); err != nil {
			t.Fatal(err)
		}
		if l.Exchange != nil {
			all = append(all, l.Exchange)
		}
		if l.Capture != nil {
			for _, c := range l.Capture.Counters {
				counters[c.Name+"/"+c.Reason] += c.Value
			}
		}
	}
	return all, counters
}

// A capture that shows both legs gives one exchange each: whose token the client showed, what the
// backend said.
func TestBothLegsInACapture(t *testing.T) {
	for _, c := range []struct {
		frontend, backend string
		flags             string
	}{
		{"192.0.2.80:80", "192.0.2.90:8080", ""},
		{"127.0.0.1:80", "127.0.0.1:8080", ""},
		{"192.0.2.80:80", "127.0.0.1:8080", "--leg-address 192.0.2.80"},
	} {
		all, n := readLines(t, proxied(c.frontend, c.backend, true), strings.Fields(c.flags)...)
		if len(all) != 4 || n["legs_joined/"] != 4 || n["legs_filtered/outer_leg"] != 4 {
			t.Fatalf("%+v: %d exchanges, %v", c, len(all), n)
		}
		principals := map[string]bool{}
		for i, x := range all {
			principals[string(x.PrincipalId)] = true
			if x.RecordCount != uint64(50*(i+1)) || x.HttpResponseBodySize != uint64(len(list(50*(i+1)))) || x.UrlPath != "/api/list" ||
				x.ClientPort != uint32(41000+i) || len(x.Anomalies) > 0 || x.RequestId != fmt.Sprintf("req-%d", i) {
				t.Errorf("%+v: %v", c, x)
			}
		}
		if len(principals) != 4 {
			t.Errorf("%+v: %d principals", c, len(principals))
		}
	}
}

// Where nothing joins them, or nobody wants it, both legs are told.
func TestBothLegsThatAreNotJoined(t *testing.T) {
	for name, tell := range map[string]func() ([]*weirv1.Exchange, map[string]uint64){
		"no ids": func() ([]*weirv1.Exchange, map[string]uint64) {
			return readLines(t, proxied("192.0.2.80:80", "192.0.2.90:8080", false))
		},
		"another host": func() ([]*weirv1.Exchange, map[string]uint64) {
			return readLines(t, proxied("192.0.2.80:80", "127.0.0.1:8080", true))
		},
		"every leg is wanted": func() ([]*weirv1.Exchange, map[string]uint64) {
			return readLines(t, proxied("127.0.0.1:80", "127.0.0.1:8080", true), "--join-legs=false")
		},
	} {
		if all, n := tell(); len(all) != 8 || n["legs_joined/"] != 0 {
			t.Errorf("%s: %d exchanges, %v", name, len(all), n)
		}
	}
}
