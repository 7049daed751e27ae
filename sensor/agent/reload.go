// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"

	"github.com/rs/zerolog"

	"github.com/weir-project/weir/proto/conf"
	"github.com/weir-project/weir/proto/logs"
	"github.com/weir-project/weir/sensor/config"
)

// reloader answers SIGHUP: it reads the configuration again and keeps the old one when the new one
// is wrong. The level of the log changes at once; whatever else differs is named, since it binds
// rings and ids that cannot change under a running sensor.
type reloader struct {
	cfg   *config.Config
	env   *Env
	level *logs.Level
	log   zerolog.Logger
	good  atomic.Bool
}

func newReloader(cfg *config.Config, env *Env, level *logs.Level, log zerolog.Logger) *reloader {
	r := &reloader{cfg: cfg, env: env, level: level, log: log}
	r.good.Store(true)
	return r
}

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
	r.log.Info().Strs("needs_restart", changed).Msg("SIGHUP: configuration read again")
}
