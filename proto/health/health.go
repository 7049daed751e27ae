// SPDX-License-Identifier: Apache-2.0

// Package health serves what a program says of itself: /metrics, /healthz and /readyz.
//
// It assumes that rooms hand out their counters as values. It refuses labels that come from
// traffic: every label value is a name that weir's own code or configuration chose.
package health

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Emit reports one value of a metric; labels stand in the order the metric named them.
type Emit func(value float64, labels ...string)

// Health collects metrics and checks. Declare them before Serve.
type Health struct {
	registry *prometheus.Registry
	mu       sync.Mutex
	live     map[string]func() error
	ready    map[string]func() error
	extra    map[string]http.Handler
}

// New makes a Health with the build's own metrics, for a program such as "weir_sensor".
func New(program, version string) *Health {
	h := &Health{
		registry: prometheus.NewRegistry(),
		live:     map[string]func() error{}, ready: map[string]func() error{}, extra: map[string]http.Handler{},
	}
	build := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: program + "_build_info", Help: "Always 1; the version is a label.",
		ConstLabels: prometheus.Labels{"version": version},
	}, func() float64 { return 1 })
	h.registry.MustRegister(build, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return h
}

// Counter declares a cumulative metric; read is called at each scrape, from any goroutine.
func (h *Health) Counter(name, help string, labels []string, read func(Emit)) {
	h.registry.MustRegister(&metric{prometheus.NewDesc(name, help, labels, nil), prometheus.CounterValue, read})
}

// Gauge declares a metric that goes up and down; read is called at each scrape, from any goroutine.
func (h *Health) Gauge(name, help string, labels []string, read func(Emit)) {
	h.registry.MustRegister(&metric{prometheus.NewDesc(name, help, labels, nil), prometheus.GaugeValue, read})
}

// Live adds a check to /healthz: an error means that the process should be restarted.
func (h *Health) Live(name string, check func() error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.live[name] = check
}

// Ready adds a check to /readyz: an error means that the process does not do its work now.
func (h *Health) Ready(name string, check func() error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ready[name] = check
}

// Handle adds a path of the program's own.
func (h *Health) Handle(pattern string, handler http.Handler) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.extra[pattern] = handler
}

// Serve listens on addr and answers until ctx ends. bound is called once with the address in use.
func (h *Health) Serve(ctx context.Context, addr string, bound func(net.Addr)) error {
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return fmt.Errorf("listen for /metrics and /healthz on %s (choose another with --http-addr): %w", addr, err)
	}
	if bound != nil {
		bound(listener.Addr())
	}
	server := &http.Server{Handler: h.Handler(), ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute}
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		<-ctx.Done()
		deadline, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = server.Shutdown(deadline)
	}()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve /metrics on %s: %w", addr, err)
	}
	<-stopped
	return nil
}

// Handler answers the three paths and those given to Handle.
func (h *Health) Handler() http.Handler {
	h.mu.Lock()
	defer h.mu.Unlock()
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(h.registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", h.answer(func() map[string]func() error { return h.live }))
	mux.HandleFunc("GET /readyz", h.answer(func() map[string]func() error { return h.ready }))
	for pattern, handler := range h.extra {
		mux.Handle(pattern, handler)
	}
	return mux
}

// answer runs checks and lists what failed, one a line; 200 when none did.
func (h *Health) answer(checks func() map[string]func() error) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		h.mu.Lock()
		all := checks()
		var failed []string
		for name, check := range all {
			if err := check(); err != nil {
				failed = append(failed, name+": "+err.Error())
			}
		}
		h.mu.Unlock()
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		if len(failed) == 0 {
			fmt.Fprintln(w, "ok")
			return
		}
		sort.Strings(failed)
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprintln(w, strings.Join(failed, "\n"))
	}
}

type metric struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	read func(Emit)
}

func (m *metric) Describe(to chan<- *prometheus.Desc) { to <- m.desc }

func (m *metric) Collect(to chan<- prometheus.Metric) {
	m.read(func(value float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(m.desc, m.kind, value, labels...)
	})
}
