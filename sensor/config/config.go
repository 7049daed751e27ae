// SPDX-License-Identifier: Apache-2.0

// Package config holds the sensor's settings: what stands in its YAML file, WEIR_SENSOR_*
// variables and flags, checked and complete.
//
// It assumes that a Config came from Parse. It refuses to open what it names.
package config

import (
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/weir-project/weir/proto/conf"
)

// Config is what one command of the sensor runs with.
type Config struct {
	SensorID string // unique in the fleet; default: the host's name
	Cluster  string
	KeyFile  string // tenant key
	KeyGiven bool   // KeyFile was named, not defaulted

	Interfaces []string
	Rank       string // client, mirror, proxy, server_packet
	Promisc    bool
	RingBytes  int64 // ring per interface
	Servers    []int64

	NATSURL          string
	NATSCreds        string
	NATSUser         string
	NATSPasswordFile string
	NATSCA           string
	NATSInboxPrefix  string

	Output     string // json, pb, none; "" publishes (run) or is json (read)
	Inspect    bool
	Parts      bool
	Unredacted bool

	Speed string // replay: a factor, or "max"
	Time  string // replay: capture, now

	FlowBytes      int64
	MaxConnections int64
	QueueBytes     int64
	BatchExchanges int64
	FlushEvery     time.Duration
	InspectPrefix  int64

	APIKeyHeaders  []string
	SessionCookies []string
	QueryKeys      []string
	TrustedHops    []netip.Prefix

	JoinLegs     bool
	LegHold      time.Duration
	LegAddresses []netip.Prefix // single addresses

	HTTPAddr    string
	LogLevel    string
	LogFormat   string
	ReadyFile   string
	Duration    time.Duration
	CheckConfig bool
	PrintConfig bool

	// Effective lists every setting in force with its source, secrets redacted.
	Effective []string
}

// declare makes the settings of every command that captures, reads or publishes.
func declare(c *Config, inspect *string, servers *[]string) *conf.Set {
	s := conf.New("weir-sensor")
	s.String(&c.SensorID, "sensor.id", "sensor-id", "", "name of this sensor, unique in the fleet; the host's name when empty")
	s.String(&c.Cluster, "sensor.cluster", "cluster", "default", "cluster this sensor belongs to")
	s.String(&c.KeyFile, "key_file", "key-file", "", "tenant key, 64 hex digits, readable by its owner alone; made on first use on a single machine")
	s.Strings(&c.Interfaces, "capture.interfaces", "interface", "interface to capture from (-i); several may be given")
	s.Choice(&c.Rank, "capture.rank", "rank", "server_packet", "where the copy is taken", "client", "mirror", "proxy", "server_packet")
	s.Bool(&c.Promisc, "capture.promiscuous", "promiscuous", false, "take frames addressed to others (mirror ports)")
	s.Size(&c.RingBytes, "capture.ring", "ring", "32MiB", "ring buffer per interface")
	s.Strings(servers, "capture.server_ports", "server-port", "port that servers listen on, for connections seen from the middle; several may be given")
	s.String(&c.NATSURL, "nats.url", "nats-url", "", "NATS server to publish to, such as nats://127.0.0.1:4222")
	s.String(&c.NATSCreds, "nats.creds", "nats-creds", "", "NATS .creds file, or the connection file an embedded server wrote")
	s.String(&c.NATSUser, "nats.user", "nats-user", "", "NATS user")
	s.String(&c.NATSPasswordFile, "nats.password_file", "nats-password-file", "", "file that holds the NATS user's password")
	s.String(&c.NATSCA, "nats.ca", "nats-ca", "", "CA certificates for the NATS server")
	s.String(&c.NATSInboxPrefix, "nats.inbox_prefix", "nats-inbox-prefix", "", "prefix of the inbox subjects this user may subscribe to")
	s.Choice(&c.Output, "output", "output", "", "write exchanges to stdout instead of publishing", "", "json", "pb", "none")
	s.Choice(inspect, "inspect", "inspect", "on", "look into response bodies for records and objects", "on", "off")
	s.Bool(&c.Parts, "parts", "parts", false, "write each part of a long exchange, not one merged line")
	s.Bool(&c.Unredacted, "unredacted", "unredacted", false, "add the raw request-target to each line (read only; never published)")
	s.String(&c.Speed, "replay.speed", "speed", "max", "replay: 1 is as captured, 10 ten times as fast, max without waiting")
	s.Choice(&c.Time, "replay.time", "time", "capture", "replay: event times as captured, or shifted to end now", "capture", "now")
	s.Size(&c.FlowBytes, "limits.flow_bytes", "flow-bytes", "64MiB", "bytes held for segments that came out of order")
	s.Int(&c.MaxConnections, "limits.connections", "max-connections", 262144, 16, 1<<26, "connections followed at once")
	s.Size(&c.QueueBytes, "limits.queue", "queue", "64MiB", "bytes that wait for NATS before they are merged")
	s.Int(&c.BatchExchanges, "publish.batch_exchanges", "batch-exchanges", 512, 1, 4096, "exchanges in one batch at most")
	s.Duration(&c.FlushEvery, "publish.flush_every", "flush-every", time.Second, 10*time.Millisecond, "a batch waits no longer than this")
	s.Size(&c.InspectPrefix, "inspect_prefix", "inspect-prefix", "64KiB", "how far into a response body to look")
	s.Strings(&c.APIKeyHeaders, "identity.api_key_headers", "api-key-header", "header that carries an API key, beyond the defaults")
	s.Strings(&c.SessionCookies, "identity.session_cookies", "session-cookie", "cookie that carries a session, beyond the defaults")
	s.Strings(&c.QueryKeys, "identity.query_keys", "query-key", "query parameter that carries a credential, beyond the defaults")
	s.Prefixes(&c.TrustedHops, "identity.trusted_hops", "trusted-hop", "proxy whose forwarding headers are believed")
	s.Bool(&c.JoinLegs, "legs.join", "join-legs", true, "tell an exchange that passes a proxy of this host once, where a request or trace id shows both its legs; false tells every leg")
	s.Duration(&c.LegHold, "legs.hold", "leg-hold", 2*time.Second, 100*time.Millisecond, "how long the leg of a proxied exchange waits for the other one; six times as long where a large answer may have a slow client")
	s.Prefixes(&c.LegAddresses, "legs.addresses", "leg-address", "further address of the host whose loopback interface shows the other leg, such as the proxy's in a capture; those of this machine's interfaces are known to run")
	s.String(&c.HTTPAddr, "http.addr", "http-addr", "127.0.0.1:9746", "address of /metrics, /healthz and /readyz; empty for none (run only)")
	s.Choice(&c.LogLevel, "log.level", "log-level", "info", "least level that is logged", "debug", "info", "warn", "error")
	s.Choice(&c.LogFormat, "log.format", "log-format", "auto", "form of log lines on stderr; auto is console on a terminal", "auto", "json", "console")
	s.String(&c.ReadyFile, "ready_file", "ready-file", "", "file created once capture has begun")
	s.Duration(&c.Duration, "duration", "duration", 0, 0, "stop after this long; 0 runs until a signal")
	s.Bool(&c.CheckConfig, "check_config", "check-config", false, "check the configuration and exit")
	s.Bool(&c.PrintConfig, "print_config", "print-config", false, "print the settings in force, secrets redacted, and exit")
	return s
}

// Parse reads the settings of a command from its arguments and the environment (os.Environ's
// form). words are the arguments that are no flags. Faults are conf.Faults, help is conf.ErrHelp.
func Parse(command string, args, environ []string, help io.Writer) (c Config, words []string, err error) {
	var inspect string
	var servers []string
	set := declare(&c, &inspect, &servers)
	words, err = set.Parse(args, environ, help)
	var faults conf.Faults
	if err != nil && !asFaults(err, &faults) {
		return c, nil, err
	}
	c.Inspect = inspect == "on"
	for _, text := range servers {
		var port int64
		if _, err := fmt.Sscanf(text, "%d", &port); err != nil || port < 1 || port > 65535 {
			faults = append(faults, fmt.Sprintf("capture.server_ports: %q is not a port", text))
		}
		c.Servers = append(c.Servers, port)
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
	var inspect string
	var servers []string
	declare(&c, &inspect, &servers).WriteReference(w)
}

func asFaults(err error, to *conf.Faults) bool {
	f, ok := err.(conf.Faults) //nolint:errorlint // Parse returns Faults unwrapped
	if ok {
		*to = f
	}
	return ok
}

// check finds what single settings cannot: contradictions between them.
func (c *Config) check(command string, words []string) (faults []string) {
	fault := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	takesFiles := command == "read" || command == "replay"
	if takesFiles && len(words) == 0 {
		fault("%s: needs a capture file, or - for stdin", command)
	}
	if !takesFiles && len(words) > 0 {
		fault("%s: takes no words, but got %q (an interface is given with -i)", command, words)
	}
	if c.Unredacted && (command != "read" || c.NATSURL != "") {
		fault("--unredacted: shows what must not leave the machine, so it goes with read and never with --nats-url")
	}
	for _, p := range c.LegAddresses {
		if !p.IsSingleIP() {
			fault("legs.addresses: %s is not one address", p)
		}
	}
	if c.LegHold > time.Minute {
		fault("legs.hold: %s is beyond 1m, and what waits is told that much later", c.LegHold)
	}
	switch command {
	case "replay":
		if c.NATSURL == "" {
			fault("nats.url: replay publishes, so it needs --nats-url")
		}
		if _, err := c.SpeedFactor(); err != nil {
			fault("replay.speed: %v", err)
		}
	case "run":
		if len(c.Interfaces) == 0 {
			fault("capture.interfaces: run needs at least one interface (-i eth0); `ip -brief link` lists them")
		}
		if c.NATSURL == "" && c.Output == "" {
			fault("nats.url: run publishes to --nats-url, or prints with --output json")
		}
		if c.NATSURL != "" && c.Output != "" {
			fault("output: goes to stdout, so it and --nats-url exclude each other")
		}
	}
	if c.NATSURL != "" && c.KeyFile == "" && !loopback(c.NATSURL) {
		fault("key_file: a tenant key must be given wherever the NATS server is not on this machine, since all sensors of a fleet share one")
	}
	return faults
}

// loopback says whether every server of a NATS URL list is on this machine.
func loopback(urls string) bool {
	for _, url := range strings.Split(urls, ",") {
		host := url
		if _, rest, ok := strings.Cut(host, "://"); ok {
			host = rest
		}
		if i := strings.LastIndex(host, "@"); i >= 0 {
			host = host[i+1:]
		}
		if h, port, ok := cutLast(host, ":"); ok && !strings.Contains(port, "]") {
			host = h
		}
		host = strings.Trim(strings.TrimSpace(host), "[]/")
		if addr, err := netip.ParseAddr(host); host != "localhost" && (err != nil || !addr.IsLoopback()) {
			return false
		}
	}
	return true
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

// SpeedFactor gives the replay speed: 0 is as fast as possible.
func (c *Config) SpeedFactor() (float64, error) {
	if c.Speed == "max" {
		return 0, nil
	}
	var factor float64
	if _, err := fmt.Sscanf(c.Speed, "%g", &factor); err != nil || factor <= 0 || factor > 1e6 {
		return 0, fmt.Errorf("%q is neither max nor a factor such as 1 or 10", c.Speed)
	}
	return factor, nil
}

// complete fills in what depends on the machine.
func (c *Config) complete() {
	if c.SensorID == "" {
		if host, err := os.Hostname(); err == nil && host != "" {
			c.SensorID = host
		} else {
			c.SensorID = "sensor"
		}
	}
	c.KeyGiven = c.KeyFile != ""
	if !c.KeyGiven {
		c.KeyFile = DefaultKeyFile()
	}
}

// DefaultKeyFile is where the tenant key of a single machine is kept.
func DefaultKeyFile() string {
	if os.Geteuid() == 0 {
		return "/var/lib/weir/tenant.key"
	}
	if dir := os.Getenv("XDG_STATE_HOME"); dir != "" {
		return filepath.Join(dir, "weir", "tenant.key")
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "tenant.key"
	}
	return filepath.Join(home, ".local", "state", "weir", "tenant.key")
}
