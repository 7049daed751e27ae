// SPDX-License-Identifier: Apache-2.0

package street

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/s2"
	"github.com/nats-io/nats.go"

	"github.com/weir-project/weir/deploy/demo/shop"
	"github.com/weir-project/weir/deploy/street/canary"
	"github.com/weir-project/weir/proto/wire"
	weirv1 "github.com/weir-project/weir/proto/wire/weir/v1"
)

// tap keeps every message of every subject, and what is compressed in it.
type tap struct {
	mu       sync.Mutex
	text     []byte
	subjects map[string]int // of weir's own subjects, by their first three parts
	batches  int
}

func (p *tap) take(m *nats.Msg) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.text = append(append(append(p.text, m.Subject...), ' '), m.Data...)
	p.text = fmt.Appendf(p.text, " %v %s ", m.Header, m.Reply)
	var parts [8]string
	copy(parts[:], bytesFields(m.Subject))
	if parts[0] == "weir" {
		p.subjects[parts[0]+"."+parts[1]+"."+parts[2]]++
	}
	var b weirv1.Batch
	if wire.DecodeBatch(m.Data, &b) == nil {
		p.batches++
		plain, _ := b.MarshalVT()
		p.text = append(p.text, plain...)
	}
	p.text = append(p.text, unpacked(m.Data)...)
}

func (p *tap) count(subject string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.subjects[subject]
}

func bytesFields(subject string) (out []string) {
	for _, f := range bytes.Split([]byte(subject), []byte(".")) {
		out = append(out, string(f))
	}
	return out
}

// unpacked gives what an s2 stream or block behind a format byte holds, nil if there is none.
func unpacked(data []byte) []byte {
	if len(data) < 2 {
		return nil
	}
	if text, err := io.ReadAll(io.LimitReader(s2.NewReader(bytes.NewReader(data[1:])), 64<<20)); err == nil {
		return text
	}
	if n, err := s2.DecodedLen(data[1:]); err == nil && n < 64<<20 {
		text, _ := s2.Decode(nil, data[1:])
		return text
	}
	return nil
}

// puppet is a server that answers what it is told to.
type puppet struct {
	lab    *lab
	listen net.Listener
	dial   func() net.Conn
	server chan net.Conn
}

func (l *lab) puppet() *puppet {
	l.t.Helper()
	listener, err := net.Listen("tcp4", serverAddr+":0")
	l.must(err)
	l.t.Cleanup(func() { listener.Close() })
	p := &puppet{lab: l, listen: listener, server: make(chan net.Conn, 1)}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			p.server <- conn
		}
	}()
	dial := l.dialFrom()
	p.dial = func() net.Conn {
		conn, err := dial(l.ctx, "tcp", listener.Addr().String())
		l.must(err)
		l.must(conn.SetDeadline(time.Now().Add(10 * time.Second)))
		return conn
	}
	return p
}

// say lets a client and the server say an exchange on a connection of their own.
func (p *puppet) say(x canary.Exchange) {
	l := p.lab
	client := p.dial()
	defer client.Close()
	server := <-p.server
	defer server.Close()
	send := func(from, to net.Conn, data []byte) {
		go func() { _, _ = from.Write(data) }() // what fails shows where it is read
		_, err := io.CopyN(io.Discard, to, int64(len(data)))
		l.must(err)
	}
	send(client, server, x.Request)
	send(server, client, x.Response)
}

// TestNoSecretComesOut plants secrets in traffic on a cable and looks for them in everything that
// the real binaries tell anybody or keep.
func TestNoSecretComesOut(t *testing.T) {
	l := newLab(t)
	analyzer := l.analyzer("--log-level", "debug", "--lateness", "2s")
	past := l.open("127.0.0.1:0")    // a deployment that has learnt: alerts are published
	past.people = past.people[40:44] // agents
	past.history(30, time.Now())
	l.countsExactly(past.served())
	heard := &tap{subjects: map[string]int{}}
	conn := l.connect("analyzer").NATS()
	_, err := conn.Subscribe(">", heard.take)
	l.must(err)
	l.must(conn.Flush())
	metrics := l.freeAddress()
	sensor := l.sensor(serverLink, "--log-level", "debug", "--http-addr", metrics)
	var planter canary.Planter
	said := planter.Plant()
	if len(planter.Secrets) < 50 {
		t.Fatalf("%d secrets", len(planter.Secrets))
	}
	server := l.puppet()
	for _, x := range said {
		server.say(x)
	}
	l.steal(server, past.people[0].Token, &planter) // so that there is an alert about a secret too
	l.until("everything is counted", func() bool { return l.counted().Requests >= past.extra.Requests+uint64(len(said)) })
	l.until("the thief is flagged", func() bool { return heard.count("weir.v1.alerts") > 0 })
	pages := map[string][]byte{}
	for name, url := range map[string]string{
		"the sensor's /metrics": "http://" + metrics + "/metrics", "the analyzer's /metrics": "http://" + l.api + "/metrics", "/readyz": "http://" + metrics + "/readyz",
		"/api/v1/top": "http://" + l.api + "/api/v1/top?n=1000", "/api/v1/summary": "http://" + l.api + "/api/v1/summary",
	} {
		pages[name], err = fetch(l.ctx, url)
		l.must(err)
		if len(pages[name]) < 2 {
			t.Errorf("%s is empty", name)
		}
	}
	time.Sleep(500 * time.Millisecond) // a checkpoint, and what is on its way
	l.end(sensor)
	l.end(analyzer)
	finder := canary.NewFinder(planter.Secrets)
	heard.mu.Lock()
	defer heard.mu.Unlock()
	t.Logf("%d secrets; heard %v, %d batches, %d bytes", len(planter.Secrets), heard.subjects, heard.batches, len(heard.text))
	for _, subject := range []string{"weir.v1.exchanges", "weir.v1.sensors", "weir.v1.alerts"} {
		if heard.subjects[subject] == 0 {
			t.Errorf("nothing was heard on %s", subject)
		}
	}
	pages["NATS"] = heard.text
	pages["the sensor's log"], pages["the analyzer's log"] = append(sensor.log.Bytes(), sensor.out.Bytes()...), append(analyzer.log.Bytes(), analyzer.out.Bytes()...)
	pages["the store"] = l.stored()
	for name, text := range pages {
		for _, leak := range finder.Find(text) {
			t.Errorf("%s has the secret of %s", name, leak)
		}
	}
}

// steal takes so much with a token that has a past that its principal is flagged.
func (l *lab) steal(server *puppet, token string, planter *canary.Planter) {
	planter.Secrets = append(planter.Secrets, canary.Secret{Where: "thief", Text: token})
	var rows []byte
	for page := range 100 {
		rows = append(rows[:0], '[')
		for i := range 100 {
			if i > 0 {
				rows = append(rows, ',')
			}
			rows = fmt.Appendf(rows, `{"id":%d,"name":"n"}`, page*100+i)
		}
		rows = append(rows, ']')
		server.say(canary.Exchange{
			Request:  fmt.Appendf(nil, "GET /customers?page=%d HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\n\r\n", page, shop.Host, token),
			Response: fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(rows), rows),
		})
	}
}

// stored is everything in the NATS server's directory, unpacked too.
func (l *lab) stored() []byte {
	var text []byte
	l.must(filepath.WalkDir(filepath.Join(l.dir, "nats"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		text = append(append(text, path...), data...)
		// Messages stand in blocks one behind the other; a checkpoint's chunk begins with s2's magic
		// behind its format byte.
		for rest := data; ; {
			i := bytes.Index(rest, []byte("\xff\x06\x00\x00S2sTwO"))
			if i < 0 {
				break
			}
			part, _ := io.ReadAll(s2.NewReader(bytes.NewReader(rest[i:]))) // up to where the stream ends
			text = append(text, part...)
			rest = rest[i+1:]
		}
		return err
	}))
	if len(text) < 10_000 {
		l.t.Errorf("only %d bytes are stored", len(text))
	}
	return text
}
