// SPDX-License-Identifier: Apache-2.0

package inspect_test

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"

	"github.com/weir-project/weir/sensor/exchange"
	"github.com/weir-project/weir/sensor/inspect"
)

// encode applies a content coding.
func encode(t testing.TB, coding, body string) string {
	t.Helper()
	var out bytes.Buffer
	var w io.WriteCloser
	var err error
	switch coding {
	case "gzip":
		return string(gzipped(body))
	case "zlib":
		w = zlib.NewWriter(&out)
	case "raw":
		w, err = flate.NewWriter(&out, 6)
	case "zstd":
		w, err = zstd.NewWriter(&out)
	default:
		return body
	}
	if err == nil {
		_, err = io.WriteString(w, body)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestEncodings(t *testing.T) {
	body := listBody(20)
	for coding, header := range map[string]string{"": "", "gzip": "gzip", "zlib": "deflate", "raw": "deflate", "zstd": "zstd"} {
		in := inspect.New(keys(), inspect.Config{})
		for round := range 3 { // the decompressors are used again
			b := begin("GET /customers", "application/json")
			b.ContentEncoding = []byte(header)
			x := look(in, b, encode(t, coding, body), 100+round)
			if got := told(x); got != "exact 20 seen 20" {
				t.Errorf("%s, round %d: %s", coding, round, got)
			}
			empty := look(in, b, "", 1)
			if got := told(empty); got != "exact 0 seen 0" {
				t.Errorf("%s, empty: %s", coding, got)
			}
			b.ContentType = []byte("text/html")
			if got := told(look(in, b, encode(t, coding, "<html></html>"), 5)); got != "none 0 seen 0" {
				t.Errorf("%s, a page: %s", coding, got)
			}
		}
	}
}

func TestBrokenEncodings(t *testing.T) {
	body := encode(t, "gzip", listBody(20))
	f := func(header, body, want string) {
		t.Helper()
		b := begin("GET /customers", "application/json")
		b.ContentEncoding = []byte(header)
		if got := told(look(inspect.New(keys(), inspect.Config{}), b, body, 77)); got != want {
			t.Errorf("%s: %s, want %s", header, got, want)
		}
	}
	f("gzip", "no gzip at all", "estimated 0 seen 0 unread 14 cut undecodable")
	f("deflate", strings.Repeat("\xff", 3000), "estimated 3 seen 0 estimated 3 unread 3000 cut undecodable")
	f("zstd", "no zstd at all", "estimated 0 seen 0 unread 14 cut undecodable")
	f("gzip", body[:5], "estimated 0 seen 0 unread 5 cut undecodable")
	half := func() string {
		b := begin("GET /customers", "application/json")
		b.ContentEncoding = []byte("gzip")
		x := look(inspect.New(keys(), inspect.Config{}), b, body[:len(body)/2], 77)
		if x.Records == 0 || x.Records >= 20 || !x.Anomalies.Has(exchange.BodyUndecodable) {
			return told(x)
		}
		return ""
	}()
	if half != "" {
		t.Errorf("half a body: %s", half)
	}
}

// A bomb costs its cap, is named, and its rest is estimated.
func TestBomb(t *testing.T) {
	for coding, header := range map[string]string{"gzip": "gzip", "zlib": "deflate", "zstd": "zstd"} {
		b := begin("GET /customers", "application/json")
		b.ContentEncoding = []byte(header)
		bomb := encode(t, coding, `[{"id":1,"x":"`+strings.Repeat("a", 50<<20)+`"}]`)
		x := look(inspect.New(keys(), inspect.Config{}), b, bomb, 1448)
		if !x.Anomalies.Has(exchange.BodyBomb) || x.RecordsKind != exchange.CountEstimated || x.UninspectedSize == 0 {
			t.Errorf("%s: %s", coding, told(x))
		}
	}
}

// What lies behind the prefix is estimated from what lies before it.
func TestBeyondThePrefix(t *testing.T) {
	for _, coding := range []string{"", "gzip"} {
		body := encode(t, coding, listBody(2000))
		b := begin("GET /customers", "application/json")
		b.ContentEncoding = []byte(coding)
		x := look(inspect.New(keys(), inspect.Config{}), b, body, 1448)
		if x.RecordsKind != exchange.CountEstimated || x.Records < 1700 || x.Records > 2300 {
			t.Errorf("%q: %s of 2000", coding, told(x))
		}
		if exact := uint64(x.ObjectsSeen); exact < 100 || uint64(x.ObjectsEstimated)+exact != x.Records || x.ObjectListComplete {
			t.Errorf("%q: objects of %s", coding, told(x))
		}
	}
	// A body that ends with the prefix is whole.
	body := `[{"id":1}]` + strings.Repeat(" ", 1000-10)
	if got := told(look(inspect.New(keys(), inspect.Config{Prefix: 1000}), begin("GET /x", "application/json"), body, 33)); got != "exact 1 seen 1" {
		t.Errorf("just the prefix: %s", got)
	}
	if got := told(look(inspect.New(keys(), inspect.Config{Prefix: 999}), begin("GET /x", "application/json"), body, 33)); got != "estimated 1 seen 1 unread 1 cut" {
		t.Errorf("one byte more: %s", got)
	}
}

// Bodies that were read whole teach how large the records of an endpoint are.
func TestSamplesOfAnEndpoint(t *testing.T) {
	in := inspect.New(keys(), inspect.Config{})
	list := begin("GET /customers", "application/json")
	one := uint64(len(customer(1)))
	for range 5 {
		look(in, list, listBody(50), 1448)
	}
	lost := in.Begin(list)
	lost.Gap(one * 100)
	var x exchange.Exchange
	if lost.Report(&x, true); x.Records < 95 || x.Records > 105 {
		t.Errorf("a lost body of about 100 records: %s", told(&x))
	}
	lost.Release()
	other := in.Begin(begin("GET /orders", "application/json"))
	other.Gap(one * 100)
	x = exchange.Exchange{}
	if other.Report(&x, true); x.Records != (one*100+500)/1000 {
		t.Errorf("an endpoint without samples: %s", told(&x))
	}
	other.Release()
}

func TestGaps(t *testing.T) {
	body := listBody(10)
	for _, at := range []int{0, 1, 100, 500, 2000, len(body)} {
		in := inspect.New(keys(), inspect.Config{})
		l := in.Begin(begin("GET /customers", "application/json"))
		l.Data([]byte(body[:at]))
		l.Gap(0)
		l.Gap(3000)
		l.Data([]byte(body[at:]))
		var x exchange.Exchange
		l.Report(&x, true)
		if x.RecordsKind != exchange.CountEstimated || x.UninspectedSize != uint64(3000+len(body)-at) || x.Records == 0 || x.Anomalies != 0 {
			t.Errorf("gap at %d: %s", at, told(&x))
		}
		l.Release()
	}
}

// The parts of a long exchange add up to what one Report tells.
func TestParts(t *testing.T) {
	for _, coding := range []string{"", "gzip"} {
		body := encode(t, coding, listBody(2000))
		b := begin("GET /customers/{7}", "application/json")
		b.ContentEncoding = []byte(coding)
		whole := look(inspect.New(keys(), inspect.Config{}), b, body, 1448)
		in := inspect.New(keys(), inspect.Config{})
		l := in.Begin(b)
		sum := exchange.Exchange{ObjectListComplete: true}
		var objects []uint64
		for rest := body; ; {
			n := min(5000, len(rest))
			l.Data([]byte(rest[:n]))
			rest = rest[n:]
			var x exchange.Exchange
			l.Report(&x, len(rest) == 0)
			sum.Records += x.Records
			sum.ObjectsSeen += x.ObjectsSeen
			sum.ObjectsEstimated += x.ObjectsEstimated
			sum.UninspectedSize += x.UninspectedSize
			sum.RequestedSeen += x.RequestedSeen
			sum.ObjectListComplete = sum.ObjectListComplete && x.ObjectListComplete
			sum.RecordsKind = max(sum.RecordsKind, x.RecordsKind)
			objects = append(objects, x.Objects...)
			if len(rest) == 0 {
				break
			}
		}
		l.Release()
		if told(&sum) != told(whole) {
			t.Errorf("%q: parts %s, whole %s", coding, told(&sum), told(whole))
		}
		if sum.RequestedSeen != 1 || !slices.Equal(objects, whole.Objects) {
			t.Errorf("%q: %d requested, %d objects", coding, sum.RequestedSeen, len(objects))
		}
	}
}

func TestRequestedObjects(t *testing.T) {
	in := inspect.New(keys(), inspect.Config{})
	for _, status := range []int{200, 401, 404, 500, 0} {
		b := begin("GET /customers/{17}/orders/{5}", "application/json")
		b.Status = status
		x := look(in, b, "", 1)
		if want := []uint64{object("customers:17"), object("orders:5")}; !slices.Equal(x.RequestedObjects, want) || x.RequestedSeen != 2 {
			t.Errorf("status %d: %d requested", status, x.RequestedSeen)
		}
	}
	composite := begin("GET /tiles/{3\x1f4}", "")
	if x := look(in, composite, "", 1); x.RequestedObjects[0] != object("tiles:3+4") {
		t.Error("a composite id")
	}
	bare := begin("GET /customers/{17}", "")
	bare.RequestClasses = nil
	if x := look(in, bare, "", 1); x.RequestedObjects[0] != object("customers:17") {
		t.Error("without classes the ids are of the path's class")
	}
	many := begin("GET /x"+strings.Repeat("/{1}", 50), "")
	if x := look(in, many, "", 1); x.RequestedSeen != 32 {
		t.Errorf("%d of 50 requested", x.RequestedSeen)
	}
}

func TestSequences(t *testing.T) {
	in := inspect.New(keys(), inspect.Config{})
	ask := func(token byte, path string) uint32 {
		b := begin("GET "+path, "")
		b.Token = exchange.ID{token}
		return look(in, b, "", 1).SequentialObjects
	}
	f := func(want uint32, token byte, path string) {
		t.Helper()
		if got := ask(token, path); got != want {
			t.Errorf("token %d %s: %d", token, path, got)
		}
	}
	f(0, 1, "/customers/{100}")
	f(1, 1, "/customers/{101}")
	f(0, 1, "/customers/{101}") // the same again
	f(1, 1, "/customers/{104}")
	f(1, 1, "/customers/{103}") // downwards
	f(0, 1, "/customers/{500}") // somewhere else
	f(1, 1, "/customers/{501}")
	f(1, 1, "/customers/{105}") // both walks go on
	f(0, 2, "/customers/{106}") // another token
	f(0, 1, "/orders/{106}")    // another endpoint
	f(0, 1, "/customers/{abc}")
	f(0, 1, "/customers/{c-0007}")
	f(1, 1, "/customers/{c-0008}")
	f(0, 1, "/customers/{d-0009}")
	f(0, 1, "/customers/{99999999999999999999}")
	// Random reads are no walk.
	walked := uint32(0)
	for i := range 1000 {
		walked += ask(3, fmt.Sprintf("/customers/{%d}", (i*7919+13)%1000003*31))
	}
	if walked > 20 {
		t.Errorf("%d of 1000 scattered reads are sequential", walked)
	}
	// Eight workers of one thief still walk.
	walked = 0
	for i := range 1000 {
		walked += ask(4, fmt.Sprintf("/customers/{%d}", 5000+i/8*8+(i*5)%8))
	}
	if walked < 950 {
		t.Errorf("%d of 1000 parallel reads are sequential", walked)
	}
}

func TestFieldNames(t *testing.T) {
	in := inspect.New(keys(), inspect.Config{})
	f := func(line, body string) uint64 {
		return look(in, begin(line, "application/json"), body, 3).FieldNamesHash
	}
	a := f("GET /c", `[{"id":1,"name":"x"},{"other":1}]`)
	if a == 0 || a != f("GET /c", `{"data":[{"name":{"id":4},"id":9}]}`) || a != f("GET /c", `{"name":"y","id":2}`) || a != f("GET /c/{1}", `{"data":{"name":"y","id":2}}`) {
		t.Error("the same names, another hash")
	}
	if a == f("GET /c", `[{"id":1}]`) || a == f("GET /c", `[{"id":1,"Name":"x"}]`) || f("GET /c", `[]`) != 0 {
		t.Error("other names, the same hash")
	}
}

// Looks live side by side and are used again.
func TestManyLooks(t *testing.T) {
	in := inspect.New(keys(), inspect.Config{})
	var looks []*inspect.Look
	bodies := map[int]string{}
	for i := range 50 {
		looks = append(looks, in.Begin(begin("GET /customers", "application/json")))
		bodies[i] = listBody(i)
	}
	for off := 0; off < 20000; off += 100 {
		for i, l := range looks {
			if b := bodies[i]; off < len(b) {
				l.Data([]byte(b[off:min(off+100, len(b))]))
			}
		}
	}
	for i, l := range looks {
		var x exchange.Exchange
		if l.Report(&x, true); x.Records != uint64(i) || int(x.ObjectsSeen) != i {
			t.Errorf("look %d: %s", i, told(&x))
		}
		l.Release()
	}
	if got := told(look(in, begin("GET /customers", "application/json"), `[{"id":1}]`, 4)); got != "exact 1 seen 1" {
		t.Errorf("used again: %s", got)
	}
}

// Nothing of a body shows when an Inspector or a Look is printed.
func TestNothingPrintsABody(t *testing.T) {
	in := inspect.New(keys(), inspect.Config{})
	for _, coding := range []string{"", "gzip"} {
		b := begin("GET /customers", "application/json")
		b.ContentEncoding = []byte(coding)
		l := in.Begin(b)
		l.Data([]byte(`[{"id":"tok_test_secret_id","x":"tok_test_secret`))
		text := fmt.Sprintf("%v %+v %#v %v %+v %#v %s", l, l, l, in, in, in, *l)
		if strings.Contains(text, "tok_test") || strings.Contains(text, fmt.Sprint([]byte("tok_test"))[1:20]) {
			t.Error("a body is printed")
		}
		l.Release()
	}
}

func TestSteadyStateDoesNotAllocate(t *testing.T) {
	in := inspect.New(keys(), inspect.Config{})
	for _, coding := range []string{"", "gzip", "zlib"} {
		body := []byte(encode(t, coding, listBody(100)))
		b := begin("GET /customers/{17}", "application/json")
		b.ContentEncoding = []byte(map[string]string{"zlib": "deflate"}[coding])
		if coding == "gzip" {
			b.ContentEncoding = []byte("gzip")
		}
		var x exchange.Exchange
		run := func() {
			l := in.Begin(b)
			for rest := body; len(rest) > 0; {
				n := min(1448, len(rest))
				l.Data(rest[:n])
				rest = rest[n:]
			}
			x = exchange.Exchange{}
			l.Report(&x, true)
			l.Release()
		}
		run()
		run()
		if n := testing.AllocsPerRun(50, run); n > 0 {
			t.Errorf("%q: %v allocations", coding, n)
		}
		if x.Records == 0 {
			t.Errorf("%q: nothing found", coding)
		}
	}
}
