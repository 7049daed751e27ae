// SPDX-License-Identifier: Apache-2.0

package wire

import (
	weirv1 "github.com/weir-project/weir/proto/wire/weir/v1"
)

func (c *checker) rollup(r *weirv1.Rollup) {
	c.id("rollup.principal_id", r.PrincipalId, true)
	c.home("rollup.principal_id", r.PrincipalId)
	c.enum("rollup.principal_assurance", int32(r.PrincipalAssurance), len(assurances))
	c.text("rollup.server_name", r.ServerName, MaxText)
	c.text("rollup.http_request_method", r.HttpRequestMethod, MaxText)
	c.text("rollup.url_template", r.UrlTemplate, MaxPath)
	c.text("rollup.operation", r.Operation, MaxPath)
	c.address("rollup.server_address", r.ServerAddress)
	c.port("rollup.server_port", r.ServerPort)
	c.text("rollup.observation_point", r.ObservationPoint, MaxPath)
	c.enum("rollup.observation_rank", int32(r.ObservationRank), len(ranks))
	c.span("rollup.window", r.WindowStartUnixNano, r.WindowEndUnixNano)
	c.enum("rollup.detail_level", int32(r.DetailLevel), len(details))
	c.enum("rollup.worst_coverage", int32(r.WorstCoverage), len(coverages))
	c.rollupNumbers(r)
	c.rollupLists(r)
}

func (c *checker) rollupNumbers(r *weirv1.Rollup) {
	for _, n := range []uint64{r.RequestsNone, r.Requests_1Xx, r.Requests_2Xx, r.Requests_3Xx, r.Requests_4Xx,
		r.Requests_5Xx, r.RequestsDenied, r.RecordCount, r.RecordCountEstimated, r.SequentialObjects,
		r.RequestedRefusedObjects, r.Exchanges, r.ObjectsEstimated, r.ObjectsUnhashed, r.RequestedObjects} {
		c.number("rollup.counts", n, MaxCount*rollupTimes)
	}
	for _, n := range []uint64{r.HttpRequestHeaderSize, r.HttpRequestBodySize, r.HttpResponseHeaderSize,
		r.HttpResponseBodySize, r.UninspectedSize, r.GapBytes} {
		c.number("rollup.sizes", n, MaxSize*rollupTimes)
	}
	if r.RecordCountEstimated > r.RecordCount {
		c.refuse(ReasonNumber, "rollup.record_count_estimated", "more than record_count")
	}
	if r.RequestsDenied > r.Requests_4Xx {
		c.refuse(ReasonNumber, "rollup.requests_denied", "more than requests_4xx")
	}
}

func (c *checker) rollupLists(r *weirv1.Rollup) {
	c.objectSet("rollup.objects", r.Objects)
	c.objectSet("rollup.sensitive_objects", r.SensitiveObjects)
	c.classes("rollup.sensitive_response", r.SensitiveResponse)
	c.classes("rollup.sensitive_request", r.SensitiveRequest)
	c.names("rollup.client_software", r.ClientSoftware)
	c.names("rollup.anomalies", r.Anomalies)
	c.counted("rollup.addresses", r.Addresses)
	c.counted("rollup.networks", r.Networks)
	c.count("rollup.token_ids", len(r.TokenIds), maxTop)
	for _, t := range r.TokenIds {
		c.id("rollup.token_ids", t.Id, true)
		c.number("rollup.token_ids", t.Count, MaxCount*rollupTimes)
	}
	c.count("rollup.exemplars", len(r.Exemplars), maxExemplars)
	for _, e := range r.Exemplars {
		c.exemplar(e)
	}
}

func (c *checker) exemplar(e *weirv1.Exemplar) {
	c.moment("exemplars.time_unix_nano", e.TimeUnixNano)
	c.address("exemplars.client_address", e.ClientAddress)
	c.port("exemplars.client_port", e.ClientPort)
	c.text("exemplars.request_id", e.RequestId, MaxText)
	c.text("exemplars.server_name", e.ServerName, MaxText)
	c.text("exemplars.http_request_method", e.HttpRequestMethod, MaxText)
	c.text("exemplars.url_template", e.UrlTemplate, MaxPath)
	c.number("exemplars.http_response_status_code", uint64(e.HttpResponseStatusCode), 999)
	c.id("exemplars.exchange_id", e.ExchangeId, false)
}

func (c *checker) names(field string, names []*weirv1.NameCount) {
	c.count(field, len(names), maxNames)
	for _, n := range names {
		c.text(field, n.Name, MaxText)
		c.number(field, n.Count, MaxCount*rollupTimes)
	}
}

func (c *checker) counted(field string, addresses []*weirv1.AddressCount) {
	c.count(field, len(addresses), maxTop)
	for _, a := range addresses {
		if len(a.Address) == 0 {
			c.refuse(ReasonAddress, field, "no address")
		}
		c.address(field, a.Address)
		c.number(field, a.Count, MaxCount*rollupTimes)
	}
}

func (c *checker) objectSet(field string, s *weirv1.ObjectSet) {
	if s == nil {
		return
	}
	c.count(field, len(s.Hashes), maxSetHashes)
	for i := 1; i < len(s.Hashes); i++ {
		if s.Hashes[i-1] >= s.Hashes[i] {
			c.refuse(ReasonNumber, field, "hashes are not sorted and distinct")
			break
		}
	}
	if len(s.Hyperloglog) != 0 && !validRegisters(s.Hyperloglog) {
		c.refuse(ReasonNumber, field, "a sketch of a wrong length or register")
	}
	c.number(field, s.Seen, MaxCount*rollupTimes)
}
