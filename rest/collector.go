package rest

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// collector computes all metrics from one Report.
type collector struct {
	server *Server
	series []metric
	descs  []*prometheus.Desc
}

// newMetrics answers GET /metrics from a registry of this server's own.
func (s *Server) newMetrics() http.Handler {
	labels := prometheus.Labels{"scope": s.o.Scope, "name": s.o.Name}
	c := &collector{server: s, series: series()}
	for _, m := range c.series {
		c.descs = append(c.descs, prometheus.NewDesc(m.name, m.help, nil, labels))
	}
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(c)
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{DisableCompression: true})
}

func (s *Server) exposition(w http.ResponseWriter, r *http.Request) { s.metrics.ServeHTTP(w, r) }

// Describe implements prometheus.Collector.
func (c *collector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range c.descs {
		to <- d
	}
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(to chan<- prometheus.Metric) {
	report, now := c.server.agent.Report(), c.server.clock.Now()
	r := reading{report, factsAt(report, now), now}
	for i, m := range c.series {
		value, known := m.value(r)
		if !known {
			continue
		}
		kind := prometheus.GaugeValue
		if m.counter {
			kind = prometheus.CounterValue
		}
		to <- prometheus.MustNewConstMetric(c.descs[i], kind, value)
	}
}

// epoch is a moment in seconds, 0 for none.
func epoch(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMicro()) / 1e6
}
