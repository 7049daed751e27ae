// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/weir-project/weir/analyzer/api"
)

// fixed is a source with two rows.
type fixed struct{ silent int }

func (f fixed) Summary() api.Summary {
	return api.Summary{Principals: 2, Requests: 1234567, Records: 12, ResponseBytes: 1500}
}

func (f fixed) Top(n int, _ string) ([]api.Row, int) {
	sensitive := uint64(3)
	rows := []api.Row{
		{Principal: "aaaaaaaabbbbbbbb", Credential: "bearer", Assurance: "token", Records: 10, EstimatedRecords: 1, WeekRecords: 30, PeerWeek: 10, Endpoint: "GET shop.example /a", Incident: "0123456789abcdef"},
		{Principal: "ccccccccdddddddd", Credential: "none", Assurance: "address", Records: 2, SensitiveObjects: &sensitive},
	}
	return rows[:min(n, len(rows))], f.silent
}

func get(t *testing.T, from, target string, source api.Source) (int, []byte) {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, target, nil)
	r.RemoteAddr = from
	w := httptest.NewRecorder()
	api.LocalOnly(api.Handler(source)).ServeHTTP(w, r)
	return w.Code, w.Body.Bytes()
}

func TestOnlyThisMachineIsAnswered(t *testing.T) {
	for from, want := range map[string]int{"127.0.0.1:9": 200, "[::1]:9": 200, "[::ffff:127.0.0.1]:9": 200, "10.0.0.7:9": 403, "[2001:db8::1]:9": 403, "": 403, "@": 403} {
		if code, _ := get(t, from, "/api/v1/summary", fixed{}); code != want {
			t.Errorf("%q: %d, want %d", from, code, want)
		}
	}
}

func TestWhatCannotBeAsked(t *testing.T) {
	for _, target := range []string{"/api/v1/top?n=0", "/api/v1/top?n=10001", "/api/v1/top?n=x", "/api/v1/top?by=size"} {
		if code, body := get(t, "127.0.0.1:9", target, fixed{}); code != 400 || len(body) == 0 {
			t.Errorf("%s: %d %s", target, code, body)
		}
	}
}

func TestTheRankingForPeople(t *testing.T) {
	code, body := get(t, "127.0.0.1:9", "/api/v1/top?n=2", fixed{silent: 3})
	var answer api.TopAnswer
	if err := json.Unmarshal(body, &answer); err != nil || code != 200 {
		t.Fatal(code, err)
	}
	var text bytes.Buffer
	if err := api.WriteTable(&text, &answer); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"1,234,567 requests", "1.5 kB", "aaaaaaaa", "10~", "not inspected", "3.0", "<< incident 01234567", "NOT ALL"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("no %q in\n%s", want, text.String())
		}
	}
}
