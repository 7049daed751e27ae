// SPDX-License-Identifier: Apache-2.0

package exchange_test

import (
	"fmt"
	"strings"
	"testing"

	weirv1 "github.com/weir-project/weir/proto/wire/weir/v1"
	"github.com/weir-project/weir/sensor/exchange"
)

// Every number of the vocabulary is the number of the wire schema's enum, under the same word.
func TestNumbersAreTheSchemas(t *testing.T) {
	for _, c := range []struct {
		prefix string
		wire   map[int32]string
		str    func(int) string
	}{
		{"ASSURANCE_", weirv1.Assurance_name, func(i int) string { return exchange.Assurance(i).String() }},
		{"CREDENTIAL_KIND_", weirv1.CredentialKind_name, func(i int) string { return exchange.CredentialKind(i).String() }},
		{"OBSERVATION_RANK_", weirv1.ObservationRank_name, func(i int) string { return exchange.Rank(i).String() }},
		{"COVERAGE_", weirv1.Coverage_name, func(i int) string { return exchange.Coverage(i).String() }},
		{"DETAIL_LEVEL_", weirv1.DetailLevel_name, func(i int) string { return exchange.Detail(i).String() }},
		{"RECORD_COUNT_KIND_", weirv1.RecordCountKind_name, func(i int) string { return exchange.CountKind(i).String() }},
	} {
		for n, w := range c.wire {
			if got, want := c.str(int(n)), strings.ToLower(strings.TrimPrefix(w, c.prefix)); got != want {
				t.Errorf("%s%d: %q, schema says %q", c.prefix, n, got, want)
			}
		}
		if got := c.str(len(c.wire)); got != "invalid" {
			t.Errorf("%s%d has a word, %q, the schema does not know", c.prefix, len(c.wire), got)
		}
	}
}

func TestAnomalyNames(t *testing.T) {
	if exchange.NumAnomalies > 64 {
		t.Fatalf("%d anomalies do not fit an AnomalySet", exchange.NumAnomalies)
	}
	if got := exchange.Anomaly(exchange.NumAnomalies).String(); got != "invalid" {
		t.Errorf("beyond the last: %q", got)
	}
	seen := map[string]bool{}
	var all exchange.AnomalySet
	for a := exchange.Anomaly(0); int(a) < exchange.NumAnomalies; a++ {
		n := a.String()
		if n == "" || seen[n] || n != strings.ToLower(n) || strings.ContainsAny(n, " -.") {
			t.Errorf("anomaly %d has the name %q", a, n)
		}
		seen[n] = true
		if a != exchange.AnomalyNone {
			all.Add(a)
		}
	}
	if got := all.AppendNames(nil); len(got) != exchange.NumAnomalies-1 || got[0] != "id_partial" {
		t.Errorf("all names: %v", got)
	}
	var s exchange.AnomalySet
	s.Add(exchange.PrematureClose)
	s.Add(exchange.GapInBody)
	if got := fmt.Sprint(s.AppendNames([]string{"x"})); got != "[x gap_in_body premature_close]" {
		t.Errorf("names: %s", got)
	}
}
