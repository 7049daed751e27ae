// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"fmt"

	"github.com/weir-project/weir/proto/keyhash"
	"github.com/weir-project/weir/sensor/config"
)

// loadKeys reads the tenant key. A key that was not named is drawn on first use: that is right on a
// single machine only, and config allows it nowhere else.
func loadKeys(cfg *config.Config, env *Env) (*keyhash.Keys, error) {
	if cfg.KeyGiven {
		key, err := keyhash.Load(cfg.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("%w (a new one: openssl rand -hex 32 > FILE; chmod 600 FILE)", err)
		}
		return key.Derive(), nil
	}
	key, created, err := keyhash.LoadOrCreate(cfg.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("%w (or name one with --key-file)", err)
	}
	if created {
		fmt.Fprintf(env.Stderr, "weir-sensor: made a tenant key in %s; ids are the same wherever it is used\n", cfg.KeyFile)
	}
	return key.Derive(), nil
}
