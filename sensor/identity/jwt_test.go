// SPDX-License-Identifier: Apache-2.0

package identity_test

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/weir-project/weir/sensor/identity"
)

func TestJWTClaims(t *testing.T) {
	f := func(payload, iss, sub string, wantMalformed bool) {
		t.Helper()
		gotIss, gotSub, malformed, _ := identity.ParseJWT([]byte(jwt(payload)))
		if gotIss != iss || gotSub != sub || malformed != wantMalformed {
			t.Errorf("%.80s: iss %q sub %q malformed %v, want %q %q %v", payload, gotIss, gotSub, malformed, iss, sub, wantMalformed)
		}
	}
	for _, bad := range []string{"", " ", "null", "17", `"sub"`, `[]`, `{`, `{"sub"`, `{"sub":`, `{"sub":}`, `{"sub":"u"`, `{"sub":"u",}`,
		`{"sub":"u"} x`, `{"sub":"u"}{}`, `{sub:"u"}`, `{'sub':'u'}`, `{"sub":"u" "iss":"i"}`, `{"sub":"\x"}`, `{"sub":"\u12"}`, `{"sub":"\`, "{\"sub\":\"a\nb\"}",
		`{"sub":01x}`, `{"sub":-}`, `{"sub":1.}`, `{"sub":1e}`, `{"a":tru}`, `{"a":[1,]}`, `{"a":{"b"}}`, `{"a":[1}`, `{"a":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}`} {
		f(bad, "", "", true)
	}
	f(`{}`, "", "", false)
	f(` { "sub" : "u17" , "iss" : "i" } `, "i", "s:u17", false)
	f(`{"sub":"u17","client_id":"c","azp":"z"}`, "", "s:u17", false)
	f(`{"client_id":"c","azp":"z"}`, "", "c:c", false)
	f(`{"azp":"z"}`, "", "c:z", false)
	f(`{"sub":"","client_id":"c"}`, "", "c:c", false)
	f(`{"sub":"a","sub":"b"}`, "", "s:b", false) // the last counts
	f(`{"sub":"a","sub":null,"azp":"z"}`, "", "c:z", false)
	f(`{"sub":17}`, "", "s:17", false)
	f(`{"sub":-1.5e+3}`, "", "s:-1.5e+3", false)
	f(`{"sub":true}`, "", "", false)
	f(`{"sub":["u"],"x":{"sub":"deep","y":[{"sub":"deeper"}]}}`, "", "", false)
	f(`{"SUB":"u","Iss":"i"}`, "", "", false)
	f(`{"s\u0075b":"\u00fc\ud83d\ude00\n\/"}`, "", "s:ü😀\n/", false)
	f(`{"sub":"\ud83d"}`, "", "s:\uFFFD", false)
	f(`{"sub":"\ud83dx\ude00"}`, "", "s:\uFFFDx\uFFFD", false)
	f(`{"sub":"u","aud":["a","b"],"n":1.5,"t":true,"f":false,"z":null,"o":{}}`, "", "s:u", false)
}

func TestJWTForm(t *testing.T) {
	for _, text := range []string{"", "eyJ", "eyJ.", "eyJ.e30", "eyJ.%%%%.x", "eyJ.e3.x", "a.e30.c", "eyJ.e30.c.d.e"} {
		if _, _, malformed, _ := identity.ParseJWT([]byte(text)); !malformed {
			t.Errorf("%q is taken for a JWT", text)
		}
	}
	if _, sub, malformed, _ := identity.ParseJWT([]byte("eyJhbGciOiJub25lIn0." + base64.URLEncoding.EncodeToString([]byte(`{"sub":"u"}`)) + ".")); malformed || sub != "s:u" {
		t.Errorf("padding or an empty signature: %q %v", sub, malformed)
	}
	big := `{"sub":"u","x":"` + strings.Repeat("x", 8192-20) + `"}`
	if _, sub, malformed, large := identity.ParseJWT([]byte(jwt(big))); malformed || large || sub != "s:u" {
		t.Errorf("just within the bound: %q %v %v", sub, malformed, large)
	}
	if _, _, malformed, large := identity.ParseJWT([]byte(jwt(big + strings.Repeat(" ", 20)))); malformed || !large {
		t.Errorf("beyond the bound: malformed %v, large %v", malformed, large)
	}
}

// FuzzJWT compares with encoding/json wherever both accept, and demands that neither accepts what
// the other calls broken, apart from what is listed.
func FuzzJWT(f *testing.F) {
	for _, s := range []string{`{}`, `{"sub":"u","iss":"i"}`, `{"sub":17,"x":[{"a":[]}]}`, `{"sub":"\ud83d\ude00\u0000"}`, `{"sub":1e5}`, `{"sub":"a","sub":"b"}`, "{\"sub\":\"\xff\"}"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		text := []byte(jwt(string(payload)))
		iss, sub, malformed, tooLarge := identity.ParseJWT(text)
		if malformed || tooLarge {
			if sub != "" || iss != "" {
				t.Fatal("claims of a broken token")
			}
			if tooLarge || !json.Valid(payload) || payloadIsDeep(payload) || strings.TrimLeft(string(payload), " \t\r\n")[0] != '{' {
				return
			}
			t.Fatalf("%q is valid JSON", payload)
		}
		if len(sub) > len(payload)+2 || len(iss) > len(payload) {
			t.Fatal("a claim longer than the token")
		}
		if !utf8.Valid(payload) || strings.Contains(string(payload), "0") {
			return // encoding/json replaces bad UTF-8, and refuses leading zeros
		}
		var want map[string]any
		if err := json.Unmarshal(payload, &want); err != nil {
			t.Fatalf("%q: encoding/json: %v", payload, err)
		}
		if s, ok := want["sub"].(string); ok && s != "" && sub != "s:"+s {
			t.Fatalf("sub %q, encoding/json %q", sub, s)
		}
		if s, ok := want["iss"].(string); ok && iss != s {
			t.Fatalf("iss %q, encoding/json %q", iss, s)
		}
	})
}

func payloadIsDeep(p []byte) bool {
	return strings.Count(string(p), "[")+strings.Count(string(p), "{") > 15
}

func FuzzResolve(f *testing.F) {
	f.Add("/?access_token=a%2", "Authorization", "Bearer x", "sid=1; x")
	f.Add("/", "X-Forwarded-For", "1.2.3.4, [::1]:80, x", `a="`)
	f.Add("/?%61pi_key=%zz", "authorization", "Digest username=\"", "=;;")
	f.Add("/", "X-Forwarded-Client-Cert", "By=x;Hash=ab,", "")
	r := identity.NewResolver(keys(1), identity.Config{TrustedHops: hops, MaxCached: 64})
	f.Fuzz(func(t *testing.T, target, name, value, cookie string) {
		req := request(target, "Cookie:"+cookie)
		req.Fields = append(req.Fields, identity.Field{Name: []byte(name), Value: []byte(value)})
		req.Client = proxy
		var a, b identity.Identity
		r.Resolve(req, &a)
		first := a.PrincipalID
		if first.IsZero() || a.Kind == 0 || a.Assurance == 0 || a.Source == "" || len(a.OtherTokenIDs) > identity.MaxOtherTokens {
			t.Fatalf("incomplete: %+v", a)
		}
		identity.NewResolver(keys(1), identity.Config{TrustedHops: hops, MaxCached: 1}).Resolve(req, &b)
		if b.PrincipalID != first || b.TokenID != a.TokenID {
			t.Fatal("a fresh resolver disagrees")
		}
	})
}
