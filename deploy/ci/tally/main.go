// SPDX-License-Identifier: Apache-2.0

// Command tally reads `go test -json` on stdin, prints what failed and what was skipped and why,
// and closes with "N passed, N failed, N skipped". It exits 1 on a failure, on a skip that the
// file given with -skips does not name, and when nothing ran.
//
//	go test -json ./... | tally -skips deploy/ci/skips.txt
//
// Each line of the skips file is a test's name (package/TestName, without the module's path),
// white space, and the reason why it may be skipped.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
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
	skips := flag.String("skips", "", "file that names the tests that may be skipped")
	flag.Parse()
	allowed, err := readSkips(*skips)
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

func readSkips(name string) (map[string]bool, error) {
	allowed := map[string]bool{}
	if name == "" {
		return allowed, nil
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	for _, line := range strings.Split(string(text), "\n") {
		if fields := strings.Fields(line); len(fields) > 0 && !strings.HasPrefix(line, "#") {
			allowed[fields[0]] = true
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

func (t *tally) report(w io.Writer, allowed map[string]bool) bool {
	good := t.failed == 0 && len(t.failures) == 0
	sort.Strings(t.failures)
	for _, name := range t.failures {
		fmt.Fprintf(w, "FAIL %s\n%s", name, strings.Join(t.output[name], ""))
	}
	sort.Strings(t.skips)
	for _, name := range t.skips {
		verdict := "skip"
		if !allowed[name] {
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
