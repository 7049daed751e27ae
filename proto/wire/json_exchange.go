// SPDX-License-Identifier: Apache-2.0

package wire

import (
	weirv1 "github.com/weir-project/weir/proto/wire/weir/v1"
)

// AppendExchangeJSON appends x as one JSON object without a newline, fields in the schema's order.
// It does not allocate where dst has room. FORMAT.md specifies the form; ParseLine reads it back.
func AppendExchangeJSON(dst []byte, x *weirv1.Exchange) []byte {
	a := appender{dst: dst}
	a.open()
	exchangeWho(&a, x)
	exchangeWhere(&a, x)
	exchangeWhat(&a, x)
	exchangeSizes(&a, x)
	exchangeObjects(&a, x)
	exchangeQuality(&a, x)
	a.close()
	return a.dst
}

func exchangeWho(a *appender, x *weirv1.Exchange) {
	a.id("exchange_id", x.ExchangeId)
	a.number("part_number", uint64(x.PartNumber))
	a.flag("part_last", x.PartLast)
	a.number("part_start_time_unix_nano", x.PartStartTimeUnixNano)
	a.number("part_end_time_unix_nano", x.PartEndTimeUnixNano)
	a.number("request_count", uint64(x.RequestCount))
	a.number("start_time_unix_nano", x.StartTimeUnixNano)
	a.number("duration_nano", x.DurationNano)
	a.id("principal_id", x.PrincipalId)
	a.text("principal_source", x.PrincipalSource)
	a.enum("principal_assurance", int32(x.PrincipalAssurance), assurances)
	a.id("token_id", x.TokenId)
	a.ids("other_token_ids", x.OtherTokenIds)
	a.enum("credential_kind", int32(x.CredentialKind), credentialKinds)
	a.text("credential_name", x.CredentialName)
	a.text("principal_label", x.PrincipalLabel)
}

func exchangeWhere(a *appender, x *weirv1.Exchange) {
	a.address("client_address", x.ClientAddress)
	a.number("client_port", uint64(x.ClientPort))
	a.address("server_address", x.ServerAddress)
	a.number("server_port", uint64(x.ServerPort))
	a.address("forwarded_for", x.ForwardedFor)
	a.text("client_software", x.ClientSoftware)
	a.text("client_workload", x.ClientWorkload)
	a.text("server_workload", x.ServerWorkload)
	a.text("observation_point", x.ObservationPoint)
	a.enum("observation_rank", int32(x.ObservationRank), ranks)
	a.flag("tls", x.Tls)
	a.text("network_protocol_name", x.NetworkProtocolName)
	a.text("network_protocol_version", x.NetworkProtocolVersion)
	a.text("server_name", x.ServerName)
}

func exchangeWhat(a *appender, x *weirv1.Exchange) {
	a.text("http_request_method", x.HttpRequestMethod)
	a.text("url_path", x.UrlPath)
	a.text("url_template", x.UrlTemplate)
	a.texts("query_names", x.QueryNames)
	a.text("operation", x.Operation)
	a.text("request_id", x.RequestId)
	a.hash("trace_id_hash", x.TraceIdHash)
	a.number("http_response_status_code", uint64(x.HttpResponseStatusCode))
	a.signed("rpc_grpc_status_code", int64(x.RpcGrpcStatusCode))
}

func exchangeSizes(a *appender, x *weirv1.Exchange) {
	a.number("http_request_header_size", x.HttpRequestHeaderSize)
	a.number("http_request_body_size", x.HttpRequestBodySize)
	a.number("request_body_offset", x.RequestBodyOffset)
	a.number("http_response_header_size", x.HttpResponseHeaderSize)
	a.number("http_response_body_size", x.HttpResponseBodySize)
	a.number("response_body_offset", x.ResponseBodyOffset)
	a.text("response_content_type", x.ResponseContentType)
	a.text("response_content_encoding", x.ResponseContentEncoding)
	a.number("uninspected_size", x.UninspectedSize)
	a.text("excluded", x.Excluded)
}

func exchangeObjects(a *appender, x *weirv1.Exchange) {
	a.number("record_count", x.RecordCount)
	a.enum("record_count_kind", int32(x.RecordCountKind), countKinds)
	a.hashes("object_hashes", x.ObjectHashes)
	a.number("objects_seen", uint64(x.ObjectsSeen))
	a.number("objects_estimated", uint64(x.ObjectsEstimated))
	a.number("objects_unhashed", uint64(x.ObjectsUnhashed))
	a.flag("object_list_complete", x.ObjectListComplete)
	a.hashes("sensitive_object_hashes", x.SensitiveObjectHashes)
	a.number("sensitive_objects", uint64(x.SensitiveObjects))
	a.hashes("requested_object_hashes", x.RequestedObjectHashes)
	a.number("requested_objects", uint64(x.RequestedObjects))
	a.number("sequential_objects", uint64(x.SequentialObjects))
	a.classes("sensitive_response", x.SensitiveResponse)
	a.classes("sensitive_request", x.SensitiveRequest)
	a.hash("response_field_names_hash", x.ResponseFieldNamesHash)
}

func exchangeQuality(a *appender, x *weirv1.Exchange) {
	a.enum("detail_level", int32(x.DetailLevel), details)
	a.enum("coverage", int32(x.Coverage), coverages)
	a.number("gap_bytes", x.GapBytes)
	a.texts("anomalies", x.Anomalies)
	a.text("http_request_target", x.HttpRequestTarget)
	a.flag("sensitive_inspected", x.SensitiveInspected)
	a.text("capture_file", x.CaptureFile)
}
