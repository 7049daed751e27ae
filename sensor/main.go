// SPDX-License-Identifier: Apache-2.0

// Command weir-sensor measures what API credentials take, from a copy of the traffic; see README.md.
package main

import (
	"os"

	"github.com/weir-project/weir/sensor/agent"
)

// version is set by the linker.
var version = "unknown"

func main() {
	os.Exit(agent.Main(os.Args[1:], agent.Env{Environ: os.Environ(), Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Version: version}))
}
