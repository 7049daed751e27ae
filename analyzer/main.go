// SPDX-License-Identifier: Apache-2.0

// Command weir-analyzer finds principals whose data volume is abnormal; see README.md.
package main

import (
	"os"

	"github.com/weir-project/weir/analyzer/app"
)

// version is set by the linker.
var version = "unknown"

func main() {
	os.Exit(app.Main(os.Args[1:], app.Env{Environ: os.Environ(), Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Version: version}))
}
