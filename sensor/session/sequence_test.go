// SPDX-License-Identifier: Apache-2.0

package session_test

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/weir-project/weir/sensor/session"
	"github.com/weir-project/weir/sensor/stream"
)

// Who walks from number to number is told by the token, else by the principal: two clients without one
// do not make a walk together, and one that walks does so over connections.
func TestWalksAreOfOnePrincipal(t *testing.T) {
	out := &sink{}
	s := session.New(session.Config{Inspect: true}, testKeys(t), out)
	ask := func(client, token string, id int) uint32 {
		t.Helper()
		w := newWire(s, false)
		w.conn.Addr[stream.A] = netip.MustParseAddrPort(client + ":40000")
		if token != "" {
			token = "Authorization: Bearer " + token + "\r\n"
		}
		w.send(stream.A, fmt.Appendf(nil, "GET /customers/%d HTTP/1.1\r\nHost: a\r\n%s\r\n", id, token))
		w.send(stream.B, []byte("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"))
		w.close()
		return out.all[len(out.all)-1].SequentialObjects
	}
	for i, c := range []struct {
		client, token string
		id            int
		walks         uint32
	}{
		{"192.0.2.1", "", 5000, 0},
		{"192.0.2.2", "", 5001, 0},
		{"192.0.2.1", "", 5001, 1},
		{"192.0.2.2", "", 5002, 1},
		{"192.0.2.3", "", 5003, 0},
		{"192.0.2.3", "tok_test_1", 5004, 0},
		{"192.0.2.4", "tok_test_1", 5005, 1},
		{"192.0.2.4", "", 5006, 0},
		{"192.0.2.3", "", 5004, 1},
	} {
		if got := ask(c.client, c.token, c.id); got != c.walks {
			t.Errorf("request %d, %s %q asks for %d: %d, want %d", i, c.client, c.token, c.id, got, c.walks)
		}
	}
}
