// SPDX-License-Identifier: Apache-2.0

package identity

import (
	"bytes"
	"strings"
)

// Ranks of credentials: the lowest owns. API-key headers and query keys lie apart by their place in
// the rules, so that the order in which a client sends them changes nothing.
const (
	rankAuthorization      = 0
	rankAPIKey             = 1_000
	rankBinaryKey          = 10_000
	rankClientCertificate  = 20_000
	rankQuery              = 30_000
	rankCookie             = 40_000
	rankProxyAuthorization = 50_000
	rankNever              = 60_000 // told as another token, never owns
)

// The names of the rules, as told in Identity.Source.
const (
	sourceAuthorization      = "authorization"
	sourceAPIKey             = "api_key"
	sourceClientCertificate  = "client_certificate"
	sourceQuery              = "query"
	sourceCookie             = "cookie"
	sourceProxyAuthorization = "proxy_authorization"
	sourceAddress            = "address"
	sourceUnknown            = "unknown"
)

// hashAddress keeps addresses apart from credentials in the cache; it is never hashed with a key.
const hashAddress = 0xFF

// binaryEnd ends the names of gRPC metadata that is base64 of any bytes.
const binaryEnd = "-bin"

type headerKind uint8

const (
	headerAuthorization headerKind = iota + 1
	headerProxyAuthorization
	headerAPIKey
	headerBinaryKey
	headerClientCertificate
	headerUserAgent
)

type headerRule struct {
	kind headerKind
	rank int
}

// headerRules are the header names in lower case. Names that one organisation's proxy adds behind
// the client (assertions of a login proxy) are here too: they carry JWTs.
func headerRules(extra []string) map[string]headerRule {
	rules := map[string]headerRule{
		"authorization":           {kind: headerAuthorization},
		"proxy-authorization":     {kind: headerProxyAuthorization},
		"x-forwarded-client-cert": {kind: headerClientCertificate},
		"user-agent":              {kind: headerUserAgent},
		"x-amz-security-token":    {kind: headerAPIKey, rank: rankNever},
	}
	names := []string{
		"x-api-key", "api-key", "apikey", "x-apikey", "x-api-token", "x-auth-token", "x-access-token",
		"x-auth-key", "x-token", "x-auth", "x-session-token", "x-secret-key", "x-master-key",
		"x-functions-key", "ocp-apim-subscription-key", "x-subscription-token", "x-goog-api-key",
		"x-rapidapi-key", "private-token", "x-gitlab-token", "x-vault-token", "x-consul-token",
		"x-shopify-access-token", "x-figma-token", "x-parse-session-token", "dd-api-key", "circle-token",
		"x-jwt-token", "x-jwt-assertion", "x-id-token", "x-forwarded-access-token",
		"x-goog-iap-jwt-assertion", "cf-access-jwt-assertion", "x-amzn-oidc-data",
	}
	for i, n := range append(lowered(extra), names...) {
		if _, known := rules[n]; !known {
			rules[n] = headerRule{kind: headerAPIKey, rank: rankAPIKey + i}
		}
	}
	for i, n := range append([]string{"authorization"}, append(lowered(extra), names...)...) {
		if _, known := rules[n+binaryEnd]; !known {
			rules[n+binaryEnd] = headerRule{kind: headerBinaryKey, rank: rankBinaryKey + i}
		}
	}
	return rules
}

type queryRule struct {
	rank      int
	name      []byte
	accessKey bool // the value is "access key id/scope" of a signed URL
}

// queryRules are the query keys in lower case. "token", "key" and their like name records and pages
// as often as credentials; as owners they would make a principal of every page. They are told as
// other tokens unless config says that they are credentials.
func queryRules(extra []string) map[string]queryRule {
	rules := map[string]queryRule{}
	names := []string{
		"access_token", "api_key", "apikey", "api-key", "api_token", "auth_token", "authtoken", "x-api-key",
		"private_token", "subscription-key", "jwt", "bearer_token", "client_key", "app_key", "appkey",
	}
	for i, n := range append(lowered(extra), names...) {
		if _, known := rules[n]; !known {
			rules[n] = queryRule{rank: rankQuery + i, name: []byte(n)}
		}
	}
	for _, n := range []string{"x-amz-credential", "x-goog-credential", "awsaccesskeyid", "googleaccessid"} {
		rules[n] = queryRule{rank: rankQuery + 1000, name: []byte(n), accessKey: true}
	}
	for _, n := range []string{"token", "key", "auth", "sig", "signature", "session", "sid", "sessionid", "secret"} {
		if _, known := rules[n]; !known {
			rules[n] = queryRule{rank: rankNever, name: []byte(n)}
		}
	}
	return rules
}

// cookieRules are the names of session cookies in lower case, without __Host- and __Secure-.
func cookieRules(extra []string) map[string]struct{} {
	rules := map[string]struct{}{}
	names := []string{
		"session", "sessionid", "session_id", "sid", "sess", "jsessionid", "phpsessid", "aspsessionid",
		"asp.net_sessionid", ".aspxauth", ".aspnetcore.cookies", ".aspnetcore.identity.application",
		".aspnetcore.session", "connect.sid", "express.sid", "sails.sid", "koa.sess", "koa:sess",
		"cgisessid", "cfid", "laravel_session", "ci_session", "remember_token", "access_token",
		"accesstoken", "auth_token", "authtoken", "auth", "token", "jwt", "id_token", "api_key",
		"user_session", "sb-access-token", "authorization", "grafana_session", "_oauth2_proxy",
	}
	for _, n := range append(lowered(extra), names...) {
		rules[n] = struct{}{}
	}
	return rules
}

// isSession knows a session cookie by its name, or by the form of names that frameworks make.
func (r *Resolver) isSession(name []byte) bool {
	var room [maxNameLen]byte
	low, ok := lower(room[:0], name)
	if !ok {
		return false
	}
	low = bytes.TrimPrefix(bytes.TrimPrefix(low, []byte("__host-")), []byte("__secure-"))
	if _, ok := r.cookies[string(low)]; ok {
		return true
	}
	for _, end := range [...]string{"_session", "-session", ".session-token", "_sessionid", ".sid"} {
		if n := len(low) - len(end); n > 0 && string(low[n:]) == end {
			return true
		}
	}
	for _, start := range [...]string{"wordpress_logged_in_", "aspsessionid"} {
		if len(low) > len(start) && string(low[:len(start)]) == start {
			return true
		}
	}
	drupal := bytes.TrimPrefix(bytes.TrimPrefix(low, []byte("s")), []byte("sess")) // SESS<hex>, SSESS<hex>
	return len(low)-len(drupal) >= 4 && len(drupal) == 32 && allHex(drupal)
}

type scheme uint8

const (
	schemeOther    scheme = iota + 1
	schemeBearer          // RFC 6750
	schemeBasic           // RFC 7617
	schemeKey             // a key behind a word
	schemeSigned          // a public key id and a signature that changes
	schemeFleeting        // handshakes whose text changes with each request
)

func schemeOf(s []byte) scheme {
	var room [maxNameLen]byte
	low, ok := lower(room[:0], s)
	if !ok {
		return schemeOther
	}
	switch string(low) {
	case "bearer":
		return schemeBearer
	case "basic":
		return schemeBasic
	case "token", "apikey", "api-key", "key", "ssws", "geniekey", "pat", "jwt", "dpop", "app", "bot":
		return schemeKey
	case "aws4-hmac-sha256", "aws4-ecdsa-p256-sha256", "goog4-hmac-sha256", "goog4-rsa-sha256", "aws", "goog1",
		"sharedkey", "sharedkeylite", "hawk", "signature", "oauth", "digest", "hmac", "hmac-sha256",
		"hmacauth", "eg1-hmac-sha256", "acs3-hmac-sha256", "tc3-hmac-sha256", "oss", "oss2", "oss4-hmac-sha256":
		return schemeSigned
	case "negotiate", "ntlm", "kerberos", "scram-sha-256", "mutual":
		return schemeFleeting
	}
	return schemeOther
}

// accessKey finds the stable part of a signed request: a named parameter, else what stands before
// the first colon ("AWS key:signature").
func accessKey(rest []byte) []byte {
	for _, name := range [...]string{"credential", "keyid", "oauth_token", "oauth_consumer_key", "username",
		"client_token", "access_token", "accesskeyid", "id", "key"} {
		if v, ok := param(rest, name); ok {
			v, _, _ = bytes.Cut(v, []byte("/"))
			return v
		}
	}
	if id, _, ok := bytes.Cut(rest, []byte(":")); ok {
		return id
	}
	return nil
}

func lowered(names []string) []string {
	out := make([]string, 0, len(names))
	for _, n := range names {
		if n = strings.ToLower(strings.TrimSpace(n)); n != "" {
			out = append(out, n)
		}
	}
	return out
}
