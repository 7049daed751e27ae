// SPDX-License-Identifier: Apache-2.0

package identity_test

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/weir-project/weir/sensor/identity"
)

// Secrets must not be found in anything that prints, nor in memory kept between calls.
func TestNothingPrintsASecret(t *testing.T) {
	r := identity.NewResolver(keys(1), identity.Config{})
	secrets := []string{"tok_test_bearer_secret", "tok_test_basic_secret", "tok_test_key_secret", "tok_test_query_secret", "tok_test_cookie_secret", "tok_test_sub_secret"}
	token := jwt(`{"iss":"i","sub":"tok_test_sub_secret"}`)
	requests := []*identity.Request{
		request("/?access_token=tok%5Ftest_query_secret", "Authorization: Bearer tok_test_bearer_secret", "X-Api-Key: tok_test_key_secret",
			"Cookie: sid=tok_test_cookie_secret", "Proxy-Authorization: Basic "+base64.StdEncoding.EncodeToString([]byte("u:tok_test_basic_secret"))),
		request("/", "Authorization: Bearer "+token), request("/", "X-Forwarded-Client-Cert: Hash="+strings.Repeat("ab", 32)),
	}
	secrets = append(secrets, token, strings.Repeat("ab", 32))
	for _, req := range requests {
		var id identity.Identity
		r.Resolve(req, &id)
		r.Refused(&id)
		var text strings.Builder
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d"} {
			for _, v := range []any{r, *r, id, &id, req, *req, req.Fields, &req.Fields[0]} {
				fmt.Fprintf(&text, verb, v)
			}
		}
		for _, s := range secrets {
			list := strings.Trim(fmt.Sprint([]byte(s)), "[]")
			if strings.Contains(text.String(), s) || strings.Contains(text.String(), list) {
				t.Errorf("%q is printed", s)
			}
			if strings.Contains(string(r.Scratch()), s) {
				t.Errorf("%q is kept", s)
			}
		}
	}
}

func TestResolveDoesNotAllocate(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector makes sync.Pool allocate; run without -race")
	}
	r := identity.NewResolver(keys(1), identity.Config{TrustedHops: hops})
	via := request("/", "X-Forwarded-For: 198.51.100.7, 2001:db8::7, 10.0.0.9", "User-Agent: Mozilla/5.0 (X11) Chrome/1 Safari/1")
	via.Client = proxy
	for _, req := range []*identity.Request{request("/"), via,
		request("/?access_token=tok%5Ftest", "Authorization: Bearer tok_test_a", "Cookie: theme=dark; sid=tok_test_b", "User-Agent: curl/8.1"),
		request("/", "Authorization: Bearer "+jwt(`{"iss":"i","sub":"u"}`)), request("/", "Authorization: Basic YWxpY2U6dG9rX3Rlc3RfcA==")} {
		var id identity.Identity
		if n := testing.AllocsPerRun(100, func() { r.Resolve(req, &id); r.Refused(&id) }); n > 0 {
			t.Errorf("%s: %v allocations", id.Source, n)
		}
	}
	// Also when every token is new.
	req, n := request("/", "Authorization: Bearer "+jwt(`{"iss":"i","sub":"user-000000"}`)), 0
	var id identity.Identity
	if got := testing.AllocsPerRun(100, func() {
		n++
		v := req.Fields[0].Value
		v[len(v)-1] = byte('a' + n%26)
		v[len(v)-2] = byte('a' + n/26%26)
		r.Resolve(req, &id)
	}); got > 0 {
		t.Errorf("new tokens: %v allocations", got)
	}
}
