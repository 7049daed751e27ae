// SPDX-License-Identifier: Apache-2.0

package app

import (
	"fmt"
	"time"

	"github.com/weir-project/weir/analyzer/ingest"
	"github.com/weir-project/weir/analyzer/ledger"
	"github.com/weir-project/weir/proto/health"
	"github.com/weir-project/weir/proto/natsconn"
)

// declareMetrics says what /metrics and /readyz show.
func declareMetrics(h *health.Health, view *shards, source *ingest.Source, conn *natsconn.Conn) {
	h.Ready("nats", func() error {
		if status, last := conn.Status(); status != "connected" {
			return fmt.Errorf("%s (last error: %s)", status, last)
		}
		return nil
	})
	declareTotals(h, view)
	declareShards(h, view)
	h.Counter("weir_analyzer_batches_total", "Batches by what became of them.", []string{"result", "reason"}, func(emit health.Emit) {
		for _, c := range source.Counts() {
			emit(float64(c.Value), c.Name, c.Reason)
		}
	})
	h.Counter("weir_analyzer_nats_total", "Changes and faults of the NATS connection.", []string{"event"}, func(emit health.Emit) {
		c := conn.Counters()
		emit(float64(c.Connects), "connect")
		emit(float64(c.Disconnects), "disconnect")
		emit(float64(c.AuthErrors), "auth_error")
		emit(float64(c.PermissionViolations), "permission_violation")
		emit(float64(c.SlowConsumers), "slow_consumer")
		emit(float64(c.OtherErrors), "other_error")
	})
	h.Counter("weir_analyzer_population_total", "What this process did for the population.", []string{"event"}, func(emit health.Emit) {
		c := view.pop.Counters()
		emit(float64(c.Published), "summary_published")
		emit(float64(c.QueueFull), "summary_dropped")
		emit(float64(c.Takeovers), "owner_taken")
		emit(float64(c.Lost), "owner_lost")
		emit(float64(c.Versions), "version_written")
	})
	h.Gauge("weir_analyzer_population_version", "Version of thresholds and peers in force; 0: the shipped thresholds.", nil, func(emit health.Emit) {
		emit(float64(view.pop.Current().Version))
	})
}

func declareTotals(h *health.Health, view *shards) {
	h.Counter("weir_analyzer_requests_total", "HTTP requests counted, each once.", nil, func(emit health.Emit) { emit(float64(view.counted().Requests)) })
	h.Counter("weir_analyzer_records_total", "Records in responses counted.", []string{"kind"}, func(emit health.Emit) {
		s := view.counted()
		emit(float64(s.Records-s.EstimatedRecords), "exact")
		emit(float64(s.EstimatedRecords), "estimated")
	})
	h.Counter("weir_analyzer_body_bytes_total", "Body bytes counted.", []string{"direction"}, func(emit health.Emit) {
		s := view.counted()
		emit(float64(s.RequestBytes), "request")
		emit(float64(s.ResponseBytes), "response")
	})
	h.Gauge("weir_analyzer_principals", "Principals with state of their own.", nil, func(emit health.Emit) { emit(float64(view.Summary().Principals)) })
	h.Gauge("weir_analyzer_open_incidents", "Incidents that are open.", nil, func(emit health.Emit) { emit(float64(view.Summary().OpenIncidents)) })
}

// declareShards adds up what the partitions count for themselves.
func declareShards(h *health.Health, view *shards) {
	sum := func(of func(*figures) float64) func(health.Emit) {
		return func(emit health.Emit) {
			total := 0.0
			view.each(func(f *figures) { total += of(f) })
			emit(total)
		}
	}
	h.Counter("weir_analyzer_applied_batches_total", "Batches applied.", nil, sum(func(f *figures) float64 { return float64(f.batches) }))
	h.Counter("weir_analyzer_repeated_batches_total", "Batches delivered again and not applied again.", nil, sum(func(f *figures) float64 { return float64(f.repeated) }))
	h.Counter("weir_analyzer_refused_batches_total", "Batches put back because their sequence cannot be remembered.", nil, sum(func(f *figures) float64 { return float64(f.refused) }))
	h.Counter("weir_analyzer_checkpoints_total", "Checkpoints written.", nil, sum(func(f *figures) float64 { return float64(f.saves) }))
	h.Counter("weir_analyzer_failures_total", "Checkpoints, alerts and take-overs that failed and are tried again.", nil, sum(func(f *figures) float64 { return float64(f.failures) }))
	h.Counter("weir_analyzer_version_waits_total", "Imports that waited in vain for a population version.", nil, sum(func(f *figures) float64 { return float64(f.waits) }))
	h.Gauge("weir_analyzer_outbox", "Alerts not known to be published.", nil, sum(func(f *figures) float64 { return float64(f.outbox) }))
	h.Gauge("weir_analyzer_event_lag_seconds", "How far the oldest partition with data is behind the clock.", nil, func(emit health.Emit) {
		oldest := int64(0)
		view.each(func(f *figures) {
			if f.closed != 0 && (oldest == 0 || f.closed < oldest) {
				oldest = f.closed
			}
		})
		if oldest == 0 {
			emit(0)
			return
		}
		emit(time.Since(time.Unix(0, oldest)).Seconds())
	})
	h.Counter("weir_analyzer_alerts_total", "Alerts made, by detector and severity.", []string{"detector", "severity"}, func(emit health.Emit) {
		total := map[[2]string]uint64{}
		view.each(func(f *figures) {
			for labels, n := range f.alerts {
				total[labels] += n
			}
		})
		for labels, n := range total {
			emit(float64(n), labels[0], labels[1])
		}
	})
	h.Gauge("weir_analyzer_missing_batches", "Batches that have not come though later ones of the same sensor have.", nil, sum(func(f *figures) float64 { return float64(f.missing) }))
	counters := func(of func(*figures) []ledger.Counter) func(health.Emit) {
		return func(emit health.Emit) {
			total := map[[2]string]uint64{}
			view.each(func(f *figures) {
				for _, c := range of(f) {
					total[[2]string{c.Name, c.Reason}] += c.Value
				}
			})
			for labels, n := range total {
				emit(float64(n), labels[0], labels[1])
			}
		}
	}
	h.Counter("weir_analyzer_ledger_total", "What the ledger could not count in full, or counted late, by name and reason.", []string{"name", "reason"},
		counters(func(f *figures) []ledger.Counter { return f.counters }))
	h.Counter("weir_analyzer_bounds_total", "What the bounds of outbox, watermarks and votes turned away, by name and reason.", []string{"name", "reason"},
		counters(func(f *figures) []ledger.Counter { return f.bounds }))
}

// each shows every partition's figures, under its lock.
func (a *shards) each(visit func(*figures)) {
	for _, s := range a.all {
		s.mu.Lock()
		visit(&s.shown)
		s.mu.Unlock()
	}
}
