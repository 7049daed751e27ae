// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"math"

	weirv1 "github.com/weir-project/weir/proto/wire/weir/v1"
)

func (c *checker) exchange(x *weirv1.Exchange) {
	c.exchangeWho(x)
	c.exchangeWhere(x)
	c.exchangeWhat(x)
	c.exchangeSizes(x)
	c.exchangeObjects(x)
}

func (c *checker) exchangeWho(x *weirv1.Exchange) {
	c.id("exchange_id", x.ExchangeId, true)
	c.number("request_count", uint64(x.RequestCount), 1)
	c.span("part_time", x.PartStartTimeUnixNano, x.PartEndTimeUnixNano)
	c.moment("start_time_unix_nano", x.StartTimeUnixNano)
	c.number("duration_nano", x.DurationNano, uint64(MaxDuration))
	c.id("principal_id", x.PrincipalId, true)
	c.home("principal_id", x.PrincipalId)
	c.text("principal_source", x.PrincipalSource, MaxText)
	c.enum("principal_assurance", int32(x.PrincipalAssurance), len(assurances))
	c.id("token_id", x.TokenId, false)
	c.count("other_token_ids", len(x.OtherTokenIds), maxTokens)
	for _, id := range x.OtherTokenIds {
		c.id("other_token_ids", id, true)
	}
	c.enum("credential_kind", int32(x.CredentialKind), len(credentialKinds))
	c.text("credential_name", x.CredentialName, MaxText)
	c.text("principal_label", x.PrincipalLabel, MaxText)
}

func (c *checker) exchangeWhere(x *weirv1.Exchange) {
	c.address("client_address", x.ClientAddress)
	c.port("client_port", x.ClientPort)
	c.address("server_address", x.ServerAddress)
	c.port("server_port", x.ServerPort)
	c.address("forwarded_for", x.ForwardedFor)
	c.text("client_software", x.ClientSoftware, MaxText)
	c.text("client_workload", x.ClientWorkload, MaxText)
	c.text("server_workload", x.ServerWorkload, MaxText)
	c.text("observation_point", x.ObservationPoint, MaxPath)
	c.enum("observation_rank", int32(x.ObservationRank), len(ranks))
	c.text("network_protocol_name", x.NetworkProtocolName, MaxText)
	c.text("network_protocol_version", x.NetworkProtocolVersion, MaxText)
	c.text("server_name", x.ServerName, MaxText)
	c.text("capture_file", x.CaptureFile, MaxPath)
}

func (c *checker) exchangeWhat(x *weirv1.Exchange) {
	c.text("http_request_method", x.HttpRequestMethod, MaxText)
	c.text("url_path", x.UrlPath, MaxPath)
	c.text("url_template", x.UrlTemplate, MaxPath)
	c.count("query_names", len(x.QueryNames), maxNames)
	for _, n := range x.QueryNames {
		c.text("query_names", n, MaxText)
	}
	c.text("operation", x.Operation, MaxPath)
	c.text("request_id", x.RequestId, MaxText)
	c.number("http_response_status_code", uint64(x.HttpResponseStatusCode), 999)
	c.text("response_content_type", x.ResponseContentType, MaxText)
	c.text("response_content_encoding", x.ResponseContentEncoding, MaxText)
	c.text("excluded", x.Excluded, MaxText)
	c.enum("detail_level", int32(x.DetailLevel), len(details))
	c.enum("coverage", int32(x.Coverage), len(coverages))
	c.count("anomalies", len(x.Anomalies), maxNames)
	for _, a := range x.Anomalies {
		c.text("anomalies", a, MaxText)
	}
	if x.HttpRequestTarget != "" && !c.stream {
		c.refuse(ReasonForbidden, "http_request_target", "a raw request-target is never published")
	}
	c.text("http_request_target", x.HttpRequestTarget, MaxTarget)
}

func (c *checker) exchangeSizes(x *weirv1.Exchange) {
	c.number("http_request_header_size", x.HttpRequestHeaderSize, MaxSize)
	c.number("http_request_body_size", x.HttpRequestBodySize, MaxSize)
	c.number("request_body_offset", x.RequestBodyOffset, math.MaxInt64)
	c.number("http_response_header_size", x.HttpResponseHeaderSize, MaxSize)
	c.number("http_response_body_size", x.HttpResponseBodySize, MaxSize)
	c.number("response_body_offset", x.ResponseBodyOffset, math.MaxInt64)
	c.number("uninspected_size", x.UninspectedSize, MaxSize)
	c.number("gap_bytes", x.GapBytes, MaxSize)
	c.number("record_count", x.RecordCount, MaxCount)
}

func (c *checker) exchangeObjects(x *weirv1.Exchange) {
	c.enum("record_count_kind", int32(x.RecordCountKind), len(countKinds))
	c.count("object_hashes", len(x.ObjectHashes), maxHashes)
	c.count("sensitive_object_hashes", len(x.SensitiveObjectHashes), maxHashes)
	c.count("requested_object_hashes", len(x.RequestedObjectHashes), maxHashes)
	c.classes("sensitive_response", x.SensitiveResponse)
	c.classes("sensitive_request", x.SensitiveRequest)
}
