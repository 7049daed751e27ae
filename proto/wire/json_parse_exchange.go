// SPDX-License-Identifier: Apache-2.0

package wire

import (
	weirv1 "github.com/weir-project/weir/proto/wire/weir/v1"
)

// The functions below take the value of r.key where they know it, and say whether they did. They
// mirror the writers of json_exchange.go, group by group.

func parseWho(r *reader, x *weirv1.Exchange) bool {
	switch string(r.key) {
	case "exchange_id":
		x.ExchangeId = r.id()
	case "part_number":
		x.PartNumber = r.u32()
	case "part_last":
		x.PartLast = r.flag()
	case "part_start_time_unix_nano":
		x.PartStartTimeUnixNano = r.u64()
	case "part_end_time_unix_nano":
		x.PartEndTimeUnixNano = r.u64()
	case "request_count":
		x.RequestCount = r.u32()
	case "start_time_unix_nano":
		x.StartTimeUnixNano = r.u64()
	case "duration_nano":
		x.DurationNano = r.u64()
	case "principal_id":
		x.PrincipalId = r.id()
	case "principal_source":
		x.PrincipalSource = r.text()
	case "principal_assurance":
		x.PrincipalAssurance = weirv1.Assurance(r.enum(assurances))
	case "token_id":
		x.TokenId = r.id()
	case "other_token_ids":
		x.OtherTokenIds = r.ids()
	case "credential_kind":
		x.CredentialKind = weirv1.CredentialKind(r.enum(credentialKinds))
	case "credential_name":
		x.CredentialName = r.text()
	case "principal_label":
		x.PrincipalLabel = r.text()
	default:
		return false
	}
	return true
}

func parseWhere(r *reader, x *weirv1.Exchange) bool {
	switch string(r.key) {
	case "client_address":
		x.ClientAddress = r.address()
	case "client_port":
		x.ClientPort = r.port()
	case "server_address":
		x.ServerAddress = r.address()
	case "server_port":
		x.ServerPort = r.port()
	case "forwarded_for":
		x.ForwardedFor = r.address()
	case "client_software":
		x.ClientSoftware = r.text()
	case "client_workload":
		x.ClientWorkload = r.text()
	case "server_workload":
		x.ServerWorkload = r.text()
	case "observation_point":
		x.ObservationPoint = r.text()
	case "observation_rank":
		x.ObservationRank = weirv1.ObservationRank(r.enum(ranks))
	case "tls":
		x.Tls = r.flag()
	case "network_protocol_name":
		x.NetworkProtocolName = r.text()
	case "network_protocol_version":
		x.NetworkProtocolVersion = r.text()
	case "server_name":
		x.ServerName = r.text()
	default:
		return false
	}
	return true
}

func parseWhat(r *reader, x *weirv1.Exchange) bool {
	switch string(r.key) {
	case "http_request_method":
		x.HttpRequestMethod = r.text()
	case "url_path":
		x.UrlPath = r.text()
	case "url_template":
		x.UrlTemplate = r.text()
	case "query_names":
		x.QueryNames = r.texts()
	case "operation":
		x.Operation = r.text()
	case "request_id":
		x.RequestId = r.text()
	case "trace_id_hash":
		x.TraceIdHash = r.hash()
	case "http_response_status_code":
		x.HttpResponseStatusCode = r.u32()
	case "rpc_grpc_status_code":
		x.RpcGrpcStatusCode = r.signed()
	default:
		return false
	}
	return true
}

func parseSizes(r *reader, x *weirv1.Exchange) bool {
	switch string(r.key) {
	case "http_request_header_size":
		x.HttpRequestHeaderSize = r.u64()
	case "http_request_body_size":
		x.HttpRequestBodySize = r.u64()
	case "request_body_offset":
		x.RequestBodyOffset = r.u64()
	case "http_response_header_size":
		x.HttpResponseHeaderSize = r.u64()
	case "http_response_body_size":
		x.HttpResponseBodySize = r.u64()
	case "response_body_offset":
		x.ResponseBodyOffset = r.u64()
	case "response_content_type":
		x.ResponseContentType = r.text()
	case "response_content_encoding":
		x.ResponseContentEncoding = r.text()
	case "uninspected_size":
		x.UninspectedSize = r.u64()
	case "excluded":
		x.Excluded = r.text()
	default:
		return false
	}
	return true
}

func parseObjects(r *reader, x *weirv1.Exchange) bool {
	switch string(r.key) {
	case "record_count":
		x.RecordCount = r.u64()
	case "record_count_kind":
		x.RecordCountKind = weirv1.RecordCountKind(r.enum(countKinds))
	case "object_hashes":
		x.ObjectHashes = r.hashes()
	case "objects_seen":
		x.ObjectsSeen = r.u32()
	case "objects_estimated":
		x.ObjectsEstimated = r.u32()
	case "objects_unhashed":
		x.ObjectsUnhashed = r.u32()
	case "object_list_complete":
		x.ObjectListComplete = r.flag()
	case "sensitive_object_hashes":
		x.SensitiveObjectHashes = r.hashes()
	case "sensitive_objects":
		x.SensitiveObjects = r.u32()
	case "requested_object_hashes":
		x.RequestedObjectHashes = r.hashes()
	case "requested_objects":
		x.RequestedObjects = r.u32()
	case "sequential_objects":
		x.SequentialObjects = r.u32()
	case "sensitive_response":
		x.SensitiveResponse = r.classes()
	case "sensitive_request":
		x.SensitiveRequest = r.classes()
	case "response_field_names_hash":
		x.ResponseFieldNamesHash = r.hash()
	default:
		return false
	}
	return true
}

func parseQuality(r *reader, x *weirv1.Exchange) bool {
	switch string(r.key) {
	case "detail_level":
		x.DetailLevel = weirv1.DetailLevel(r.enum(details))
	case "coverage":
		x.Coverage = weirv1.Coverage(r.enum(coverages))
	case "gap_bytes":
		x.GapBytes = r.u64()
	case "anomalies":
		x.Anomalies = r.texts()
	case "http_request_target":
		x.HttpRequestTarget = r.text()
	case "sensitive_inspected":
		x.SensitiveInspected = r.flag()
	case "capture_file":
		x.CaptureFile = r.text()
	default:
		return false
	}
	return true
}
