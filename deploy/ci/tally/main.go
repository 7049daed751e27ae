// SPDX-License-Identifier: Apache-2.0

// Command tally reads `go test -json` on stdin, prints what failed and what was skipped and why,
// and closes with "N passed, N failed, N skipped". It exits 1 on a failure, on a skip that the
// file given with -skips does not name, and when nothing ran.
//
//	go test -json ./... | tally -skips deploy/ci/skips.txt
//
// Each line of the skips file is a test's name (package/TestName without the module's path; a
// trailing * stands for any ending), the condition under which it may be skipped, and why. The
// conditions are checked: a skip for want of root fails when root runs the tests.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sort"
	"strings"
)

const module = "github.com/weir-project/weir/"

// event is one line of `go test -json` (cmd/test2json).
type event struct {
	Action, Package, Test, Output, ImportPath string
}

type tally struct {
	passed, failed int
	output         map[string][]string
	failures       []string
	skips          []string
}

func main() {
	file := flag.String("skips", "", "file that names the tests that may be skipped")
	flag.Parse()
	allowed, err := readSkips(*file)
	if err != nil {
		fmt.Fprintln(os.Stderr, "tally:", err)
		os.Exit(2)
	}
	t := &tally{output: map[string][]string{}}
	if err := t.read(os.Stdin); err != nil {
		fmt.Fprintln(os.Stderr, "tally:", err)
		os.Exit(1)
	}
	if !t.report(os.Stdout, allowed) {
		os.Exit(1)
	}
}

// conditions say whether a skip may be. Their names stand in the skips file.
var conditions = map[string]func() bool{
	"not-root":   func() bool { return os.Geteuid() != 0 },
	"no-shared":  func() bool { _, err := os.Stat("../shared"); return err != nil },
	"race":       func() bool { return os.Getenv("WEIR_RACE") != "" },
	"no-street":  func() bool { return os.Getenv("WEIR_STREET") == "" },
	"no-nginx":   func() bool { _, err := exec.LookPath("nginx"); return err != nil },
	"no-python":  func() bool { _, err := exec.LookPath("python3"); return err != nil },
	"no-systemd": func() bool { _, err := exec.LookPath("systemd-analyze"); return err != nil },
	"no-peers": func() bool {
		for _, name := range []string{"nginx", "node", "haproxy", "nghttpd", "nghttp", "h2load", "curl", "ethtool"} {
			if _, err := exec.LookPath(name); err != nil {
				return true
			}
		}
		return false
	},
	"no-tcpdump": func() bool { _, err := exec.LookPath("tcpdump"); return err != nil },
}

// skips are the names that may be skipped here and now.
type skips []string

func (s skips) allow(name string) bool {
	for _, pattern := range s {
		if prefix, ok := strings.CutSuffix(pattern, "*"); pattern == name || ok && strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

func readSkips(name string) (skips, error) {
	var allowed skips
	if name == "" {
		return allowed, nil
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	for _, line := range strings.Split(string(text), "\n") {
		fields := strings.Fields(line)
		if len(fields) == 0 || strings.HasPrefix(line, "#") {
			continue
		}
		if len(fields) < 3 || conditions[fields[1]] == nil {
			return nil, fmt.Errorf("%s: %q is not a name, a condition and a reason", name, line)
		}
		if conditions[fields[1]]() {
			allowed = append(allowed, fields[0])
		}
	}
	return allowed, nil
}

func (t *tally) read(from io.Reader) error {
	lines := bufio.NewScanner(from)
	lines.Buffer(make([]byte, 1<<20), 1<<26)
	for lines.Scan() {
		var e event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			fmt.Println(lines.Text()) // not of the test runner: a build's own words
			continue
		}
		t.take(e)
	}
	return lines.Err()
}

func (t *tally) take(e event) {
	name := strings.TrimPrefix(e.Package, module)
	if e.Test != "" {
		name += "/" + e.Test
	}
	switch e.Action {
	case "output", "build-output":
		if e.Action == "build-output" {
			name = strings.TrimPrefix(e.ImportPath, module)
			fmt.Print(e.Output)
		}
		t.output[name] = append(t.output[name], e.Output)
	case "pass":
		if e.Test != "" {
			t.passed++
		} else {
			fmt.Println("ok  ", name)
		}
		delete(t.output, name)
	case "fail":
		if e.Test != "" {
			t.failed++
		}
		t.failures = append(t.failures, name)
	case "skip":
		if e.Test != "" {
			t.skips = append(t.skips, name)
		}
	}
}

func (t *tally) report(w io.Writer, allowed skips) bool {
	good := t.failed == 0 && len(t.failures) == 0
	sort.Strings(t.failures)
	for _, name := range t.failures {
		fmt.Fprintf(w, "FAIL %s\n%s", name, strings.Join(t.output[name], ""))
	}
	sort.Strings(t.skips)
	for _, name := range t.skips {
		verdict := "skip"
		if !allowed.allow(name) {
			verdict, good = "UNEXPECTED SKIP", false
		}
		fmt.Fprintf(w, "%s %s: %s\n", verdict, name, reason(t.output[name]))
	}
	fmt.Fprintf(w, "%d passed, %d failed, %d skipped\n", t.passed, t.failed, len(t.skips))
	return good && t.passed > 0
}

// reason finds the test's own words among the runner's.
func reason(output []string) string {
	for _, line := range output {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "===") && !strings.HasPrefix(line, "---") {
			return line
		}
	}
	return "no reason given"
}
