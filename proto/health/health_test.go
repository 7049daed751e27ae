// SPDX-License-Identifier: Apache-2.0

package health_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/weir-project/weir/proto/health"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func get(t *testing.T, h http.Handler, path string) (int, string) {
	t.Helper()
	r := httptest.NewRecorder()
	h.ServeHTTP(r, httptest.NewRequest("GET", path, nil))
	return r.Code, r.Body.String()
}

func TestChecksAndMetrics(t *testing.T) {
	h := health.New("weir_test", "v0")
	h.Counter("weir_test_dropped_total", "Dropped.", []string{"reason"}, func(emit health.Emit) { emit(3, "ring_full"); emit(0, "bound") })
	h.Gauge("weir_test_open", "Open.", nil, func(emit health.Emit) { emit(2) })
	fault := errors.New("NATS is away")
	h.Ready("nats", func() error { return fault })
	h.Live("loop", func() error { return nil })
	handler := h.Handler()
	if code, body := get(t, handler, "/readyz"); code != 503 || !strings.Contains(body, "nats: NATS is away") {
		t.Error(code, body)
	}
	fault = nil
	for _, path := range []string{"/readyz", "/healthz"} {
		if code, body := get(t, handler, path); code != 200 {
			t.Error(path, code, body)
		}
	}
	_, body := get(t, handler, "/metrics")
	for _, want := range []string{`weir_test_dropped_total{reason="ring_full"} 3`, "weir_test_open 2", `weir_test_build_info{version="v0"} 1`} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s in\n%s", want, body)
		}
	}
}

func TestServeEndsWithItsContextAndNamesABusyPort(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	h := health.New("weir_test", "v0")
	bound := make(chan net.Addr, 1)
	done := make(chan error, 1)
	go func() { done <- h.Serve(ctx, "127.0.0.1:0", func(a net.Addr) { bound <- a }) }()
	addr := (<-bound).String()
	response, err := http.Get("http://" + addr + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, response.Body)
	response.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	if err := h.Serve(ctx, addr, nil); err == nil || !strings.Contains(err.Error(), "--http-addr") {
		t.Errorf("a busy port gives no remedy: %v", err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
