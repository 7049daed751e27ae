// SPDX-License-Identifier: Apache-2.0

package wire

import (
	weirv1 "github.com/weir-project/weir/proto/wire/weir/v1"
)

// Line is one line of JSON Lines: exactly one of its fields is set.
type Line struct {
	Exchange *weirv1.Exchange        // a bare object
	Rollup   *weirv1.Rollup          // {"rollup": {...}}
	Link     *weirv1.PrincipalLink   // {"principal_link": {...}}
	Capture  *weirv1.CaptureCounters // {"capture": {...}}
}

// AppendLineJSON appends the line and a newline. A line with nothing set appends nothing.
func AppendLineJSON(dst []byte, l *Line) []byte {
	switch {
	case l.Exchange != nil:
		return append(AppendExchangeJSON(dst, l.Exchange), '\n')
	case l.Rollup != nil:
		a := appender{dst: append(dst, `{"rollup":`...)}
		appendRollup(&a, l.Rollup)
		return append(a.dst, '}', '\n')
	case l.Link != nil:
		a := appender{dst: append(dst, `{"principal_link":`...)}
		appendLink(&a, l.Link)
		return append(a.dst, '}', '\n')
	case l.Capture != nil:
		a := appender{dst: append(dst, `{"capture":`...)}
		appendCapture(&a, l.Capture)
		return append(a.dst, '}', '\n')
	}
	return dst
}

func appendRollup(a *appender, r *weirv1.Rollup) {
	a.open()
	a.id("principal_id", r.PrincipalId)
	a.enum("principal_assurance", int32(r.PrincipalAssurance), assurances)
	a.text("server_name", r.ServerName)
	a.text("http_request_method", r.HttpRequestMethod)
	a.text("url_template", r.UrlTemplate)
	a.text("operation", r.Operation)
	a.address("server_address", r.ServerAddress)
	a.number("server_port", uint64(r.ServerPort))
	a.text("observation_point", r.ObservationPoint)
	a.enum("observation_rank", int32(r.ObservationRank), ranks)
	a.number("window_start_unix_nano", r.WindowStartUnixNano)
	a.number("window_end_unix_nano", r.WindowEndUnixNano)
	rollupCounts(a, r)
	a.objectSet("objects", r.Objects)
	a.objectSet("sensitive_objects", r.SensitiveObjects)
	a.number("sequential_objects", r.SequentialObjects)
	a.number("requested_refused_objects", r.RequestedRefusedObjects)
	a.classes("sensitive_response", r.SensitiveResponse)
	a.classes("sensitive_request", r.SensitiveRequest)
	a.names("client_software", r.ClientSoftware)
	a.addresses("addresses", r.Addresses)
	a.addresses("networks", r.Networks)
	a.idCounts("token_ids", r.TokenIds)
	appendExemplars(a, r.Exemplars)
	a.enum("detail_level", int32(r.DetailLevel), details)
	a.enum("worst_coverage", int32(r.WorstCoverage), coverages)
	a.number("gap_bytes", r.GapBytes)
	a.number("exchanges", r.Exchanges)
	a.flag("sensitive_inspected", r.SensitiveInspected)
	a.names("anomalies", r.Anomalies)
	a.number("objects_estimated", r.ObjectsEstimated)
	a.number("objects_unhashed", r.ObjectsUnhashed)
	a.number("requested_objects", r.RequestedObjects)
	a.close()
}

func rollupCounts(a *appender, r *weirv1.Rollup) {
	a.number("requests_none", r.RequestsNone)
	a.number("requests_1xx", r.Requests_1Xx)
	a.number("requests_2xx", r.Requests_2Xx)
	a.number("requests_3xx", r.Requests_3Xx)
	a.number("requests_4xx", r.Requests_4Xx)
	a.number("requests_5xx", r.Requests_5Xx)
	a.number("requests_denied", r.RequestsDenied)
	a.number("http_request_header_size", r.HttpRequestHeaderSize)
	a.number("http_request_body_size", r.HttpRequestBodySize)
	a.number("http_response_header_size", r.HttpResponseHeaderSize)
	a.number("http_response_body_size", r.HttpResponseBodySize)
	a.number("uninspected_size", r.UninspectedSize)
	a.number("record_count", r.RecordCount)
	a.number("record_count_estimated", r.RecordCountEstimated)
}

func (a *appender) objectSet(name string, s *weirv1.ObjectSet) {
	if s == nil {
		return
	}
	a.key(name)
	a.open()
	a.hashes("hashes", s.Hashes)
	a.id("hyperloglog", s.Hyperloglog)
	a.number("seen", s.Seen)
	a.close()
}

func appendExemplars(a *appender, list []*weirv1.Exemplar) {
	if len(list) == 0 {
		return
	}
	a.key("exemplars")
	open := byte('[')
	for _, e := range list {
		a.dst = append(a.dst, open)
		open = ','
		a.open()
		a.number("time_unix_nano", e.TimeUnixNano)
		a.address("client_address", e.ClientAddress)
		a.number("client_port", uint64(e.ClientPort))
		a.text("request_id", e.RequestId)
		a.text("server_name", e.ServerName)
		a.text("http_request_method", e.HttpRequestMethod)
		a.text("url_template", e.UrlTemplate)
		a.number("http_response_status_code", uint64(e.HttpResponseStatusCode))
		a.id("exchange_id", e.ExchangeId)
		a.close()
	}
	a.dst = append(a.dst, ']')
	a.comma = true
}

func appendLink(a *appender, l *weirv1.PrincipalLink) {
	a.open()
	a.id("older_id", l.OlderId)
	a.id("principal_id", l.PrincipalId)
	a.enum("principal_assurance", int32(l.PrincipalAssurance), assurances)
	a.enum("evidence", int32(l.Evidence), evidences)
	a.number("time_unix_nano", l.TimeUnixNano)
	a.flag("undo", l.Undo)
	a.close()
}

func appendCapture(a *appender, c *weirv1.CaptureCounters) {
	a.open()
	a.number("start_unix_nano", c.StartUnixNano)
	a.number("end_unix_nano", c.EndUnixNano)
	if len(c.Counters) > 0 {
		a.key("counters")
		open := byte('[')
		for _, n := range c.Counters {
			a.dst = append(a.dst, open)
			open = ','
			a.open()
			a.text("name", n.Name)
			a.text("reason", n.Reason)
			a.text("scope", n.Scope)
			a.number("value", n.Value)
			a.close()
		}
		a.dst = append(a.dst, ']')
		a.comma = true
	}
	a.close()
}
