// SPDX-License-Identifier: Apache-2.0

package exchange

// NumAnomalies is one more than the largest Anomaly.
const NumAnomalies = int(numAnomalies)

// anomalyNames are what the wire carries. Never changed, only added to.
var anomalyNames = [numAnomalies]string{
	AnomalyNone:               "none",
	IDPartial:                 "id_partial",
	GapInHeader:               "gap_in_header",
	GapInBody:                 "gap_in_body",
	Resync:                    "resync",
	OrphanResponse:            "orphan_response",
	NoResponse:                "no_response",
	BareLF:                    "bare_lf",
	ObsFold:                   "obs_fold",
	DuplicateContentLength:    "duplicate_content_length",
	TransferEncodingAndLength: "transfer_encoding_and_length",
	BadContentLength:          "bad_content_length",
	BadTransferEncoding:       "bad_transfer_encoding",
	BadChunkSize:              "bad_chunk_size",
	BadStatusLine:             "bad_status_line",
	BadRequestLine:            "bad_request_line",
	BadHeaderLine:             "bad_header_line",
	HeaderTooLarge:            "header_too_large",
	TooManyHeaders:            "too_many_headers",
	TooManyPending:            "too_many_pending",
	HTTP09:                    "http_09",
	UnexpectedBody:            "unexpected_body",
	PrematureClose:            "premature_close",
	InconsistentRetransmit:    "inconsistent_retransmit",
	ContradictsAck:            "contradicts_ack",
	UnknownSide:               "unknown_side",
	CredentialMalformed:       "credential_malformed",
	CredentialTooLarge:        "credential_too_large",
	BodyUndecodable:           "body_undecodable",
	BodyBomb:                  "body_bomb",
	BodyMalformed:             "body_malformed",
	Upgraded:                  "upgraded",
	Tunnel:                    "tunnel",
	PathTooLarge:              "path_too_large",
	UnknownSlot:               "unknown_slot",
	BadFrame:                  "bad_frame",
	BadHeaderBlock:            "bad_header_block",
	HeaderFlood:               "header_flood",
	TooManyStreams:            "too_many_streams",
	StreamReset:               "stream_reset",
	Refused:                   "refused",
	Pushed:                    "pushed",
	Forwarded:                 "forwarded",
	Misdirected:               "misdirected",
}

var (
	assuranceNames = [...]string{"", "unknown", "address", "token", "claimed", "issued", "verified"}
	kindNames      = [...]string{"", "none", "bearer", "jwt", "basic", "api_key", "cookie", "query",
		"client_certificate", "signature", "other"}
	rankNames      = [...]string{"", "client", "mirror", "proxy", "server_packet", "server_library"}
	coverageNames  = [...]string{"", "complete", "partial", "header_only", "one_sided"}
	detailNames    = [...]string{"", "full", "no_sensitive", "no_objects", "no_records", "rollup"}
	countKindNames = [...]string{"", "none", "exact", "estimated"}
)

// name gives names[i], or "invalid" for a value that has no name; the zero value is "unspecified".
func name(names []string, i int) string {
	switch {
	case i == 0:
		return "unspecified"
	case i < len(names):
		return names[i]
	}
	return "invalid"
}

// String gives the name the wire carries, such as "gap_in_body".
func (a Anomaly) String() string {
	if a >= numAnomalies {
		return "invalid"
	}
	return anomalyNames[a]
}

// AppendNames appends the names of the set's anomalies to dst, in the order of their numbers.
func (s AnomalySet) AppendNames(dst []string) []string {
	for a := IDPartial; a < numAnomalies; a++ {
		if s.Has(a) {
			dst = append(dst, anomalyNames[a])
		}
	}
	return dst
}

// String gives the word of the JSON form, such as "claimed".
func (a Assurance) String() string { return name(assuranceNames[:], int(a)) }

// String gives the word of the JSON form, such as "api_key".
func (k CredentialKind) String() string { return name(kindNames[:], int(k)) }

// String gives the word of the JSON form, such as "server_packet".
func (r Rank) String() string { return name(rankNames[:], int(r)) }

// String gives the word of the JSON form, such as "header_only".
func (c Coverage) String() string { return name(coverageNames[:], int(c)) }

// String gives the word of the JSON form, such as "full".
func (d Detail) String() string { return name(detailNames[:], int(d)) }

// String gives the word of the JSON form, such as "exact".
func (k CountKind) String() string { return name(countKindNames[:], int(k)) }
