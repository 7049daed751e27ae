// SPDX-License-Identifier: Apache-2.0

package street

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"
)

// bigSize is the size of a large body: 300 MB, or with WEIR_STREET_BIG=1 (make street-big) 5 GB.
func bigSize() int64 {
	if os.Getenv("WEIR_STREET_BIG") == "1" {
		return 5_000_000_000
	}
	return 300_000_000
}

// TestDifferentialLarge counts bodies beyond every 32-bit number, and beyond any buffer: each scene is
// one answer or one upload.
func TestDifferentialLarge(t *testing.T) {
	newLab(t).need("nginx", "node", "curl", "ethtool")
	if bigSize() < 1<<32 {
		t.Logf("BODIES OF %d BYTES, NOT OF 5 GB: make street-big runs those", bigSize())
	}
	for i, c := range []struct {
		name    string
		server  func(l *lab) server
		version string // of curl
		method  string
		kind    string
	}{
		{"nginx, a file", (*lab).nginxServer, "http1.1", http.MethodGet, "files"},
		{"Go, with a length", goAcross, "http1.1", http.MethodGet, "fixed"},
		{"Go, chunked", goAcross, "http1.1", http.MethodGet, "chunked"},
		{"Node, ended by the connection", (*lab).node, "http1.0", http.MethodGet, "chunked"},
		{"Go, HTTP/2", goAcross, "http2-prior-knowledge", http.MethodGet, "chunked"},
		{"nginx, HTTP/2", (*lab).nginxServer, "http2-prior-knowledge", http.MethodGet, "files"},
		{"to Go", goAcross, "http1.1", http.MethodPut, "up"},
		{"to Go, HTTP/2", goAcross, "http2-prior-knowledge", http.MethodPut, "up"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLab(t)
			to := c.server(l)
			addr := to.one
			if c.version == "http2-prior-knowledge" {
				addr = to.two
			}
			l.listens(l.dialFrom(), addr)
			l.files()
			tries := 0
			l.scene(func(s *scene) {
				tries++
				mark := "big-" + letters(i) + "-" + letters(tries)
				a := s.large(c.kind, c.method, mark)
				received := curl(c.version)(s, addr, []ask{a})
				if told := s.equal(c.name, mark, 1, to.rows); told != received || c.method == http.MethodGet && received != uint64(bigSize()) {
					s.fault("received %d bytes of %d, told are %d", received, bigSize(), told)
				}
			})
		})
	}
}

func goAcross(l *lab) server { return l.goServer(serverAddr + ":0") }

// large asks for a large answer, or sends a large body.
func (s *scene) large(kind, method, mark string) ask {
	hole := s.sized(bigSize())
	link := func(name string) {
		if _, err := os.Stat(name); err != nil {
			s.must(os.Symlink(filepath.Join(s.dir, "files", hole), name))
		}
	}
	switch kind {
	case "files":
		link(filepath.Join(s.dir, "files", mark))
		return ask{Method: method, Path: "/files/" + mark}
	case "up":
		link(s.bodyName(int(bigSize())))
		return ask{Method: method, Path: "/up/" + mark + "?5", Body: int(bigSize())}
	}
	return ask{Method: method, Path: fmt.Sprintf("/%s/%s?%d", kind, mark, bigSize())}
}
