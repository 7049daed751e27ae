// SPDX-License-Identifier: Apache-2.0

package wire

// The words of the JSON form, indexed by enum number: the enum's name in lower case without its
// prefix. Enum numbers are append-only, and so are these.
var (
	assurances      = []string{"unspecified", "unknown", "address", "token", "claimed", "issued", "verified"}
	credentialKinds = []string{"unspecified", "none", "bearer", "jwt", "basic", "api_key", "cookie", "query",
		"client_certificate", "signature", "other"}
	ranks      = []string{"unspecified", "client", "mirror", "proxy", "server_packet", "server_library"}
	coverages  = []string{"unspecified", "complete", "partial", "header_only", "one_sided"}
	details    = []string{"unspecified", "full", "no_sensitive", "no_objects", "no_records", "rollup"}
	countKinds = []string{"unspecified", "none", "exact", "estimated"}
	sources    = []string{"unspecified", "live", "spool", "import"}
	classes    = []string{"unspecified", "email", "phone", "person_name", "birth_date", "postal_address", "account_number",
		"payment_card", "iban", "national_id", "passport", "geolocation", "health", "credential", "custom"}
	evidences = []string{"unspecified", "refresh_token", "client_credentials", "token_exchange", "set_cookie",
		"key_rotation", "config"}
)
