// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"github.com/weir-project/weir/deploy/demo/shop"
)

// alerted is what the demo reads of an alert.
type alerted struct {
	Subject string // the principal
	Data    struct {
		Message      string
		ActivityName string `json:"activity_name"`
		Severity     string
		Unmapped     struct {
			Requests      uint64
			Records       uint64
			ResponseBytes uint64 `json:"response_bytes"`
		}
		StartTime int64 `json:"start_time"`
		Info      struct {
			UID           string
			FirstSeenTime int64 `json:"first_seen_time"`
		} `json:"finding_info"`
	}
}

// take prints an alert and keeps it.
func (s *stage) take(data []byte) {
	var a alerted
	if err := json.Unmarshal(data, &a); err != nil {
		a.Data.Message = "an alert that cannot be read: " + err.Error()
	}
	say("ALERT (%s, %s) %s", a.Data.Severity, a.Data.ActivityName, a.Data.Message)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.alerts = append(s.alerts, a)
	if len(s.alerts) == 1 {
		close(s.first)
	}
}

func (s *stage) flagged() []alerted {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.alerts)
}

// verdict holds alerts and totals against the API's own log.
func (s *stage) verdict(ctx context.Context) error {
	alerts := slices.DeleteFunc(s.flagged(), func(a alerted) bool { return !s.ours[a.Subject] })
	if len(alerts) == 0 {
		return errors.New("the thief was not flagged")
	}
	principal := s.principal(s.victim.Token)
	for i := range alerts {
		if alerts[i].Subject != principal {
			return fmt.Errorf("somebody else was flagged: %s", alerts[i].Data.Message)
		}
		if err := s.agrees(&alerts[i]); err != nil {
			return err
		}
	}
	total := s.past
	for _, p := range s.people {
		for _, e := range s.api.Log.Of(p.Token, time.Time{}) {
			total.add(e)
		}
	}
	if err := s.awaitCount(ctx, total); err != nil {
		return err
	}
	say("the analyzer's totals equal the API's log to the byte: %d requests, %d records, %d bytes", total.requests, total.records, total.bytes)
	return nil
}

// agrees finds the stretch of the API's log that an alert speaks of: as many entries as it counts
// requests, from the minute in which it says the taking began. Log and packets are timed by
// different readings of the clock, so the first entry may be a few off where a minute begins.
func (s *stage) agrees(a *alerted) error {
	n, u := int(a.Data.Unmapped.Requests), a.Data.Unmapped
	start := time.UnixMilli(a.Data.Info.FirstSeenTime)
	var entries []shop.Entry
	for _, e := range s.recent { // the minute in which it began may reach back into the past
		if e.Token == s.victim.Token && !e.Time.Before(start.Add(-time.Second)) {
			entries = append(entries, e)
		}
	}
	entries = append(entries, s.api.Log.Of(s.victim.Token, start.Add(-time.Second))...)
	for from := range entries {
		if entries[from].Time.After(start.Add(time.Second)) && from > 0 && entries[from-1].Time.After(start.Add(time.Second)) {
			break
		}
		if from+n > len(entries) {
			break
		}
		var t tally
		for _, e := range entries[from : from+n] {
			t.add(e)
		}
		if t == (tally{u.Requests, u.Records, u.ResponseBytes}) {
			say("  its numbers equal the API's log: %d requests, %d records, %d bytes since %s", t.requests, t.records, t.bytes, start.UTC().Format(time.RFC3339))
			return nil
		}
	}
	return fmt.Errorf("the alert's numbers (%d requests, %d records, %d bytes since %s) are not in the API's log (%d entries of that token since then)",
		u.Requests, u.Records, u.ResponseBytes, start.UTC().Format(time.RFC3339), len(entries))
}

// top prints who takes most, as a person would ask for it.
func (s *stage) top() error {
	say("weir-analyzer top:")
	cmd := exec.Command(filepath.Join(binaries, "weir-analyzer"), "top", "--api", s.url, "--rows", "8", "--by", "day")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("weir-analyzer top: %w", err)
	}
	return nil
}
