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
	"github.com/weir-project/weir/analyzer/config"
)

func TestWhatCannotBe(t *testing.T) {
	for _, c := range []struct {
		command, args string
		want          []string
	}{
		{"backtest", "", []string{"needs files"}},
		{"run", "extra --nats-replicas 3 --budget 0 --lateness soon", []string{"takes no words", "nats.replicas", "--budget", "--lateness"}},
		{"top", "--by size", []string{"--by"}},
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

func TestReferenceFileIsTheDefaults(t *testing.T) {
	var text bytes.Buffer
	config.WriteReference(&text)
	name := filepath.Join(t.TempDir(), "analyzer.yaml")
	if err := os.WriteFile(name, text.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	want, _, err := config.Parse("run", nil, nil, &bytes.Buffer{})
	if err != nil {
		t.Fatal(err)
	}
	got, _, err := config.Parse("run", []string{"--config", name}, nil, &bytes.Buffer{})
	if err != nil {
		t.Fatalf("%v in\n%s", err, text.String())
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(config.Config{}, "Effective"), cmpopts.EquateEmpty()); diff != "" {
		t.Error(diff)
	}
}
