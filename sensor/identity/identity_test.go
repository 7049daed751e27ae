// SPDX-License-Identifier: Apache-2.0

package identity_test

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/weir-project/weir/proto/keyhash"
	"github.com/weir-project/weir/sensor/exchange"
	"github.com/weir-project/weir/sensor/identity"
)

func keys(b byte) *keyhash.Keys {
	k := keyhash.TenantKey{31: b, 0: 1}
	return k.Derive()
}

var (
	client = netip.MustParseAddrPort("192.0.2.7:40000")
	proxy  = netip.MustParseAddrPort("10.0.0.1:40000")
	hops   = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
)

// request makes a request from lines: the target, then "Name: value" fields.
func request(lines ...string) *identity.Request {
	req := &identity.Request{ServerName: []byte("shop.example"), Client: client, Target: []byte(lines[0])}
	for _, l := range lines[1:] {
		name, value, _ := strings.Cut(l, ":")
		req.Fields = append(req.Fields, identity.Field{Name: []byte(name), Value: []byte(value)})
	}
	return req
}

// jwt makes an unsigned token of claims.
func jwt(payload string) string {
	enc := base64.RawURLEncoding
	return enc.EncodeToString([]byte(`{"alg":"none"}`)) + "." + enc.EncodeToString([]byte(payload)) + ".c2ln"
}

// who computes by keyhash alone what a case expects.
type who struct {
	class  keyhash.Class
	fields []string
	hash   byte
	text   string
}

func token(hash byte, text string) who { return who{class: keyhash.ClassToken, hash: hash, text: text} }

func claimed(text, iss, sub string) who {
	return who{keyhash.ClassClaimed, []string{iss, sub, "shop.example"}, keyhash.KindToken, text}
}

func address(a string) who {
	b := netip.MustParseAddr(a).AsSlice()
	return who{class: keyhash.ClassAddress, fields: []string{string(b)}}
}

func (w who) ids(k *keyhash.Keys) (token, principal exchange.ID) {
	if w.hash != 0 {
		token = exchange.ID(k.Credentials.TokenID(w.hash, []byte(w.text)))
	}
	fields := [][]byte{}
	for _, f := range w.fields {
		fields = append(fields, []byte(f))
	}
	if w.class == keyhash.ClassToken {
		fields = [][]byte{token[:]}
	}
	return token, exchange.ID(k.Credentials.PrincipalID(w.class, fields...))
}

func check(t *testing.T, name string, r *identity.Resolver, req *identity.Request, kind exchange.CredentialKind, source, credName string, w who) {
	t.Helper()
	k := keys(1)
	var id identity.Identity
	for pass := range 2 { // the second time from the cache
		r.Resolve(req, &id)
		wantToken, wantPrincipal := w.ids(k)
		if id.TokenID != wantToken || id.PrincipalID != wantPrincipal {
			t.Errorf("%s, pass %d: token right %v, principal right %v", name, pass, id.TokenID == wantToken, id.PrincipalID == wantPrincipal)
		}
		if id.Kind != kind || id.Source != source || string(id.Name) != credName {
			t.Errorf("%s, pass %d: kind %d source %s name %q, want %d %s %q", name, pass, id.Kind, id.Source, id.Name, kind, source, credName)
		}
		want := map[keyhash.Class]exchange.Assurance{keyhash.ClassClaimed: exchange.AssuranceClaimed, keyhash.ClassToken: exchange.AssuranceToken,
			keyhash.ClassAddress: exchange.AssuranceAddress, keyhash.ClassUnknown: exchange.AssuranceUnknown}[w.class]
		if id.Assurance != want {
			t.Errorf("%s: assurance %d, want %d", name, id.Assurance, want)
		}
	}
}

func TestRules(t *testing.T) {
	r := identity.NewResolver(keys(1), identity.Config{})
	const (
		none, bearer, jwtKind, basic = exchange.CredentialNone, exchange.CredentialBearer, exchange.CredentialJWT, exchange.CredentialBasic
		apiKey, cookie, query, cert  = exchange.CredentialAPIKey, exchange.CredentialCookie, exchange.CredentialQuery, exchange.CredentialClientCertificate
		signature, other             = exchange.CredentialSignature, exchange.CredentialOther
		tok, acc                     = keyhash.KindToken, keyhash.KindAccessKey
	)
	home := address("192.0.2.7")
	good := jwt(`{"iss":"https://idp.example/","sub":"u17","exp":1}`)
	f := func(kind exchange.CredentialKind, source, name string, w who, lines ...string) {
		t.Helper()
		check(t, strings.Join(lines, " | "), r, request(lines...), kind, source, name, w)
	}
	// No credential, or none that counts.
	f(none, "address", "", home, "/")
	f(none, "address", "", home, "/", "Authorization:")
	f(none, "address", "", home, "/", "Authorization: Bearer")
	f(none, "address", "", home, "/", "Authorization: Bearer   ")
	f(none, "address", "", home, "/", "Authorization: Bearer undefined")
	f(none, "address", "", home, "/", "Authorization: Bearer null")
	f(none, "address", "", home, "/", "Authorization: Negotiate YIIabcdef")
	f(none, "address", "", home, "/", "Authorization: Basic Og==")
	f(none, "address", "", home, "/", "Authorization: AWS4-HMAC-SHA256 nonsense")
	f(none, "address", "", home, "/", "X-Api-Key:  ")
	f(none, "address", "", home, "/", strings.Repeat("X", 300)+": tok_test_a")
	f(none, "address", "", home, "/", "Cookie: theme=dark; _ga=GA1.2.3", "Cookie: ;;=;a=")
	f(none, "address", "", home, "/x?page=2&access_token=&access_token", "Host: shop.example")
	// Authorization.
	f(bearer, "authorization", "authorization", token(tok, "tok_test_a"), "/", "Authorization: Bearer tok_test_a")
	f(bearer, "authorization", "authorization", token(tok, "tok_test_a"), "/", "AUTHORIZATION:\tbEARER   tok_test_a ")
	f(other, "authorization", "authorization", token(tok, "tok_test_a"), "/", "authorization: tok_test_a")
	f(other, "authorization", "authorization", token(tok, "tok_test_a"), "/", "authorization: Custom tok_test_a")
	f(apiKey, "authorization", "authorization", token(tok, "tok_test_a"), "/", "authorization: ApiKey tok_test_a")
	f(apiKey, "authorization", "authorization", token(tok, "tok_test_a"), "/", `authorization: Token token="tok_test_a", nonce="x"`)
	f(basic, "authorization", "authorization", token(keyhash.KindBasic, "alice:tok_test_p"), "/", "authorization: Basic YWxpY2U6dG9rX3Rlc3RfcA==")
	f(basic, "authorization", "authorization", token(keyhash.KindBasic, "alice:tok_test_p"), "/", "authorization: basic YWxpY2U6dG9rX3Rlc3RfcA")
	f(basic, "authorization", "authorization", token(keyhash.KindBasic, "%%%"), "/", "authorization: Basic %%%")
	f(signature, "authorization", "authorization", token(acc, "AKIDTEST"), "/",
		"authorization: AWS4-HMAC-SHA256 Credential=AKIDTEST/20261124/eu/s3/aws4_request, SignedHeaders=host, Signature=00ff")
	f(signature, "authorization", "authorization", token(acc, "AKIDTEST"), "/", "authorization: AWS AKIDTEST:c2ln")
	f(signature, "authorization", "authorization", token(acc, "alice"), "/", `authorization: Digest realm="x", username="alice", nonce="1"`)
	f(signature, "authorization", "authorization", token(acc, "k1"), "/", `authorization: Signature keyId="k1",signature="AAA="`)
	// JWT.
	f(jwtKind, "authorization", "authorization", claimed(good, "https://idp.example/", "s:u17"), "/", "authorization: Bearer "+good)
	f(jwtKind, "api_key", "x-access-token", claimed(good, "https://idp.example/", "s:u17"), "/", "X-Access-Token: "+good)
	f(jwtKind, "cookie", "access_token", claimed(good, "https://idp.example/", "s:u17"), "/", "Cookie: a=b; access_token="+good)
	f(jwtKind, "query", "access_token", claimed(good, "https://idp.example/", "s:u17"), "/?access_token="+good)
	anonymous := jwt(`{"iss":"i"}`)
	f(jwtKind, "authorization", "authorization", token(tok, anonymous), "/", "authorization: Bearer "+anonymous)
	broken := jwt(`{"sub":"u17"`)
	f(bearer, "authorization", "authorization", token(tok, broken), "/", "authorization: Bearer "+broken)
	huge := jwt(`{"sub":"u17","x":"` + strings.Repeat("x", 9000) + `"}`)
	f(bearer, "authorization", "authorization", token(tok, huge), "/", "authorization: Bearer "+huge)
	giant := strings.Repeat("t", 40000)
	f(bearer, "authorization", "authorization", token(tok, giant), "/", "authorization: Bearer "+giant)
	// Other places.
	f(apiKey, "api_key", "x-api-key", token(tok, "tok_test_a"), "/", "X-API-Key: tok_test_a")
	f(query, "query", "access_token", token(tok, "tok/test+a"), "/?x=1&%61ccess_TOKEN=tok%2Ftest+a#frag")
	f(signature, "query", "x-amz-credential", token(acc, "AKIDTEST"), "/f?X-Amz-Credential=AKIDTEST%2F20261124%2Feu&X-Amz-Signature=ff")
	f(cookie, "cookie", "jsessionid", token(keyhash.KindCookie, "tok_test_a"), "/", `Cookie: x=1; JSESSIONID="tok_test_a"; y=2`)
	f(cookie, "cookie", "__host-sid", token(keyhash.KindCookie, "tok_test_a"), "/", "Cookie: __Host-sid=tok_test_a")
	f(cookie, "cookie", "_shop_session", token(keyhash.KindCookie, "tok_test_a"), "/", "cookie: _shop_session=tok_test_a")
	f(cookie, "cookie", "ssess0123456789abcdef0123456789abcdef", token(keyhash.KindCookie, "tok_test_a"), "/", "cookie: SSESS0123456789abcdef0123456789abcdef=tok_test_a")
	f(bearer, "proxy_authorization", "proxy-authorization", token(tok, "tok_test_a"), "/", "Proxy-Authorization: Bearer tok_test_a")
	_ = cert
}

// One secret is one token, however it is carried.
func TestSameSecretSameToken(t *testing.T) {
	r := identity.NewResolver(keys(1), identity.Config{})
	var first exchange.ID
	for i, req := range []*identity.Request{
		request("/", "Authorization: Bearer tok_test_a"), request("/", "X-Api-Key: tok_test_a"),
		request("/?access_token=tok_test_a"), request("/", "Authorization: Token tok_test_a"),
	} {
		var id identity.Identity
		if r.Resolve(req, &id); i == 0 {
			first = id.TokenID
		}
		if id.TokenID != first || id.TokenID.IsZero() {
			t.Errorf("way %d has another token", i)
		}
	}
}

// The owner does not depend on the order in which a client sends its credentials.
func TestOwnerAndOthers(t *testing.T) {
	r := identity.NewResolver(keys(1), identity.Config{})
	lines := []string{"Cookie: session=tok_test_c", "X-Auth-Token: tok_test_k2", "Proxy-Authorization: Basic YTpi",
		"X-Api-Key: tok_test_k1", "Authorization: Bearer tok_test_a", "X-Amz-Security-Token: tok_test_s"}
	want, _ := token(keyhash.KindToken, "tok_test_a").ids(keys(1))
	for turn := range lines {
		req := request(append(append([]string{"/?api_key=tok_test_q&token=tok_test_w"}, lines[turn:]...), lines[:turn]...)...)
		var id identity.Identity
		r.Resolve(req, &id)
		if id.TokenID != want || len(id.OtherTokenIDs) != 7 || id.OtherTokens != 0 {
			t.Errorf("turn %d: owner right %v, %d others, %d more", turn, id.TokenID == want, len(id.OtherTokenIDs), id.OtherTokens)
		}
		req.Fields = req.Fields[:0]
		r.Resolve(req, &id)
		if id.Source != "query" || string(id.Name) != "api_key" || len(id.OtherTokenIDs) != 1 {
			t.Errorf("query alone: %s %s, %d others", id.Source, id.Name, len(id.OtherTokenIDs))
		}
	}
	// A second reading of the same credential is no other one.
	var id identity.Identity
	r.Resolve(request("/?access_token=tok_test_a", "Authorization: Bearer tok_test_a"), &id)
	if len(id.OtherTokenIDs) != 0 {
		t.Errorf("%d others", len(id.OtherTokenIDs))
	}
	// Weak query keys never own.
	r.Resolve(request("/?token=tok_test_a&key=tok_test_b&sig=tok_test_c"), &id)
	if id.Source != "address" || !id.TokenID.IsZero() || len(id.OtherTokenIDs) != 3 {
		t.Errorf("weak keys: %s, %d others", id.Source, len(id.OtherTokenIDs))
	}
}

func TestCrowdsAreBoundedAndCounted(t *testing.T) {
	r := identity.NewResolver(keys(1), identity.Config{})
	lines := []string{"/"}
	for i := range 100 {
		lines = append(lines, fmt.Sprintf("Cookie: session=tok_test_%d", i))
	}
	lines = append(lines, "Authorization: Bearer tok_test_a")
	var id identity.Identity
	r.Resolve(request(lines...), &id)
	want, _ := token(keyhash.KindToken, "tok_test_a").ids(keys(1))
	if id.TokenID != want {
		t.Error("cookies crowded the owner out")
	}
	if len(id.OtherTokenIDs) != identity.MaxOtherTokens || len(id.OtherTokenIDs)+id.OtherTokens != 100 {
		t.Errorf("%d told and %d counted of 100", len(id.OtherTokenIDs), id.OtherTokens)
	}
}

func TestAnomalies(t *testing.T) {
	r := identity.NewResolver(keys(1), identity.Config{})
	f := func(line string, malformed, tooLarge bool) {
		t.Helper()
		for range 2 {
			var id identity.Identity
			r.Resolve(request("/", line), &id)
			if id.Anomalies.Has(exchange.CredentialMalformed) != malformed || id.Anomalies.Has(exchange.CredentialTooLarge) != tooLarge {
				t.Errorf("%.60s: anomalies %b", line, id.Anomalies)
			}
		}
	}
	f("Authorization: Basic %%%", true, false)
	f("Authorization: Basic YWxpY2U=", true, false) // no colon
	f("Authorization: Bearer "+jwt("{"), true, false)
	f("Authorization: Bearer eyJ.%%.x", true, false)
	f("Authorization: Bearer "+jwt(strings.Repeat(" ", 9000)+"{}"), false, true)
	f("Authorization: Bearer "+strings.Repeat("t", 20000), false, true)
	f("Authorization: Bearer "+jwt(`{}`), false, false)
	f("Authorization: Bearer tok_test_a", false, false)
	f("Authorization: Bearer a.b.c", false, false)
}

func TestRefused(t *testing.T) {
	r := identity.NewResolver(keys(1), identity.Config{})
	good := jwt(`{"iss":"i","sub":"u"}`)
	var id identity.Identity
	r.Resolve(request("/", "Authorization: Bearer "+good), &id)
	before := id.PrincipalID
	r.Refused(&id)
	_, want := token(keyhash.KindToken, good).ids(keys(1))
	if id.PrincipalID != want || id.PrincipalID == before || id.Assurance != exchange.AssuranceToken || id.TokenID.IsZero() {
		t.Error("a refused JWT is not charged to its token")
	}
	r.Resolve(request("/"), &id)
	before = id.PrincipalID
	if r.Refused(&id); id.PrincipalID != before || id.Assurance != exchange.AssuranceAddress {
		t.Error("without a token the principal changed")
	}
}

func TestSameKeySameIDs(t *testing.T) {
	a, b := identity.NewResolver(keys(1), identity.Config{}), identity.NewResolver(keys(1), identity.Config{MaxCached: 8})
	c := identity.NewResolver(keys(2), identity.Config{})
	for _, req := range []*identity.Request{request("/"), request("/", "Authorization: Bearer tok_test_a"),
		request("/", "Authorization: Bearer "+jwt(`{"iss":"i","sub":"u"}`)), request("/", "Cookie: sid=tok_test_a")} {
		var x, y, z identity.Identity
		a.Resolve(req, &x)
		b.Resolve(req, &y)
		c.Resolve(req, &z)
		if x.PrincipalID != y.PrincipalID || x.TokenID != y.TokenID {
			t.Errorf("%s: same key, other ids", x.Source)
		}
		if x.PrincipalID == z.PrincipalID || !x.TokenID.IsZero() && x.TokenID == z.TokenID {
			t.Errorf("%s: other key, same ids", x.Source)
		}
	}
}

// A forged claim names nobody but another claim of the same server.
func TestForgedClaims(t *testing.T) {
	k := keys(1)
	r := identity.NewResolver(k, identity.Config{})
	resolve := func(req *identity.Request) exchange.ID {
		var id identity.Identity
		r.Resolve(req, &id)
		return id.PrincipalID
	}
	victimToken := resolve(request("/", "Authorization: Bearer tok_test_victim"))
	victimAddress := resolve(request("/"))
	verified := exchange.ID(k.Credentials.PrincipalID(keyhash.ClassVerified, []byte("i"), []byte("s:u")))
	tok := k.Credentials.TokenID(keyhash.KindToken, []byte("tok_test_victim"))
	seen := map[exchange.ID]string{victimToken: "token", victimAddress: "address", verified: "verified"}
	for _, payload := range []string{`{"iss":"i","sub":"u"}`, `{"iss":"","sub":"` + hex.EncodeToString(tok[:]) + `"}`,
		`{"sub":"192.0.2.7"}`, `{"iss":"is","sub":":u"}`, `{"iss":"i","client_id":"u"}`, `{"iss":"i","sub":"c:u"}`,
		fmt.Sprintf(`{"sub":%q}`, tok[:])} {
		id := resolve(request("/", "Authorization: Bearer "+jwt(payload)))
		if other, ok := seen[id]; ok {
			t.Errorf("%s equals %s", payload, other)
		}
		seen[id] = payload
	}
	// Bound to the server name.
	req := request("/", "Authorization: Bearer "+jwt(`{"iss":"i","sub":"u"}`))
	here := resolve(req)
	req.ServerName = []byte("other.example")
	if resolve(req) == here {
		t.Error("a claim shown to another server is the same principal")
	}
	if resolve(request("/", "Authorization: Bearer "+jwt(`{"iss":"i","sub":"u","iat":2}`))) != here {
		t.Error("a refreshed token is another principal")
	}
}

// The cache must not mix up servers, kinds, or credentials that it forgot and saw again.
func TestSmallCacheIsRight(t *testing.T) {
	r := identity.NewResolver(keys(1), identity.Config{MaxCached: 1})
	r.WrapCache()
	for round := range 3 {
		for i := range 50 {
			text := fmt.Sprintf("tok_test_%d", i)
			wantToken, wantPrincipal := token(keyhash.KindToken, text).ids(keys(1))
			var id identity.Identity
			r.Resolve(request("/", "Authorization: Bearer "+text), &id)
			if id.TokenID != wantToken || id.PrincipalID != wantPrincipal {
				t.Fatalf("round %d, token %d", round, i)
			}
			r.Resolve(request("/", "Cookie: sid="+text), &id)
			if wantToken, _ = token(keyhash.KindCookie, text).ids(keys(1)); id.TokenID != wantToken {
				t.Fatalf("round %d, cookie %d", round, i)
			}
		}
	}
}

func TestCacheKeys(t *testing.T) {
	r := identity.NewResolver(keys(1), identity.Config{})
	base := []byte(strings.Repeat("tok_test_", 20))
	for i := range base {
		other := append([]byte{}, base...)
		other[i] ^= 1
		if !r.CacheKeysDiffer(base, other) || !r.CacheKeysDiffer(base, base[:i]) {
			t.Fatalf("byte %d makes no difference", i)
		}
	}
	swapped := append(append([]byte{}, base[16:32]...), append(append([]byte{}, base[:16]...), base[32:]...)...)
	if !r.CacheKeysDiffer(base, swapped) || !r.CacheKeysDiffer([]byte("a"), []byte("a\x00")) || r.CacheKeysDiffer(base, base) {
		t.Error("keys do not follow the text")
	}
}

func TestConfiguredNames(t *testing.T) {
	r := identity.NewResolver(keys(1), identity.Config{APIKeyHeaders: []string{" X-Partner-Key", "User-Agent", ""}, SessionCookies: []string{"Shop"}, QueryKeys: []string{"Token"}})
	f := func(source, name string, lines ...string) {
		t.Helper()
		var id identity.Identity
		if r.Resolve(request(lines...), &id); id.Source != source || string(id.Name) != name {
			t.Errorf("%v: %s %s", lines, id.Source, id.Name)
		}
	}
	f("api_key", "x-partner-key", "/", "x-api-key: tok_test_a", "X-PARTNER-KEY: tok_test_b")
	f("cookie", "shop", "/", "Cookie: shop=tok_test_a")
	f("query", "token", "/?token=tok_test_a")
	f("address", "", "/", "User-Agent: curl/8")
}
