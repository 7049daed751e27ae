// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weir-project/weir/deploy/bench/score"
)

func TestParse(t *testing.T) {
	if _, err := parse([]byte("{}\n{\"exchange_id\":1}\n"), "a"); err == nil || !strings.Contains(err.Error(), "line 2") {
		t.Error(err)
	}
	got, err := parse([]byte(`{"capture":{}}
{"exchange_id":"0a","client_address":"2001:db8::1","client_port":40000,"server_address":"10.0.0.2","server_port":80,"server_name":"a","http_request_method":"GET","url_path":"/{1}","http_request_target":"/1?x=y","http_response_status_code":200,"http_request_body_size":3,"http_response_body_size":4}
{"exchange_id":"0b","client_address":"10.0.0.1","server_address":"10.0.0.2","url_path":"/p"}
`), "a.pcap")
	want := []score.Observed{
		{Capture: "a.pcap", Client: "[2001:db8::1]:40000", Server: "10.0.0.2:80", Method: "GET", Host: "a", Path: "/1?x=y", Status: 200, RequestBody: 3, ResponseBody: 4},
		{Capture: "a.pcap", Client: "10.0.0.1:0", Server: "10.0.0.2:0", Path: "/p"},
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Error(diff, err)
	}
}

// script is a stand-in for a sensor that ends in some way.
func script(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sensor")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestSensorFails(t *testing.T) {
	f := func(text string, clean bool, wantFaults, wantFailures int) {
		t.Helper()
		r := &reader{sensor: script(t, text), key: "unused"}
		_, faults, err := r.readAll(t.TempDir(), []score.Capture{{Name: "a.pcap"}, {Name: "b.pcap"}})
		if err != nil || len(faults) != wantFaults || failures(faults, clean) != wantFailures {
			t.Errorf("%s: %v, %v", text, faults, err)
		}
	}
	f("exit 0", true, 0, 0)
	f("echo damaged >&2; exit 1", true, 2, 2)
	f("echo damaged >&2; exit 1", false, 2, 0)
	f("echo 'panic: BUG' >&2; exit 1", false, 2, 2)
	f("exit 2", false, 2, 2)
	f("kill -9 $$", false, 2, 2)
	r := &reader{sensor: filepath.Join(t.TempDir(), "none")}
	if _, _, err := r.readAll(".", []score.Capture{{Name: "a"}}); err == nil {
		t.Error("a sensor that is not there read a capture")
	}
	r.sensor = script(t, "echo no json")
	if _, _, err := r.readAll(".", []score.Capture{{Name: "a"}}); err == nil || !strings.Contains(err.Error(), "line 1") {
		t.Error(err)
	}
}

// A sensor that tells nothing fails every check of both sets that asks for something; one that is
// absent cannot be scored; other captures that are absent are said to be.
func TestRun(t *testing.T) {
	var out strings.Builder
	c := &checks{out: &out, verbose: true}
	if err := run(c, script(t, "exit 0"), filepath.Join(t.TempDir(), "none"), t.TempDir()); err != nil {
		t.Fatal(err)
	}
	if c.close() || c.failed != 3 || c.passed != 4 || !strings.Contains(out.String(), "NOT SCORED") || !strings.Contains(out.String(), "MISSED keep-alive.pcap") ||
		!strings.HasSuffix(out.String(), "\n4 passed, 3 failed\n") {
		t.Errorf("%d passed, %d failed:\n%.2000s", c.passed, c.failed, out.String())
	}
	if err := run(c, filepath.Join(t.TempDir(), "none"), "", ""); err == nil || !strings.Contains(err.Error(), "make build") {
		t.Error(err)
	}
}
