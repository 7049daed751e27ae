// SPDX-License-Identifier: Apache-2.0

package identity_test

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/weir-project/weir/proto/keyhash"
	"github.com/weir-project/weir/sensor/exchange"
	"github.com/weir-project/weir/sensor/identity"
)

// What RFC 9110, 6749, 6750, 7519, 7616 and 7617 allow and clients get wrong.
func TestOddCredentials(t *testing.T) {
	r := identity.NewResolver(keys(1), identity.Config{})
	home := address("192.0.2.7")
	const tok, basic, acc = keyhash.KindToken, keyhash.KindBasic, keyhash.KindAccessKey
	f := func(kind exchange.CredentialKind, source, name string, w who, lines ...string) {
		t.Helper()
		check(t, strings.Join(lines, " | "), r, request(lines...), kind, source, name, w)
	}
	nothing := func(lines ...string) {
		t.Helper()
		f(exchange.CredentialNone, "address", "", home, lines...)
	}
	b64 := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	// What scripts send in place of a token names nobody: it would make one principal of many strangers.
	nothing("/", "Authorization: Bearer [object Object]")
	nothing("/", "Authorization: Bearer nil")
	nothing("/", "Authorization: Bearer NULL")
	nothing("/", "Authorization: Bearer \"\"")
	nothing("/", "Authorization: undefined")
	nothing("/", "Authorization: Basic "+b64("undefined:undefined"))
	nothing("/", "Authorization: Basic "+b64("null:null"))
	nothing("/", "X-Api-Key: undefined")
	nothing("/", "Cookie: session=undefined; sid=null")
	nothing("/", "Cookie: session=deleted")
	nothing("/", `Cookie: session=""; sid=`)
	nothing("/?access_token=undefined&api_key=null&apikey=")
	nothing("/#access_token=tok_test_a")
	nothing("/access_token=tok_test_a")
	nothing("/?xaccess_token=tok_test_a&access_token_type=x")
	nothing("/", "Authorization: Basic")
	nothing("/", "Authorization: Digest realm=\"x\", nonce=\"1\"")
	nothing("/", "X-Authorization: Bearer tok_test_a")
	// RFC 7617: the first colon ends the user-id; either part may be empty, and a password may hold anything.
	f(exchange.CredentialBasic, "authorization", "authorization", token(basic, "alice:"), "/", "Authorization: Basic "+b64("alice:"))
	f(exchange.CredentialBasic, "authorization", "authorization", token(basic, ":tok_test_p"), "/", "Authorization: Basic "+b64(":tok_test_p"))
	f(exchange.CredentialBasic, "authorization", "authorization", token(basic, "a:b:c"), "/", "Authorization: Basic "+b64("a:b:c"))
	f(exchange.CredentialBasic, "authorization", "authorization", token(basic, "jürgen:£"), "/", "Authorization: Basic "+b64("jürgen:£"))
	f(exchange.CredentialBasic, "authorization", "authorization", token(basic, "a:\x00\n"), "/", "Authorization: BASIC   "+b64("a:\x00\n"))
	f(exchange.CredentialBasic, "authorization", "authorization", token(basic, "a:>>>???"), "/", "Authorization: Basic "+b64("a:>>>???"))
	f(exchange.CredentialBasic, "authorization", "authorization", token(basic, "YTo-Pj4_Pz8="), "/", "Authorization: Basic YTo-Pj4_Pz8=")
	// RFC 9110 section 11.4: one or more blanks; a tab is none, but servers that split at white space take it.
	f(exchange.CredentialBearer, "authorization", "authorization", token(tok, "tok_test_a"), "/", "Authorization: Bearer\ttok_test_a")
	f(exchange.CredentialBearer, "authorization", "authorization", token(tok, "tok_test_a=="), "/", "Authorization: bEaReR tok_test_a==")
	// RFC 7616: a quoted string may hold commas, and what looks like a parameter.
	f(exchange.CredentialSignature, "authorization", "authorization", token(acc, "alice"), "/",
		`Authorization: Digest realm="a, username=mallory, b", username="alice", nonce="1"`)
	f(exchange.CredentialSignature, "authorization", "authorization", token(acc, "a,b"), "/", `Authorization: Digest username="a,b", realm="x"`)
	f(exchange.CredentialSignature, "authorization", "authorization", token(acc, "alice"), "/", `Authorization: Digest qop=auth,  username = "alice" , uri="/"`)
	// The first of two fields counts, as servers read it; the second is told.
	f(exchange.CredentialBearer, "authorization", "authorization", token(tok, "tok_test_a"), "/", "Authorization: Bearer tok_test_a", "Authorization: Bearer tok_test_b")
	f(exchange.CredentialQuery, "query", "access_token", token(tok, "tok_test_a"), "/?access_token=tok_test_a&access_token=tok_test_b")
	f(exchange.CredentialQuery, "query", "access_token", token(tok, "a=b"), "/?access_token=a=b")
	f(exchange.CredentialQuery, "query", "access_token", token(tok, "a%41"), "/?access_token=a%2541")
	f(exchange.CredentialQuery, "query", "access_token", token(tok, "a%4"), "/?access_token=a%4")
	f(exchange.CredentialQuery, "query", "access_token", token(tok, "tok_test_a"), "http://shop.example/?access_token=tok_test_a")
	// Cookies: RFC 6265 section 5.4 sends the longer path first; names have case, frameworks do not care.
	f(exchange.CredentialCookie, "cookie", "session", token(keyhash.KindCookie, "tok_test_a"), "/", "Cookie: session=tok_test_a; session=tok_test_b")
	f(exchange.CredentialCookie, "cookie", "session", token(keyhash.KindCookie, "a=b=="), "/", "Cookie: x;session=a=b==;y")
	f(exchange.CredentialCookie, "cookie", "session", token(keyhash.KindCookie, "tok_test_a"), "/", "Cookie: a=1", "Cookie: session=tok_test_a")
	// JWE has five parts and no claims to read; an unsigned JWT has claims, and ends with a dot.
	jwe := "eyJhbGciOiJkaXIifQ..aXY.Y3Q.dGFn"
	f(exchange.CredentialBearer, "authorization", "authorization", token(tok, jwe), "/", "Authorization: Bearer "+jwe)
	unsigned := strings.TrimSuffix(jwt(`{"iss":"i","sub":"u"}`), "c2ln")
	f(exchange.CredentialJWT, "authorization", "authorization", claimed(unsigned, "i", "s:u"), "/", "Authorization: Bearer "+unsigned)
	f(exchange.CredentialJWT, "authorization", "authorization", claimed(unsigned, "i", "s:u"), "/", "Authorization: JWT "+unsigned)
}

// RFC 7519: claims that are no strings, that repeat, that hide in other ones.
func TestOddClaims(t *testing.T) {
	f := func(payload, iss, sub string) {
		t.Helper()
		gotIss, gotSub, _, _ := identity.ParseJWT([]byte(jwt(payload)))
		if gotIss != iss || gotSub != sub {
			t.Errorf("%.80s: iss %q sub %q, want %q %q", payload, gotIss, gotSub, iss, sub)
		}
	}
	f("\xef\xbb\xbf"+`{"sub":"u"}`, "", "")
	f(`[{"sub":"u"}]`, "", "")
	f(`"{\"sub\":\"u\"}"`, "", "")
	f(`{"sub":{"sub":"u"}}`, "", "")
	f(`{"x":"\"sub\":\"u\""}`, "", "")
	f(`{"sub\u0000":"u"}`, "", "")
	f(`{" sub":"u","sub ":"v"}`, "", "")
	f(`{"sub":"a","x":{"sub":"b"},"iss":"i","iss":"j"}`, "j", "s:a")
	f(`{"sub":"a","sub":{"b":1}}`, "", "")
	f(`{"sub":"  "}`, "", "s:  ")
	f(`{"iss":["i"],"sub":"u"}`, "", "s:u")
	f(`{"sub":"`+strings.Repeat("u", 4000)+`"}`, "", "s:"+strings.Repeat("u", 4000))
	f(`{"sub":"a\u0000b"}`, "", "s:a\x00b")
	f(`{"cid":"c","appid":"x"}`, "", "")
}

// What hops write may be quoted, RFC 7239 section 4, and what clients wrote before may be broken.
func TestOddHops(t *testing.T) {
	r := identity.NewResolver(keys(1), identity.Config{TrustedHops: hops})
	f := func(want string, lines ...string) {
		t.Helper()
		req := request(append([]string{"/"}, lines...)...)
		req.Client = proxy
		check(t, strings.Join(lines, " | "), r, req, exchange.CredentialNone, "address", "", address(want))
	}
	f("10.0.0.1", `Forwarded: host="a;for=203.0.113.9"`)
	f("10.0.0.1", "Forwarded: for=")
	f("10.0.0.1", "X-Forwarded-For: 999.1.1.1")
	f("10.0.0.1", "X-Forwarded-For: 0xc6336401")
	f("10.0.0.1", "X-Forwarded-For: 198.051.100.001")
	f("10.0.0.1", "X-Forwarded-For: 198.51.100.1, ")
	f("198.51.100.1", `Forwarded: for=198.51.100.1;host="a,b;c"`)
	f("198.51.100.1", `Forwarded: host="a, for=203.0.113.9";for=198.51.100.1`)
	f("198.51.100.1", `Forwarded: for="203.0.113.9`, `Forwarded: for=198.51.100.1`)
	f("198.51.100.1", `Forwarded: for="203.0.113.9, for=198.51.100.1`)
	f("198.51.100.1", `Forwarded: for=203.0.113.9;host="\", for=198.51.100.1;host="x\\"`)
	f("198.51.100.1", "X-Forwarded-For: 203.0.113.9,198.51.100.1")
	f("2001:db8:cafe::17", `Forwarded: For="[2001:db8:cafe::17]:4711"`)
}

// Envoy quotes the subject of a certificate, and subjects have commas: they end no element, and nothing in
// them is a hash.
func TestOddCertificates(t *testing.T) {
	r := identity.NewResolver(keys(1), identity.Config{TrustedHops: hops})
	mine, other := strings.Repeat("ab", 32), strings.Repeat("cd", 32)
	f := func(value string, w who) {
		t.Helper()
		req := request("/", "X-Forwarded-Client-Cert: "+value)
		req.Client = proxy
		kind, source, name := exchange.CredentialClientCertificate, "client_certificate", "x-forwarded-client-cert"
		if w.class == keyhash.ClassAddress {
			kind, source, name = exchange.CredentialNone, "address", ""
		}
		check(t, value, r, req, kind, source, name, w)
	}
	cert := token(keyhash.KindCertificate, mine)
	f(`Subject="Hash=`+other+`"`, address("10.0.0.1"))
	f(`Subject="CN=a;Hash=`+other+`;x"`, address("10.0.0.1"))
	f(`Hash=`+mine+`;Subject="`, address("10.0.0.1"))
	f(`By=spiffe://b;Hash=`+mine+`;Subject="CN=a,OU=b,O=c";URI=spiffe://a`, cert)
	f(`By=spiffe://b;Hash=`+mine+`;Subject="CN=a,Hash=`+other+`;x";URI=spiffe://a`, cert)
	f(`Hash=`+other+`;Subject="CN=x\",Hash=`+other+`,",Hash=`+mine+`;Subject="CN=\"a, b\""`, cert)
	f(`Subject="unclosed,Hash=`+mine, cert)
	f(`Hash="`+mine+`"`, cert)
}
