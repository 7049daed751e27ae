// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"strconv"
	"strings"

	weirv1 "github.com/weir-project/weir/proto/wire/weir/v1"
)

// Streams and buckets. Their settings are made by natsconn.Bootstrap.
const (
	StreamExchanges  = "WEIR_EXCHANGES"
	StreamLedger     = "WEIR_LEDGER"
	StreamPopulation = "WEIR_POPULATION"
	StreamSensors    = "WEIR_SENSORS"
	StreamAlerts     = "WEIR_ALERTS"

	BucketState          = "weir_state"          // object store: checkpoint chunks
	BucketStateManifests = "weir_state_manifest" // key-value: one manifest a partition, key "p<pp>"; its revision is the fence
	BucketHistory        = "weir_history"        // object store: segments
	BucketConfig         = "weir_config"         // key-value
	BucketPopulation     = "weir_population"     // key-value
)

// Partitions is the fixed number of partitions.
const Partitions = 64

// maxName bounds one subject token made of a cluster or sensor name.
const maxName = 64

// ExchangesSubject is where a sensor publishes the batches of partition pp.
func ExchangesSubject(pp int, cluster, sensor string) string {
	return "weir.v1.exchanges." + twoDigits(pp) + "." + Name(cluster) + "." + Name(sensor)
}

// ExchangesFilter matches the batches of partition pp of every sensor. Filters of different
// partitions do not overlap, which a work-queue stream wants.
func ExchangesFilter(pp int) string { return "weir.v1.exchanges." + twoDigits(pp) + ".>" }

// SensorsSubject is where a sensor publishes its heartbeat.
func SensorsSubject(cluster, sensor string) string {
	return "weir.v1.sensors." + Name(cluster) + "." + Name(sensor)
}

// LedgerSubject carries hand-overs to partition pp.
func LedgerSubject(pp int) string { return "weir.v1.ledger." + twoDigits(pp) }

// PopulationSubject carries the hourly summaries of partition pp.
func PopulationSubject(pp int) string { return "weir.v1.population." + twoDigits(pp) }

// HintsSubject carries hints for the sensors of one cluster.
func HintsSubject(cluster string) string { return "weir.v1.hints." + Name(cluster) }

// AlertsSubject is the topic of one alert. What people filter on stands first.
func AlertsSubject(severity, cluster, detector string) string {
	return "weir.v1.alerts." + Name(severity) + "." + Name(cluster) + "." + Name(detector)
}

// Name makes one subject token of a cluster or sensor name: [a-z0-9_-], at most 64 bytes.
// Everything else, the dots of a host name too, becomes a dash; an empty name becomes "unnamed".
func Name(s string) string {
	if len(s) > maxName {
		s = s[:maxName]
	}
	if s == "" {
		return "unnamed"
	}
	return strings.Map(nameRune, s)
}

func nameRune(r rune) rune {
	switch {
	case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '_', r == '-':
		return r
	case r >= 'A' && r <= 'Z':
		return r + 'a' - 'A'
	}
	return '-'
}

// BatchID is the Nats-Msg-Id of a batch: sensor-boot-partition-sequence, boot as 16 hex digits.
// Equal ids mean equal batches: a second sending changes nothing.
func BatchID(b *weirv1.Batch) string {
	dst := make([]byte, 0, maxName+48)
	dst = append(dst, Name(b.SensorId)...)
	dst = append(dst, '-')
	dst = appendHex64(dst, b.BootId)
	dst = append(dst, '-')
	dst = append(dst, twoDigits(int(b.Partition))...)
	dst = append(dst, '-')
	return string(strconv.AppendUint(dst, b.Sequence, 10))
}

// PartitionOf gives the partition of a principal: fnv1a64(id) % 64.
func PartitionOf(principalID []byte) int {
	const offset, prime = 14695981039346656037, 1099511628211
	h := uint64(offset)
	for _, b := range principalID {
		h = (h ^ uint64(b)) * prime
	}
	return int(h % Partitions)
}

// twoDigits writes 0..99 with two digits.
func twoDigits(n int) string {
	if n < 0 || n > 99 {
		panic("BUG: partition " + strconv.Itoa(n))
	}
	return string([]byte{byte('0' + n/10), byte('0' + n%10)})
}
