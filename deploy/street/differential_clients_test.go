// SPDX-License-Identifier: Apache-2.0

package street

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// ask is one request of a pair. Paths are unique to it, so that a proxy's log finds the body.
type ask struct {
	Method, Path string
	Body         int
	Chunked      bool // without a length
}

// letters writes a number in letters: a path's part with digits may be an id, which is told as a hash.
func letters(n int) string {
	return string([]byte{'a' + byte(n/26%26), 'a' + byte(n%26)})
}

// asks is what a client asks of a server that knows some kinds of paths. simple clients send GET
// alone; old ones cannot send without a length.
func (l *lab) asks(kinds, mark string, simple, old bool) (all []ask) {
	add := func(kind, method string, body int, chunked bool, sizes ...int64) {
		if !strings.Contains(kinds, kind) || simple && method != http.MethodGet || old && chunked {
			return
		}
		for _, n := range sizes {
			name := mark + letters(len(all))
			path := fmt.Sprintf("/%s/%s?%d", kind, name, n)
			if kind == "files" {
				path = "/files/" + name
				l.must(os.Symlink(l.sized(n), filepath.Join(l.dir, "files", name)))
			}
			all = append(all, ask{method, path, body, chunked})
		}
	}
	add("files", http.MethodGet, 0, false, fileSizes...)
	add("files", http.MethodGet, 0, false, 77) // which is not there
	add("files", http.MethodHead, 0, false, 65537)
	add("fixed", http.MethodGet, 0, false, 0, 1, 1023, 16384, 16385, 65536, 100_000, 1<<20+1)
	add("chunked", http.MethodGet, 0, false, 0, 1, 9001, 16384, 70_000, 1<<20+1)
	add("trailer", http.MethodGet, 0, false, 5000)
	add("hints", http.MethodGet, 0, false, 700)
	add("status", http.MethodGet, 0, false, 204, 304, 404, 500)
	add("fixed", http.MethodHead, 0, false, 5000)
	for _, n := range []int{1, 1500, 16385, 1<<20 + 3} {
		add("up", http.MethodPost, n, false, 10, 30_000)
		add("up", http.MethodPost, n, true, 10)
	}
	add("up", http.MethodPut, 5000, false, 0)
	return all
}

// speaker is a client on the street.
type speaker struct {
	name    string
	version string // "one", "two" or "upgrade": the address of the server it wants
	simple  bool
	old     bool
	repeats int // how often it makes each request
	run     func(s *scene, addr string, all []ask) (received uint64)
}

var speakers = []speaker{
	{"curl", "one", false, false, 1, curl("http1.1")},
	{"curl 1.0", "one", false, true, 1, curl("http1.0")},
	{"curl h2", "two", false, false, 1, curl("http2-prior-knowledge")},
	{"curl upgrade", "upgrade", false, false, 1, curl("http2")},
	{"go", "one", false, false, 1, goClient(false)},
	{"go h2", "two", false, false, 1, goClient(true)},
	{"node", "one", false, false, 1, nodeClient("1")},
	{"node h2", "two", false, false, 1, nodeClient("2")},
	{"h2load h1", "one", true, false, 3, h2load("http/1.1")},
	{"h2load h2", "two", true, false, 3, h2load("h2c")},
	{"nghttp", "two", true, false, 1, nghttp()},
	{"nghttp upgrade", "upgrade", true, false, 1, nghttp("-u")},
}

func (l *lab) bodyName(n int) string { return filepath.Join(l.dir, fmt.Sprintf("body-%d", n)) }

// bodyFile gives a file of a size.
func (l *lab) bodyFile(n int) string {
	file := l.bodyName(n)
	if _, err := os.Stat(file); err != nil {
		l.must(os.WriteFile(file, bytes.Repeat([]byte("b"), n), 0o644))
	}
	return file
}

// curl makes every request in one process, over connections it keeps; with prior knowledge each in its
// own, because curl 7.88 breaks a connection that it uses again that way ("Error in the HTTP2 framing layer").
func curl(version string) func(s *scene, addr string, all []ask) uint64 {
	return func(s *scene, addr string, all []ask) (received uint64) {
		one := len(all)
		if version == "http2-prior-knowledge" {
			one = 1
		}
		for some := range slices.Chunk(all, one) {
			file := filepath.Join(s.dir, "curl.config")
			s.must(os.WriteFile(file, s.curlConfig(version, addr, some), 0o644))
			for _, f := range strings.Fields(s.client("curl", "-q", "--config", file)) {
				n, err := strconv.ParseUint(f, 10, 64)
				s.must(err)
				received += n
			}
		}
		return received
	}
}

func (s *scene) curlConfig(version, addr string, all []ask) []byte {
	var config bytes.Buffer
	for i, a := range all {
		if i > 0 {
			config.WriteString("next\n")
		}
		fmt.Fprintf(&config, "url = \"http://%s%s\"\n%s\noutput = /dev/null\nsilent\nshow-error\nmax-time = 75\nwrite-out = \"%%{size_download}\\n\"\n", addr, a.Path, version)
		switch {
		case a.Method == http.MethodHead:
			config.WriteString("head\n")
		case a.Method == http.MethodPut:
			fmt.Fprintf(&config, "upload-file = %q\n", s.bodyFile(a.Body))
		case a.Body > 0:
			fmt.Fprintf(&config, "data-binary = %q\n", "@"+s.bodyFile(a.Body))
		}
		if a.Chunked {
			config.WriteString("header = \"Transfer-Encoding: chunked\"\n")
		}
	}
	return config.Bytes()
}

// goClient is net/http; six requests are under way at once.
func goClient(two bool) func(s *scene, addr string, all []ask) uint64 {
	return func(s *scene, addr string, all []ask) uint64 {
		protocols := &http.Protocols{}
		protocols.SetHTTP1(!two)
		protocols.SetUnencryptedHTTP2(two)
		transport := &http.Transport{DialContext: s.dial, MaxConnsPerHost: 3, Protocols: protocols}
		defer transport.CloseIdleConnections()
		client := &http.Client{Transport: transport, Timeout: 30 * time.Second}
		var received atomic.Uint64
		var wait sync.WaitGroup
		var mu sync.Mutex
		queue := make(chan ask)
		for range 6 {
			wait.Go(func() {
				for a := range queue {
					n, err := goAsk(client, addr, a)
					received.Add(n)
					if err != nil {
						mu.Lock()
						s.fault("go client: %v", err)
						mu.Unlock()
					}
				}
			})
		}
		for _, a := range all {
			queue <- a
		}
		close(queue)
		wait.Wait()
		return received.Load()
	}
}

func goAsk(client *http.Client, addr string, a ask) (uint64, error) {
	var body io.Reader
	if a.Body > 0 {
		body = bytes.NewReader(bytes.Repeat([]byte("c"), a.Body))
	}
	if a.Chunked {
		body = struct{ io.Reader }{body}
	}
	request, err := http.NewRequest(a.Method, "http://"+addr+a.Path, body)
	if err != nil {
		return 0, err
	}
	response, err := client.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	n, err := io.Copy(io.Discard, response.Body)
	return uint64(n), err
}

func nodeClient(version string) func(s *scene, addr string, all []ask) uint64 {
	return func(s *scene, addr string, all []ask) uint64 {
		text, err := json.Marshal(all)
		s.must(err)
		file := filepath.Join(s.dir, "asks.json")
		s.must(os.WriteFile(file, text, 0o644))
		out := s.client("node", s.peer("client.js", nil), version, "http://"+addr, file)
		n, err := strconv.ParseUint(strings.TrimSpace(out), 10, 64)
		if err != nil {
			s.fault("node says %q", out)
		}
		return n
	}
}

// h2load makes each request three times, over three connections; over HTTP/1 it pipelines.
func h2load(protocol string) func(s *scene, addr string, all []ask) uint64 {
	return func(s *scene, addr string, all []ask) uint64 {
		var uris strings.Builder
		for _, a := range all {
			fmt.Fprintf(&uris, "http://%s%s\n", addr, a.Path)
		}
		file := filepath.Join(s.dir, "uris")
		s.must(os.WriteFile(file, []byte(uris.String()), 0o644))
		// Three clients with as many requests each: each goes through the list once.
		out := s.client("h2load", "-p", protocol, "-n", strconv.Itoa(3*len(all)), "-c", "3", "-m", "8", "-i", file)
		n, err := strconv.ParseUint(between(out[strings.LastIndex(out, "%), ")+1:], "(", ")"), 10, 64)
		if err != nil {
			s.fault("h2load says %q", out)
		}
		return n
	}
}

// nghttp fetches everything over one connection, with a tree of priorities.
func nghttp(flags ...string) func(s *scene, addr string, all []ask) uint64 {
	return func(s *scene, addr string, all []ask) uint64 {
		args := append([]string{"--no-push"}, flags...)
		for _, a := range all {
			args = append(args, "http://"+addr+a.Path)
		}
		return uint64(len(s.client("nghttp", args...)))
	}
}
