// SPDX-License-Identifier: Apache-2.0

package http1_test

import (
	"strings"
	"testing"

	"github.com/weir-project/weir/sensor/http1"
)

// count is a Handler that only counts.
type count struct {
	heads, ends int
	body, gap   int64
}

func (c *count) Head(*http1.Parser, *http1.Message) http1.Context { c.heads++; return http1.Context{} }
func (c *count) Body(_ *http1.Parser, b []byte)                   { c.body += int64(len(b)) }
func (c *count) Gap(_ *http1.Parser, n int64)                     { c.gap += n }
func (c *count) End(*http1.Parser, http1.Tail)                    { c.ends++ }
func (c *count) Drift(*http1.Parser) bool                         { return false }
func (c *count) Lost(*http1.Parser)                               {}

const timingRequest = "GET /customers/48213/orders?page=2 HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: test/1.0\r\n" +
	"Accept: application/json\r\nAccept-Encoding: gzip\r\nAuthorization: Bearer tok_test_0123456789abcdef\r\n" +
	"X-Request-Id: 7d9f\r\nConnection: keep-alive\r\n\r\n"

var timingResponse = "HTTP/1.1 200 OK\r\nServer: test\r\nDate: Tue, 01 Jan 2030 00:00:00 GMT\r\nContent-Type: application/json\r\n" +
	"Content-Length: 300\r\nConnection: keep-alive\r\n\r\n" + strings.Repeat("z", 300)

func TestNoAllocation(t *testing.T) {
	var c count
	var req, resp http1.Parser
	req.Reset(&c, http1.Request, false, http1.Limits{})
	resp.Reset(&c, http1.Response, false, http1.Limits{})
	q, s := []byte(timingRequest), []byte(timingResponse)
	chunked := []byte("HTTP/1.1 200 OK\r\nX: a\r\n b\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
	for name, f := range map[string]func(){
		"whole":   func() { req.Data(q, http1.Mark{}); resp.Data(s, http1.Mark{}) },
		"chunked": func() { resp.Data(chunked, http1.Mark{}) },
		"split": func() {
			req.Data(q[:50], http1.Mark{})
			req.Data(q[50:], http1.Mark{})
			resp.Data(s[:10], http1.Mark{})
			resp.Data(s[10:], http1.Mark{})
		},
		"reset": func() { req.Reset(&c, http1.Request, false, http1.Limits{}); req.Data(q, http1.Mark{}) },
	} {
		f()
		if n := testing.AllocsPerRun(200, f); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
	if c.heads != c.ends || c.heads == 0 {
		t.Errorf("%d heads, %d ends", c.heads, c.ends)
	}
}

func BenchmarkExchange(b *testing.B) {
	var c count
	var req, resp http1.Parser
	req.Reset(&c, http1.Request, false, http1.Limits{})
	resp.Reset(&c, http1.Response, false, http1.Limits{})
	q, s := []byte(timingRequest), []byte(timingResponse)
	b.SetBytes(int64(len(q) + len(s)))
	b.ReportAllocs()
	for b.Loop() {
		req.Data(q, http1.Mark{})
		resp.Data(s, http1.Mark{})
	}
}

func BenchmarkSeek(b *testing.B) {
	var c count
	var p http1.Parser
	p.Reset(&c, http1.Either, true, http1.Limits{})
	body := []byte(strings.Repeat("{\"id\":12345,\"name\":\"somebody\",\"note\":\"no message begins here\"},\n", 1000))
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		p.Data(body, http1.Mark{})
	}
}
