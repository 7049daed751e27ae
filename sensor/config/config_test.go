// SPDX-License-Identifier: Apache-2.0

package config_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/weir-project/weir/sensor/config"
)

func TestWhatCannotBe(t *testing.T) {
	for _, c := range []struct {
		command string
		args    string
		want    []string
	}{
		{"run", "", []string{"capture.interfaces", "nats.url"}},
		{"run", "-i lo --nats-url nats://127.0.0.1:4222 --output json", []string{"exclude each other"}},
		{"run", "-i lo --nats-url nats://nats.example:4222", []string{"key_file"}},
		{"run", "-i lo --nats-url nats://127.0.0.1:4222,nats://10.0.0.1", []string{"key_file"}},
		{"run", "eth0 --output json", []string{"takes no words", "capture.interfaces"}},
		{"run", "-i lo --output json --unredacted", []string{"--unredacted"}},
		{"read", "", []string{"needs a capture file"}},
		{"read", "a.pcap --unredacted --nats-url nats://localhost", []string{"--unredacted"}},
		{"replay", "a.pcap", []string{"nats.url"}},
		{"replay", "a.pcap --nats-url nats://[::1]:4222 --speed -3", []string{"replay.speed"}},
		{"read", "a.pcap --leg-address 10.0.0.0/8 --leg-hold 2m", []string{"legs.addresses", "legs.hold"}},
		{"run", "-i lo --output json --leg-hold 1ms", []string{"--leg-hold"}},
		{"read", "a.pcap --server-port 0 --server-port http", []string{`"0"`, `"http"`}},
	} {
		_, _, err := config.Parse(c.command, strings.Fields(c.args), nil, &bytes.Buffer{})
		if err == nil {
			t.Errorf("%s %s: accepted", c.command, c.args)
			continue
		}
		for _, want := range c.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s %s: no word of %q in %v", c.command, c.args, want, err)
			}
		}
	}
}

func TestWhatCanBe(t *testing.T) {
	for _, c := range []struct{ command, args string }{
		{"run", "-i lo -i eth0 --output json"},
		{"run", "-i lo --nats-url nats://user@localhost:4222/"},
		{"run", "-i lo --nats-url tls://nats.example --key-file k"},
		{"read", "- --unredacted --inspect off --parts"},
		{"read", "- --join-legs=false --leg-hold 12s --leg-address 192.0.2.1 --leg-address 2001:db8::1"},
		{"replay", "a.pcap b.pcap --nats-url nats://[::1]:4222 --speed 2.5"},
		{"check", ""},
	} {
		if _, _, err := config.Parse(c.command, strings.Fields(c.args), nil, &bytes.Buffer{}); err != nil {
			t.Errorf("%s %s: %v", c.command, c.args, err)
		}
	}
}

func TestReferenceFileIsTheDefaults(t *testing.T) {
	var text bytes.Buffer
	config.WriteReference(&text)
	name := filepath.Join(t.TempDir(), "sensor.yaml")
	if err := os.WriteFile(name, text.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	want, _, err := config.Parse("read", []string{"f"}, nil, &bytes.Buffer{})
	if err != nil {
		t.Fatal(err)
	}
	got, _, err := config.Parse("read", []string{"f", "--config", name}, nil, &bytes.Buffer{})
	if err != nil {
		t.Fatalf("%v in\n%s", err, text.String())
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(config.Config{}, "Effective"), cmpopts.EquateEmpty()); diff != "" {
		t.Error(diff)
	}
}
