// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"strings"
	"testing"
)

// The project's own skips file must be readable: it is read first by every run.
func TestTheSkipsFileIsGood(t *testing.T) {
	if _, err := readSkips("../skips.txt"); err != nil {
		t.Error(err)
	}
}

func TestASkipThatNobodyExpectedFails(t *testing.T) {
	events := `{"Action":"pass","Package":"github.com/weir-project/weir/a","Test":"TestOne"}
{"Action":"output","Package":"github.com/weir-project/weir/a","Test":"TestTwo","Output":"    a_test.go:1: no root\n"}
{"Action":"skip","Package":"github.com/weir-project/weir/a","Test":"TestTwo"}
`
	for _, c := range []struct {
		allowed skips
		good    bool
		want    string
	}{
		{nil, false, "UNEXPECTED SKIP a/TestTwo: a_test.go:1: no root"},
		{skips{"a/TestTwo"}, true, "1 passed, 0 failed, 1 skipped"},
		{skips{"a/Test*"}, true, "skip a/TestTwo"},
		{skips{"b/*"}, false, "UNEXPECTED"},
	} {
		tally := &tally{output: map[string][]string{}}
		if err := tally.read(strings.NewReader(events)); err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if good := tally.report(&out, c.allowed); good != c.good || !strings.Contains(out.String(), c.want) {
			t.Errorf("%v: %v, %s", c.allowed, good, out.String())
		}
	}
	nothing := &tally{output: map[string][]string{}}
	if nothing.report(&bytes.Buffer{}, nil) {
		t.Error("a run without a test passed")
	}
}
