// SPDX-License-Identifier: Apache-2.0

package inspect_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"

	"github.com/weir-project/weir/sensor/exchange"
	"github.com/weir-project/weir/sensor/inspect"
)

// customer is a record as APIs send them, about 320 bytes.
func customer(i int) string {
	return fmt.Sprintf(`{"id":%d,"name":"Somebody Longname %d","email":"somebody%d@mail.example","phone":"+49 30 %07d",`+
		`"address":{"street":"Long Street %d","city":"Town","zip":"10115","geo":{"lat":52.5,"lon":13.4}},`+
		`"tags":["a","b","c"],"created_at":"2026-11-24T05:59:30Z","active":true,"balance":1234.56}`, 100000+i, i, i, i, i)
}

func listBody(n int) string {
	return `{"page":1,"total":100000,"data":[` + many(n, customer) + `]}`
}

func gzipped(body string) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, _ = w.Write([]byte(body))
	_ = w.Close()
	return out.Bytes()
}

func benchmark(b *testing.B, body []byte, encoding string) {
	benchmarkMedia(b, body, "application/json", encoding)
}

func benchmarkMedia(b *testing.B, body []byte, media, encoding string) {
	in := inspect.New(keys(), inspect.Config{})
	bg := begin("GET /customers", media)
	bg.ContentEncoding = []byte(encoding)
	var x exchange.Exchange
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		l := in.Begin(bg)
		for rest := body; len(rest) > 0; {
			n := min(1448, len(rest))
			l.Data(rest[:n])
			rest = rest[n:]
		}
		x = exchange.Exchange{}
		l.Report(&x, true)
		l.Release()
	}
	if x.Records == 0 {
		b.Fatal("nothing found")
	}
}

func BenchmarkSingle(b *testing.B)   { benchmark(b, []byte(customer(1)), "") }
func BenchmarkList1600(b *testing.B) { benchmark(b, []byte(listBody(5)), "") }
func BenchmarkList60K(b *testing.B)  { benchmark(b, []byte(listBody(190)), "") }
func BenchmarkGzip60K(b *testing.B)  { benchmark(b, gzipped(listBody(190)), "gzip") }
func BenchmarkBeyond1M(b *testing.B) { benchmark(b, []byte(listBody(3200)), "") }
func BenchmarkMessages60K(b *testing.B) {
	benchmarkMedia(b, []byte(strings.Repeat(frame(0, customer(1)), 190)), "application/grpc", "")
}
func BenchmarkMessagesText80K(b *testing.B) {
	body := base64.StdEncoding.EncodeToString([]byte(strings.Repeat(frame(0, customer(1)), 190)))
	benchmarkMedia(b, []byte(body), "application/grpc-web-text", "")
}
func BenchmarkRequest(b *testing.B) {
	in := inspect.New(keys(), inspect.Config{})
	bg := begin("GET /customers/{4711}", "application/json")
	var x exchange.Exchange
	b.ReportAllocs()
	for b.Loop() {
		l := in.Begin(bg)
		l.Report(&x, true)
		l.Release()
	}
}
