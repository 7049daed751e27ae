// SPDX-License-Identifier: Apache-2.0

package corpus

import (
	"fmt"
	"strings"
)

// messageScenes are about heads, and about which response answers which request.
func messageScenes() []scene {
	return []scene{
		{"keep-alive", []string{"keepalive-multi"}, keepAlive},
		{"http10", []string{"http10", "close-delimited"}, http10},
		{"http10-keep-alive", []string{"http10", "keepalive-multi"}, http10KeepAlive},
		{"pipelining", []string{"pipelining"}, pipelining},
		{"pipelining-cut-anywhere", []string{"pipelining"}, pipeliningCut},
		{"pipelining-mixed-methods", []string{"pipelining", "head", "204-304"}, pipeliningMixed},
		{"methods", []string{"methods"}, methods},
		{"targets", []string{"targets"}, targets},
		{"absolute-form", []string{"absolute-form"}, absoluteForm},
		{"asterisk-form", []string{"targets"}, asteriskForm},
		{"hosts", []string{"hosts"}, hosts},
		{"host-missing", []string{"http10", "hosts"}, hostMissing},
		{"statuses", []string{"statuses"}, statuses},
		{"bare-lf", []string{"malformed-evasive"}, bareLF},
		{"obs-fold", []string{"malformed-evasive"}, obsFold},
		{"field-spelling", []string{"malformed-evasive"}, fieldSpelling},
		{"many-fields", []string{"large-head"}, manyFields},
		{"empty-lines-between", []string{"malformed-evasive"}, emptyLines},
		{"no-response", []string{"no-response"}, noResponse},
		{"head-cut-over-segments", []string{"keepalive-multi"}, headCut},
		{"bodies-that-look-like-http", []string{"malformed-evasive"}, bodyLooksLikeHTTP},
	}
}

func keepAlive(p *tape) {
	t := p.talk().open()
	t.get("/customers/17", 90)
	t.get("/customers?page=2", 3000)
	t.get("/customers/18", 0)
	t.close(client)
}

func http10(p *tape) {
	t := p.talk().open()
	t.say(client, "GET /old HTTP/1.0\r\nHost: shop.example\r\n\r\n")
	t.say(server, "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\n"+fill(4321))
	t.close(server)
	t.did("GET", "/old", 200, 0, 4321)
}

func http10KeepAlive(p *tape) {
	t := p.talk().open()
	for i, n := range []int{10, 2000, 0} {
		target := fmt.Sprintf("/old/%d", i)
		t.say(client, "GET "+target+" HTTP/1.0\r\nHost: shop.example\r\nConnection: keep-alive\r\n\r\n")
		t.say(server, fmt.Sprintf("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: %d\r\n\r\n", n)+fill(n))
		t.did("GET", target, 200, 0, n)
	}
	t.close(client)
}

func pipelining(p *tape) {
	t := p.talk().open()
	var asked, told string
	for i := range 6 {
		target := fmt.Sprintf("/items/%d", i)
		asked += request("GET", target)
		told += download(200+i, fill(100*i))
		t.did("GET", target, 200+i, 0, 100*i)
	}
	// 204 has no body, whatever its fields say: RFC 9112 section 6.3 rule 1.
	told = strings.Replace(told, download(204, fill(400)), download(204, fill(0)), 1)
	t.truth[4].ResponseBody = 0
	t.say(client, asked)
	t.say(server, told)
	t.close(client)
}

func pipeliningCut(p *tape) {
	t := p.talk()
	t.mss, t.quiet = 7, true
	t.open()
	var asked, told string
	for i := range 4 {
		target := fmt.Sprintf("/items/%d", i)
		asked += upload("POST", target, fill(11*i))
		told += download(201, fill(13*i))
		t.did("POST", target, 201, 11*i, 13*i)
	}
	t.say(client, asked)
	t.ack(server)
	t.say(server, told)
	t.close(client)
}

func pipeliningMixed(p *tape) {
	t := p.talk().open()
	t.say(client, request("HEAD", "/a")+request("GET", "/b")+upload("PUT", "/c", fill(50))+request("GET", "/d"))
	t.say(server, response(200, "Content-Length: 5000")+download(200, fill(7))+response(204)+response(304, "Content-Length: 77"))
	t.did("HEAD", "/a", 200, 0, 0)
	t.did("GET", "/b", 200, 0, 7)
	t.did("PUT", "/c", 204, 50, 0)
	t.did("GET", "/d", 304, 0, 0)
	t.close(client)
}

func methods(p *tape) {
	t := p.talk().open()
	for _, m := range []string{"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY", "PROPFIND", "PURGE", "M-SEARCH", "VERSION-CONTROL"} {
		t.say(client, upload(m, "/things/1", fill(21)))
		t.say(server, download(200, fill(12)))
		t.did(m, "/things/1", 200, 21, 12)
	}
	t.close(client)
}

func targets(p *tape) {
	t := p.talk().open()
	for _, target := range []string{"/", "//double//slash", "/a/../b/./c", "/%7Eada/%2F%20", "/search?q=a%26b&r=c+d", "/?", "/q?a=b?c=d",
		"/caf\u00e9", "/semi;colon=1,2", "/quote'\"<>{}|^`", "/" + strings.Repeat("long/", 1200), "/x?" + strings.Repeat("k=v&", 1500)} {
		t.get(target, 30)
	}
	t.close(client)
}

func absoluteForm(p *tape) {
	t := p.talkTo("192.0.2.20:3128").open()
	t.get("http://far.example/customers/1?x=y", 200)
	t.truth[0].Host = "far.example"
	// "When a proxy receives a request with an absolute-form of request-target, the proxy MUST ignore
	// the received Host header field" (RFC 9112 section 3.2.2): both names are taken as right here.
	t.get("http://far.example:8080/customers/2", 300)
	t.close(client)
}

func asteriskForm(p *tape) {
	t := p.talk().open()
	t.say(client, request("OPTIONS", "*"))
	t.say(server, response(204, "Allow: GET, POST"))
	t.did("OPTIONS", "*", 204, 0, 0)
	t.close(client)
}

func hosts(p *tape) {
	t := p.talkTo("[2001:db8::80]:8080").open()
	for _, h := range []string{"shop.example:8080", "Shop.EXAMPLE", "[2001:db8::80]:8080", "198.51.100.7", "xn--caf-dma.example", "shop_1.example"} {
		t.say(client, "GET /h HTTP/1.1\r\nHOST:"+h+"\r\n\r\n")
		t.say(server, download(200, fill(9)))
		t.did("GET", "/h", 200, 0, 9).Host = h
	}
	t.close(client)
}

func hostMissing(p *tape) {
	t := p.talk().open()
	t.say(client, "GET /no-host HTTP/1.0\r\n\r\n")
	t.say(server, "HTTP/1.0 404 Not Found\r\nContent-Length: 3\r\n\r\nno\n")
	t.did("GET", "/no-host", 404, 0, 3).Host = ""
	t.close(server)
}

func statuses(p *tape) {
	t := p.talk().open()
	for _, s := range []int{200, 203, 206, 299, 301, 307, 400, 401, 403, 418, 429, 451, 499, 500, 503, 599} {
		target := fmt.Sprintf("/status/%d", s)
		t.say(client, request("GET", target))
		t.say(server, download(s, fill(s)))
		t.did("GET", target, s, 0, s)
	}
	for i, line := range []string{"HTTP/1.1 200", "HTTP/1.1 200 ", "HTTP/1.1 404 Nicht da: \xfc"} { // the reason is optional
		target := fmt.Sprintf("/reason/%d", i)
		t.say(client, request("GET", target))
		t.say(server, line+"\r\nContent-Length: 4\r\n\r\nfour")
		t.did("GET", target, []int{200, 200, 404}[i], 0, 4)
	}
	t.close(client)
}

// "a recipient MAY recognize a single LF as a line terminator" (RFC 9112 section 2.2), and servers do.
func bareLF(p *tape) {
	t := p.talk().open()
	t.say(client, "POST /lf HTTP/1.1\nHost: shop.example\nContent-Length: 4\n\nbody")
	t.say(server, "HTTP/1.1 200 OK\nContent-Length: 5\n\nhello")
	t.did("POST", "/lf", 200, 4, 5)
	t.say(client, "GET /lf/mixed HTTP/1.1\r\nHost: shop.example\n\r\n")
	t.say(server, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\n\n5\nhello\n0\n\n")
	t.did("GET", "/lf/mixed", 200, 0, 5)
	t.get("/lf/after", 10)
	t.close(client)
}

// RFC 9112 section 5.2: a folded line goes on with the value before it.
func obsFold(p *tape) {
	t := p.talk().open()
	t.say(client, "POST /fold HTTP/1.1\r\nHost: shop.example\r\nX-Long: one\r\n two\r\n\tContent-Length: 99\r\nContent-Length: 6\r\n\r\nsixsix")
	t.say(server, "HTTP/1.1 200 OK\r\nX-Long: a\r\n  Transfer-Encoding: chunked\r\nContent-Length:\r\n 8\r\n\r\neighteig")
	t.did("POST", "/fold", 200, 6, 8)
	t.get("/fold/after", 10)
	t.close(client)
}

func fieldSpelling(p *tape) {
	t := p.talk().open()
	t.say(client, "POST /f HTTP/1.1\r\nhost:shop.example\r\nCONTENT-LENGTH: \t 3 \t\r\nX-Empty:\r\n\r\nabc")
	t.say(server, "HTTP/1.1 200 OK\r\ncOnTeNt-LeNgTh:0012\r\n\r\n"+fill(12))
	t.did("POST", "/f", 200, 3, 12)
	t.say(client, request("GET", "/f2"))
	t.say(server, "HTTP/1.1 200 OK\r\ntransfer-encoding:\tChunked\r\n\r\n"+chunked(fill(33), 30))
	t.did("GET", "/f2", 200, 0, 33)
	t.close(client)
}

func manyFields(p *tape) {
	t := p.talk().open()
	var fields []string
	for i := range 200 {
		fields = append(fields, fmt.Sprintf("X-Field-%d: %s", i, fill(80)[:58]))
	}
	t.say(client, upload("POST", "/many", fill(40), fields...))
	t.say(server, download(200, fill(50), fields...))
	t.did("POST", "/many", 200, 40, 50)
	t.say(client, request("GET", "/cookie", "Cookie: a="+strings.Repeat("x", 20_000)))
	t.say(server, download(200, fill(60)))
	t.did("GET", "/cookie", 200, 0, 60)
	t.close(client)
}

// Some old clients send an empty line after a body that is in no length: RFC 9112 section 2.2.
func emptyLines(p *tape) {
	t := p.talk().open()
	t.say(client, upload("POST", "/form", fill(30))+"\r\n")
	t.say(server, download(200, fill(5)))
	t.did("POST", "/form", 200, 30, 5)
	t.say(client, "\r\n\r\n"+request("GET", "/after"))
	t.say(server, download(200, fill(6)))
	t.did("GET", "/after", 200, 0, 6)
	t.close(client)
}

func noResponse(p *tape) {
	t := p.talk().open()
	t.get("/answered", 10)
	t.say(client, upload("POST", "/unanswered", fill(70)))
	t.did("POST", "/unanswered", 0, 70, 0)
	t.rst(server)
}

func headCut(p *tape) {
	t := p.talk()
	t.mss, t.quiet = 1, true
	t.open()
	t.say(client, upload("POST", "/slow", "ab"))
	t.ack(server)
	t.say(server, download(200, "xyz"))
	t.did("POST", "/slow", 200, 2, 3)
	t.ack(client)
	t.say(client, request("GET", "/slow/2"))
	t.ack(server)
	t.say(server, response(200, "Transfer-Encoding: chunked")+chunked("hello", 1, 3))
	t.did("GET", "/slow/2", 200, 0, 5)
	t.close(client)
}

func bodyLooksLikeHTTP(p *tape) {
	t := p.talk().open()
	inner := request("GET", "/never") + download(200, fill(9))
	t.say(client, upload("POST", "/log", inner))
	t.say(server, download(200, inner))
	t.did("POST", "/log", 200, len(inner), len(inner))
	t.say(client, request("GET", "/log/1"))
	t.say(server, response(200, "Transfer-Encoding: chunked")+chunked("\r\n\r\n"+inner, 2, 4, len(inner)-3))
	t.did("GET", "/log/1", 200, 0, 4+len(inner))
	t.close(client)
}
