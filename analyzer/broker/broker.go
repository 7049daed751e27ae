// SPDX-License-Identifier: Apache-2.0

// Package broker is the NATS server with JetStream that one machine needs: embedded, with its data
// in one directory.
//
// It assumes that nobody else uses its directory, and takes a lock to be sure. It refuses to
// listen beyond the machine unless told to, and to serve anybody without a password.
package broker

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/rs/zerolog"
)

// ErrInUse says that another process holds the directory.
var ErrInUse = errors.New("in use by another process")

// readyWithin bounds the start; recovering a store of some gigabytes takes seconds.
const readyWithin = 60 * time.Second

// Config says where and how. Dir is needed, the rest has defaults.
type Config struct {
	Dir      string // made 0700; holds the store, the secrets and the connection files
	Host     string // default 127.0.0.1
	Port     int    // 0 chooses a free one
	MaxBytes int64  // of all streams together; default 4 GiB
	Log      zerolog.Logger

	// AllowRemote lets Host be another than a loopback address. Passwords then cross the network
	// in the clear: for a cluster or a fleet use a NATS server of its own with TLS.
	AllowRemote bool
	// SyncAlways makes every write durable against loss of power before it is acknowledged, at
	// many times the cost. Without it a write is durable against the death of the process at once
	// and against loss of power within ten seconds.
	SyncAlways bool
}

// Broker is a running server.
type Broker struct {
	ns    *server.Server
	dir   string
	lock  *os.File
	close sync.Once
}

// Start starts the server and returns when it takes clients and its streams are recovered. On the
// first start it makes three users with random passwords: "sensor" (publishes batches and
// heartbeats, nothing else), "analyzer" (everything) and "reader" (subscribes to alerts); each has
// a connection file in Dir, see ConnectionFile.
func Start(cfg Config) (*Broker, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make broker directory: %w", err)
	}
	lock, err := lockDir(cfg.Dir)
	if err != nil {
		return nil, err
	}
	b := &Broker{dir: cfg.Dir, lock: lock}
	if err := b.start(cfg); err != nil {
		b.Shutdown()
		return nil, err
	}
	return b, nil
}

func (cfg *Config) check() error {
	if cfg.Dir == "" {
		return errors.New("start broker: no directory")
	}
	if cfg.Host == "" {
		cfg.Host = "127.0.0.1"
	}
	if cfg.MaxBytes <= 0 {
		cfg.MaxBytes = 4 << 30
	}
	ip := net.ParseIP(cfg.Host)
	if !cfg.AllowRemote && cfg.Host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return fmt.Errorf("start broker: %s is not a loopback address; run a NATS server with TLS for other machines and give its URL", cfg.Host)
	}
	return nil
}

func (b *Broker) start(cfg Config) error {
	secrets, err := loadSecrets(cfg.Dir)
	if err != nil {
		return err
	}
	if err := portFree(cfg.Host, cfg.Port); err != nil {
		return err
	}
	ns, err := server.NewServer(options(cfg, secrets))
	if err != nil {
		return fmt.Errorf("start broker: %w", err)
	}
	b.ns = ns
	faults := &logger{log: cfg.Log, fatal: make(chan string, 1)}
	ns.SetLoggerV2(faults, false, false, false)
	go ns.Start()
	if err := b.awaitReady(faults.fatal); err != nil {
		return err
	}
	return secrets.writeFiles(cfg.Dir, b.ClientURL())
}

func options(cfg Config, s secrets) *server.Options {
	port := cfg.Port
	if port == 0 {
		port = server.RANDOM_PORT
	}
	return &server.Options{
		ServerName:             "weir",
		Host:                   cfg.Host,
		Port:                   port,
		NoSigs:                 true,
		JetStream:              true,
		DisableJetStreamBanner: true,
		StoreDir:               filepath.Join(cfg.Dir, "store"),
		JetStreamMaxStore:      cfg.MaxBytes,
		JetStreamMaxMemory:     64 << 20,
		SyncInterval:           10 * time.Second,
		SyncAlways:             cfg.SyncAlways,
		Users:                  s.users(),
	}
}

// awaitReady waits for the server, and for what it says when it cannot start.
func (b *Broker) awaitReady(fatal <-chan string) error {
	deadline := time.Now().Add(readyWithin)
	for time.Now().Before(deadline) {
		if b.ns.ReadyForConnections(50*time.Millisecond) && b.ns.JetStreamEnabled() {
			return nil
		}
		select {
		case reason := <-fatal:
			return fmt.Errorf("start broker: %s", reason)
		default:
		}
	}
	return fmt.Errorf("start broker: not ready after %s", readyWithin)
}

// portFree gives a better answer than a server that does not start.
func portFree(host string, port int) error {
	if port == 0 {
		return nil
	}
	l, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(port)))
	if err != nil {
		return fmt.Errorf("start broker: %w (is a NATS server or another weir-analyzer running? Give another port, or the running server's URL)", err)
	}
	return l.Close()
}

// ClientURL is what clients connect to.
func (b *Broker) ClientURL() string { return b.ns.ClientURL() }

// InProcessConn connects without a socket; the user still shows a password.
func (b *Broker) InProcessConn() (net.Conn, error) { return b.ns.InProcessConn() }

// ConnectionFile is the path of the file that the user "sensor", "analyzer" or "reader" connects
// with: a JSON object with url, user, password and inbox_prefix, mode 0600.
func (b *Broker) ConnectionFile(user string) string { return ConnectionFile(b.dir, user) }

// Shutdown stops the server and returns when its store is closed. It may be called again.
func (b *Broker) Shutdown() {
	b.close.Do(func() {
		if b.ns != nil {
			b.ns.Shutdown()
			b.ns.WaitForShutdown()
		}
		_ = b.lock.Close() // and with it the lock
	})
}

// logger passes the server's log on. Its notices are the start's banner: they go to debug.
type logger struct {
	log   zerolog.Logger
	fatal chan string
}

func (l *logger) Noticef(format string, v ...any) { l.log.Debug().Msgf(format, v...) }
func (l *logger) Warnf(format string, v ...any)   { l.log.Warn().Msgf(format, v...) }
func (l *logger) Errorf(format string, v ...any)  { l.log.Error().Msgf(format, v...) }
func (l *logger) Debugf(format string, v ...any)  { l.log.Debug().Msgf(format, v...) }
func (l *logger) Tracef(format string, v ...any)  { l.log.Trace().Msgf(format, v...) }

func (l *logger) Fatalf(format string, v ...any) {
	select {
	case l.fatal <- fmt.Sprintf(format, v...):
	default:
	}
}
