// SPDX-License-Identifier: Apache-2.0

package street

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weir-project/weir/deploy/demo/shop"
	"github.com/weir-project/weir/proto/wire"
	weirv1 "github.com/weir-project/weir/proto/wire/weir/v1"
)

const proxyAddr = serverAddr + ":8099"

// haproxyConfig hands on what it gets, with a credential of its own. The request id is handed on, or
// another put in its place.
const haproxyConfig = `global
  maxconn 200
defaults
  mode http
  timeout connect 5s
  timeout client 30s
  timeout server 30s
frontend shop
  bind %[1]s
  default_backend api
backend api
  option forwardfor
  http-request set-header Authorization "Bearer tok_test_proxy"
  %[3]s
  server s1 %[2]s
`

// legsNginxConfig takes a prefix away and packs what it hands on.
const legsNginxConfig = `daemon off; master_process off; pid %[1]s/nginx.pid; error_log %[1]s/error.log;
events { worker_connections 64; }
http {
  access_log off;
  client_body_temp_path %[1]s/1; proxy_temp_path %[1]s/2; fastcgi_temp_path %[1]s/3; uwsgi_temp_path %[1]s/4; scgi_temp_path %[1]s/5;
  gzip on; gzip_types application/json; gzip_proxied any; gzip_min_length 1;
  upstream api { server %[3]s; keepalive 4; }
  server {
    listen %[2]s;
    location /api/ {
      proxy_pass http://api/; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host;
      proxy_set_header Authorization "Bearer tok_test_proxy"; proxy_set_header X-Forwarded-For $remote_addr;
    }
  }
}
`

// backend answers with lists, and keeps its own account.
type backend struct {
	addr  string
	mu    sync.Mutex
	bytes map[string]uint64 // by the path asked for, which no two requests share
}

// behind serves a backend on loopback. /list/<n>/<records> is a list.
func (l *lab) behind() *backend {
	l.t.Helper()
	b := &backend{bytes: map[string]uint64{}}
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	l.must(err)
	b.addr = listener.Addr().String()
	server := &http.Server{ReadHeaderTimeout: 5 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f := strings.Split(r.URL.Path, "/")
		n, _ := strconv.Atoi(f[len(f)-1])
		var body bytes.Buffer
		body.WriteByte('[')
		for i := range n {
			fmt.Fprintf(&body, `{"id":%d,"note":"%s"},`, i, strings.Repeat("n", i%40))
		}
		body.Truncate(max(1, body.Len()-1))
		body.WriteByte(']')
		w.Header().Set("Content-Type", "application/json")
		sent, _ := w.Write(body.Bytes())
		b.mu.Lock()
		defer b.mu.Unlock()
		b.bytes[r.URL.Path] += uint64(sent)
	})}
	go func() { _ = server.Serve(listener) }()
	l.t.Cleanup(func() { server.Close() })
	return b
}

// listens waits until somebody in the server's namespace listens.
func (l *lab) listens(dial func(ctx context.Context, network, address string) (net.Conn, error), addr string) {
	l.t.Helper()
	l.until(addr+" listens", func() bool {
		conn, err := dial(l.ctx, "tcp", addr)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
}

// through asks a proxy from the other end of the cable: people take turns, every request has an id.
// It gives the owner of each path. Packed answers are unpacked, so that the proxy may pack.
func (l *lab) through(prefix string, sizes []int) (owner map[string]string) {
	l.t.Helper()
	dial := l.dialFrom()
	l.listens(dial, proxyAddr)
	people := shop.People(3)
	owner = map[string]string{}
	for i, size := range sizes {
		person, path := people[i%len(people)], fmt.Sprintf("/list/%d/%d", i, size)
		transport := &http.Transport{DialContext: dial}
		request, err := http.NewRequest(http.MethodGet, "http://"+proxyAddr+prefix+path, nil)
		l.must(err)
		request.Host = shop.Host
		request.Header.Set("Authorization", "Bearer "+person.Token)
		request.Header.Set("X-Request-ID", fmt.Sprintf("street-%d", i))
		request.Header.Set("Accept-Encoding", "gzip")
		response, err := transport.RoundTrip(request)
		l.must(err)
		var body io.Reader = response.Body
		if response.Header.Get("Content-Encoding") == "gzip" {
			body, err = gzip.NewReader(response.Body)
			l.must(err)
		}
		_, err = io.Copy(io.Discard, body)
		l.must(err)
		response.Body.Close()
		transport.CloseIdleConnections()
		owner[path] = l.principal(person.Token)
	}
	return owner
}

// exchanges waits for as many lines, ends the sensor, and gives what it told of lists.
func (l *lab) exchanges(sensor *process, want int) (all []*weirv1.Exchange) {
	l.t.Helper()
	l.until(fmt.Sprintf("the sensor tells %d exchanges", want), func() bool { return bytes.Count(sensor.out.Bytes(), []byte("/list/")) >= want })
	if code := l.end(sensor); code != 0 {
		l.t.Errorf("exit %d", code)
	}
	for line := range bytes.Lines(sensor.out.Bytes()) {
		var x wire.Line
		l.must(wire.ParseLine(bytes.TrimSpace(line), &x))
		if x.Exchange != nil && strings.Contains(x.Exchange.UrlPath, "/list/") {
			all = append(all, x.Exchange)
		}
	}
	return all
}

// sizes are lists of many sizes, and one that is told in parts.
func proxySizes() []int {
	sizes := []int{1_200_000}
	for i := range 30 {
		sizes = append(sizes, 1+i*i)
	}
	return append(sizes, 1_200_000)
}

// oneEach checks that every request is one exchange: the client's, with the backend's bytes.
func (l *lab) oneEach(all []*weirv1.Exchange, prefix string, owner map[string]string, b *backend) {
	l.t.Helper()
	seen := map[uint64]int{}
	var told, served uint64
	for _, x := range all {
		told += x.HttpResponseBodySize
		seen[x.HttpResponseBodySize]++
		if !strings.HasPrefix(x.UrlPath, prefix+"/list/") || fmt.Sprintf("%d.%d.%d.%d", x.ClientAddress[0], x.ClientAddress[1], x.ClientAddress[2], x.ClientAddress[3]) != clientAddr ||
			slices.Contains(x.Anomalies, "forwarded") || x.RequestCount != 1 || x.HttpResponseStatusCode != 200 || x.Coverage != weirv1.Coverage_COVERAGE_COMPLETE {
			l.t.Errorf("not the client's exchange: %v", x)
		}
		var number int
		if _, err := fmt.Sscanf(x.RequestId, "street-%d", &number); err != nil {
			l.t.Errorf("request id %q", x.RequestId)
			continue
		}
		for path, who := range owner {
			if strings.HasPrefix(path, fmt.Sprintf("/list/%d/", number)) && (fmt.Sprintf("%x", x.PrincipalId) != who || b.bytes[path] != x.HttpResponseBodySize) {
				l.t.Errorf("%s: %x took %d bytes, in truth %s took %d", path, x.PrincipalId, x.HttpResponseBodySize, who, b.bytes[path])
			}
		}
	}
	for _, n := range b.bytes {
		served += n
	}
	if len(all) != len(owner) || told != served {
		l.t.Errorf("%d exchanges of %d, %d bytes of %d", len(all), len(owner), told, served)
	}
}

func (l *lab) haproxy(backend, idRule string) {
	l.t.Helper()
	program, err := exec.LookPath("haproxy")
	if err != nil {
		l.t.Skip("SKIPPED: haproxy is not installed")
	}
	config := filepath.Join(l.dir, "haproxy.cfg")
	l.must(os.WriteFile(config, fmt.Appendf(nil, haproxyConfig, proxyAddr, backend, idRule), 0o644))
	l.start(program, "-db", "-f", config)
}

// TestHAProxyJoined: the sensor on the proxy's host sees the cable and loopback, and tells each
// exchange once.
func TestHAProxyJoined(t *testing.T) {
	l := newLab(t)
	b := l.behind()
	l.haproxy(b.addr, "")
	sensor := l.printer(serverLink, "-i", "lo")
	owner := l.through("", proxySizes())
	l.oneEach(l.exchanges(sensor, len(owner)), "", owner, b)
}

// legsNginx starts nginx before a backend.
func (l *lab) legsNginx(backend string) {
	l.t.Helper()
	nginx, err := exec.LookPath("nginx")
	if err != nil {
		l.t.Skip("SKIPPED: nginx is not installed")
	}
	config := filepath.Join(l.dir, "nginx.conf")
	for d := l.dir; len(d) > len(os.TempDir()); d = filepath.Dir(d) {
		l.must(os.Chmod(d, 0o755)) // nginx may drop to another user
	}
	l.must(os.WriteFile(config, fmt.Appendf(nil, legsNginxConfig, l.dir, proxyAddr, backend), 0o644))
	l.start(nginx, "-e", filepath.Join(l.dir, "error.log"), "-c", config)
}

// TestNginxJoined does the same with a proxy that buffers, packs, and takes a prefix away.
func TestNginxJoined(t *testing.T) {
	l := newLab(t)
	b := l.behind()
	l.legsNginx(b.addr)
	sensor := l.printer(serverLink, "-i", "lo")
	owner := l.through("/api", proxySizes())
	l.oneEach(l.exchanges(sensor, len(owner)), "/api", owner, b)
}

// TestSlowClientJoined: nginx has the backend's answer at once, and its client takes it for seconds.
func TestSlowClientJoined(t *testing.T) {
	l := newLab(t)
	b := l.behind()
	l.legsNginx(b.addr)
	sensor := l.printer(serverLink, "-i", "lo")
	dial := l.dialFrom()
	l.listens(dial, proxyAddr)
	conn, err := dial(l.ctx, "tcp", proxyAddr)
	l.must(err)
	defer conn.Close()
	l.must(conn.(*net.TCPConn).SetReadBuffer(32 << 10))
	person := shop.People(1)[0]
	_, err = fmt.Fprintf(conn, "GET /api/list/0/300000 HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nX-Request-ID: street-0\r\nConnection: close\r\n\r\n", shop.Host, person.Token)
	l.must(err)
	for n, began := int64(0), time.Now(); ; { // ten megabytes in five seconds
		got, err := io.CopyN(io.Discard, conn, 64<<10)
		if n += got; err != nil {
			break
		}
		time.Sleep(time.Until(began.Add(time.Duration(n) * 5 * time.Second / 10_000_000)))
	}
	owner := map[string]string{"/list/0/300000": l.principal(person.Token)}
	l.oneEach(l.exchanges(sensor, 1), "/api", owner, b)
}

// TestProxyOfAnotherID: where the proxy puts its own id in place of the client's nothing shows that
// two legs are one. Both are told, and the proxy's is marked.
func TestProxyOfAnotherID(t *testing.T) {
	l := newLab(t)
	b := l.behind()
	l.haproxy(b.addr, "http-request set-header X-Request-ID %[uuid()]")
	sensor := l.printer(serverLink, "-i", "lo")
	owner := l.through("", proxySizes()[1:31])
	all := l.exchanges(sensor, 2*len(owner))
	sums := map[bool]uint64{}
	for _, x := range all {
		marked, inner := slices.Contains(x.Anomalies, "forwarded"), x.ClientAddress[0] == 127
		sums[inner] += x.HttpResponseBodySize
		if marked != inner {
			t.Errorf("of the proxy: %v, marked: %v: %v", inner, marked, x)
		}
	}
	var served uint64
	for _, n := range b.bytes {
		served += n
	}
	if len(all) != 2*len(owner) || sums[true] != served || sums[false] != served {
		t.Errorf("%d exchanges of %d requests, %v bytes of %d", len(all), len(owner), sums, served)
	}
}
