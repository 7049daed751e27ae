// SPDX-License-Identifier: Apache-2.0

package template_test

import (
	"bytes"
	"fmt"
	"hash/fnv"
	"strings"
	"testing"

	"github.com/weir-project/weir/proto/keyhash"
	"github.com/weir-project/weir/sensor/template"
)

// hash stands in for the keyed one: what it is given is all that matters here.
func hash(class, id []byte) uint64 {
	h := fnv.New64a()
	h.Write(class)
	h.Write([]byte{0x1F})
	h.Write(id)
	return h.Sum64()
}

func newTemplater(max int) *template.Templater {
	return template.New(template.Config{Hash: hash, MaxTemplates: max})
}

// word is how the redacted path shows an id.
func word(class, id string) string { return fmt.Sprintf("{%016x}", hash([]byte(class), []byte(id))) }

// told gives template, class and "class:id" list of a target.
func told(r *template.Result) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s [%s]", r.Template, r.Class)
	for i, id := range r.IDs {
		fmt.Fprintf(&b, " %s:%s", r.IDClasses[i], strings.ReplaceAll(string(id), "\x1f", "+"))
	}
	if r.TooLarge {
		b.WriteString(" cut")
	}
	return b.String()
}

func TestForms(t *testing.T) {
	tm := newTemplater(0)
	f := func(target, want string) {
		t.Helper()
		var r template.Result
		tm.Path([]byte(target), []byte("shop.example"), &r)
		if got := told(&r); got != want {
			t.Errorf("%q: %s, want %s", target, got, want)
		}
	}
	// Broken or odd targets first.
	f("", "{authority} []")
	f("garbage", "{authority} []")
	f("\x00\xff", "{authority} []")
	f("shop.example:443", "{authority} []")
	f("*", "* []")
	f("http://", "/ []")
	f("http://shop.example", "/ []")
	f("http://shop.example?x=1", "/ []")
	f("http://user:tok_test_pw@shop.example/customers/17", "/customers/{id} [customers] customers:17")
	f("/", "/ []")
	f("//", "/ []")
	f("/?a=1", "/ []")
	f("/../..", "/ []")
	f("/a/../customers/./17", "/customers/{id} [customers] customers:17")
	f("/%2e%2e/customers", "/customers [customers]")
	f("//customers///17/", "/customers/{id} [customers] customers:17")
	f("/customers/17#frag", "/customers/{id} [customers] customers:17")
	f("/customers/17%", "/customers/{id} [customers] customers:17%")
	f("/customers/%31%37", "/customers/{id} [customers] customers:17")
	f("/customers/%2531", "/customers/{id} [customers] customers:%31")
	f("/customers/a%2Fb", "/customers/{id} [customers] customers:a/b")
	f("/customers/{id}", "/customers/{id} [customers] customers:{id}")
	f("/customers;jsessionid=tok_test_1/17;v=2", "/customers/{id} [customers] customers:17")
	f("/;jsessionid=tok_test_1", "/ []")
}

func TestSegments(t *testing.T) {
	tm := newTemplater(0)
	f := func(target, want string) {
		t.Helper()
		var r template.Result
		tm.Path([]byte(target), nil, &r)
		if got := told(&r); got != want {
			t.Errorf("%q: %s, want %s", target, got, want)
		}
	}
	// Routes stay.
	for _, p := range []string{"/customers", "/api/v1/customers", "/v2.1/orders", "/v1beta1/users", "/oauth2/authorize",
		"/getCustomerOrdersById", "/internationalization/settings", "/.well-known/openid-configuration", "/s3/b2b",
		"/Account/GetHTTPRequestXMLParser", "/index.html", "/$batch", "/a_b/c-d/e.f", "/auth/introspection"} {
		var r template.Result
		tm.Path([]byte(p), nil, &r)
		if string(r.Template) != p || string(r.Path) != p || len(r.IDs) != 0 {
			t.Errorf("%q: %s, path %s", p, told(&r), r.Path)
		}
	}
	// Values go.
	for _, id := range []string{"1", "17", "0017", "-5", "51.5", "2026-11-24", "deadbeef", "0123456789abcdef",
		"0191f0c8-7d3a-7b1e-9c55-a0b1c2d3e4f5", "01ARZ3NDEKTSV4RRFFQ69G5FAV", "a@b.example", "john doe", "Größe",
		"cus_9s6XKzkNRiz8i3", "A-17", "INV-2024-001", "order-1042", "u17", "tok_test_abc", "eyJhbGciOi.eyJzdWIi.c2ln",
		"dQwRtYpLkJhGfDsA", "XkcdQwrtYpLkJhGfDsAz", "a=b", "1,2,3", "12:30:00", strings.Repeat("word-", 14), "{x}", "<script>"} {
		var r template.Result
		tm.Path([]byte("/customers/"+strings.ReplaceAll(id, " ", "%20")), nil, &r)
		if string(r.Template) != "/customers/{id}" || len(r.IDs) != 1 || string(r.IDs[0]) != id ||
			string(r.Path) != "/customers/"+word("customers", id) {
			t.Errorf("%q: %s, path %s", id, told(&r), r.Path)
		}
	}
	f("/customers/17/orders", "/customers/{id}/orders [orders] customers:17")
	f("/customers/17/orders/5", "/customers/{id}/orders/{id} [orders] customers:17 orders:5")
	f("/tiles/3/4/5", "/tiles/{id}/{id}/{id} [tiles] tiles:3+4+5")
	f("/pairs/0191F0C8-7D3A-7B1E-9C55-A0B1C2D3E4F5/7", "/pairs/{id}/{id} [pairs] pairs:0191f0c8-7d3a-7b1e-9c55-a0b1c2d3e4f5+7")
	f("/customers/search", "/customers/search [customers]")
	f("/api/v1/17", "/api/v1/{id} [v1] v1:17")
	f("/17", "/{id} [] :17")
	f("/customers.json", "/customers.json [customers]")
	f("/customers/17.json", "/customers/{id}.json [customers] customers:17")
	f("/img/123.png", "/img/{id}.png [img] img:123")
	f("/static/app.3f9a8c21.js", "/static/{id}.js [static] static:app.3f9a8c21")
	f("/jobs/17:cancel", "/jobs/{id}:cancel [jobs] jobs:17")
	f("/jobs:batchGet", "/jobs:batchGet [jobs]")
	f("/jobs:hunter", "/{id} [] :jobs:hunter")
	f("/jobs/17:hunter", "/jobs/{id} [jobs] jobs:17:hunter")
	f("/Customers(17)", "/Customers({id}) [Customers] Customers:17")
	f("/Customers('ALFKI')/Orders", "/Customers({id})/Orders [Orders] Customers:ALFKI")
	f("/Customers('ALFKI')/Orders(5)", "/Customers({id})/Orders({id}) [Orders] Customers:ALFKI Orders:5")
	f("/Customers()", "/Customers() [Customers]")
	f("/password/reset/abcdefghijklmnop", "/password/reset/{id} [reset] reset:abcdefghijklmnop")
	f("/reset/abc1", "/reset/{id} [reset] reset:abc1")
}

func TestBounds(t *testing.T) {
	tm := newTemplater(0)
	for _, c := range []struct{ name, target, template string }{
		{"one endless segment", "/" + strings.Repeat("a", 5000), "/{cut}"},
		{"many segments", strings.Repeat("/a", 40), strings.Repeat("/a", 32) + "/{cut}"},
		{"cut at a segment's border", "/" + strings.Repeat(strings.Repeat("b", 40)+"/", 60), ""},
		{"escapes", "/" + strings.Repeat("%41", 2000), "/{cut}"},
	} {
		var r template.Result
		tm.Path([]byte(c.target), nil, &r)
		if !r.TooLarge || len(r.Path) > 2100 || len(r.Template) > 2100 {
			t.Errorf("%s: flagged %v, path %d bytes, template %d", c.name, r.TooLarge, len(r.Path), len(r.Template))
		}
		if c.template != "" && string(r.Template) != c.template {
			t.Errorf("%s: %s", c.name, r.Template)
		}
		if !bytes.HasSuffix(r.Template, []byte("/{cut}")) || !bytes.HasSuffix(r.Path, []byte("/{cut}")) {
			t.Errorf("%s: no sign of the cut: %s", c.name, r.Template)
		}
	}
}

func TestQueryNames(t *testing.T) {
	tm := newTemplater(0)
	f := func(query, want string, cut bool) {
		t.Helper()
		var r template.Result
		tm.Path([]byte("/x?"+query), nil, &r)
		if got := string(bytes.Join(r.QueryNames, []byte(" "))); got != want || r.TooLarge != cut {
			t.Errorf("%q: %q cut %v, want %q cut %v", query, got, r.TooLarge, want, cut)
		}
	}
	f("", "", false)
	f("&&&", "", false)
	f("=tok_test_1", "{name}", false)
	f("c2VjcmV0LXZhbHVlLXRoYXQtaGFz", "{name}", false)
	f("4711", "{name}", false)
	f("%00=1", "{name}", false)
	f("<b>=1", "{name}", false)
	f(strings.Repeat("n", 65)+"=1", "{name}", false)
	f("a=1&b&a=2", "a b", false)
	f("access_token=tok_test_1&Page=2", "access_token Page", false)
	f("filter%5Bstatus%5D=x&ids[]=1&ids[2]=3&ids[17]=4", "filter[status] ids[]", false)
	f("filter[0191f0c8-7d3a-7b1e-9c55-a0b1c2d3e4f5]=x", "{name}", false)
	f("user@mail.example=1&x=2", "{name} x", false)
	f("a=1?b=2", "a", false)
	many, want := "", []string{}
	for c := 'a'; c < 'a'+20; c++ {
		many += string(c) + "=1&"
		if c < 'a'+16 {
			want = append(want, string(c))
		}
	}
	f(many, strings.Join(want, " "), true)
	f(strings.Repeat("a=1&", 5000), "a", true)
}

// A client that invents paths gets one word for them, and does not touch another server's.
func TestTemplatesPerServerAreBounded(t *testing.T) {
	tm := newTemplater(5)
	var r template.Result
	see := func(server, target string) string {
		tm.Path([]byte(target), []byte(server), &r)
		if r.Overflow != (string(r.Template) == "{other}") {
			t.Errorf("%s: overflow %v", r.Template, r.Overflow)
		}
		return string(r.Template)
	}
	for _, word := range strings.Fields("alpha beta gamma delta omega") {
		for range 2 {
			if got := see("a", "/"+word); got != "/"+word {
				t.Errorf("within the bound: %s", got)
			}
		}
	}
	if got := see("a", "/customers/17"); got != "{other}" {
		t.Errorf("beyond the bound: %s", got)
	}
	if len(r.IDs) != 1 || string(r.IDClasses[0]) != "customers" || string(r.Class) != "customers" {
		t.Errorf("ids are lost with the template: %s", told(&r))
	}
	if got := see("a", "/gamma"); got != "/gamma" {
		t.Errorf("a known one: %s", got)
	}
	if got := see("b", "/customers/17"); got != "/customers/{id}" {
		t.Errorf("another server: %s", got)
	}
}

func TestServersAreBounded(t *testing.T) {
	tm := newTemplater(0)
	var r template.Result
	for i := range 5000 {
		tm.Path([]byte("/x"), fmt.Appendf(nil, "host%d.example", i), &r)
	}
	if !r.Overflow {
		t.Error("5,000 servers all have templates of their own")
	}
}

// appendCanonical repeats keyhash.CanonicalID, which this room may not import.
func TestCanonicalAsInKeyhash(t *testing.T) {
	tm := newTemplater(0)
	for _, id := range []string{"17", " 17 ", "0191F0C8-7D3A-7B1E-9C55-A0B1C2D3E4F5", "0191F0C8-7D3A-7B1E-9C55-A0B1C2D3E4FG", "ABCDEF01"} {
		var r template.Result
		tm.Path([]byte("/c/"+strings.ReplaceAll(id, " ", "%20")), nil, &r)
		if want := keyhash.CanonicalID(nil, []byte(id)); len(r.IDs) != 1 || !bytes.Equal(r.IDs[0], want) {
			t.Errorf("%q: %q, want %q", id, r.IDs, want)
		}
	}
}

// No secret shown in a path or a query may stand in what is told.
func TestSecretsAreNotTold(t *testing.T) {
	tm := newTemplater(0)
	for _, secret := range []string{"tok_test_s3cr3tvalue", "sk_live_abcdefghijkl", "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0.",
		"AKIDTESTEXAMPLE12345", "bob@mail.example", "8f14e45fceea167a5a36dedd4bea2543", "Zm9vYmFyYmF6cXV4cXV1eA=="} {
		for _, target := range []string{"/%s", "/customers/%s/orders", "/reset/%s", "/x?token=%s", "/x?%s", "/x?%s=1",
			"/a;s=%s/b", "http://u:%s@h/x", "/x#%s", "/files/%s.pdf", "/Things('%s')", "/bot1234567:%s/getMe", "/user:%s"} {
			var r template.Result
			tm.Path(fmt.Appendf(nil, target, secret), nil, &r)
			text := fmt.Sprintf("%s %s %s %s", r.Template, r.Path, r.Class, bytes.Join(r.QueryNames, []byte(" ")))
			if strings.Contains(text, secret) || strings.Contains(fmt.Sprintf("%+v %s", tm, tm), secret) {
				t.Errorf("%s in %s: %s", secret, target, text)
			}
		}
	}
}

func TestPathDoesNotAllocate(t *testing.T) {
	tm := newTemplater(3)
	server := []byte("shop.example")
	var r template.Result
	for _, target := range []string{"/api/v1/customers/17/orders/0191F0C8-7D3A-7B1E-9C55-A0B1C2D3E4F5?page=2&filter[x]=1&4711",
		"/a/../b%20c", "/other", "/more", "/beyond/the/bound", "*", "h:1", "/x?" + strings.Repeat("same=1&", 500), strings.Repeat("/a1b2c3", 40)} {
		raw := []byte(target)
		if n := testing.AllocsPerRun(100, func() { tm.Path(raw, server, &r) }); n > 0 {
			t.Errorf("%.40q: %v allocations", target, n)
		}
	}
}

func TestNewNeedsAHash(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	template.New(template.Config{})
}

func FuzzPath(f *testing.F) {
	for _, s := range []string{"", "*", "/", "/customers/17?a=1", "http://h/x/../y;z=1", "/%2e%2e/%zz/%", "/a(b)('c')", "/x?a[1]=2&b[]&[", "/17:cancel.json"} {
		f.Add([]byte(s))
	}
	tm := newTemplater(100)
	f.Fuzz(func(t *testing.T, target []byte) {
		var r template.Result
		tm.Path(target, []byte("h"), &r)
		if len(r.IDs) != len(r.IDClasses) || len(r.IDs) > 32 || len(r.QueryNames) > 16 {
			t.Fatalf("%d ids, %d classes, %d names", len(r.IDs), len(r.IDClasses), len(r.QueryNames))
		}
		for _, text := range append([][]byte{r.Template, r.Path, r.Class}, r.QueryNames...) {
			if len(text) > 2200 {
				t.Fatalf("%d bytes told", len(text))
			}
			for _, c := range text {
				if c <= ' ' || c > '~' || c == '"' || c == '\\' || c == '<' {
					t.Fatalf("%q is not printable or not safe", text)
				}
			}
		}
		// A second reading says the same.
		first := told(&r)
		if tm.Path(target, []byte("h"), &r); told(&r) != first {
			t.Fatalf("%s, then %s", first, told(&r))
		}
	})
}
