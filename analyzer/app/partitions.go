// SPDX-License-Identifier: Apache-2.0

package app

import (
	"github.com/weir-project/weir/analyzer/config"
	"github.com/weir-project/weir/analyzer/incident"
	"github.com/weir-project/weir/analyzer/ledger"
	"github.com/weir-project/weir/analyzer/partition"
	"github.com/weir-project/weir/proto/wire"
)

// newPartition makes an empty partition with its share of the bounds.
func newPartition(cfg *config.Config, number int) *partition.Partition {
	return partition.New(partition.Config{
		Number: number, Lateness: cfg.Lateness.Nanoseconds(),
		Ledger:   ledger.Config{MaxPrincipals: int(cfg.MaxPrincipals/wire.Partitions) + 1},
		Incident: incident.Config{QuietDays: int(cfg.QuietDays)},
	})
}
