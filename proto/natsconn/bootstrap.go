// SPDX-License-Identifier: Apache-2.0

package natsconn

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// The names are those of proto/wire; a test holds them equal.
const (
	streamExchanges  = "WEIR_EXCHANGES"
	streamLedger     = "WEIR_LEDGER"
	streamPopulation = "WEIR_POPULATION"
	streamSensors    = "WEIR_SENSORS"
	streamAlerts     = "WEIR_ALERTS"

	bucketState          = "weir_state"
	bucketStateManifests = "weir_state_manifest"
	bucketHistory        = "weir_history"
	bucketConfig         = "weir_config"
	bucketPopulation     = "weir_population"

	partitions    = 64
	partitionsKey = "partitions" // in the metadata of WEIR_EXCHANGES
)

const day = 24 * time.Hour

// BootstrapConfig says how large streams and buckets may get. The zero value gives the defaults.
type BootstrapConfig struct {
	Replicas int   // copies in a cluster; default 1
	MaxBytes int64 // all streams and buckets together, per copy; default 4 GiB, at least 64 MiB

	// ExchangesBytes bounds WEIR_EXCHANGES alone, out of MaxBytes; default 2/5 of it. A full
	// stream makes sensors spool and merge.
	ExchangesBytes int64
}

const (
	defaultBytes = 4 << 30
	minBytes     = 64 << 20
)

// share gives n hundredths of the budget.
func (cfg BootstrapConfig) share(n int64) int64 { return cfg.MaxBytes / 100 * n }

// Bootstrap makes the streams and buckets of weir, or brings the settings of existing ones up to
// date. It may be called by any number of analyzers at once. It refuses a WEIR_EXCHANGES that was
// made for another number of partitions, since no two counts agree on who owns a principal.
func Bootstrap(ctx context.Context, js jetstream.JetStream, cfg BootstrapConfig) error {
	cfg.Replicas = max(cfg.Replicas, 1)
	if cfg.MaxBytes == 0 {
		cfg.MaxBytes = defaultBytes
	}
	if cfg.MaxBytes < minBytes {
		return fmt.Errorf("make streams: %d bytes are too few, give at least %d", cfg.MaxBytes, int64(minBytes))
	}
	if cfg.ExchangesBytes == 0 {
		cfg.ExchangesBytes = cfg.share(40)
	}
	if err := checkPartitions(ctx, js); err != nil {
		return err
	}
	for _, s := range streams(cfg) {
		if _, err := js.CreateOrUpdateStream(ctx, s); err != nil {
			return fmt.Errorf("make stream %s (if it exists with other settings, see `weir-analyzer nats bootstrap`): %w", s.Name, err)
		}
	}
	return makeBuckets(ctx, js, cfg)
}

// checkPartitions looks at an existing stream's metadata.
func checkPartitions(ctx context.Context, js jetstream.JetStream) error {
	s, err := js.Stream(ctx, streamExchanges)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look at stream %s: %w", streamExchanges, err)
	}
	if had, ok := s.CachedInfo().Config.Metadata[partitionsKey]; ok && had != strconv.Itoa(partitions) {
		return fmt.Errorf("stream %s was made for %s partitions, this weir has %d: empty and delete it first", streamExchanges, had, partitions)
	}
	return nil
}

// streams are as DESIGN 5.2 says. None has an unlimited size: such a stream takes the server down.
func streams(cfg BootstrapConfig) []jetstream.StreamConfig {
	common := jetstream.StreamConfig{
		Storage: jetstream.FileStorage, Replicas: cfg.Replicas, Duplicates: 2 * time.Minute, AllowDirect: true,
	}
	exchanges, ledger, population, sensors, alerts := common, common, common, common, common

	exchanges.Name, exchanges.Subjects = streamExchanges, []string{"weir.v1.exchanges.>"}
	exchanges.Description = "batches from sensors, removed when a checkpoint holds them"
	exchanges.Retention, exchanges.Discard = jetstream.WorkQueuePolicy, jetstream.DiscardNew
	exchanges.MaxBytes, exchanges.MaxMsgSize = cfg.ExchangesBytes, 512<<10
	exchanges.Metadata = map[string]string{partitionsKey: strconv.Itoa(partitions)}
	// Batches are compressed already; the stream's own S2 doubles the server's cost (measured).
	exchanges.Compression = jetstream.NoCompression

	ledger.Name, ledger.Subjects = streamLedger, []string{"weir.v1.ledger.>"}
	ledger.Description = "hand-overs between partitions"
	ledger.Retention, ledger.Discard = jetstream.WorkQueuePolicy, jetstream.DiscardNew
	ledger.MaxBytes, ledger.Compression = cfg.share(4), jetstream.S2Compression

	population.Name, population.Subjects = streamPopulation, []string{"weir.v1.population.>"}
	population.Description = "hourly summaries of partitions"
	population.MaxBytes, population.MaxAge, population.Compression = cfg.share(6), 7*day, jetstream.S2Compression

	sensors.Name, sensors.Subjects = streamSensors, []string{"weir.v1.sensors.>"}
	sensors.Description = "heartbeats"
	sensors.MaxBytes, sensors.MaxAge, sensors.MaxMsgSize = cfg.share(1), 7*day, 256<<10
	sensors.Compression = jetstream.S2Compression

	alerts.Name, alerts.Subjects = streamAlerts, []string{"weir.v1.alerts.>"}
	alerts.Description = "alerts"
	alerts.MaxBytes, alerts.MaxAge, alerts.MaxMsgSize = cfg.share(6), 400*day, 64<<10
	alerts.Duplicates, alerts.Compression = 5*time.Minute, jetstream.S2Compression
	return []jetstream.StreamConfig{exchanges, ledger, population, sensors, alerts}
}

func makeBuckets(ctx context.Context, js jetstream.JetStream, cfg BootstrapConfig) error {
	objects := []jetstream.ObjectStoreConfig{
		{Bucket: bucketState, Description: "checkpoint chunks", MaxBytes: cfg.share(22)},
		{Bucket: bucketHistory, Description: "history segments", MaxBytes: cfg.share(18)},
	}
	for _, o := range objects {
		o.Storage, o.Replicas = jetstream.FileStorage, cfg.Replicas
		if _, err := js.CreateOrUpdateObjectStore(ctx, o); err != nil {
			return fmt.Errorf("make bucket %s: %w", o.Bucket, err)
		}
	}
	values := []jetstream.KeyValueConfig{
		{Bucket: bucketStateManifests, Description: "checkpoint manifests; the revision is the fence", History: 3, MaxBytes: cfg.share(1)},
		{Bucket: bucketConfig, Description: "operator settings", History: 5, MaxBytes: cfg.share(1)},
		{Bucket: bucketPopulation, Description: "population versions", History: 5, MaxBytes: cfg.share(1)},
	}
	for _, v := range values {
		v.Storage, v.Replicas = jetstream.FileStorage, cfg.Replicas
		if _, err := js.CreateOrUpdateKeyValue(ctx, v); err != nil {
			return fmt.Errorf("make bucket %s: %w", v.Bucket, err)
		}
	}
	return nil
}
