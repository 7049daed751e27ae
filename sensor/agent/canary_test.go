// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weir-project/weir/deploy/street/canary"
	"github.com/weir-project/weir/deploy/street/tape"
	"github.com/weir-project/weir/proto/wire"
	weirv1 "github.com/weir-project/weir/proto/wire/weir/v1"
	"github.com/weir-project/weir/sensor/exchange"
	"github.com/weir-project/weir/sensor/publish"
)

// planted writes every conversation of the canary into a capture: the tame ones on one connection,
// the others on one each, and each of them again with its packets cut small and with a loss.
func planted(t *testing.T) (file string, finder *canary.Finder, tame int) {
	t.Helper()
	var p canary.Planter
	said := p.Plant()
	tp := tape.New(start)
	port := uint16(30000)
	dial := func() *tape.Talk {
		port++
		return tp.Dial(netip.AddrPortFrom(client.Addr(), port), server)
	}
	k := dial()
	for _, x := range said {
		if x.Wild {
			continue
		}
		tame++
		k.Client(x.Request)
		k.Server(x.Response)
	}
	k.Close()
	for _, x := range said {
		for _, cut := range []int{1 << 20, 7} {
			k := dial()
			pieces(x.Request, cut, k.Client)
			pieces(x.Response, cut, k.Server)
			k.Close()
		}
		k := dial() // a loss inside the head, where a parser could mistake the rest for something else
		half := len(x.Request) / 2
		k.Client(x.Request[:half-5])
		k.Lose(0, 5)
		k.Client(x.Request[half:])
		k.Server(x.Response)
		k.Close()
	}
	file = filepath.Join(t.TempDir(), "canary.pcap")
	if err := os.WriteFile(file, tp.Pcap(), 0o600); err != nil {
		t.Fatal(err)
	}
	return file, canary.NewFinder(p.Secrets), tame
}

func pieces(data []byte, size int, send func([]byte)) {
	size = max(size, len(data)/200)
	for len(data) > 0 {
		n := min(size, len(data))
		send(data[:n])
		data = data[n:]
	}
}

// readOut runs the read command and gives what it wrote.
func readOut(t *testing.T, args ...string) (stdout, stderr []byte) {
	t.Helper()
	var out, errs bytes.Buffer
	if code := Main(append([]string{"read", "--key-file", tenantKey(t), "--log-level", "debug"}, args...), Env{Stdin: strings.NewReader(""), Stdout: &out, Stderr: &errs, Version: "test"}); code != exitDone {
		t.Fatalf("read: exit %d: %s", code, errs.Bytes())
	}
	return out.Bytes(), errs.Bytes()
}

func noSecret(t *testing.T, finder *canary.Finder, what string, text []byte) {
	t.Helper()
	for _, leak := range finder.Find(text) {
		t.Errorf("%s leaks the secret of %s", what, leak)
	}
}

func TestReadTellsNoSecret(t *testing.T) {
	file, finder, tame := planted(t)
	lines, notices := readOut(t, file)
	if n := bytes.Count(lines, []byte("\n")); n < 3*tame {
		t.Fatalf("only %d lines for %d conversations", n, tame)
	}
	noSecret(t, finder, "read --output json", lines)
	noSecret(t, finder, "stderr", notices)

	parts, _ := readOut(t, file, "--parts", "--inspect", "off")
	noSecret(t, finder, "read --parts --inspect off", parts)

	batches, _ := readOut(t, file, "--output", "pb")
	noSecret(t, finder, "read --output pb", batches)
	from, n := bufio.NewReader(bytes.NewReader(batches)), 0
	for {
		var b weirv1.Batch
		err := wire.ReadDelimited(from, &b)
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		plain, err := b.MarshalVT()
		if err != nil {
			t.Fatal(err)
		}
		noSecret(t, finder, "a batch of read --output pb", plain)
		n += len(b.Exchanges)
	}
	if n < 3*tame {
		t.Errorf("only %d exchanges in batches", n)
	}
	// The search itself works: asked for the raw target, read shows what is in it.
	raw, _ := readOut(t, file, "--unredacted")
	if len(finder.Find(raw)) < 10 {
		t.Error("--unredacted shows no secret: the search finds nothing at all")
	}
}

// post is a transport that keeps what it is handed.
type post struct {
	mu   sync.Mutex
	sent []byte
	n    int
}

func (p *post) Publish(subject, id string, data []byte, done func(error)) error {
	var b weirv1.Batch
	err := wire.DecodeBatch(data, &b)
	plain, _ := b.MarshalVT()
	p.mu.Lock()
	p.sent = append(fmt.Appendf(append(p.sent, data...), " %s %s %v ", subject, id, err), plain...)
	p.n += len(b.Exchanges) + len(b.Rollups)
	p.mu.Unlock()
	done(err)
	return nil
}

func (p *post) Tell(subject string, data []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sent = append(append(p.sent, subject...), data...)
	return nil
}

// TestPublishingTellsNoSecret goes through the publisher, as detail and, with a queue too small for
// it, as rollups.
func TestPublishingTellsNoSecret(t *testing.T) {
	file, finder, tame := planted(t)
	to := &post{}
	keys := testKeys(t)
	publisher := publish.New(publish.Config{Cluster: "c", SensorID: "s", BootID: 1, Blocking: true,
		CredentialsKeyID: keys.Credentials.KeyID(), ObjectsKeyID: keys.Objects.KeyID(), ExchangesKeyID: keys.Exchanges.KeyID()}, to, nil)
	source, shown, err := openCapture(file, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer source.Close()
	p := newPipeline(readConfig(t), keys, "s/"+shown, shown, shown, exchange.RankMirror, alone, publisher)
	publisher.SetCounters(p.counters)
	if _, err := drive(t.Context(), source, p, nil); err != nil {
		t.Fatal(err)
	}
	p.end()
	ctx, cancel := contextFor(t, 20*time.Second)
	defer cancel()
	if err := publisher.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if to.n < 3*tame {
		t.Errorf("only %d exchanges published", to.n)
	}
	noSecret(t, finder, "what is published", to.sent)
	for _, c := range p.counters() {
		noSecret(t, finder, "counters", []byte(c.String()))
	}
}
