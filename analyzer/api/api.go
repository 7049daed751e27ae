// SPDX-License-Identifier: Apache-2.0

// Package api shows what the analyzer knows: who takes most, and which incidents there are.
//
// It assumes a Source that answers with copies. It refuses to change anything it shows.
package api

import (
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/netip"
	"strconv"
	"time"

	"github.com/weir-project/weir/analyzer/ledger"
)

// Source answers questions about all partitions.
type Source interface {
	// Top gives the n principals with the largest value in the named order, largest first, and how
	// many partitions did not answer in time: of those it shows nothing.
	Top(n int, by string) (rows []Row, silent int)
	// Summary gives the sums over everything counted.
	Summary() Summary
}

// Orders are the orders that Top knows.
var Orders = map[string]func(*ledger.View) float64{
	"records": func(v *ledger.View) float64 { return float64(v.Total.Records) },
	"fresh":   func(v *ledger.View) float64 { return float64(v.Total.FreshObjects) },
	"day":     func(v *ledger.View) float64 { return v.DayRecords },
	"week":    func(v *ledger.View) float64 { return v.Records6 + v.DayRecords },
	"bytes":   func(v *ledger.View) float64 { return float64(v.Total.ResponseBytes) },
	"peers":   func(v *ledger.View) float64 { return v.Records6 + v.DayRecords }, // ranked again with peers known
}

// Row is one principal of the ranking. Counts are exact but for fresh objects and Known.
type Row struct {
	Principal        string    `json:"principal_id"`
	Assurance        string    `json:"principal_assurance"`
	Credential       string    `json:"credential_kind"`
	Endpoint         string    `json:"endpoint"`
	FirstSeen        time.Time `json:"first_seen"`
	LastSeen         time.Time `json:"last_seen"`
	Requests         uint64    `json:"requests"`
	Records          uint64    `json:"records"`
	EstimatedRecords uint64    `json:"estimated_records"`
	ResponseBytes    uint64    `json:"response_bytes"`
	FreshObjects     uint64    `json:"fresh_objects"`
	// SensitiveObjects is null until sensitive fields were looked for.
	SensitiveObjects *uint64 `json:"sensitive_objects"`
	DayRecords       float64 `json:"day_records"`
	WeekRecords      float64 `json:"week_records"`
	// OwnDayMax is the largest closed day, 0 if none; PeerWeek the p99.9 of its peers' weeks, 0 if not known.
	OwnDayMax float64 `json:"own_day_max"`
	PeerWeek  float64 `json:"peer_week_p999"`
	Address   string  `json:"address"` // the busiest
	Incident  string  `json:"incident"`
	// Ratio is the strongest score over its threshold: 1 and more is an alert.
	Ratio float64 `json:"ratio"`
}

// Summary is the sum over every partition.
type Summary struct {
	Principals       int    `json:"principals"`
	Requests         uint64 `json:"requests"`
	Records          uint64 `json:"records"`
	RequestBytes     uint64 `json:"request_bytes"`
	ResponseBytes    uint64 `json:"response_bytes"`
	OpenIncidents    int    `json:"open_incidents"`
	EstimatedRecords uint64 `json:"estimated_records"`
	// ClosedThrough is up to when minutes are closed in every partition that has data, RFC 3339.
	ClosedThrough string `json:"closed_through"`
}

// RowOf makes a row of a view. peerWeek, incident and ratio are what other rooms say of it.
func RowOf(v *ledger.View, assurance, credential string, peerWeek float64, incident string, ratio float64) Row {
	r := Row{
		Principal: hex.EncodeToString(v.ID[:]), Assurance: assurance, Credential: credential, Endpoint: v.Endpoint,
		FirstSeen: time.Unix(0, v.Born).UTC(), LastSeen: time.Unix(0, v.LastSeen).UTC(),
		Requests: v.Total.Requests, Records: v.Total.Records, EstimatedRecords: v.Total.EstimatedRecords,
		ResponseBytes: v.Total.ResponseBytes, FreshObjects: v.Total.FreshObjects,
		DayRecords: v.DayRecords, WeekRecords: v.Records6 + v.DayRecords, OwnDayMax: v.DayMax,
		PeerWeek: peerWeek, Incident: incident, Ratio: ratio,
	}
	if v.Total.SensitiveInspected {
		n := v.Total.SensitiveObjects
		r.SensitiveObjects = &n
	}
	if len(v.Addresses) > 0 && v.Addresses[0].Address != (netip.Addr{}) {
		r.Address = v.Addresses[0].Address.String()
	}
	return r
}

// TopAnswer is what /api/v1/top answers.
type TopAnswer struct {
	By      string  `json:"by"`
	Summary Summary `json:"summary"`
	Rows    []Row   `json:"rows"`
	// SilentPartitions is how many of the 64 partitions were too busy to answer: a principal of theirs
	// is not among the rows.
	SilentPartitions int `json:"silent_partitions"`
}

// maxRows bounds one answer.
const maxRows = 10_000

// Handler serves GET /api/v1/top?n=20&by=records and GET /api/v1/summary as JSON.
func Handler(source Source) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/v1/top", func(w http.ResponseWriter, r *http.Request) {
		n, by := 20, "records"
		if text := r.URL.Query().Get("n"); text != "" {
			parsed, err := strconv.Atoi(text)
			if err != nil || parsed < 1 || parsed > maxRows {
				http.Error(w, "n must be a number from 1 to 10000", http.StatusBadRequest)
				return
			}
			n = parsed
		}
		if text := r.URL.Query().Get("by"); text != "" {
			if _, ok := Orders[text]; !ok {
				http.Error(w, "by must be records, fresh, day, week, bytes or peers", http.StatusBadRequest)
				return
			}
			by = text
		}
		rows, silent := source.Top(n, by)
		answer(w, TopAnswer{By: by, Summary: source.Summary(), Rows: rows, SilentPartitions: silent})
	})
	mux.HandleFunc("GET /api/v1/summary", func(w http.ResponseWriter, _ *http.Request) { answer(w, source.Summary()) })
	return mux
}

// LocalOnly answers callers on this machine alone: a ranking names principals and addresses, and
// /metrics beside it must be open to a network.
func LocalOnly(handler http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		from, err := netip.ParseAddrPort(r.RemoteAddr)
		if err != nil || !from.Addr().Unmap().IsLoopback() {
			http.Error(w, "the API answers on this machine only (in a cluster: kubectl exec ... -- /weir-analyzer top)", http.StatusForbidden)
			return
		}
		handler.ServeHTTP(w, r)
	})
}

func answer(w http.ResponseWriter, value any) {
	text, err := json.Marshal(value)
	if err != nil {
		panic("BUG: an answer that is not JSON: " + err.Error())
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(append(text, '\n'))
}
