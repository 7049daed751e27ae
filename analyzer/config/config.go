// SPDX-License-Identifier: Apache-2.0

// Package config holds the analyzer's settings: what stands in its YAML file, WEIR_ANALYZER_*
// variables and flags, checked and complete.
//
// It assumes that a Config came from Parse. It refuses to open what it names.
package config

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/weir-project/weir/proto/conf"
)

// Config is what one command of the analyzer runs with.
type Config struct {
	Cluster string
	Name    string // of this replica; default: the host's name

	NATSURL          string // empty: an embedded server
	NATSCreds        string
	NATSUser         string
	NATSPasswordFile string
	NATSCA           string
	Listen           string // of the embedded server
	StateDir         string // of the embedded server
	StoreBytes       int64
	Replicas         int64

	Lateness        time.Duration
	QuietDays       int64
	MaxPrincipals   int64
	CheckpointEvery time.Duration
	Budget          float64 // false alerts per 10,000 principals a week

	LoadState string
	SaveState string

	API       string // of a running analyzer, for top
	Top       int64
	By        string
	Format    string // alerts, backtest: text or json
	Follow    bool
	Since     time.Duration
	HTTPAddr  string
	LogLevel  string
	LogFormat string
	ReadyFile string

	CheckConfig bool
	PrintConfig bool
	Effective   []string
}

func declare(c *Config) *conf.Set {
	s := conf.New("weir-analyzer")
	s.String(&c.Cluster, "analyzer.cluster", "cluster", "default", "cluster that alerts are published for")
	s.String(&c.Name, "analyzer.name", "name", "", "name of this replica; the host's name when empty")
	s.String(&c.NATSURL, "nats.url", "nats-url", "", "NATS server with JetStream; empty runs an embedded one")
	s.String(&c.NATSCreds, "nats.creds", "nats-creds", "", "NATS .creds file, or a connection file an embedded server wrote")
	s.String(&c.NATSUser, "nats.user", "nats-user", "", "NATS user")
	s.String(&c.NATSPasswordFile, "nats.password_file", "nats-password-file", "", "file that holds the NATS user's password")
	s.String(&c.NATSCA, "nats.ca", "nats-ca", "", "CA certificates for the NATS server")
	s.String(&c.Listen, "nats.listen", "nats-listen", "127.0.0.1:4222", "address of the embedded server")
	s.String(&c.StateDir, "nats.dir", "nats-dir", "", "where the embedded server keeps its data")
	s.Size(&c.StoreBytes, "nats.store", "nats-store", "4GiB", "bytes the embedded server may keep")
	s.Int(&c.Replicas, "nats.replicas", "nats-replicas", 1, 1, 5, "copies of each stream in a NATS cluster")
	s.Duration(&c.Lateness, "ledger.lateness", "lateness", 120*time.Second, time.Second, "a minute closes when newer data has passed it by this much")
	s.Int(&c.MaxPrincipals, "ledger.principals", "max-principals", 4_000_000, 64, 1<<28, "principals remembered at once")
	s.Duration(&c.CheckpointEvery, "checkpoint.every", "checkpoint-every", time.Second, 50*time.Millisecond, "state is made durable, and batches acknowledged, this often")
	s.Float(&c.Budget, "detect.budget", "budget", 1, 0.01, 1000, "false alerts per 10,000 principals a week that you accept")
	s.Int(&c.QuietDays, "incident.quiet_days", "quiet-days", 7, 1, 365, "an incident closes after this many quiet days")
	s.String(&c.LoadState, "load_state", "load-state", "", "begin with the state in this file")
	s.String(&c.SaveState, "save_state", "save-state", "", "backtest: write the state at the end to this file")
	s.String(&c.API, "api", "api", "http://127.0.0.1:9747", "running analyzer to ask (top)")
	s.Int(&c.Top, "top.rows", "rows", 20, 1, 10000, "rows to print (top)")
	s.Choice(&c.By, "top.by", "by", "records", "order of the rows (top)", "records", "fresh", "day", "week", "bytes", "peers")
	s.Choice(&c.Format, "format", "format", "", "form of what is printed: backtest prints json, top and alerts print text, unless told", "", "text", "json")
	s.Bool(&c.Follow, "alerts.follow", "follow", true, "alerts: go on until a signal")
	s.Duration(&c.Since, "alerts.since", "since", 0, 0, "alerts: begin with alerts this old; 0 prints new ones only")
	s.String(&c.HTTPAddr, "http.addr", "http-addr", "127.0.0.1:9747", "address of /metrics, /healthz, /readyz and the API")
	s.Choice(&c.LogLevel, "log.level", "log-level", "info", "least level that is logged", "debug", "info", "warn", "error")
	s.Choice(&c.LogFormat, "log.format", "log-format", "auto", "form of log lines on stderr; auto is console on a terminal", "auto", "json", "console")
	s.String(&c.ReadyFile, "ready_file", "ready-file", "", "file created once batches are taken in")
	s.Bool(&c.CheckConfig, "check_config", "check-config", false, "check the configuration and exit")
	s.Bool(&c.PrintConfig, "print_config", "print-config", false, "print the settings in force, secrets redacted, and exit")
	return s
}

// Parse reads the settings of a command from its arguments and the environment (os.Environ's
// form). words are the arguments that are no flags. Faults are conf.Faults, help is conf.ErrHelp.
func Parse(command string, args, environ []string, help io.Writer) (c Config, words []string, err error) {
	set := declare(&c)
	words, err = set.Parse(args, environ, help)
	var faults conf.Faults
	if f, ok := err.(conf.Faults); ok { //nolint:errorlint // Parse returns Faults unwrapped
		faults = f
	} else if err != nil {
		return c, nil, err
	}
	faults = append(faults, c.check(command, words)...)
	if len(faults) > 0 {
		return c, nil, faults
	}
	c.complete()
	c.Effective = set.Effective()
	return c, words, nil
}

// WriteReference writes the documented YAML file that holds every default.
func WriteReference(w io.Writer) {
	var c Config
	declare(&c).WriteReference(w)
}

func (c *Config) check(command string, words []string) (faults []string) {
	if command == "backtest" && len(words) == 0 && c.LoadState == "" {
		faults = append(faults, "backtest: needs files of JSON Lines or batches, or - for stdin")
	}
	if command != "backtest" && command != "alerts" && len(words) > 0 {
		faults = append(faults, fmt.Sprintf("%s: takes no words, but got %q", command, words))
	}
	if c.Replicas > 1 && c.NATSURL == "" {
		faults = append(faults, "nats.replicas: an embedded server is alone; copies need a NATS cluster (--nats-url)")
	}
	return faults
}

// complete fills in what depends on the machine.
func (c *Config) complete() {
	if c.Name == "" {
		if host, err := os.Hostname(); err == nil && host != "" {
			c.Name = host
		} else {
			c.Name = "analyzer"
		}
	}
	if c.StateDir == "" {
		c.StateDir = defaultStateDir()
	}
}

func defaultStateDir() string {
	if os.Geteuid() == 0 {
		return "/var/lib/weir/nats"
	}
	if dir := os.Getenv("XDG_STATE_HOME"); dir != "" {
		return filepath.Join(dir, "weir", "nats")
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "weir-nats"
	}
	return filepath.Join(home, ".local", "state", "weir", "nats")
}
