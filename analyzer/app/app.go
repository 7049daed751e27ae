// SPDX-License-Identifier: Apache-2.0

// Package app wires the analyzer's rooms into its commands.
//
// It assumes settings that config has checked. It refuses logic that deserves a test of its own:
// that stands in the rooms.
package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/signal"
	"runtime"
	"syscall"

	"github.com/weir-project/weir/analyzer/config"
	"github.com/weir-project/weir/proto/conf"
)

// The exit codes of every command.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

// Env is what a command sees of its process.
type Env struct {
	Environ []string
	Stdin   io.Reader
	Stdout  io.Writer
	Stderr  io.Writer
	Version string

	args []string // of the command, for a reload
}

const usage = `weir-analyzer finds principals that take an abnormal amount of data, and publishes alerts.

  weir-analyzer run                        take in what sensors publish; embeds a NATS server unless --nats-url
  weir-analyzer backtest FILE...|-         judge JSON Lines or batches in event time; prints alerts
  weir-analyzer top                        who takes most, asked of a running analyzer or a saved state
  weir-analyzer alerts                     print alerts as they come, one sentence each
  weir-analyzer config                     print a YAML file with every setting and its default
  weir-analyzer version

  weir-analyzer COMMAND --help lists the flags. Exit status: 0 done, 1 failed, 2 usage.
`

type command func(ctx context.Context, cfg *config.Config, words []string, env *Env) error

var commands = map[string]command{"run": run, "backtest": backtest, "top": top, "alerts": alerts}

// Main runs one command and gives the process's exit code.
func Main(args []string, env Env) int {
	if len(args) == 0 || args[0] == "help" || args[0] == "--help" || args[0] == "-h" {
		fmt.Fprint(env.Stdout, usage)
		if len(args) == 0 {
			return exitUsage
		}
		return exitDone
	}
	switch args[0] {
	case "version", "--version":
		fmt.Fprintf(env.Stdout, "weir-analyzer %s %s %s/%s\n", env.Version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
		return exitDone
	case "config":
		config.WriteReference(env.Stdout)
		return exitDone
	}
	do, ok := commands[args[0]]
	if !ok {
		fmt.Fprintf(env.Stderr, "weir-analyzer: no command %q\n\n%s", args[0], usage)
		return exitUsage
	}
	cfg, words, err := config.Parse(args[0], args[1:], env.Environ, env.Stdout)
	switch {
	case errors.Is(err, conf.ErrHelp):
		return exitDone
	case err != nil:
		fmt.Fprintf(env.Stderr, "weir-analyzer %s: %v\n", args[0], err)
		return exitUsage
	case cfg.CheckConfig:
		fmt.Fprintln(env.Stderr, "the configuration is good")
		return exitDone
	case cfg.PrintConfig:
		for _, line := range cfg.Effective {
			fmt.Fprintln(env.Stdout, line)
		}
		return exitDone
	}
	env.args = args[1:]
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := do(ctx, &cfg, words, &env); err != nil {
		fmt.Fprintf(env.Stderr, "weir-analyzer %s: %v\n", args[0], err)
		return exitFailed
	}
	return exitDone
}
