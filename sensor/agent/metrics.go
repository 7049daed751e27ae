// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"fmt"
	"time"

	"github.com/weir-project/weir/proto/health"
)

// aliveWithin is how long a ring may be silent: its goroutine looks up every 100 ms.
const aliveWithin = 30 * time.Second

// declareMetrics says what /metrics, /healthz and /readyz show.
func (l *live) declareMetrics(h *health.Health) {
	h.Live("capture", l.alive)
	h.Ready("nats", func() error {
		if l.conn == nil {
			return nil
		}
		if status, last := l.conn.Status(); status != "connected" {
			return fmt.Errorf("%s, batches wait and are merged when the queue is full (last error: %s)", status, last)
		}
		return nil
	})
	h.Ready("interfaces", func() error {
		for i, ring := range l.rings {
			if ring.Stats().Down {
				return fmt.Errorf("%s is down", l.names[i])
			}
		}
		return nil
	})
	h.Counter("weir_sensor_capture_total", "What became of packets, segments, bytes and exchanges, by name, reason and interface.", []string{"name", "reason", "scope"}, func(emit health.Emit) {
		for _, c := range l.counters() {
			emit(float64(c.Value), c.Name, c.Reason, c.Scope)
		}
	})
	if l.publisher != nil {
		h.Gauge("weir_sensor_coverage", "Share of what passed that was really read, over the last 15 s or more; -1: nothing passed.", nil, func(emit health.Emit) { emit(l.coverage.share()) })
	}
	h.Gauge("weir_config_last_reload_successful", "0 after a reload that was refused.", nil, func(emit health.Emit) {
		emit(map[bool]float64{true: 1}[l.reloads.good.Load()])
	})
	l.declarePublish(h)
}

// alive fails when a ring's goroutine has stopped looking up.
func (l *live) alive() error {
	for i, p := range l.pipelines {
		if seen := p.looked.Load(); seen != 0 && time.Since(time.Unix(0, seen)) > aliveWithin {
			return fmt.Errorf("the capture of %s has not moved for %s", l.names[i], time.Since(time.Unix(0, seen)).Round(time.Second))
		}
	}
	return nil
}

func (l *live) declarePublish(h *health.Health) {
	if l.publisher == nil {
		return
	}
	h.Counter("weir_sensor_exchanges_total", "Exchanges by what became of them; parts of a long exchange count each.", []string{"result", "reason"}, func(emit health.Emit) {
		s := l.publisher.Stats()
		emit(float64(s.Sent), "sent", "")
		emit(float64(s.Merged), "merged", "queue_full")
		emit(float64(s.DroppedQueueFull), "dropped", "queue_full")
		emit(float64(s.DroppedNoID), "dropped", "no_id")
		emit(float64(s.DroppedClosed), "dropped", "closed")
		emit(float64(s.DroppedUnsent), "dropped", "unsent")
		emit(float64(s.DroppedTooLarge), "dropped", "too_large")
	})
	h.Counter("weir_sensor_lost_total", "What exchanges held that were dropped for a full queue.", []string{"what"}, func(emit health.Emit) {
		s := l.publisher.Stats()
		emit(float64(s.LostRequests), "requests")
		emit(float64(s.LostBytes), "response_bytes")
		emit(float64(s.LostRecords), "records")
		emit(float64(s.LinksDropped), "links")
	})
	h.Counter("weir_sensor_batches_total", "Batches by what became of them.", []string{"result"}, func(emit health.Emit) {
		s := l.publisher.Stats()
		emit(float64(s.Batches), "acknowledged")
		emit(float64(s.Failures), "failed")
		emit(float64(s.Stalls), "stalled")
	})
	h.Counter("weir_sensor_published_bytes_total", "Bytes of acknowledged messages.", nil, func(emit health.Emit) { emit(float64(l.publisher.Stats().Bytes)) })
	h.Counter("weir_sensor_rollups_total", "Rollups acknowledged.", nil, func(emit health.Emit) { emit(float64(l.publisher.Stats().Rollups)) })
	h.Gauge("weir_sensor_queue_bytes", "Bytes that wait for NATS.", []string{"kind"}, func(emit health.Emit) {
		s := l.publisher.Stats()
		emit(float64(s.QueueBytes-s.MergedBytes), "detail")
		emit(float64(s.MergedBytes), "merged")
	})
	h.Counter("weir_sensor_nats_total", "Changes and faults of the NATS connection.", []string{"event"}, func(emit health.Emit) {
		c := l.conn.Counters()
		emit(float64(c.Connects), "connect")
		emit(float64(c.Disconnects), "disconnect")
		emit(float64(c.AuthErrors), "auth_error")
		emit(float64(c.PermissionViolations), "permission_violation")
		emit(float64(c.SlowConsumers), "slow_consumer")
		emit(float64(c.OtherErrors), "other_error")
	})
}
