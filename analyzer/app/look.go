// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/weir-project/weir/analyzer/alert"
	"github.com/weir-project/weir/analyzer/api"
	"github.com/weir-project/weir/analyzer/checkpoint"
	"github.com/weir-project/weir/analyzer/config"
	"github.com/weir-project/weir/analyzer/population"
	"github.com/weir-project/weir/proto/natsconn"
	weirv1 "github.com/weir-project/weir/proto/wire/weir/v1"
)

// top prints the ranking of a running analyzer or of a saved state.
func top(ctx context.Context, cfg *config.Config, _ []string, env *Env) error {
	answer, err := askTop(ctx, cfg)
	if err != nil {
		return err
	}
	if cfg.Format == "json" {
		text, err := json.Marshal(answer)
		if err != nil {
			return fmt.Errorf("write the ranking: %w", err)
		}
		_, err = fmt.Fprintf(env.Stdout, "%s\n", text)
		return err
	}
	return api.WriteTable(env.Stdout, answer)
}

func askTop(ctx context.Context, cfg *config.Config) (*api.TopAnswer, error) {
	if cfg.LoadState != "" {
		return topOfFile(cfg)
	}
	query := url.Values{"n": {strconv.FormatInt(cfg.Top, 10)}, "by": {cfg.By}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(cfg.API, "/")+"/api/v1/top?"+query.Encode(), nil)
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", cfg.API, err)
	}
	client := http.Client{Timeout: 2 * askTime}
	response, err := client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("ask the analyzer (is it running there? else give --api URL or --load-state FILE): %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(response.Body, 1024))
		return nil, fmt.Errorf("ask %s: %s: %s", cfg.API, response.Status, strings.TrimSpace(string(text)))
	}
	var answer api.TopAnswer
	if err := json.NewDecoder(io.LimitReader(response.Body, 64<<20)).Decode(&answer); err != nil {
		return nil, fmt.Errorf("read the answer of %s: %w", cfg.API, err)
	}
	return &answer, nil
}

func topOfFile(cfg *config.Config) (*api.TopAnswer, error) {
	states, err := checkpoint.LoadFile(cfg.LoadState)
	if err != nil {
		return nil, err
	}
	answer := &api.TopAnswer{By: cfg.By}
	var from *weirv1.PopulationState
	for i := range states {
		if err := restorePopulation(&from, &states[i]); err != nil {
			return nil, fmt.Errorf("load %s: %w", cfg.LoadState, err)
		}
	}
	in := population.NewInForce(from, cfg.Budget)
	var rows []ranked
	closed := int64(0)
	for i := range states {
		p := newPartition(cfg, states[i].Partition)
		if err := restorePartition(p, &states[i]); err != nil {
			return nil, fmt.Errorf("load %s: partition %d: %w", cfg.LoadState, states[i].Partition, err)
		}
		rows = append(rows, rank(p, in, int(cfg.Top), cfg.By)...)
		t := p.Ledger.Totals()
		add(&answer.Summary, &api.Summary{Principals: p.Ledger.Len(), Requests: t.Requests, Records: t.Records, RequestBytes: t.RequestBytes,
			ResponseBytes: t.ResponseBytes, EstimatedRecords: t.EstimatedRecords, OpenIncidents: len(p.Book.Open())})
		closed = max(closed, p.Closed())
	}
	answer.Summary.ClosedThrough = stamp(closed)
	answer.Rows = first(rows, int(cfg.Top))
	return answer, nil
}

// alerts prints alerts as they come.
func alerts(ctx context.Context, cfg *config.Config, _ []string, env *Env) error {
	conn, err := natsconn.Connect(ctx, connection(cfg, "weir-alerts"))
	if err != nil {
		return err
	}
	defer conn.Close()
	waiting, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if err := conn.WaitConnected(waiting); err != nil {
		return fmt.Errorf("connect to NATS: %w", err)
	}
	options := alert.TailOptions{Follow: cfg.Follow, Plain: cfg.Since == 0 && cfg.Follow}
	if cfg.Since > 0 {
		options.Since = time.Now().Add(-cfg.Since)
	} else if !cfg.Follow {
		options.All = true
	}
	err = alert.Tail(ctx, conn.NATS(), options, func(a *alert.Alert) error {
		if cfg.Format == "json" {
			_, err := fmt.Fprintf(env.Stdout, "%s\n", a.Raw)
			return err
		}
		_, err := fmt.Fprintf(env.Stdout, "%s %s %s: %s\n", a.Time.UTC().Format(time.RFC3339), a.Severity, strings.ToLower(a.Activity), a.Sentence)
		return err
	})
	if ctx.Err() != nil {
		return nil // a signal ends it: that is how it ends
	}
	return err
}
