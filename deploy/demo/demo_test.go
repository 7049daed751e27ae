// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// The demo must work whenever it is run: history and theft are shifted together to the edges of an
// hour, a day, a month and a year.
func TestAtTheEdgesOfTime(t *testing.T) {
	if os.Getenv("WEIR_STREET") != "1" {
		t.Skip("SKIPPED: runs the real binaries; make street does")
	}
	demo := t.TempDir() + "/demo"
	if out, err := exec.Command("go", "build", "-o", demo, ".").CombinedOutput(); err != nil {
		t.Fatalf("build the demo: %v\n%s", err, out)
	}
	for _, at := range []string{"2026-02-28T23:59:30Z", "2026-05-20T10:59:55Z", "2025-12-31T23:59:30Z"} {
		t.Run(strings.ReplaceAll(at, ":", "."), func(t *testing.T) {
			ctx, cancel := context.WithTimeout(context.Background(), bound+10*time.Second)
			defer cancel()
			run := exec.CommandContext(ctx, demo, "-at", at)
			run.Dir = "../.." // bin/ is there
			out, err := run.CombinedOutput()
			if err != nil || !strings.Contains(string(out), "every number equals") {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}
