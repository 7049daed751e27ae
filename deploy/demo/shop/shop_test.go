// SPDX-License-Identifier: Apache-2.0

package shop_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/weir-project/weir/deploy/demo/shop"
)

func TestHabitsRepeatAndStayWithinTheirDay(t *testing.T) {
	day := time.Date(2026, 2, 28, 0, 0, 0, 0, time.UTC)
	again := shop.People(7)
	total := 0
	for i, p := range shop.People(7) {
		calls := p.Day(day)
		if len(calls) != len(again[i].Day(day)) {
			t.Errorf("%s: the plan changes", p.Name)
		}
		for j, c := range calls {
			if c.At.Before(day) || !c.At.Before(day.Add(24*time.Hour)) || j > 0 && c.At.Before(calls[j-1].At) {
				t.Errorf("%s: call at %s", p.Name, c.At)
			}
		}
		total += len(p.Between(day.Add(-24*time.Hour), day.Add(24*time.Hour)))
	}
	if total < 5000 {
		t.Errorf("only %d calls in two days", total)
	}
}

func TestTheAPIServesWhatWireSays(t *testing.T) {
	people := shop.People(7)
	api := shop.NewAPI(people)
	server := httptest.NewServer(api)
	defer server.Close()
	for _, path := range []string{"/customers/17", "/customers?page=3&size=25", "/customers?page=3999&size=25", "/customers/100001", "/nothing"} {
		request, err := http.NewRequest("GET", server.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", "Bearer "+people[0].Token)
		response, err := server.Client().Do(request)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(response.Body)
		response.Body.Close()
		_, wire, entry := api.Wire(people[0], shop.Call{At: time.Now(), Path: path})
		if !bytes.HasSuffix(wire, body) || entry.Status != response.StatusCode || entry.Bytes != len(body) {
			t.Errorf("%s: %d %s, but on the wire %s", path, response.StatusCode, body, wire)
		}
		if !json.Valid(body) {
			t.Errorf("%s: not JSON: %s", path, body)
		}
	}
	if n := len(api.Log.Of(people[0].Token, time.Time{})); n != 5 {
		t.Errorf("%d log entries, want 5", n)
	}
}
