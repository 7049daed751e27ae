// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"maps"
	"slices"

	"github.com/weir-project/weir/deploy/bench/score"
)

func (c *checks) check(ok bool, what, got, need string) {
	word := "ok  "
	if ok {
		c.passed++
	} else {
		c.failed++
		word = "FAIL"
	}
	fmt.Fprintf(c.out, "  %s %-54s %8s  need %s\n", word, what, got, need)
}

func (c *checks) atLeast(what string, got, need float64) {
	c.check(got >= need, what, fmt.Sprintf("%.4g", got), fmt.Sprintf(">= %g", need))
}

func (c *checks) atMost(what string, got, need int) {
	c.check(got <= need, what, fmt.Sprint(got), fmt.Sprintf("<= %d", need))
}

// close prints the last line and says whether all was well.
func (c *checks) close() bool {
	fmt.Fprintf(c.out, "\n%d passed, %d failed\n", c.passed, c.failed)
	return c.failed == 0 && c.passed > 0
}

// table prints the classes that are not wholly right, with verbose all of them.
func (c *checks) table(r *score.Result) {
	head := false
	for _, name := range slices.Sorted(maps.Keys(r.Classes)) {
		k := r.Classes[name]
		if k.Exact == k.Expected && k.Extra == 0 && !c.verbose {
			continue
		}
		if !head {
			head = true
			fmt.Fprintf(c.out, "  %-24s %8s %8s %8s %8s  wrong\n", "class", "expected", "matched", "exact", "extra")
		}
		fmt.Fprintf(c.out, "  %-24s %8d %8d %8d %8d  %s\n", name, k.Expected, k.Matched, k.Exact, k.Extra, counts(k.Wrong))
	}
}

func counts(m map[string]int) (text string) {
	for _, f := range slices.Sorted(maps.Keys(m)) {
		text += fmt.Sprintf("%s %d ", f, m[f])
	}
	return text
}

// misses prints each exchange that is not as it should be.
func (c *checks) misses(r *score.Result) {
	for _, m := range r.Misses {
		switch t, o := m.Truth, m.Observed; {
		case o == nil:
			fmt.Fprintf(c.out, "  MISSED %s %s > %s: %s %s %d\n", t.Capture, t.Client, t.Server, t.Method, t.Target, t.Status)
		case t == nil:
			fmt.Fprintf(c.out, "  EXTRA  %s %s > %s: %s %s %d\n", o.Capture, o.Client, o.Server, o.Method, o.Path, o.Status)
		default:
			fmt.Fprintf(c.out, "  WRONG  %s %s > %s: %s %s:", t.Capture, t.Client, t.Server, t.Method, t.Target)
			for _, f := range m.Fields {
				want, got := values(t, o, f)
				fmt.Fprintf(c.out, " %s is %v, told %v;", f, want, got)
			}
			fmt.Fprintln(c.out)
		}
	}
}

// values are what a field is and what was told.
func values(t *score.Truth, o *score.Observed, field string) (want, got any) {
	switch field {
	case "method":
		return t.Method, o.Method
	case "host":
		return t.Host, o.Host
	case "path":
		return t.Target, o.Path
	case "status":
		return t.Status, o.Status
	case "request_body_bytes":
		return t.RequestBody, o.RequestBody
	case "response_body_bytes":
		return t.ResponseBody, o.ResponseBody
	}
	return t.Client, o.Client
}
