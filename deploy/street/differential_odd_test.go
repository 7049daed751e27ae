// SPDX-License-Identifier: Apache-2.0

package street

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	bigendian "encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	weirv1 "github.com/weir-project/weir/proto/wire/weir/v1"
)

// serve serves a handler across the cable.
func (l *lab) serve(handler http.Handler) (addr string) {
	l.t.Helper()
	listener, err := net.Listen("tcp4", serverAddr+":0")
	l.must(err)
	protocols := &http.Protocols{}
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	server := &http.Server{Handler: handler, Protocols: protocols, ReadHeaderTimeout: 20 * time.Second}
	go func() { _ = server.Serve(listener) }()
	l.t.Cleanup(func() { server.Close() })
	return listener.Addr().String()
}

// one waits for the one exchange of a mark, and claims it; nil where there is not one.
func (s *scene) one(mark string) *weirv1.Exchange {
	s.soon(func() bool { return len(s.about(mark, false)) > 0 })
	all := s.about(mark, true)
	if len(all) != 1 {
		s.fault("%s: %d exchanges were told", mark, len(all))
		return nil
	}
	return all[0]
}

// TestDifferentialAborted: clients that leave in the middle, over HTTP/1 with FIN and with RST, and by
// resetting a stream of HTTP/2. Told is at least what the client read, and at most what the server handed on.
func TestDifferentialAborted(t *testing.T) {
	l := newLab(t)
	l.need("ethtool")
	l.cable(1500, true)
	var sent atomic.Int64
	over := make(chan bool, 1)
	addr := l.serve(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for {
			n, err := w.Write(filler)
			if sent.Add(int64(n)); err != nil {
				break
			}
		}
		over <- true
	}))
	tries := 0
	l.scene(func(s *scene) {
		tries++
		var checks []func()
		for i, c := range []struct {
			name     string
			two, rst bool
			read     int64
		}{
			{"closed", false, false, 3_000_000},
			{"reset", false, true, 3_000_000},
			{"reset at once", false, true, 1},
			{"a stream of HTTP/2", true, false, 3_000_000},
			{"a stream of HTTP/2 at once", true, false, 1},
		} {
			sent.Store(0)
			mark := "left-" + letters(tries) + "-" + letters(i)
			s.leave(addr, "/endless/"+mark, c.two, c.rst, c.read)
			select {
			case <-over:
			case <-s.ctx.Done():
				t.Fatalf("%s: the server does not end", c.name)
			}
			handed := sent.Load() + int64(len(filler)) // the last piece may have gone in part
			checks = append(checks, func() {
				x := s.one(mark)
				if x == nil {
					return
				}
				told := int64(x.HttpResponseBodySize)
				if told < c.read || told > handed || x.HttpResponseStatusCode != 200 || x.Coverage == weirv1.Coverage_COVERAGE_COMPLETE {
					s.fault("%s: the client read %d bytes, the server handed on %d: %v", c.name, c.read, handed, x)
				}
			})
		}
		for _, check := range checks {
			check()
		}
	})
}

// leave reads so much of an answer, and goes.
func (s *scene) leave(addr, path string, two, rst bool, read int64) {
	ctx, cancel := context.WithCancel(s.ctx)
	defer cancel()
	protocols := &http.Protocols{}
	protocols.SetHTTP1(!two)
	protocols.SetUnencryptedHTTP2(two)
	transport := &http.Transport{Protocols: protocols, DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := s.dial(ctx, network, address)
		if err == nil && rst {
			err = conn.(*net.TCPConn).SetLinger(0)
		}
		return conn, err
	}}
	defer transport.CloseIdleConnections()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+path, nil)
	s.must(err)
	response, err := transport.RoundTrip(request)
	s.must(err)
	_, err = io.CopyN(io.Discard, response.Body, read)
	s.must(err)
	response.Body.Close()
}

// TestDifferentialPipelined sends everything before it reads anything.
func TestDifferentialPipelined(t *testing.T) {
	l := newLab(t)
	l.need("nginx", "node", "haproxy", "ethtool")
	l.cable(1500, true)
	servers := []server{l.goServer(serverAddr + ":0"), l.node(), l.haproxyServer(), l.nginxServer()}
	for _, to := range servers { // before the scene: haproxy answers 400 to who says nothing
		l.listens(l.dialFrom(), to.one)
	}
	tries := 0
	l.scene(func(s *scene) {
		for _, to := range servers {
			tries++
			mark := "pipe-" + letters(tries) + "-"
			var out bytes.Buffer
			const n = 50
			for i := range n {
				method, body := http.MethodGet, ""
				switch i % 5 {
				case 1:
					method, body = http.MethodPost, strings.Repeat("p", i*31)
				case 3:
					method = http.MethodHead
				}
				kind := map[string]string{http.MethodPost: "up"}[method]
				if kind == "" {
					kind = []string{"fixed", "chunked"}[i%2]
				}
				fmt.Fprintf(&out, "%s /%s/%s%s?%d HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n", method, kind, mark, letters(i), i*i*7, to.one, len(body))
				if i == n-1 {
					out.WriteString("Connection: close\r\n")
				}
				out.WriteString("\r\n" + body)
			}
			conn, err := s.dial(s.ctx, "tcp", to.one)
			s.must(err)
			_, err = conn.Write(out.Bytes())
			s.must(err)
			_, err = io.Copy(io.Discard, conn)
			s.must(err)
			conn.Close()
			s.equal("pipelined to "+to.name, mark, n, to.rows)
		}
	})
}

// TestDifferentialWebSocket: after the 101 every byte each way is the opener's.
func TestDifferentialWebSocket(t *testing.T) {
	l := newLab(t)
	l.need("ethtool")
	l.cable(1500, true)
	var in, out atomic.Int64
	over := make(chan error, 1)
	addr := l.serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, buffered, err := w.(http.Hijacker).Hijack()
		if err != nil {
			over <- err
			return
		}
		defer conn.Close()
		// The answer's key does not matter here: nobody checks it.
		_, err = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "+base64.StdEncoding.EncodeToString(make([]byte, 20))+"\r\n\r\n")
		if err == nil {
			err = echo(conn, buffered.Reader, &in, &out)
		}
		over <- err
	}))
	tries := 0
	l.scene(func(s *scene) {
		tries++
		mark := "socket-" + letters(tries)
		in.Store(0)
		out.Store(0)
		conn, err := s.dial(s.ctx, "tcp", addr)
		s.must(err)
		fmt.Fprintf(conn, "GET /%s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", mark, addr)
		from := bufio.NewReader(conn)
		response, err := http.ReadResponse(from, nil)
		s.must(err)
		if response.StatusCode != http.StatusSwitchingProtocols {
			t.Fatal(response.Status)
		}
		for i := range 200 {
			s.must(message(conn, bytes.Repeat([]byte{'m'}, i*i%70_000)))
			_, err := readMessage(from)
			s.must(err)
		}
		conn.Close()
		s.must(<-over)
		x := s.one(mark)
		if x != nil && (x.HttpResponseStatusCode != 101 || x.HttpRequestBodySize != uint64(in.Load()) || x.HttpResponseBodySize != uint64(out.Load())) {
			s.fault("%d bytes in and %d out: %v", in.Load(), out.Load(), x)
		}
	})
}

// message writes a masked frame (RFC 6455 section 5.2); the mask is zero.
func message(w io.Writer, payload []byte) error {
	frame := []byte{0x82, 0x80 | 127}
	frame = bigendian.BigEndian.AppendUint64(frame, uint64(len(payload)))
	frame = append(frame, 0, 0, 0, 0)
	_, err := w.Write(append(frame, payload...))
	return err
}

// readMessage reads a frame with a length of 64 bits, and gives its whole size.
func readMessage(r io.Reader) (int64, error) {
	var head [10]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, err
	}
	n := int64(bigendian.BigEndian.Uint64(head[2:]))
	if head[1]&0x80 != 0 {
		n += 4
	}
	_, err := io.CopyN(io.Discard, r, n)
	return 10 + n, err
}

// echo answers each frame with one of the same size, until the client goes.
func echo(w io.Writer, r io.Reader, in, out *atomic.Int64) error {
	for {
		n, err := readMessage(r)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		in.Add(n)
		frame := bigendian.BigEndian.AppendUint64([]byte{0x82, 127}, uint64(n-14))
		if _, err := w.Write(append(frame, make([]byte, n-14)...)); err != nil {
			return err
		}
		out.Add(n - 4)
	}
}

// TestDifferentialTunnel: CONNECT through a proxy. The proxy's own count of what it passed on is what
// is told, and what is inside is not read: it is the opener's, whatever it says.
func TestDifferentialTunnel(t *testing.T) {
	l := newLab(t)
	l.need("curl", "ethtool")
	l.cable(1500, true)
	behind := l.goServer("127.0.0.1:0")
	var in, out atomic.Int64
	over := make(chan bool, 8)
	proxy := l.serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() { over <- true }()
		inner, err := net.Dial("tcp", behind.one)
		if err != nil || r.Method != http.MethodConnect {
			http.Error(w, "no", http.StatusBadGateway)
			return
		}
		conn, buffered, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 200 Connection established\r\n\r\n")
		done := make(chan bool)
		go func() {
			n, _ := io.Copy(inner, buffered.Reader)
			in.Add(n)
			_ = inner.(*net.TCPConn).CloseWrite()
			done <- true
		}()
		n, _ := io.Copy(conn, inner)
		out.Add(n)
		conn.Close()
		<-done
		inner.Close()
	}))
	l.scene(func(s *scene) {
		in.Store(0)
		out.Store(0)
		s.client("curl", "-q", "-sS", "-p", "-x", "http://"+proxy, "-o", "/dev/null", "-d", "@"+s.bodyFile(70_000), "http://"+behind.one+"/up/tunnelled?3000000")
		<-over
		s.soon(func() bool { s.listen(); return len(s.told) > 0 })
		if len(s.told) != 1 {
			s.fault("%d exchanges were told", len(s.told))
			return
		}
		s.claimed[0] = true
		x := s.told[0]
		if x.HttpRequestMethod != http.MethodConnect || x.HttpResponseStatusCode != 200 || x.HttpRequestBodySize != uint64(in.Load()) || x.HttpResponseBodySize != uint64(out.Load()) ||
			out.Load() < 3_000_000 || !slices.Contains(x.Anomalies, "tunnel") {
			s.fault("%d bytes in and %d out: %v", in.Load(), out.Load(), x)
		}
	})
}

// TestDifferentialEvents: server-sent events for longer than a part may wait, over HTTP/1 and HTTP/2. Parts
// are told while the stream runs, and their sum is what the server sent.
func TestDifferentialEvents(t *testing.T) {
	l := newLab(t)
	l.need("ethtool")
	l.cable(1500, true)
	type stream struct{ sent, stop chan int }
	streams := map[string]stream{}
	addr := l.serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		st, total := streams[r.URL.Path], 0
		w.Header().Set("Content-Type", "text/event-stream")
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for i := 0; ; i++ {
			n, err := fmt.Fprintf(w, "id: %d\ndata: {\"name\":\"event\"}\n\n", i)
			total += n
			if err != nil {
				break
			}
			w.(http.Flusher).Flush()
			select {
			case <-st.stop:
				st.sent <- total
				return
			case <-tick.C:
			}
		}
		st.sent <- total
	}))
	paths := []string{"/events/one", "/events/two"}
	l.scene(func(s *scene) {
		for i, path := range paths {
			streams[path] = stream{make(chan int, 1), make(chan int)}
			protocols := &http.Protocols{}
			protocols.SetHTTP1(i == 0)
			protocols.SetUnencryptedHTTP2(i == 1)
			transport := &http.Transport{Protocols: protocols, DialContext: s.dial}
			defer transport.CloseIdleConnections()
			request, err := http.NewRequest(http.MethodGet, "http://"+addr+path, nil)
			s.must(err)
			response, err := transport.RoundTrip(request)
			s.must(err)
			defer response.Body.Close()
			go func() { _, _ = io.Copy(io.Discard, response.Body) }()
		}
		for _, path := range paths {
			s.until("a part of "+path+" is told while it runs", func() bool { return len(s.about(path, false)) > 0 })
		}
		for _, path := range paths {
			streams[path].stop <- 1
			sent := <-streams[path].sent
			last := func() bool {
				all := s.about(path, false)
				return slices.ContainsFunc(all, func(x *weirv1.Exchange) bool { return x.PartLast })
			}
			s.soon(last)
			var told, requests uint64
			all := s.about(path, true)
			for i, x := range all {
				if x.ResponseBodyOffset != told || x.PartNumber != uint32(i) && x.PartNumber != uint32(i+1) || x.PartLast != (i == len(all)-1) {
					s.fault("part %d of %s: %v", i, path, x)
				}
				told += x.HttpResponseBodySize
				requests += uint64(x.RequestCount)
			}
			if told != uint64(sent) || requests != 1 || len(all) < 2 {
				s.fault("%s: %d parts, %d requests, %d bytes; the server sent %d", path, len(all), requests, told, sent)
			}
		}
	}, "--parts")
}
