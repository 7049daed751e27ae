// SPDX-License-Identifier: Apache-2.0

package inspect_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/weir-project/weir/proto/keyhash"
	"github.com/weir-project/weir/sensor/exchange"
	"github.com/weir-project/weir/sensor/inspect"
)

func keys() *keyhash.Keys { return keyhash.TenantKey{0: 1}.Derive() }

// object is the hash of "class:id", or of a composite "class:a+b".
func object(name string) uint64 {
	class, id, _ := strings.Cut(name, ":")
	parts := [][]byte{}
	for p := range strings.SplitSeq(id, "+") {
		parts = append(parts, []byte(p))
	}
	return keys().Objects.ObjectComposite([]byte(class), parts...)
}

// begin makes a Begin of a request line: method, path with ids in braces, as template would give it.
func begin(line, contentType string) inspect.Begin {
	method, path, _ := strings.Cut(line, " ")
	b := inspect.Begin{Method: []byte(method), Server: []byte("shop.example"), ContentType: []byte(contentType), Status: 200}
	class := ""
	for seg := range strings.SplitSeq(strings.Trim(path, "/"), "/") {
		if id, ok := strings.CutPrefix(seg, "{"); ok {
			b.RequestIDs = append(b.RequestIDs, []byte(strings.TrimSuffix(id, "}")))
			b.RequestClasses = append(b.RequestClasses, []byte(class))
			seg = "{id}"
		} else {
			class = seg
		}
		b.Template = append(append(b.Template, '/'), seg...)
	}
	b.Class = []byte(class)
	return b
}

// look runs a whole body, in pieces of a size, and gives the exchange.
func look(in *inspect.Inspector, b inspect.Begin, body string, piece int) *exchange.Exchange {
	l := in.Begin(b)
	defer l.Release()
	for rest := body; len(rest) > 0; {
		n := min(piece, len(rest))
		buf := []byte(rest[:n])
		l.Data(buf)
		clear(buf) // nobody may have kept it
		rest = rest[n:]
	}
	var x exchange.Exchange
	l.Report(&x, true)
	x.Objects = slices.Clone(x.Objects)
	x.RequestedObjects = slices.Clone(x.RequestedObjects)
	return &x
}

// told gives the counts of an exchange.
func told(x *exchange.Exchange) string {
	kind := map[exchange.CountKind]string{exchange.CountNone: "none", exchange.CountExact: "exact", exchange.CountEstimated: "estimated"}[x.RecordsKind]
	s := fmt.Sprintf("%s %d seen %d", kind, x.Records, x.ObjectsSeen)
	if x.ObjectsUnhashed > 0 {
		s += fmt.Sprintf(" unhashed %d", x.ObjectsUnhashed)
	}
	if x.ObjectsEstimated > 0 {
		s += fmt.Sprintf(" estimated %d", x.ObjectsEstimated)
	}
	if x.UninspectedSize > 0 {
		s += fmt.Sprintf(" unread %d", x.UninspectedSize)
	}
	if !x.ObjectListComplete {
		s += " cut"
	}
	for a, name := range map[exchange.Anomaly]string{exchange.BodyMalformed: " malformed", exchange.BodyBomb: " bomb", exchange.BodyUndecodable: " undecodable"} {
		if x.Anomalies.Has(a) {
			s += name
		}
	}
	return s
}

// hashes are the sorted hashes of a list of objects.
func hashes(names string) []uint64 {
	var out []uint64
	for _, n := range strings.Fields(names) {
		out = append(out, object(n))
	}
	slices.Sort(out)
	return out
}

func many(n int, f func(i int) string) string {
	var parts []string
	for i := range n {
		parts = append(parts, f(i))
	}
	return strings.Join(parts, ",")
}

func TestRecords(t *testing.T) {
	f := func(line, body, want, objects string) {
		t.Helper()
		for _, piece := range []int{1, 2, 3, 7, 1 << 20} {
			x := look(inspect.New(keys(), inspect.Config{}), begin(line, "application/json"), body, piece)
			if got := told(x); got != want {
				t.Errorf("%s %.60s in pieces of %d: %s, want %s", line, body, piece, got, want)
				return
			}
			if want := hashes(objects); !slices.Equal(x.Objects, want) {
				t.Errorf("%s %.60s in pieces of %d: %d objects, not those of %s", line, body, piece, len(x.Objects), objects)
				return
			}
		}
	}
	const list, one = "GET /customers", "GET /customers/{17}"
	// Broken ones first.
	f(list, `{`, "exact 0 seen 0 malformed", "")
	f(list, `}`, "estimated 0 seen 0 unread 1 cut malformed", "")
	f(list, `[{"id":1},`, "exact 1 seen 1 malformed", "customers:1")
	f(list, `[{"id":1},{"id":2`, "exact 1 seen 1 malformed", "customers:1")
	f(list, `[{"id":1}}`, "estimated 1 seen 1 unread 1 cut malformed", "customers:1")
	f(list, `{"a":1]`, "estimated 0 seen 0 unread 1 cut malformed", "")
	f(list, `{"a" 1}`, "estimated 0 seen 0 unread 2 cut malformed", "")
	f(list, `{1:2}`, "estimated 0 seen 0 unread 4 cut malformed", "")
	f(list, `[1,2] x`, "estimated 2 seen 2 unread 1 cut malformed", "customers:1 customers:2")
	// No records.
	f(list, ``, "exact 0 seen 0", "")
	f(list, `null`, "exact 0 seen 0", "")
	f(list, `17`, "exact 0 seen 0", "")
	f(list, `"text"`, "exact 0 seen 0", "")
	f(list, ` true `, "exact 0 seen 0", "")
	f(list, `{}`, "exact 0 seen 0", "")
	f(list, `[]`, "exact 0 seen 0", "")
	f(list, `{"data":[],"total":0}`, "exact 0 seen 0", "")
	f(list, `{"status":"ok","took":3}`, "exact 0 seen 0", "")
	f(one, `{"data":[]}`, "exact 0 seen 0", "")
	f(one, `{}`, "exact 0 seen 0", "")
	f("GET /customers/{17}/orders", `{"orders":[]}`, "exact 0 seen 0", "")
	// Lists.
	f(list, `[{"id":1,"name":"a"},{"id":"2"},{"name":"b"}]`, "exact 3 seen 2 unhashed 1 cut", "customers:1 customers:2")
	f(list, "\xEF\xBB\xBF [ { \"id\" : 1 } , { \"id\" : 2 } ] \n", "exact 2 seen 2", "customers:1 customers:2")
	f(list, `{"data":[{"id":1},{"id":2}]}`, "exact 2 seen 2", "customers:1 customers:2")
	f(list, `{"meta":{"page":1,"tags":["x","y"]},"response":{"items":[{"id":1},{"id":2}]},"next":null}`, "exact 2 seen 2", "customers:1 customers:2")
	f(list, `{"total":2,"users":[{"id":1},{"id":2}]}`, "exact 2 seen 2", "users:1 users:2")
	f("POST /graphql", `{"data":{"customers":{"edges":[{"cursor":"c","node":{"id":"1","name":"x"}},{"node":{"id":"2"}}],"pageInfo":{"id":"no"}}}}`, "exact 2 seen 2", "customers:1 customers:2")
	f(list, `{"hits":{"total":2,"hits":[{"_id":"1","_source":{"id":"no"}},{"_id":"2"}]}}`, "exact 2 seen 2", "customers:1 customers:2")
	f(list, `[{"_id":{"$oid":"65a1"},"n":1},{"_id":{"$oid":"65a2"}}]`, "exact 2 seen 2", "customers:65a1 customers:65a2")
	f(list, `[{"customer_id":1,"order_id":9},{"customerId":2},{"CustomerUUID":"3"}]`, "exact 3 seen 3", "customers:1 customers:2 customers:3")
	f("GET /companies", `[{"companyId":1},{"company_id":2}]`, "exact 2 seen 2", "companies:1 companies:2")
	f(list, `[{"customer_id":9,"id":1},{"uuid":"u","_id":2}]`, "exact 2 seen 2", "customers:1 customers:2")
	f(list, `[{"id":null,"key":"k"},{"id":"","pk":3},{"id":true}]`, "exact 3 seen 2 unhashed 1 cut", "customers:k customers:3")
	f(list, `["a","b","b"]`, "exact 3 seen 2", "customers:a customers:b")
	f(list, `[[1,"x"],[2,"y"]]`, "exact 2 seen 0 unhashed 2 cut", "")
	f(list, `[1.5,2.5,null,true]`, "exact 4 seen 2 unhashed 2 cut", "customers:1.5 customers:2.5")
	f(list, `{"ids":[11,12,13]}`, "exact 3 seen 3", "customers:11 customers:12 customers:13")
	f(list, `{"points":[0.5,1.5,2.5,3.5]}`, "exact 0 seen 0", "")
	f(list, `[{"id":1,"a\"]}":"\\\"]}","b":{"c":[{"id":"no"}],"d":"}"}},{"id":2}]`, "exact 2 seen 2", "customers:1 customers:2")
	f(list, `[{"id":"\u0031\u00e9\/\ud83d\ude00"}]`, "exact 1 seen 1", "customers:1é/😀")
	f(list, `[{"id":1},{"id":1},{"id":1}]`, "exact 3 seen 1", "customers:1")
	f(list, `[{"id":1,"orders":[{"id":5},{"id":6}]},{"id":2,"orders":[{"id":7}]}]`, "exact 2 seen 2", "customers:1 customers:2")
	// An element that is an envelope.
	f(list, `[{"page":1,"rows":[{"id":1},{"id":2},{"id":3}]}]`, "exact 3 seen 3", "customers:1 customers:2 customers:3")
	f(list, `{"results":[{"id":9,"orders":[{"id":1,"x":"yyyyyyyyyyyyy"},{"id":2,"x":"yyyyyyyyyyyy"}]}]}`, "exact 2 seen 3", "customers:9 orders:1 orders:2")
	f(list, `{"results":[{"id":9,"name":"somebody with a long name, of a long street","tags":["a","b"]}]}`, "exact 1 seen 1", "customers:9")
	// Single objects.
	f(one, `{"id":17,"name":"x"}`, "exact 1 seen 1", "customers:17")
	f(one, `{"name":"x"}`, "exact 1 seen 1", "customers:17")
	f(one, `{"customer":{"id":"4711-internal"}}`, "exact 1 seen 1", "customers:17")
	f(one, `{"id":17,"name":"x","embedding":[0.1,0.2,0.3],"tags":["a","b"]}`, "exact 1 seen 1", "customers:17")
	f(one, `{"id":17,"orders":[{"id":1,"x":"yyyyyyyyyyyyyyyyy"},{"id":2}]}`, "exact 2 seen 3", "customers:17 orders:1 orders:2")
	f("GET /me", `{"id":17,"name":"x"}`, "exact 1 seen 1", "me:17")
	f("GET /me", `{"data":{"id":17,"name":"x"}}`, "exact 1 seen 1", "me:17")
	f("GET /me", `{"user":{"id":17},"team":{"id":5}}`, "exact 1 seen 1", "user:17")
	f("GET /me", `{"user":{"id":17},"id":5}`, "exact 1 seen 1", "me:5")
	f("GET /customers/{17}/profile", `{"name":"x","mail":"y"}`, "exact 1 seen 1", "customers:17")
	f("GET /customers/{17}/profile", `{"id":4,"name":"x"}`, "exact 1 seen 1", "profile:4")
	f("POST /customers/{17}/block", `{"ok":true}`, "exact 0 seen 0", "")
	f("DELETE /customers/{17}", `{"deleted":true}`, "exact 0 seen 0", "")
	f("GET /customers/{17}/orders", `[{"id":5},{"id":6}]`, "exact 2 seen 2", "orders:5 orders:6")
}

// A customer in a list and the same one by id are one object.
func TestOneObjectInListAndByID(t *testing.T) {
	in := inspect.New(keys(), inspect.Config{})
	list := look(in, begin("GET /customers", "application/json"), `{"items":[{"id":17,"name":"x"}]}`, 100)
	byID := look(in, begin("GET /customers/{17}", "application/json"), `{"customer":{"name":"x"}}`, 100)
	order := look(in, begin("GET /orders/{17}", "application/json"), `{"id":17}`, 100)
	if len(list.Objects) != 1 || !slices.Equal(list.Objects, byID.Objects) || !slices.Equal(byID.Objects, byID.RequestedObjects) {
		t.Errorf("list %x, by id %x, requested %x", list.Objects, byID.Objects, byID.RequestedObjects)
	}
	if slices.Equal(order.Objects, byID.Objects) {
		t.Error("order 17 is customer 17")
	}
}

func TestDeepNesting(t *testing.T) {
	in := inspect.New(keys(), inspect.Config{})
	for _, body := range []string{strings.Repeat("[", 30000) + strings.Repeat("]", 30000),
		strings.Repeat(`{"a":`, 9000) + "1" + strings.Repeat("}", 9000),
		strings.Repeat(`[{"data":`, 3000) + "[1]" + strings.Repeat("}]", 3000)} {
		x := look(in, begin("GET /x", "application/json"), body, 1000)
		if x.Anomalies.Has(exchange.BodyMalformed) || x.Records > 1 {
			t.Errorf("%.20s: %s", body, told(x))
		}
	}
}

func TestSmallestObjectsAreKept(t *testing.T) {
	body := "[" + many(500, func(i int) string { return fmt.Sprintf(`{"id":%d}`, i) }) + "]"
	x := look(inspect.New(keys(), inspect.Config{}), begin("GET /customers", "application/json"), body, 999)
	if told(x) != "exact 500 seen 500 cut" {
		t.Errorf("%s", told(x))
	}
	var all []string
	for i := range 500 {
		all = append(all, fmt.Sprintf("customers:%d", i))
	}
	if want := hashes(strings.Join(all, " ")); !slices.Equal(x.Objects, want[:exchange.MaxObjects]) {
		t.Error("not the 64 smallest")
	}
}

func TestWhatIsNotRead(t *testing.T) {
	f := func(line, contentType, encoding string, status int, body, want string) {
		t.Helper()
		b := begin(line, contentType)
		b.ContentEncoding, b.Status = []byte(encoding), status
		x := look(inspect.New(keys(), inspect.Config{}), b, body, 100)
		if got := told(x); got != want {
			t.Errorf("%s %s %s %d: %s, want %s", line, contentType, encoding, status, got, want)
		}
	}
	list, ten := "GET /customers", strings.Repeat("x", 10000)
	f(list, "image/png", "", 200, ten, "none 0 seen 0")
	f(list, "text/css", "", 200, ten, "none 0 seen 0")
	f(list, "font/woff2", "br", 200, ten, "none 0 seen 0")
	f(list, "text/html", "", 200, ten, "none 0 seen 0")
	f(list, "text/html", "", 200, `[{"id":1}]`, "exact 1 seen 1")
	f(list, "", "", 200, ` [{"id":1}]`, "exact 1 seen 1")
	f(list, "text/plain", "", 200, ten, "estimated 10 seen 0 estimated 10 unread 10000 cut")
	f(list, "text/plain", "", 200, "OK", "estimated 0 seen 0 unread 2 cut")
	f(list, "text/csv", "", 200, ten, "estimated 10 seen 0 estimated 10 unread 10000 cut")
	f(list, "application/zip", "", 200, ten, "estimated 10 seen 0 estimated 10 unread 10000 cut")
	f(list, "application/x-odd", "", 200, ten, "estimated 10 seen 0 estimated 10 unread 10000 cut")
	f(list, "application/json", "br", 200, ten, "estimated 10 seen 0 estimated 10 unread 10000 cut")
	f(list, "application/json", "gzip, br", 200, ten, "estimated 10 seen 0 estimated 10 unread 10000 cut")
	f(list, "text/html", "br", 200, ten, "none 0 seen 0")
	for _, status := range []int{0, 101, 301, 304, 400, 401, 403, 404, 500} {
		f(list, "application/json", "", status, `[{"id":1}]`, "none 0 seen 0")
	}
	f("HEAD /customers", "application/json", "", 200, "", "none 0 seen 0")
	f(list, "application/vnd.api+json", "identity", 206, `{"data":[{"id":1}]}`, "exact 1 seen 1")
	f(list, "application/problem+json", "", 200, `[{"id":1}]`, "exact 1 seen 1")
}

func TestNDJSON(t *testing.T) {
	f := func(body, want, objects string) {
		t.Helper()
		for _, piece := range []int{1, 5, 1000} {
			x := look(inspect.New(keys(), inspect.Config{}), begin("GET /customers", "application/x-ndjson"), body, piece)
			if told(x) != want || !slices.Equal(x.Objects, hashes(objects)) {
				t.Errorf("%q in pieces of %d: %s, want %s", body, piece, told(x), want)
			}
		}
	}
	f("", "exact 0 seen 0", "")
	f("\n\n", "exact 0 seen 0", "")
	f("{\"id\":1}\n{\"id\":2}\n", "exact 2 seen 2", "customers:1 customers:2")
	f("{\"id\":1}\n{\"id\":2}", "exact 2 seen 2", "customers:1 customers:2")
	f("{\"id\":1}\n{\"id\":2", "exact 1 seen 1 malformed", "customers:1")
	f("{\"id\":1}\n]", "estimated 1 seen 1 unread 1 cut malformed", "customers:1")
	f("1\n2\n3", "exact 3 seen 3", "customers:1 customers:2 customers:3")
	f("{\"result\":[{\"id\":1},{\"id\":2}]}\n", "exact 2 seen 2", "customers:1 customers:2")
}
