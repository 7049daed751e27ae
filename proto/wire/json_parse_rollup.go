// SPDX-License-Identifier: Apache-2.0

package wire

import (
	weirv1 "github.com/weir-project/weir/proto/wire/weir/v1"
)

func parseRollup(r *reader) *weirv1.Rollup {
	x := &weirv1.Rollup{}
	r.object(func(key []byte) {
		r.key = key
		if !parseRollupHead(r, x) && !parseRollupCounts(r, x) && !parseRollupLists(r, x) {
			r.skip()
		}
	})
	return x
}

func parseRollupHead(r *reader, x *weirv1.Rollup) bool {
	switch string(r.key) {
	case "principal_id":
		x.PrincipalId = r.id()
	case "principal_assurance":
		x.PrincipalAssurance = weirv1.Assurance(r.enum(assurances))
	case "server_name":
		x.ServerName = r.text()
	case "http_request_method":
		x.HttpRequestMethod = r.text()
	case "url_template":
		x.UrlTemplate = r.text()
	case "operation":
		x.Operation = r.text()
	case "server_address":
		x.ServerAddress = r.address()
	case "server_port":
		x.ServerPort = r.port()
	case "observation_point":
		x.ObservationPoint = r.text()
	case "observation_rank":
		x.ObservationRank = weirv1.ObservationRank(r.enum(ranks))
	case "window_start_unix_nano":
		x.WindowStartUnixNano = r.u64()
	case "window_end_unix_nano":
		x.WindowEndUnixNano = r.u64()
	default:
		return false
	}
	return true
}

func parseRollupCounts(r *reader, x *weirv1.Rollup) bool {
	switch string(r.key) {
	case "requests_none":
		x.RequestsNone = r.u64()
	case "requests_1xx":
		x.Requests_1Xx = r.u64()
	case "requests_2xx":
		x.Requests_2Xx = r.u64()
	case "requests_3xx":
		x.Requests_3Xx = r.u64()
	case "requests_4xx":
		x.Requests_4Xx = r.u64()
	case "requests_5xx":
		x.Requests_5Xx = r.u64()
	case "requests_denied":
		x.RequestsDenied = r.u64()
	case "http_request_header_size":
		x.HttpRequestHeaderSize = r.u64()
	case "http_request_body_size":
		x.HttpRequestBodySize = r.u64()
	case "http_response_header_size":
		x.HttpResponseHeaderSize = r.u64()
	case "http_response_body_size":
		x.HttpResponseBodySize = r.u64()
	case "uninspected_size":
		x.UninspectedSize = r.u64()
	case "record_count":
		x.RecordCount = r.u64()
	case "record_count_estimated":
		x.RecordCountEstimated = r.u64()
	default:
		return false
	}
	return true
}

func parseRollupLists(r *reader, x *weirv1.Rollup) bool {
	switch string(r.key) {
	case "objects":
		x.Objects = r.objectSet()
	case "sensitive_objects":
		x.SensitiveObjects = r.objectSet()
	case "sequential_objects":
		x.SequentialObjects = r.u64()
	case "requested_refused_objects":
		x.RequestedRefusedObjects = r.u64()
	case "sensitive_response":
		x.SensitiveResponse = r.classes()
	case "sensitive_request":
		x.SensitiveRequest = r.classes()
	case "client_software":
		x.ClientSoftware = r.names()
	case "addresses":
		x.Addresses = r.addresses()
	case "networks":
		x.Networks = r.addresses()
	case "token_ids":
		x.TokenIds = r.idCounts()
	case "detail_level":
		x.DetailLevel = weirv1.DetailLevel(r.enum(details))
	case "worst_coverage":
		x.WorstCoverage = weirv1.Coverage(r.enum(coverages))
	case "gap_bytes":
		x.GapBytes = r.u64()
	case "exchanges":
		x.Exchanges = r.u64()
	case "sensitive_inspected":
		x.SensitiveInspected = r.flag()
	case "anomalies":
		x.Anomalies = r.names()
	case "objects_estimated":
		x.ObjectsEstimated = r.u64()
	case "objects_unhashed":
		x.ObjectsUnhashed = r.u64()
	case "requested_objects":
		x.RequestedObjects = r.u64()
	case "exemplars":
		x.Exemplars = nil
		r.array(func() { x.Exemplars = append(x.Exemplars, parseExemplar(r)) })
	default:
		return false
	}
	return true
}

func parseExemplar(r *reader) *weirv1.Exemplar {
	e := &weirv1.Exemplar{}
	r.object(func(key []byte) {
		r.key = key
		switch string(r.key) {
		case "time_unix_nano":
			e.TimeUnixNano = r.u64()
		case "client_address":
			e.ClientAddress = r.address()
		case "client_port":
			e.ClientPort = r.port()
		case "request_id":
			e.RequestId = r.text()
		case "server_name":
			e.ServerName = r.text()
		case "http_request_method":
			e.HttpRequestMethod = r.text()
		case "url_template":
			e.UrlTemplate = r.text()
		case "http_response_status_code":
			e.HttpResponseStatusCode = r.u32()
		case "exchange_id":
			e.ExchangeId = r.id()
		default:
			r.skip()
		}
	})
	return e
}
