// SPDX-License-Identifier: Apache-2.0

package identity_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/weir-project/weir/proto/keyhash"
	"github.com/weir-project/weir/sensor/exchange"
	"github.com/weir-project/weir/sensor/identity"
)

// Where fields are missing, one of them may be the credential that owns: only Authorization, which
// nothing outranks, may own then, and no address stands in for a credential that may have been there.
func TestIncompleteHeads(t *testing.T) {
	r := identity.NewResolver(keys(1), identity.Config{TrustedHops: hops})
	nobody := who{class: keyhash.ClassUnknown}
	mine := token(keyhash.KindToken, "tok_test_a")
	for name, cut := range map[string]func(*identity.Request){
		"truncated": func(q *identity.Request) { q.Truncated = true },
		"unknown":   func(q *identity.Request) { q.Unknown = true },
		"both":      func(q *identity.Request) { q.Truncated, q.Unknown = true, true },
	} {
		unknown := func(others int, lines ...string) {
			t.Helper()
			req := request(lines...)
			cut(req)
			for _, from := range []netip.AddrPort{client, proxy, {}} {
				req.Client = from
				check(t, name+": "+strings.Join(lines, " | "), r, req, exchange.CredentialNone, "unknown", "", nobody)
				var id identity.Identity
				r.Resolve(req, &id)
				if len(id.OtherTokenIDs) != others || !id.TokenID.IsZero() || id.ForwardedFor.IsValid() || id.ClientSoftware != "" {
					t.Errorf("%s: %v: %d others, want %d; %+v", name, lines, len(id.OtherTokenIDs), others, id)
				}
				before := id.PrincipalID
				if r.Refused(&id); id.PrincipalID != before {
					t.Errorf("%s: %v: a refusal made somebody of nobody", name, lines)
				}
			}
		}
		unknown(0, "/", "Host: shop.example")
		unknown(0, "/", "X-Forwarded-For: 198.51.100.1")
		unknown(1, "/", "X-Api-Key: tok_test_a")
		unknown(1, "/?access_token=tok_test_a")
		unknown(1, "/", "Cookie: session=tok_test_a")
		unknown(1, "/", "Proxy-Authorization: Bearer tok_test_a")
		unknown(1, "/", "X-Forwarded-Client-Cert: Hash="+strings.Repeat("ab", 32))
		unknown(3, "/?api_key=tok_test_q", "X-Api-Key: tok_test_a", "Cookie: session=tok_test_c")
		unknown(0, "/", "Authorization: Bearer undefined")
		req := request("/?api_key=tok_test_q", "X-Api-Key: tok_test_k", "Authorization: Bearer tok_test_a", "Authorization: Bearer tok_test_b", "User-Agent: curl/8")
		cut(req)
		check(t, name+" with Authorization", r, req, exchange.CredentialBearer, "authorization", "authorization", mine)
		var id identity.Identity
		if r.Resolve(req, &id); len(id.OtherTokenIDs) != 3 || id.ClientSoftware != "curl" {
			t.Errorf("%s: %d others, software %q", name, len(id.OtherTokenIDs), id.ClientSoftware)
		}
	}
	nowhere := request("/")
	nowhere.Client = netip.AddrPort{}
	check(t, "no address", r, nowhere, exchange.CredentialNone, "unknown", "", nobody)
}

// Whatever fields of a request are lost, it is charged to its own owner or to nobody.
func TestNoSubsetNamesAnother(t *testing.T) {
	r := identity.NewResolver(keys(1), identity.Config{TrustedHops: hops})
	lines := []string{"Authorization: Bearer tok_test_a", "X-Api-Key: tok_test_k", "X-Auth-Token: tok_test_l", "Cookie: session=tok_test_c",
		"Proxy-Authorization: Bearer tok_test_p", "X-Forwarded-Client-Cert: Hash=" + strings.Repeat("ab", 32), "X-Forwarded-For: 198.51.100.1"}
	for first := range lines { // the owner is another one each time
		whole := request(append([]string{"/?api_key=tok_test_q"}, lines[first:]...)...)
		whole.Client = proxy
		var owner identity.Identity
		r.Resolve(whole, &owner)
		for lost := 1; lost < 1<<len(whole.Fields); lost++ {
			part := *whole
			part.Unknown, part.Fields = true, nil
			for i, f := range whole.Fields {
				if lost>>i&1 == 0 {
					part.Fields = append(part.Fields, f)
				}
			}
			var id identity.Identity
			if r.Resolve(&part, &id); id.PrincipalID != owner.PrincipalID && id.Source != "unknown" {
				t.Fatalf("owner %s, lost %b: charged to %s %s", owner.Source, lost, id.Source, id.Name)
			}
		}
	}
}

// "the Cookie header field MAY be split into separate header fields" (RFC 9113 section 8.2.3): the ids
// are those of the field joined by "; ".
func TestSplitCookies(t *testing.T) {
	r := identity.NewResolver(keys(1), identity.Config{})
	crumbs := []string{"theme=dark", "session=tok_test_a", "x", "sid=tok_test_b", `token="tok_test_c"`, "session=tok_test_d", ""}
	var want identity.Identity
	r.Resolve(request("/", "cookie: "+strings.Join(crumbs, "; ")), &want)
	others := slices.Clone(want.OtherTokenIDs)
	if want.Source != "cookie" || string(want.Name) != "session" || len(others) != 3 {
		t.Fatalf("%s %s, %d others", want.Source, want.Name, len(others))
	}
	for split := range 1 << (len(crumbs) - 1) {
		lines, field := []string{"/"}, crumbs[0]
		for i, c := range crumbs[1:] {
			if split>>i&1 == 0 {
				field += "; " + c
				continue
			}
			lines = append(lines, "cookie:"+field, "accept: */*")
			field = c
		}
		var id identity.Identity
		r.Resolve(request(append(lines, "cookie:"+field)...), &id)
		if id.PrincipalID != want.PrincipalID || id.TokenID != want.TokenID || string(id.Name) != "session" || !slices.Equal(id.OtherTokenIDs, others) {
			t.Errorf("split %b: %+v", split, id)
		}
	}
}

// gRPC sends metadata of any bytes as base64 under names that end in "-bin", padded or not.
func TestBinaryMetadata(t *testing.T) {
	r := identity.NewResolver(keys(1), identity.Config{APIKeyHeaders: []string{"X-Partner"}})
	f := func(name string, lines ...string) {
		t.Helper()
		check(t, strings.Join(lines, " | "), r, request(lines...), exchange.CredentialAPIKey, "api_key", name, token(keyhash.KindToken, "dG9rX3Rlc3RfYQ"))
	}
	f("x-api-key-bin", "/shop.Customers/Get", "x-api-key-bin: dG9rX3Rlc3RfYQ")
	f("x-api-key-bin", "/shop.Customers/Get", "x-api-key-bin: dG9rX3Rlc3RfYQ==")
	f("authorization-bin", "/shop.Customers/Get", "authorization-bin: dG9rX3Rlc3RfYQ==", "x-partner-bin: AAAA")
	f("x-partner-bin", "/shop.Customers/Get", "x-auth-token-bin: AAAA", "x-partner-bin: dG9rX3Rlc3RfYQ=")
	check(t, "a text key before a binary one", r, request("/", "x-api-key-bin: AAAA", "x-token: tok_test_a"),
		exchange.CredentialAPIKey, "api_key", "x-token", token(keyhash.KindToken, "tok_test_a"))
	check(t, "tracing is no credential", r, request("/", "grpc-trace-bin: AAAA", "grpc-tags-bin: AAAA"),
		exchange.CredentialNone, "address", "", address("192.0.2.7"))
}
