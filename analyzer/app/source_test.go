// SPDX-License-Identifier: Apache-2.0

package app

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/weir-project/weir/analyzer/api"
	"github.com/weir-project/weir/analyzer/ingest"
	"github.com/weir-project/weir/analyzer/population"
)

// A partition too busy to answer is told of, and does not silence the others.
func TestARankingSaysWhatItLacks(t *testing.T) {
	js := testStream(t)
	busy, free := replica(t, js), replica(t, js)
	acked := 0
	free.take(t.Context(), delivery("a", 1, &acked))
	free.close(t.Context(), free.part.Ledger.Newest()/minute*minute+minute)
	in, done := make(chan *ingest.Delivery), make(chan struct{})
	go func() {
		defer close(done)
		free.run(context.Background(), context.Background(), in)
	}()
	defer func() { close(in); <-done }()
	view := &shards{all: []*shard{busy, free}, pop: population.NewNode(population.NodeConfig{})}
	rows, silent := view.Top(5, "records")
	if len(rows) != 1 || silent != 1 {
		t.Errorf("%d rows, %d silent partitions; want 1 and 1", len(rows), silent)
	}
	var table bytes.Buffer
	if err := api.WriteTable(&table, &api.TopAnswer{Rows: rows, SilentPartitions: silent}); err != nil || !strings.Contains(table.String(), "NOT ALL: 1 partitions") {
		t.Errorf("a table that lacks a partition does not say so: %v\n%s", err, table.String())
	}
}
