// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/weir-project/weir/analyzer/alert"
	"github.com/weir-project/weir/analyzer/api"
	"github.com/weir-project/weir/analyzer/broker"
	"github.com/weir-project/weir/analyzer/checkpoint"
	"github.com/weir-project/weir/analyzer/config"
	"github.com/weir-project/weir/analyzer/ingest"
	"github.com/weir-project/weir/analyzer/population"
	"github.com/weir-project/weir/proto/conf"
	"github.com/weir-project/weir/proto/health"
	"github.com/weir-project/weir/proto/logs"
	"github.com/weir-project/weir/proto/natsconn"
	"github.com/weir-project/weir/proto/wire"
)

// run takes in what sensors publish until a signal.
func run(ctx context.Context, cfg *config.Config, _ []string, env *Env) error {
	log, level := logs.New(env.Stderr, cfg.LogLevel, cfg.LogFormat)
	reloads := &reloader{cfg: cfg, env: env, level: level, log: log}
	reloads.good.Store(true)
	for _, line := range cfg.Effective {
		log.Debug().Str("setting", line).Msg("in force")
	}
	settings := connection(cfg, "weir-analyzer@"+cfg.Name)
	if cfg.NATSURL == "" {
		b, err := embedded(cfg, log, env)
		if err != nil {
			return err
		}
		defer b.Shutdown()
		settings = natsconn.Config{URL: b.ClientURL(), CredsFile: b.ConnectionFile("analyzer"), Name: settings.Name, InProcess: b}
	}
	settings.OnError = func(err error) { log.Warn().Err(err).Msg("NATS reports a fault") }
	settings.OnStatus = func(status string) { log.Info().Str("status", status).Msg("NATS connection") }
	conn, err := natsconn.Connect(ctx, settings)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.WaitConnected(ctx); err != nil {
		return fmt.Errorf("connect to NATS: %w", err)
	}
	return serve(ctx, cfg, conn, env, reloads, log)
}

// connection gives the settings of a connection to somebody else's server.
func connection(cfg *config.Config, name string) natsconn.Config {
	c := natsconn.Config{URL: cfg.NATSURL, CredsFile: cfg.NATSCreds, User: cfg.NATSUser, PasswordFile: cfg.NATSPasswordFile, TLSCA: cfg.NATSCA, Name: name}
	if c.URL == "" && c.CredsFile == "" {
		c.CredsFile = broker.ConnectionFile(cfg.StateDir, "reader")
	}
	return c
}

func embedded(cfg *config.Config, log zerolog.Logger, env *Env) (*broker.Broker, error) {
	host, port, err := net.SplitHostPort(cfg.Listen)
	if err != nil {
		return nil, fmt.Errorf("nats.listen: %w", err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		return nil, fmt.Errorf("nats.listen: %q is not a port", port)
	}
	b, err := broker.Start(broker.Config{Dir: cfg.StateDir, Host: host, Port: number, MaxBytes: cfg.StoreBytes, Log: log.With().Str(logs.Component, "nats").Logger()})
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(env.Stderr, "embedded NATS server at %s; sensors on this machine: --nats-url %s --nats-creds %s\n", b.ClientURL(), b.ClientURL(), b.ConnectionFile("sensor"))
	return b, nil
}

// serve builds everything, then runs it.
func serve(ctx context.Context, cfg *config.Config, conn *natsconn.Conn, env *Env, reloads *reloader, log zerolog.Logger) error {
	js, err := conn.JetStream()
	if err != nil {
		return err
	}
	if err := natsconn.Bootstrap(ctx, js, natsconn.BootstrapConfig{Replicas: int(cfg.Replicas), MaxBytes: cfg.StoreBytes}); err != nil {
		return err
	}
	store, err := checkpoint.Open(ctx, js, checkpoint.Config{Writer: cfg.Name, Now: time.Now})
	if err != nil {
		return err
	}
	pop := population.NewNode(population.NodeConfig{
		Name: cfg.Name, Budget: cfg.Budget,
		OnError: func(err error) { log.Warn().Err(err).Msg("population: works on with the last version") },
		OnOwner: func(is bool) { log.Info().Bool("owner", is).Msg("population") },
	})
	source, err := ingest.Open(ctx, js, ingest.Config{})
	if err != nil {
		return err
	}
	w := &world{js: js, store: store, source: source, pop: pop, meta: alert.Meta{Cluster: cfg.Cluster, Version: env.Version}}
	all, err := loadShards(ctx, cfg, w, log)
	if err != nil {
		return err
	}
	view := &shards{all: all, pop: pop}
	h := health.New("weir_analyzer", env.Version)
	declareMetrics(h, view, source, conn)
	h.Gauge("weir_config_last_reload_successful", "0 after a reload that was refused.", nil, func(emit health.Emit) {
		emit(map[bool]float64{true: 1}[reloads.good.Load()])
	})
	h.Handle("/api/v1/", api.LocalOnly(api.Handler(view)))
	return runAll(ctx, cfg, all, w, h, reloads, log)
}

func loadShards(ctx context.Context, cfg *config.Config, w *world, log zerolog.Logger) ([]*shard, error) {
	seeds := map[int]*checkpoint.State{}
	if cfg.LoadState != "" {
		states, err := checkpoint.LoadFile(cfg.LoadState)
		if err != nil {
			return nil, err
		}
		for i := range states {
			seeds[states[i].Partition] = &states[i]
		}
	}
	all := make([]*shard, wire.Partitions)
	for p := range all {
		all[p] = newShard(cfg, p, w, log.With().Int(logs.Partition, p).Logger())
		all[p].seed = seeds[p]
		if err := all[p].load(ctx); err != nil {
			return nil, err
		}
	}
	if n := len(slices.DeleteFunc(slices.Clone(all), func(s *shard) bool { return !s.unseeded })); n > 0 {
		log.Warn().Int("partitions", n).Msg("--load-state: these partitions have a checkpoint of their own, which stays in force")
	}
	return all, nil
}

func runAll(ctx context.Context, cfg *config.Config, all []*shard, w *world, h *health.Health, reloads *reloader, log zerolog.Logger) error {
	group, ctx := errgroup.WithContext(ctx)
	// Partitions end when the source has closed their queues, not when the signal comes.
	background := context.WithoutCancel(ctx)
	var owners sync.WaitGroup
	for _, s := range all {
		owners.Go(func() { s.run(background, ctx, w.source.Partition(s.number)) })
	}
	popCtx, stopPop := context.WithCancel(background)
	group.Go(func() error { return w.pop.Run(popCtx, w.js) })
	group.Go(func() error {
		defer stopPop()
		err := w.source.Run(ctx)
		owners.Wait()
		return err
	})
	if cfg.HTTPAddr != "" {
		group.Go(func() error {
			return h.Serve(ctx, cfg.HTTPAddr, func(a net.Addr) {
				log.Info().Str("addr", a.String()).Msg("serving /metrics, /healthz, /readyz and /api/v1")
			})
		})
	}
	group.Go(func() error { reloads.run(ctx); return nil })
	group.Go(func() error { collect(ctx, w.store, log); return nil })
	if cfg.ReadyFile != "" {
		if err := os.WriteFile(cfg.ReadyFile, []byte("ready\n"), 0o644); err != nil {
			log.Error().Err(err).Msg("cannot write the ready file")
		}
	}
	log.Info().Str("cluster", cfg.Cluster).Msg("taking in batches")
	err := group.Wait()
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// collect removes chunks that no manifest names, at the start and once an hour.
func collect(ctx context.Context, store *checkpoint.Store, log zerolog.Logger) {
	tick := time.NewTicker(time.Hour)
	defer tick.Stop()
	for {
		if _, err := store.Collect(ctx, time.Now().Add(-time.Hour)); err != nil && ctx.Err() == nil {
			log.Warn().Err(err).Msg("cannot collect old chunks of checkpoints; trying again in an hour")
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// run answers SIGHUP: it reads the configuration again and keeps the old one when the new one is
// wrong. The level of the log changes at once; whatever else differs is named, since it binds state
// that cannot change under a running analyzer.
func (r *reloader) run(ctx context.Context) {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	for {
		select {
		case <-ctx.Done():
			return
		case <-hup:
			r.reload()
		}
	}
}

// reloader remembers the configuration in force.
type reloader struct {
	cfg   *config.Config
	env   *Env
	level *logs.Level
	log   zerolog.Logger
	good  atomic.Bool
}

func (r *reloader) reload() {
	next, _, err := config.Parse("run", r.env.args, r.env.Environ, io.Discard)
	r.good.Store(err == nil)
	if err != nil {
		r.log.Error().Err(err).Msg("SIGHUP: the new configuration is wrong; the old one stays in force")
		return
	}
	r.level.Set(next.LogLevel)
	changed := conf.Changed(r.cfg.Effective, next.Effective)
	changed = slices.DeleteFunc(changed, func(s string) bool { return strings.HasPrefix(s, "log.level=") })
	r.log.Info().Strs("needs_restart", changed).Msg("SIGHUP: configuration read again; a restart loses nothing")
}
