// SPDX-License-Identifier: Apache-2.0

package session_test

import (
	"fmt"
	"testing"

	"github.com/weir-project/weir/sensor/session"
	"github.com/weir-project/weir/sensor/stream"
)

// TestServerNameIsAHost holds that nothing but a host is told as one: user and password are secrets.
func TestServerNameIsAHost(t *testing.T) {
	for _, c := range []struct{ host, want string }{
		{"user_secret:pass_secret@api.example", "api.example"},
		{"user_secret:pass_secret@api.example:8080", "api.example"},
		{"user_secret@api.example", "api.example"},
		{"user_secret:pass_secret", ""},
		{"user_secret:pass_secret@", ""},
		{"a b", ""},
		{"", ""},
		{"api.example:443x", ""},
		{"API.Example.", "api.example"},
		{"api.example:8080", "api.example"},
		{"api.example:", "api.example"},
		{"[2001:db8::1]:80", "[2001:db8::1]"},
		{"[2001:db8::1]", "[2001:db8::1]"},
	} {
		out := &sink{}
		w := newWire(session.New(session.Config{Point: "p"}, testKeys(t), out), false)
		w.send(stream.A, fmt.Appendf(nil, "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", c.host))
		w.send(stream.B, []byte("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))
		w.close()
		if len(out.all) != 1 {
			t.Fatalf("%q: %d exchanges", c.host, len(out.all))
		}
		if got := string(out.all[0].ServerName); got != c.want {
			t.Errorf("%q: server name %q, want %q", c.host, got, c.want)
		}
	}
}
