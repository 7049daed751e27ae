// SPDX-License-Identifier: Apache-2.0

package template_test

import (
	"strings"
	"testing"

	"github.com/weir-project/weir/sensor/template"
)

// Spellings by which scanners and thieves try to make one endpoint look like many, or a value like a route
// (RFC 3986, OWASP path traversal and parser confusion).
func TestOddSpellings(t *testing.T) {
	tm := newTemplater(0)
	f := func(target, want string) {
		t.Helper()
		var r template.Result
		tm.Path([]byte(target), []byte("shop.example"), &r)
		if got := told(&r); got != want {
			t.Errorf("%q: %s, want %s", target, got, want)
		}
	}
	// Dots climb no further than the root, however they are written; a coded slash parts nothing.
	f("/customers/17/..", "/customers [customers]")
	f("/customers/17/../18", "/customers/{id} [customers] customers:18")
	f("/customers/%2E%2e/%2E./orders/5", "/orders/{id} [orders] orders:5")
	f("/customers/..;/17", "/{id} [] :17")
	f("/customers/.%00./17", "/customers/{id}/{id} [customers] customers:.\x00.+17")
	f("/customers/%2e%2e%2f17", "/customers/{id} [customers] customers:../17")
	f("/customers/%c0%ae%c0%ae/17", "/customers/{id}/{id} [customers] customers:\xc0\xae\xc0\xae+17")
	f(`/customers\17`, `/{id} [] :customers\17`)
	f("/customers/.../17", "/customers/.../{id} [...] ...:17")
	// Tails that servers cut off.
	f("/customers/17;v=1;x=%2F..", "/customers/{id} [customers] customers:17")
	f("/customers/17%3Bv=1", "/customers/{id} [customers] customers:17;v=1")
	f("/customers/17?", "/customers/{id} [customers] customers:17")
	f("/customers/17#?x=1", "/customers/{id} [customers] customers:17")
	f("/customers/17%23", "/customers/{id} [customers] customers:17#")
	f("/customers/17%00.json", "/customers/{id}.json [customers] customers:17\x00")
	f("/customers/17.", "/customers/{id} [customers] customers:17.")
	f("/customers/17%20", "/customers/{id} [customers] customers:17")
	f("/customers/17%0d%0a", "/customers/{id} [customers] customers:17")
	// One number in many spellings stays what was written: an object is never another one by guess.
	f("/customers/+17", "/customers/{id} [customers] customers:+17")
	f("/customers/1e1", "/customers/{id} [customers] customers:1e1")
	f("/customers/0x11", "/customers/{id} [customers] customers:0x11")
	f("/customers/017", "/customers/{id} [customers] customers:017")
	f("/customers/17,18,19", "/customers/{id} [customers] customers:17,18,19")
	f("/customers/%EF%BC%91%EF%BC%97", "/customers/{id} [customers] customers:１７")
	f("/customers/1%2b7", "/customers/{id} [customers] customers:1+7")
	f("/customers/%31%37%2fextra", "/customers/{id} [customers] customers:17/extra")
	// Other attempts.
	f("/customers/' OR '1'='1", "/customers/{id} [customers] customers:' OR '1'='1")
	f("/customers/*", "/customers/* [*]")
	f("/customers/{17}", "/customers/{id} [customers] customers:{17}")
	f("/CUSTOMERS/17", "/CUSTOMERS/{id} [CUSTOMERS] CUSTOMERS:17")
	f("HTTPS://SHOP.example/customers/17", "/customers/{id} [customers] customers:17")
	f("http:///customers/17", "/customers/{id} [customers] customers:17")
	f("http:/customers/17", "{authority} []")
	f("//evil.example/customers/17", "/evil.example/customers/{id} [customers] customers:17")
	f("/http://evil.example/customers/17", "/{id}/evil.example/customers/{id} [customers] :http: customers:17")
	f("http://[2001:db8::1]:80/customers/17", "/customers/{id} [customers] customers:17")
	f("[::1]:443", "{authority} []")
	f("?x=1", "{authority} []")
	f("/.git/config", "/.git/config [config]")
	f("/.env", "/.env [.env]")
}

// However a secret is coded in a path or query, no decoded or coded form of it is told.
func TestCodedSecretsAreNotTold(t *testing.T) {
	tm := newTemplater(0)
	const secret = "tok_test_s3cr3tvalue"
	hex := func(s string) string {
		var b strings.Builder
		for _, c := range []byte(s) {
			b.WriteByte('%')
			b.WriteByte("0123456789ABCDEF"[c>>4])
			b.WriteByte("0123456789abcdef"[c&15])
		}
		return b.String()
	}
	for _, coded := range []string{hex(secret), strings.ReplaceAll(hex(secret), "%", "%25"), secret + "%", "%00" + secret, secret + "%2Fx",
		"{" + secret + "}", "'" + secret + "'", secret + ".json", secret + ":get", strings.ToUpper(secret), "Bearer%20" + secret} {
		for _, target := range []string{"/%s", "/customers/%s", "/a;%s/b", "/x?%s", "/x?a[%s]=1", "/x?%s[]=1", "/x?a;%s=1", "/Things(%s)", "/Things(k='%s')/x", "http://h/%s?%s"} {
			var r template.Result
			tm.Path([]byte(strings.ReplaceAll(target, "%s", coded)), nil, &r)
			text := string(r.Template) + " " + string(r.Path) + " " + string(r.Class)
			for _, n := range r.QueryNames {
				text += " " + string(n)
			}
			for _, c := range r.IDClasses {
				text += " " + string(c)
			}
			for _, bad := range []string{secret, strings.ToUpper(secret), "s3cr3t", coded} {
				if strings.Contains(strings.ToLower(text), strings.ToLower(bad)) {
					t.Errorf("%s in %s: %s", coded, target, text)
					break
				}
			}
		}
	}
}
