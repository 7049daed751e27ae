// SPDX-License-Identifier: Apache-2.0

package street

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/weir-project/weir/deploy/demo/shop"
	"github.com/weir-project/weir/sensor/identity"
)

// alerts collects what a plain NATS subscriber gets: the subject of each alert.
type alerts struct {
	mu   sync.Mutex
	who  []string
	text []string
}

func (a *alerts) take(m *nats.Msg) {
	var x struct {
		Subject string
		Data    struct{ Message string }
	}
	if err := json.Unmarshal(m.Data, &x); err != nil {
		x.Data.Message = err.Error()
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.who, a.text = append(a.who, x.Subject), append(a.text, x.Data.Message)
}

func (a *alerts) all() (who, text []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.who), slices.Clone(a.text)
}

func (l *lab) listen() *alerts {
	l.t.Helper()
	a := &alerts{}
	reader := l.connect("reader").NATS()
	_, err := reader.Subscribe("weir.v1.alerts.>", a.take)
	l.must(err)
	l.must(reader.Flush())
	return a
}

// principal is a token's principal as weir writes it.
func (l *lab) principal(token string) string {
	var id identity.Identity
	identity.NewResolver(l.keys, identity.Config{}).Resolve(&identity.Request{ServerName: []byte(shop.Host), Target: []byte("/"),
		Fields: []identity.Field{{Name: []byte("Authorization"), Value: []byte("Bearer " + token)}}}, &id)
	return fmt.Sprintf("%x", id.PrincipalID[:])
}

// TestAThiefIsFlagged is the whole way across a cable: a server in one namespace, clients in
// another, the sensor on the server's end, and an alert at a plain subscriber. Every total equals the
// server's own log.
func TestAThiefIsFlagged(t *testing.T) {
	l := newLab(t)
	l.analyzer()
	heard := l.listen()
	shopAPI := l.openAcross()
	now := time.Now()
	var victim *shop.Person
	kept := shopAPI.people[:0:0]
	for _, p := range shopAPI.people { // a smaller company: the past is imported sooner
		switch {
		case p.Role == shop.Agent && p.Working(now) && victim == nil:
			victim = p
			kept = append(kept, p)
		case p.Role == shop.User && len(kept) < 12, p.Role == shop.Partner:
			kept = append(kept, p)
		}
	}
	shopAPI.people = kept
	shopAPI.history(30, now)
	l.countsExactly(shopAPI.served())
	if who, text := heard.all(); len(who) > 0 {
		t.Fatalf("alerts on a past without a thief: %q", text)
	}

	sensor := l.sensor(serverLink)
	others := func(n int) {
		for _, p := range shopAPI.people {
			if p != victim {
				shopAPI.ask(p, fmt.Sprintf("/customers/%d", n%shop.Customers+1))
			}
		}
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for n := 0; ; n++ {
		if n == 100 || n == 300 {
			others(n)
		}
		shopAPI.ask(victim, fmt.Sprintf("/customers/%d", 1+n*7919%shop.Customers)) // the thief has the victim's token
		if who, _ := heard.all(); len(who) > 0 && n > 400 {
			t.Logf("flagged after at most %d requests of the thief", n)
			break
		}
		select {
		case <-tick.C:
		case <-l.ctx.Done():
			t.Fatalf("not flagged after %d requests", n)
		}
	}
	others(5)
	if code := l.end(sensor); code != 0 {
		t.Errorf("the sensor ends with %d", code)
	}
	l.countsExactly(shopAPI.served())
	who, text := heard.all()
	for i, id := range who {
		t.Log(text[i])
		if id != l.principal(victim.Token) {
			t.Errorf("flagged: %s", text[i])
		}
	}
}

const nginxConfig = `daemon off; master_process off; pid %[1]s/nginx.pid; error_log %[1]s/error.log;
events { worker_connections 64; }
http {
  log_format sizes '$status $request_method $body_bytes_sent';
  access_log %[1]s/access.log sizes;
  client_body_temp_path %[1]s/1; proxy_temp_path %[1]s/2; fastcgi_temp_path %[1]s/3; uwsgi_temp_path %[1]s/4; scgi_temp_path %[1]s/5;
  default_type application/json;
  server { listen %[2]s; root %[1]s/html; location /proxied/ { proxy_pass http://%[3]s/; proxy_buffering on; } }
}
`

// TestNginx holds totals against the access log of a server that the project did not write: static
// files, errors, HEAD, and a proxied answer in chunks.
func TestNginx(t *testing.T) {
	l := newLab(t)
	nginx, err := exec.LookPath("nginx")
	if err != nil {
		t.Skip("SKIPPED: nginx is not installed")
	}
	l.must(os.MkdirAll(filepath.Join(l.dir, "html"), 0o755))
	for d := l.dir; len(d) > len(os.TempDir()); d = filepath.Dir(d) {
		l.must(os.Chmod(d, 0o755)) // nginx may drop to another user
	}
	l.must(os.WriteFile(filepath.Join(l.dir, "html", "list"), []byte(`[{"id":1},{"id":2},{"id":3}]`), 0o644))
	shopAPI := l.open("127.0.0.1:0")
	addr := serverAddr + ":8088"
	config := filepath.Join(l.dir, "nginx.conf")
	l.must(os.WriteFile(config, fmt.Appendf(nil, nginxConfig, l.dir, addr, shopAPI.addr), 0o644))
	web := l.start(nginx, "-e", filepath.Join(l.dir, "error.log"), "-c", config)
	l.analyzer()
	dial := l.dialFrom()
	l.until("nginx listens", func() bool {
		conn, err := dial(l.ctx, "tcp", addr)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	sensor := l.sensor(serverLink)
	// The API behind it sends its answer through nginx to the client; the cable shows one leg.
	proxy := &company{API: shopAPI.API, lab: l, people: shopAPI.people, addr: addr, dial: dial, byWho: shopAPI.byWho}
	records := uint64(0)
	for i := range 40 {
		p := proxy.people[i%4]
		proxy.ask(p, "/list")
		proxy.ask(p, fmt.Sprintf("/proxied/customers?page=%d&size=20", i))
		proxy.ask(p, "/nothing-here")
		records += 3 + 20
	}
	l.end(web) // its log is complete
	log, err := os.ReadFile(filepath.Join(l.dir, "access.log"))
	l.must(err)
	want := tally{Records: records}
	for line := range bytes.Lines(log) {
		f := strings.Fields(string(line))
		size, err := strconv.ParseUint(f[len(f)-1], 10, 64)
		l.must(err)
		want.Requests++
		want.Bytes += size
	}
	if want.Requests != 120 {
		t.Fatalf("nginx logged %d requests", want.Requests)
	}
	l.end(sensor)
	l.countsExactly(want)
}
