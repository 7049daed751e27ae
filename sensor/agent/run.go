// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/weir-project/weir/proto/health"
	"github.com/weir-project/weir/proto/keyhash"
	"github.com/weir-project/weir/proto/logs"
	"github.com/weir-project/weir/proto/natsconn"
	weirv1 "github.com/weir-project/weir/proto/wire/weir/v1"
	"github.com/weir-project/weir/sensor/capture"
	"github.com/weir-project/weir/sensor/config"
	"github.com/weir-project/weir/sensor/exchange"
	"github.com/weir-project/weir/sensor/flow"
	"github.com/weir-project/weir/sensor/publish"
)

// live is a running sensor.
type live struct {
	cfg       *config.Config
	env       *Env
	log       zerolog.Logger
	keys      *keyhash.Keys
	names     []string
	rings     []*capture.Ring
	pipelines []*pipeline
	own       *ownTraffic
	legs      joint
	coverage  coverage
	conn      *natsconn.Conn
	publisher *publish.Publisher
	reloads   *reloader
	started   time.Time
}

// run captures from interfaces until a signal.
func run(ctx context.Context, cfg *config.Config, _ []string, env *Env) error {
	if err := harden(); err != nil {
		return err
	}
	log, level := logs.New(env.Stderr, cfg.LogLevel, cfg.LogFormat)
	for _, line := range cfg.Effective {
		log.Debug().Str("setting", line).Msg("in force")
	}
	l := &live{cfg: cfg, env: env, log: log, own: &ownTraffic{}, started: time.Now()}
	l.reloads = newReloader(cfg, env, level, log)
	var err error
	if l.names, err = resolveInterfaces(cfg.Interfaces); err != nil {
		return err
	}
	if err := l.openRings(); err != nil { // before the key: a look at an interface needs none to fail
		return err
	}
	if l.keys, err = loadKeys(cfg, env); err != nil {
		l.closeRings()
		return err
	}
	if cfg.Duration > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, cfg.Duration)
		defer cancel()
	}
	if cfg.NATSURL == "" {
		return l.print(ctx)
	}
	return l.publish(ctx)
}

func (l *live) openRings() error {
	for i, name := range l.names {
		blocks := int(l.cfg.RingBytes >> 20)
		ring, err := capture.OpenRing(name, capture.RingConfig{Blocks: max(2, blocks), Index: i, Promiscuous: l.cfg.Promisc})
		if err != nil {
			l.closeRings()
			return err
		}
		l.rings = append(l.rings, ring)
	}
	return nil
}

// closeRings ends rings that never ran.
func (l *live) closeRings() {
	for _, ring := range l.rings {
		ring.Stop()
		_ = ring.Run(nil, nil)
	}
}

// print is run --output: exchanges on stdout, nothing published.
func (l *live) print(ctx context.Context) error {
	writer := newWriter(l.cfg, l.keys, l.env.Stdout)
	l.build(writer)
	err := l.capture(ctx, func() { _ = writer.Flush() }) // what fails is told by Close
	l.legs.flush()
	now := time.Now().UnixNano()
	writer.Capture(&weirv1.CaptureCounters{StartUnixNano: uint64(l.started.UnixNano()), EndUnixNano: uint64(now), Counters: l.counters()})
	return errors.Join(err, writer.Close())
}

// publish is run --nats-url.
func (l *live) publish(ctx context.Context) error {
	settings := connection(l.cfg)
	settings.OnError = func(err error) { l.log.Warn().Err(err).Msg("NATS reports a fault") }
	settings.OnStatus = func(status string) {
		l.log.Info().Str("status", status).Msg("NATS connection")
		l.knowOwn()
	}
	conn, err := natsconn.Connect(ctx, settings)
	if err != nil {
		l.closeRings()
		return err
	}
	defer conn.Close()
	l.conn = conn
	l.knowOwn()
	p := publishConfig(l.cfg, l.keys)
	p.Gap = &weirv1.Gap{EndUnixNano: uint64(l.started.UnixNano()), Reason: "restart"}
	p.Heartbeat = l.heartbeat
	l.build(&l.coverage)
	l.coverage.counters, l.coverage.now = l.counters, time.Now // before the publisher: its first heartbeat asks at once
	if l.publisher, err = newPublisher(conn, p); err != nil {
		l.closeRings()
		return err
	}
	l.coverage.next = l.publisher
	l.publisher.SetCounters(l.counters)
	err = l.capture(ctx, nil)
	l.legs.flush()
	deadline, cancel := context.WithTimeout(context.WithoutCancel(ctx), 8*time.Second)
	defer cancel()
	return errors.Join(err, l.publisher.Close(deadline))
}

func (l *live) build(sink exchange.Sink) {
	l.legs = newJoint(l.cfg, newBoot(), sink)
	l.legs.know(l.cfg)
	var owners *flow.Owners
	if len(l.names) > 1 {
		owners = flow.NewOwners(int(l.cfg.MaxConnections))
	}
	for i, name := range l.names {
		p := newPipeline(l.cfg, l.keys, l.cfg.SensorID+"/"+name, name, "", ranks[l.cfg.Rank], part{of: len(l.names), owners: owners, me: uint32(i + 1)}, l.legs.sink)
		p.own, p.joiner = l.own, l.legs.joiner
		told := false
		p.onBug = func(stack []byte) {
			if !told {
				l.log.Error().Str(logs.Interface, name).Bytes("stack", stack).Msg("a fault of ours was contained: what it touched is given up and counted; later ones are only counted")
			}
			told = true
		}
		l.pipelines = append(l.pipelines, p)
	}
}

// capture runs the rings until ctx ends. each, if any, is called five times a second.
func (l *live) capture(ctx context.Context, each func()) error {
	h := health.New("weir_sensor", l.env.Version)
	l.declareMetrics(h)
	group, ctx := errgroup.WithContext(ctx)
	for i, ring := range l.rings {
		group.Go(func() error { return l.runRing(ring, l.pipelines[i], l.names[i]) })
	}
	group.Go(func() error {
		<-ctx.Done()
		for _, ring := range l.rings {
			ring.Stop()
		}
		return nil
	})
	if l.cfg.HTTPAddr != "" && l.conn != nil {
		group.Go(func() error {
			return h.Serve(ctx, l.cfg.HTTPAddr, func(a net.Addr) {
				l.log.Info().Str("addr", a.String()).Msg("serving /metrics, /healthz and /readyz")
			})
		})
	}
	group.Go(func() error { l.reloads.run(ctx); return nil })
	if each != nil {
		group.Go(func() error { repeat(ctx, each); return nil })
	}
	if l.cfg.ReadyFile != "" {
		if err := os.WriteFile(l.cfg.ReadyFile, []byte("ready\n"), 0o644); err != nil {
			l.log.Error().Err(err).Msg("cannot write the ready file")
		}
	}
	l.log.Info().Strs("interfaces", l.names).Str("sensor", l.cfg.SensorID).Msg("capturing")
	return group.Wait()
}

// repeat calls each five times a second until ctx ends.
func repeat(ctx context.Context, each func()) {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			each()
		}
	}
}

func (l *live) runRing(ring *capture.Ring, p *pipeline, name string) error {
	err := ring.Run(p.frame, p.idle)
	p.end()
	if errors.Is(err, capture.ErrInterfaceGone) && len(l.rings) > 1 {
		l.log.Warn().Str(logs.Interface, name).Msg("interface is gone; the others go on")
		return nil
	}
	return err
}

// heartbeat fills in what only the wiring knows.
func (l *live) heartbeat(h *weirv1.Heartbeat) {
	h.Version, h.Mode, h.Interfaces = l.env.Version, "afpacket", l.names
	h.StartedUnixNano = uint64(l.started.UnixNano())
	h.Coverage = l.coverage.share()
	l.legs.know(l.cfg) // addresses come and go
}

// counters gives the counters of every interface, kernel losses included.
func (l *live) counters() []*weirv1.Counter {
	var out []*weirv1.Counter
	for i, p := range l.pipelines {
		s := l.rings[i].Stats()
		out = append(out,
			&weirv1.Counter{Name: "packets_seen", Scope: l.names[i], Value: s.Received},
			&weirv1.Counter{Name: "packets_dropped", Reason: "ring_full", Scope: l.names[i], Value: s.Dropped},
			&weirv1.Counter{Name: "ring_freezes", Scope: l.names[i], Value: s.Freezes},
			&weirv1.Counter{Name: "interface_flaps", Scope: l.names[i], Value: s.Flaps})
		out = append(out, p.counters()...)
	}
	return append(out, l.legs.counters("")...)
}

// knowOwn tells pipelines which connections are the sensor's own.
func (l *live) knowOwn() {
	servers := map[netip.AddrPort]bool{}
	if l.conn != nil {
		if a, err := netip.ParseAddrPort(l.conn.NATS().ConnectedAddr()); err == nil {
			servers[netip.AddrPortFrom(a.Addr().Unmap(), a.Port())] = true
		}
	}
	if l.conn != nil {
		addrs, _ := net.InterfaceAddrs() // none known: nothing is filtered
		addMetrics(servers, l.cfg.HTTPAddr, addrs)
	}
	l.own.set(servers)
}

// addMetrics adds where /metrics listens. Of an address that stands for all, that is the port of
// every address of the host. Of one address it is that one alone: behind the same port of another
// somebody else's API may stand.
func addMetrics(servers map[netip.AddrPort]bool, listen string, host []net.Addr) {
	name, port, err := net.SplitHostPort(listen)
	if err != nil {
		return
	}
	add := func(address string) {
		if a, err := netip.ParseAddrPort(net.JoinHostPort(address, port)); err == nil {
			servers[netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port())] = true
		}
	}
	if one, err := netip.ParseAddr(name); name != "" && (err != nil || !one.IsUnspecified()) {
		if name == "localhost" {
			name = "127.0.0.1"
		}
		add(name)
		return
	}
	for _, a := range host {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			add(p.Addr().String())
		}
	}
}

// connection gives the settings of the connection to NATS.
func connection(cfg *config.Config) natsconn.Config {
	return natsconn.Config{URL: cfg.NATSURL, CredsFile: cfg.NATSCreds, User: cfg.NATSUser, PasswordFile: cfg.NATSPasswordFile,
		TLSCA: cfg.NATSCA, InboxPrefix: cfg.NATSInboxPrefix, Name: "weir-sensor@" + cfg.SensorID}
}

func publishConfig(cfg *config.Config, keys *keyhash.Keys) publish.Config {
	return publish.Config{
		Cluster: cfg.Cluster, SensorID: cfg.SensorID, BootID: newBoot(),
		CredentialsKeyID: keys.Credentials.KeyID(), ObjectsKeyID: keys.Objects.KeyID(), ExchangesKeyID: keys.Exchanges.KeyID(),
		MaxExchanges: int(cfg.BatchExchanges), FlushEvery: cfg.FlushEvery, QueueBytes: cfg.QueueBytes,
	}
}

func newPublisher(conn *natsconn.Conn, cfg publish.Config) (*publish.Publisher, error) {
	transport, err := publish.NewNATS(conn, cfg.MaxInFlight, cfg.AckTimeout)
	if err != nil {
		return nil, fmt.Errorf("publish: %w", err)
	}
	return publish.New(cfg, transport, nil), nil
}
