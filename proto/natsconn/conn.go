// SPDX-License-Identifier: Apache-2.0

// Package natsconn holds the connection to NATS, the same for sensors and analyzers, and makes the
// streams and buckets of weir.
//
// It assumes that the server may be away at any time, also at the start: a connection waits and
// comes back by itself. It refuses to buffer for its callers: what cannot be sent now is an error
// now.
package natsconn

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Config says how to connect. At most one of CredsFile, NKeyFile, User and TokenFile may be set.
// Files are read again at every reconnect, so that rotated secrets need no restart.
type Config struct {
	URL          string // comma-separated; empty: what the connection file in CredsFile says
	CredsFile    string // .creds of an operator-mode server, or a connection file (see File)
	NKeyFile     string // NKEY seed
	User         string
	PasswordFile string // one line
	TokenFile    string // one line

	TLSCA   string // PEM file of authorities; empty: the system's, where the URL says tls://
	TLSCert string // PEM files of a client certificate, both or neither
	TLSKey  string

	Name        string // how the server's monitoring shows this client, such as "weir-sensor@host"
	InboxPrefix string // what this user may subscribe to for answers; empty: the connection file's, else _INBOX

	// InProcess connects to an embedded server without a socket; URL is then a name only.
	InProcess nats.InProcessConnProvider

	// OnError is told every error that arrives outside a call, permission violations first of
	// all: the publish that caused one merely times out. It must not block. OnStatus likewise
	// for changes between "connected", "reconnecting" and "closed".
	OnError  func(error)
	OnStatus func(status string)
}

// Counters count what went wrong since Connect.
type Counters struct {
	Connects             uint64 // the first one too
	Disconnects          uint64
	AuthErrors           uint64 // refused or expired credentials
	PermissionViolations uint64
	SlowConsumers        uint64
	OtherErrors          uint64
}

// Conn is one connection.
type Conn struct {
	nc  *nats.Conn
	cfg Config

	connects, disconnects, auth, permission, slow, other atomic.Uint64

	mu        sync.Mutex
	lastError string
	up        chan struct{} // closed while connected
}

// Connect makes a connection that retries for ever, the first time too: an error means that the
// configuration is wrong, not that the server is away. WaitConnected says when it is there.
func Connect(ctx context.Context, cfg Config) (*Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("connect to NATS: %w", err)
	}
	if err := cfg.resolve(); err != nil {
		return nil, err
	}
	c := &Conn{cfg: cfg, up: make(chan struct{})}
	options, err := c.options()
	if err != nil {
		return nil, err
	}
	nc, err := nats.Connect(cfg.URL, options...)
	if err != nil {
		return nil, fmt.Errorf("connect to NATS at %s: %w", Redact(cfg.URL), err)
	}
	c.mu.Lock()
	c.nc = nc
	c.mu.Unlock()
	return c, nil
}

func (c *Conn) options() ([]nats.Option, error) {
	options := []nats.Option{
		nats.Name(c.cfg.Name),
		nats.RetryOnFailedConnect(true),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(500 * time.Millisecond),
		// 500 sensors must not come back in one instant.
		nats.ReconnectJitter(time.Second, 2*time.Second),
		// The client's own buffer keeps the oldest and floods on return: rooms keep their own.
		nats.ReconnectBufSize(-1),
		nats.Timeout(5 * time.Second),
		nats.FlusherTimeout(10 * time.Second),
		nats.PingInterval(20 * time.Second),
		nats.MaxPingsOutstanding(2),
		// Credentials may be wrong for a while during a rotation.
		nats.IgnoreAuthErrorAbort(),
		nats.ConnectHandler(c.connected),
		nats.ReconnectHandler(c.connected),
		nats.DisconnectErrHandler(c.disconnected),
		nats.ReconnectErrHandler(func(_ *nats.Conn, err error) { c.fault(err) }),
		nats.ClosedHandler(func(*nats.Conn) { c.status("closed") }),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { c.fault(err) }),
	}
	if c.cfg.InboxPrefix != "" {
		options = append(options, nats.CustomInboxPrefix(c.cfg.InboxPrefix))
	}
	if c.cfg.InProcess != nil {
		options = append(options, nats.InProcessServer(c.cfg.InProcess))
	}
	if c.cfg.TLSCA != "" {
		options = append(options, nats.RootCAs(c.cfg.TLSCA))
	}
	if c.cfg.TLSCert != "" {
		options = append(options, nats.ClientCert(c.cfg.TLSCert, c.cfg.TLSKey))
	}
	login, err := c.cfg.login(c.fault)
	return append(options, login...), err
}

func (c *Conn) connected(*nats.Conn) {
	c.connects.Add(1)
	c.mu.Lock()
	select {
	case <-c.up:
	default:
		close(c.up)
	}
	c.mu.Unlock()
	c.status("connected")
}

func (c *Conn) disconnected(_ *nats.Conn, err error) {
	c.disconnects.Add(1)
	c.mu.Lock()
	select {
	case <-c.up:
		c.up = make(chan struct{})
	default:
	}
	c.mu.Unlock()
	if err != nil {
		c.fault(err)
	}
	c.status("reconnecting")
}

func (c *Conn) status(s string) {
	if c.cfg.OnStatus != nil {
		c.cfg.OnStatus(s)
	}
}

// fault counts an error that arrived outside a call.
func (c *Conn) fault(err error) {
	if err == nil {
		return
	}
	switch {
	case errors.Is(err, nats.ErrPermissionViolation):
		c.permission.Add(1)
	case errors.Is(err, nats.ErrSlowConsumer):
		c.slow.Add(1)
	case errors.Is(err, nats.ErrAuthorization), errors.Is(err, nats.ErrAuthExpired), errors.Is(err, nats.ErrAuthRevoked),
		errors.Is(err, errLogin), strings.Contains(strings.ToLower(err.Error()), "authorization violation"):
		c.auth.Add(1)
	default:
		c.other.Add(1)
	}
	c.mu.Lock()
	c.lastError = err.Error()
	c.mu.Unlock()
	if c.cfg.OnError != nil {
		c.cfg.OnError(err)
	}
}

// WaitConnected returns when the server is there, or with the last error when ctx ends.
func (c *Conn) WaitConnected(ctx context.Context) error {
	for !c.nc.IsConnected() {
		if c.nc.IsClosed() {
			return nats.ErrConnectionClosed
		}
		if err := c.wait(ctx); err != nil {
			return err
		}
	}
	return nil
}

// wait returns when the connection may be up.
func (c *Conn) wait(ctx context.Context) error {
	c.mu.Lock()
	up, last := c.up, c.lastError
	c.mu.Unlock()
	select {
	case <-up:
		// The callbacks lag behind the connection: it may be down again.
		timer := time.NewTimer(10 * time.Millisecond)
		defer timer.Stop()
		up = nil
		select {
		case <-timer.C:
			return nil
		case <-ctx.Done():
		}
	default:
	}
	select {
	case <-up:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("no NATS server at %s (last error: %q): %w", Redact(c.cfg.URL), last, ctx.Err())
	}
}

// NATS gives the plain connection.
func (c *Conn) NATS() *nats.Conn { return c.nc }

// JetStream gives the stream side of the connection. Options are those of a publisher.
func (c *Conn) JetStream(options ...jetstream.JetStreamOpt) (jetstream.JetStream, error) {
	js, err := jetstream.New(c.nc, options...)
	if err != nil {
		return nil, fmt.Errorf("use JetStream: %w", err)
	}
	return js, nil
}

// Status gives "connected", "reconnecting" or "closed", and the last error there was, for /readyz.
func (c *Conn) Status() (status, lastError string) {
	c.mu.Lock()
	lastError = c.lastError
	c.mu.Unlock()
	switch {
	case c.nc.IsConnected():
		return "connected", lastError
	case c.nc.IsClosed():
		return "closed", lastError
	}
	return "reconnecting", lastError
}

// Counters gives the counters.
func (c *Conn) Counters() Counters {
	return Counters{
		Connects: c.connects.Load(), Disconnects: c.disconnects.Load(), AuthErrors: c.auth.Load(),
		PermissionViolations: c.permission.Load(), SlowConsumers: c.slow.Load(), OtherErrors: c.other.Load(),
	}
}

// Close ends the connection; what was published is flushed to the socket first.
func (c *Conn) Close() {
	if c.nc.IsConnected() {
		_ = c.nc.FlushTimeout(time.Second) // best effort: acks say what arrived
	}
	c.nc.Close()
}
