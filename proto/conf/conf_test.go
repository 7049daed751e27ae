// SPDX-License-Identifier: Apache-2.0

package conf_test

import (
	"bytes"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/weir-project/weir/proto/conf"
)

type settings struct {
	URL     string
	Secret  string
	Mode    string
	Inspect bool
	Queue   int64
	Memory  int64
	Budget  float64
	Every   time.Duration
	Ifaces  []string
	Hops    []netip.Prefix
}

func declare(to *settings) *conf.Set {
	s := conf.New("weir-sensor")
	s.String(&to.URL, "nats.url", "nats-url", "", "NATS server")
	s.String(&to.Secret, "nats.password", "", "", "password")
	s.Secret("nats.password")
	s.Choice(&to.Mode, "output", "output", "json", "form of output", "json", "pb", "none")
	s.Bool(&to.Inspect, "inspect", "inspect", true, "look into bodies")
	s.Int(&to.Queue, "publish.queue", "queue", 512, 1, 4096, "exchanges a batch")
	s.Size(&to.Memory, "limits.memory", "memory", "64MiB", "memory budget")
	s.Float(&to.Budget, "budget", "budget", 1, 0.01, 1000, "false alerts")
	s.Duration(&to.Every, "publish.every", "every", time.Second, time.Millisecond, "flush interval")
	s.Strings(&to.Ifaces, "capture.interfaces", "interface", "interfaces")
	s.Prefixes(&to.Hops, "identity.trusted_hops", "", "proxies")
	return s
}

func file(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "weir.yaml")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestFaultsAreReportedAtOnceWithTheirKeys(t *testing.T) {
	name := file(t, "nats:\n  ulr: x\n  url: y\nlimits:\n  memory: lots\npublish:\n  queue: 0\n  queue: 3\ncapture:\n  interfaces: eth0\nbudget: [1]\nidentity: {trusted_hops: [10.0.0.0/8, nonsense]}\n")
	var got settings
	_, err := declare(&got).Parse([]string{"--config", name, "--output", "xml", "--nope", "--every"}, []string{"WEIR_SENSOR_BOGUS=1", "WEIR_SENSOR_INSPECT=maybe", "WEIR_SENSOR_SERVICE_HOST=10.1.1.1"}, nil)
	var faults conf.Faults
	if !errors.As(err, &faults) {
		t.Fatalf("want Faults, got %v", err)
	}
	text := err.Error()
	for _, want := range []string{"nats.ulr", "limits.memory", "publish.queue", "given twice", "capture.interfaces", "must be a list", "budget", "identity.trusted_hops", "nonsense", "--output", "--nope", "--every", "WEIR_SENSOR_BOGUS", "WEIR_SENSOR_INSPECT"} {
		if !strings.Contains(text, want) {
			t.Errorf("no word of %q in:\n%s", want, text)
		}
	}
	if strings.Contains(text, "SERVICE_HOST") {
		t.Errorf("a Kubernetes service link is not a setting:\n%s", text)
	}
}

func TestFileThenEnvironmentThenFlags(t *testing.T) {
	name := file(t, "nats: {url: from-file}\noutput: pb\npublish: {queue: 7, every: 2s}\nlimits: {memory: 1GiB}\ncapture: {interfaces: [eth0, eth1]}\nidentity: {trusted_hops: [10.0.0.7]}\n")
	var got settings
	words, err := declare(&got).Parse([]string{"a.pcap", "-i", "lo,eth2", "-", "--queue=9", "--inspect=false", "--", "--b.pcap"},
		[]string{"WEIR_SENSOR_CONFIG=" + name, "WEIR_SENSOR_NATS__URL=from-env", "WEIR_SENSOR_PUBLISH__QUEUE=8", "OTHER=1"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := settings{URL: "from-env", Mode: "pb", Queue: 9, Memory: 1 << 30, Budget: 1, Every: 2 * time.Second, Ifaces: []string{"lo", "eth2"}, Hops: []netip.Prefix{netip.MustParsePrefix("10.0.0.7/32")}}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"a.pcap", "-", "--b.pcap"}, words); diff != "" {
		t.Error(diff)
	}
}

func TestReferenceFileHoldsTheDefaults(t *testing.T) {
	var want, got settings
	var text bytes.Buffer
	declare(&want).WriteReference(&text)
	if _, err := declare(&got).Parse([]string{"--config", file(t, text.String())}, nil, nil); err != nil {
		t.Fatalf("%v in:\n%s", err, text.String())
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s\n%s", diff, text.String())
	}
}

func TestEffectiveRedactsSecrets(t *testing.T) {
	var got settings
	s := declare(&got)
	if _, err := s.Parse(nil, []string{"WEIR_SENSOR_NATS__PASSWORD=tok_test_9"}, nil); err != nil {
		t.Fatal(err)
	}
	text := strings.Join(s.Effective(), "\n")
	if strings.Contains(text, "tok_test_9") || !strings.Contains(text, "nats.password=redacted") {
		t.Error(text)
	}
}

func TestHelp(t *testing.T) {
	var got settings
	var text bytes.Buffer
	_, err := declare(&got).Parse([]string{"--help"}, nil, &text)
	if !errors.Is(err, conf.ErrHelp) || !strings.Contains(text.String(), "--nats-url") {
		t.Errorf("%v\n%s", err, text.String())
	}
}

func FuzzParseFile(f *testing.F) {
	f.Add("nats: {url: x}\n")
	f.Add("a: &a [*a]\n")
	f.Add("- 1\n")
	f.Add("publish:\n  queue: {a: 1}\n")
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text string) {
		name := filepath.Join(dir, "f.yaml")
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		var got settings
		_, _ = declare(&got).Parse([]string{"--config", name}, nil, nil)
	})
}
