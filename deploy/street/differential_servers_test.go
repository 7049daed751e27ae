// SPDX-License-Identifier: Apache-2.0

package street

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"text/template"
	"time"

	"golang.org/x/net/http2"
	//lint:ignore SA1019 net/http does not answer Upgrade: h2c, and the field still has servers that do
	"golang.org/x/net/http2/h2c"
)

//go:embed peers/*.js peers/*.conf peers/*.cfg
var peerFiles embed.FS

// server is a server on the street: where it listens for which way of speaking, and its own log. A
// path's first part says what it answers: /fixed/..., /chunked/..., /trailer/..., /hints/...,
// /status/..., /up/... (takes a body first), /files/... (a file). The query is how many bytes, or the status: a
// number in the path is an id, which the sensor tells as its hash alone.
type server struct {
	name              string
	one, two, upgrade string // HTTP/1, HTTP/2 with prior knowledge, h2c by Upgrade; "" where it does not
	kinds             string // the paths it knows
	rows              func() []row
}

// book is the log of a Go server: what its handlers took and gave.
type book struct {
	mu   sync.Mutex
	rows []row
}

func (b *book) all() []row {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]row(nil), b.rows...)
}

func (b *book) add(r row) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.rows = append(b.rows, r)
}

var filler = bytes.Repeat([]byte("g"), 1<<16)

func (b *book) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	in, _ := io.Copy(io.Discard, r.Body)
	line := row{Method: r.Method, Host: bare(r.Host), Path: r.URL.Path, Status: 200, In: uint64(in)}
	defer func() { b.add(line) }()
	kind, _, _ := strings.Cut(r.URL.Path[1:], "/")
	n, err := strconv.ParseInt(r.URL.RawQuery, 10, 64)
	if err != nil {
		n = 0
	}
	piece := filler
	w.Header().Set("Content-Type", "text/plain")
	switch kind {
	case "status":
		line.Status, n = uint32(n), 3
		if line.Status == 204 || line.Status == 304 {
			n = 0
		}
	case "fixed", "up":
		w.Header().Set("Content-Length", strconv.FormatInt(n, 10))
	case "hints":
		w.Header().Set("Link", "</style.css>; rel=preload; as=style")
		w.WriteHeader(http.StatusEarlyHints)
	case "trailer":
		w.Header().Set("Trailer", "X-End")
	case "chunked":
		piece = filler[:9001]
	}
	w.WriteHeader(int(line.Status))
	if flusher, ok := w.(http.Flusher); ok && kind != "status" && kind != "fixed" {
		flusher.Flush() // without a length, even where the body is short
	}
	for n > 0 && r.Method != http.MethodHead {
		sent, err := w.Write(piece[:min(n, int64(len(piece)))])
		if n -= int64(sent); err != nil {
			// The client left while this piece was on its way: it may have all of it, which Go does not know.
			line.Out += uint64(min(n+int64(sent), int64(len(piece))))
			return
		}
		line.Out += uint64(sent)
	}
	w.Header().Set("X-End", "yes")
}

const dynamic = "fixed chunked trailer hints status up"

// goServer is net/http, and x/net's h2c for clients that upgrade.
func (l *lab) goServer(addr string) server {
	l.t.Helper()
	b := &book{}
	both := &http.Protocols{}
	both.SetHTTP1(true)
	both.SetUnencryptedHTTP2(true)
	open := func(s *http.Server) string {
		listener, err := net.Listen("tcp4", addr)
		l.must(err)
		go func() { _ = s.Serve(listener) }()
		l.t.Cleanup(func() { s.Close() })
		return listener.Addr().String()
	}
	plain := open(&http.Server{Handler: b, Protocols: both, ReadHeaderTimeout: 20 * time.Second})
	//lint:ignore SA1019 net/http does not answer Upgrade: h2c
	upgrading := h2c.NewHandler(b, &http2.Server{})
	return server{"go", plain, plain, open(&http.Server{Handler: upgrading, ReadHeaderTimeout: 20 * time.Second}), dynamic, b.all}
}

// jsonRows reads a log of one JSON object a line.
func jsonRows(p *process) func() []row {
	return func() (all []row) {
		for line := range bytes.Lines(p.out.Bytes()) {
			var r row
			if json.Unmarshal(line, &r) == nil && r.Method != "" {
				all = append(all, r)
			}
		}
		return all
	}
}

// peer writes a file of peers/ into the lab, as a template.
func (l *lab) peer(name string, values any) string {
	l.t.Helper()
	text, err := peerFiles.ReadFile("peers/" + name)
	l.must(err)
	var out bytes.Buffer
	if strings.HasSuffix(name, ".js") {
		out.Write(text)
	} else {
		l.must(template.Must(template.New(name).Parse(string(text))).Execute(&out, values))
	}
	file := filepath.Join(l.dir, name)
	l.must(os.WriteFile(file, out.Bytes(), 0o644))
	return file
}

func (l *lab) node() server {
	l.t.Helper()
	addrs, ports := l.freePorts(2)
	p := l.start("node", l.peer("server.js", nil), serverAddr, ports[0], ports[1])
	return server{"node", addrs[0], addrs[1], "", dynamic, jsonRows(p)}
}

// joined gives a proxy's rows: method, host, path and status as the proxy logged them, bodies as the
// server behind it has them under the same path.
func joined(log func() []row, behind func() []row) func() []row {
	return func() []row {
		type key struct{ method, path string }
		bodies := map[key]row{}
		for _, r := range behind() {
			bodies[key{r.Method, r.Path}] = r
		}
		all := log()
		for i, r := range all {
			if x, ok := bodies[key{r.Method, r.Path}]; ok {
				all[i].In, all[i].Out = x.In, x.Out
			}
		}
		return all
	}
}

// haproxyServer is haproxy before a Go server on loopback, where nobody looks. It is not asked for hints:
// the body after a 103 was once not sent to a client of HTTP/2, and neither log says so.
func (l *lab) haproxyServer() server {
	l.t.Helper()
	behind := l.goServer("127.0.0.1:0")
	addrs, _ := l.freePorts(2)
	config, file := l.peer("haproxy.cfg", map[string]string{"One": addrs[0], "Two": addrs[1], "Backend": behind.one}), filepath.Join(l.dir, "haproxy.log")
	l.start("sh", "-c", fmt.Sprintf("exec haproxy -db -f '%s' >'%s'", config, file)) // into a pipe that is full it does not log
	log := func() (all []row) {
		text, _ := os.ReadFile(file)
		for line := range bytes.Lines(text) {
			var r row
			if n, _ := fmt.Sscanf(string(line), "%s %s %s %d", &r.Method, &r.Host, &r.Path, &r.Status); n == 4 {
				r.Host = bare(r.Host)
				all = append(all, r)
			}
		}
		return all
	}
	return server{"haproxy", addrs[0], addrs[1], "", "fixed chunked trailer status up", joined(log, behind.rows)}
}

// sized is the name of a file of a size.
func (*lab) sized(size int64) string { return fmt.Sprintf("size-%d", size) }

// fileSizes are the sizes of the files that nginx and nghttpd give away.
var fileSizes = []int64{0, 1, 1460, 8192, 16384, 65537, 1_000_000}

// files makes a folder of holes, each named by its size; what clients ask for are links to them.
func (l *lab) files() string {
	l.t.Helper()
	dir := filepath.Join(l.dir, "files")
	l.must(os.MkdirAll(dir, 0o755))
	for d := dir; len(d) > len(os.TempDir()); d = filepath.Dir(d) {
		l.must(os.Chmod(d, 0o755)) // nginx may drop to another user
	}
	for _, size := range append([]int64{bigSize()}, fileSizes...) {
		file := filepath.Join(dir, l.sized(size))
		l.must(os.WriteFile(file, nil, 0o644))
		l.must(os.Truncate(file, size))
	}
	return dir
}

// nginxServer is nginx with files and before a Go server on loopback. Its log counts bodies in
// HTTP/1 with a length; in chunks and frames it counts their framing too, so there the body is the file, or
// what the server behind gave.
func (l *lab) nginxServer() server {
	l.t.Helper()
	behind := l.goServer("127.0.0.1:0")
	l.files()
	addrs, _ := l.freePorts(2)
	config := l.peer("nginx.conf", map[string]string{"Dir": l.dir, "One": addrs[0], "Two": addrs[1], "Backend": behind.one})
	l.start("nginx", "-e", filepath.Join(l.dir, "error.log"), "-c", config)
	log := func() (all []row) {
		text, _ := os.ReadFile(filepath.Join(l.dir, "access.log"))
		for line := range bytes.Lines(text) {
			var r row
			var version string
			if n, _ := fmt.Sscanf(string(line), "%s %s %s %d %d %s", &r.Method, &r.Host, &r.Path, &r.Status, &r.Out, &version); n != 6 {
				continue
			}
			if file, err := os.Stat(filepath.Join(l.dir, r.Path)); err == nil && version == "HTTP/2.0" && r.Status == 200 && r.Method == http.MethodGet {
				r.Out = uint64(file.Size())
			}
			all = append(all, r)
		}
		return all
	}
	return server{"nginx", addrs[0], addrs[1], "", "files fixed chunked status up", joined(log, behind.rows)}
}

// nghttpd serves files, pads its frames, and gives back what is posted.
func (l *lab) nghttpd() server {
	l.t.Helper()
	addrs, ports := l.freePorts(1)
	p := l.start("nghttpd", "-v", "--no-tls", "--echo-upload", "-b", "40", "-m", "100", "-a", serverAddr, "-d", filepath.Dir(l.files()), ports[0])
	return server{"nghttpd", "", addrs[0], "", "files up", func() []row { return nghttpdRows(p.out.Bytes()) }}
}

// nghttpdRows reads its frame log: a stream is a row when it is closed.
func nghttpdRows(log []byte) (all []row) {
	open := map[string]*row{}
	var last *row
	var padded *uint64
	for text := range strings.Lines(string(log)) {
		f := strings.Fields(text)
		if at := strings.Index(text, "] send "); at < 0 && !strings.Contains(text, "] recv ") && !strings.Contains(text, "closed") {
			var pad uint64
			if n, _ := fmt.Sscanf(strings.TrimSpace(text), "(padlen=%d", &pad); n == 1 && padded != nil {
				*padded -= pad
			}
			if len(f) == 2 && f[0] == ":status:" && last != nil {
				code, _ := strconv.Atoi(f[1])
				last.Status = uint32(code)
			}
			continue
		}
		padded = nil
		number := between(text, "stream_id=", ",>) \n")
		if number == "" || number == "0" {
			continue
		}
		stream := between(text, "[id=", "]") + "/" + number
		if open[stream] == nil {
			open[stream] = &row{}
		}
		last = open[stream]
		size, _ := strconv.ParseUint(between(text, "length=", ","), 10, 64)
		switch {
		case strings.Contains(text, " closed"):
			if last.Method != "" {
				all = append(all, *last)
			}
			delete(open, stream)
		case strings.Contains(text, "recv DATA"):
			last.In += size
			padded = &last.In
		case strings.Contains(text, "send DATA"):
			last.Out += size
			padded = &last.Out
		case strings.Contains(text, ") :method: "):
			last.Method = f[len(f)-1]
		case strings.Contains(text, ") :path: "):
			last.Path, _, _ = strings.Cut(f[len(f)-1], "?")
		case strings.Contains(text, ") :authority: "):
			last.Host = bare(f[len(f)-1])
		}
	}
	return all
}

// between gives what stands after a text, up to any of the ends.
func between(text, after, ends string) string {
	_, rest, ok := strings.Cut(text, after)
	if at := strings.IndexAny(rest, ends); ok && at >= 0 {
		return rest[:at]
	}
	return ""
}
