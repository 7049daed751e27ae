// SPDX-License-Identifier: Apache-2.0

package corpus

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"strings"
)

// framingScenes are about where bodies end, RFC 9112 section 6.
func framingScenes() []scene {
	return []scene{
		{"chunked", []string{"chunked-response"}, chunkedPlain},
		{"chunked-extensions-trailers", []string{"chunked-response"}, chunkedDecorated},
		{"chunked-byte-by-byte", []string{"chunked-response"}, chunkedBytes},
		{"chunked-request", []string{"chunked-request"}, chunkedRequest},
		{"chunked-size-spelling", []string{"chunked-response", "malformed-evasive"}, chunkedSpelling},
		{"chunked-not-ended", []string{"chunked-response", "truncated-body"}, chunkedNotEnded},
		{"head", []string{"head"}, headMethod},
		{"no-content-and-not-modified", []string{"204-304"}, noContent},
		{"close-delimited-fin", []string{"close-delimited"}, closeFIN},
		{"close-delimited-rst", []string{"close-delimited"}, closeRST},
		{"close-delimited-unknown-coding", []string{"close-delimited", "malformed-evasive"}, closeCoding},
		{"length-twice-alike", []string{"malformed-evasive"}, lengthTwice},
		{"length-twice-different", []string{"malformed-evasive"}, lengthDifferent},
		{"coding-and-length", []string{"malformed-evasive", "chunked-request", "chunked-response"}, codingAndLength},
		{"codings-in-a-row", []string{"chunked-response", "content-encoding"}, codingsInARow},
		{"content-encoding", []string{"content-encoding"}, contentEncoding},
		{"range", []string{"range-206", "multipart"}, ranges},
		{"large-response", []string{"large-body"}, largeResponse},
		{"large-chunked", []string{"large-body", "chunked-response"}, largeChunked},
		{"large-request", []string{"large-request"}, largeRequest},
		{"request-bodies", []string{"multipart"}, requestBodies},
		{"length-not-reached", []string{"truncated-body"}, lengthNotReached},
	}
}

func chunkedPlain(p *tape) {
	t := p.talk().open()
	for i, body := range []string{chunked(""), chunked(fill(1)), chunked(fill(5000), 2500, 1700)} {
		target := fmt.Sprintf("/chunked/%d", i)
		t.say(client, request("GET", target))
		t.say(server, response(200, "Transfer-Encoding: chunked")+body)
		t.did("GET", target, 200, 0, []int{0, 1, 5000}[i])
	}
	t.close(client)
}

func chunkedDecorated(p *tape) {
	t := p.talk().open()
	t.say(client, request("GET", "/decorated", "TE: trailers"))
	t.say(server, response(200, "Transfer-Encoding: chunked", "Trailer: Digest, X-Count")+
		"5;a=b\r\nhello\r\n6 ; name = \"quoted;\\\" 9\"\r\n world\r\n0;last\r\nDigest: sha-256=abc\r\nX-Count: 2\r\nContent-Length: 9\r\n\r\n")
	t.did("GET", "/decorated", 200, 0, 11)
	t.get("/after", 10)
	t.close(client)
}

func chunkedBytes(p *tape) {
	t := p.talk()
	t.mss = 3
	t.open()
	t.say(client, request("GET", "/bytes"))
	t.say(server, response(200, "Transfer-Encoding: chunked")+chunked(fill(20), 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1))
	t.did("GET", "/bytes", 200, 0, 20)
	t.get("/after", 4)
	t.close(client)
}

func chunkedRequest(p *tape) {
	t := p.talk().open()
	for i, n := range []int{0, 10, 4000} {
		target := fmt.Sprintf("/up/%d", i)
		body := chunked(fill(n))
		t.say(client, request("POST", target, "Transfer-Encoding: chunked")+body)
		t.say(server, download(201, fill(8)))
		t.did("POST", target, 201, n, 8)
	}
	t.close(client)
}

func chunkedSpelling(p *tape) {
	t := p.talk().open()
	for i, body := range []string{"A\r\n0123456789\r\n0\r\n\r\n", "0000000a\r\n0123456789\r\n000\r\n\r\n", "a \r\n0123456789\r\n0 \r\n\r\n", "a\t;x\r\n0123456789\r\n0\r\n\r\n"} {
		target := fmt.Sprintf("/spelling/%d", i)
		t.say(client, request("GET", target))
		t.say(server, response(200, "Transfer-Encoding: chunked")+body)
		t.did("GET", target, 200, 0, 10)
	}
	t.close(client)
}

func chunkedNotEnded(p *tape) {
	t := p.talk().open()
	t.say(client, request("GET", "/cut"))
	t.say(server, response(200, "Transfer-Encoding: chunked")+"64\r\n"+fill(100)+"\r\n64\r\n"+fill(40))
	t.close(server)
	t.did("GET", "/cut", 200, 0, 140)
}

// "any response to a HEAD request ... is always terminated by the first empty line" (6.3 rule 1).
func headMethod(p *tape) {
	t := p.talk().open()
	for i, r := range []string{response(200, "Content-Length: 5000"), response(200, "Transfer-Encoding: chunked"), response(404), response(200, "Content-Length: 0")} {
		target := fmt.Sprintf("/head/%d", i)
		t.say(client, request("HEAD", target))
		t.say(server, r)
		t.did("HEAD", target, []int{200, 200, 404, 200}[i], 0, 0)
	}
	t.get("/after", 15)
	t.close(client)
}

func noContent(p *tape) {
	t := p.talk().open()
	for i, s := range []int{204, 304, 304, 204, 205} {
		target := fmt.Sprintf("/none/%d", i)
		r := response(s)
		switch i {
		case 2:
			r = response(s, "Content-Length: 1234", "ETag: \"x\"")
		case 4:
			r = response(s, "Content-Length: 0") // a 205 is framed like any other
		}
		t.say(client, request("GET", target))
		t.say(server, r)
		t.did("GET", target, s, 0, 0)
	}
	t.get("/after", 15)
	t.close(client)
}

func closeFIN(p *tape) {
	t := p.talk().open()
	t.get("/first", 10)
	t.say(client, request("GET", "/until-close"))
	t.say(server, response(200, "Connection: close")+fill(20_000))
	t.close(server)
	t.did("GET", "/until-close", 200, 0, 20_000)
}

func closeRST(p *tape) {
	t := p.talk().open()
	t.say(client, request("GET", "/until-reset"))
	t.say(server, response(200)+fill(3000))
	t.rst(server)
	t.did("GET", "/until-reset", 200, 0, 3000)
}

// "If a Transfer-Encoding header field is present in a response and the chunked transfer coding is not
// the final encoding, the message body length is determined by reading the connection" (6.3 rule 4).
func closeCoding(p *tape) {
	t := p.talk().open()
	t.say(client, request("GET", "/coding"))
	t.say(server, response(200, "Transfer-Encoding: gzip", "Content-Length: 5")+noise(2000, 1))
	t.close(server)
	t.did("GET", "/coding", 200, 0, 2000)
}

// Identical values are one (6.3 rule 5).
func lengthTwice(p *tape) {
	t := p.talk().open()
	t.say(client, "POST /twice HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 7\r\nContent-Length: 7\r\n\r\n"+fill(7))
	t.say(server, "HTTP/1.1 200 OK\r\nContent-Length: 9, 9\r\n\r\n"+fill(9))
	t.did("POST", "/twice", 200, 7, 9)
	t.get("/after", 10)
	t.close(client)
}

// Different ones are an unrecoverable error: the server answers 400 and closes (6.3 rule 5). How much
// of what came was a body nobody can say.
func lengthDifferent(p *tape) {
	t := p.talk().open()
	t.say(client, "POST /twice HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 7\r\nContent-Length: 9\r\n\r\n"+fill(7))
	t.say(server, download(400, fill(20), "Connection: close"))
	t.close(server)
	unsure(t.did("POST", "/twice", 400, 0, 20), "req_body_len")
}

// "the Transfer-Encoding overrides the Content-Length" (6.3 rule 3).
func codingAndLength(p *tape) {
	t := p.talk().open()
	t.say(client, request("POST", "/both", "Content-Length: 4", "Transfer-Encoding: chunked")+chunked(fill(60), 25))
	t.say(server, response(200, "Transfer-Encoding: chunked", "Content-Length: 3")+chunked(fill(45), 25))
	t.did("POST", "/both", 200, 60, 45)
	t.get("/after", 10)
	t.close(client)
}

func gzipped(s string) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, err := z.Write([]byte(s))
	if err != nil || z.Close() != nil {
		panic("BUG: corpus: gzip into memory")
	}
	return b.String()
}

// Sizes are those of the body as sent, so a transfer coding before chunked is not undone.
func codingsInARow(p *tape) {
	t := p.talk().open()
	body := gzipped(fill(3000))
	for i, fields := range [][]string{{"Transfer-Encoding: gzip, chunked"}, {"Transfer-Encoding: gzip", "Transfer-Encoding: chunked"}} {
		target := fmt.Sprintf("/row/%d", i)
		t.say(client, request("GET", target))
		t.say(server, response(200, fields...)+chunked(body, 20))
		t.did("GET", target, 200, 0, len(body))
	}
	t.close(client)
}

func contentEncoding(p *tape) {
	t := p.talk().open()
	body := gzipped(fill(30_000))
	t.say(client, upload("POST", "/zip", body, "Content-Encoding: gzip"))
	t.say(server, download(200, body, "Content-Encoding: gzip"))
	t.did("POST", "/zip", 200, len(body), len(body))
	t.say(client, request("GET", "/zip/1"))
	t.say(server, response(200, "Content-Encoding: br", "Transfer-Encoding: chunked")+chunked(noise(700, 2), 300, 300))
	t.did("GET", "/zip/1", 200, 0, 700)
	t.close(client)
}

func ranges(p *tape) {
	t := p.talk().open()
	t.say(client, request("GET", "/big.bin", "Range: bytes=100-299"))
	t.say(server, download(206, fill(200), "Content-Range: bytes 100-299/100000"))
	t.did("GET", "/big.bin", 206, 0, 200)
	parts := "\r\n--x\r\nContent-Range: bytes 0-9/99\r\n\r\n" + fill(10) + "\r\n--x\r\nContent-Range: bytes 20-29/99\r\n\r\n" + fill(10) + "\r\n--x--\r\n"
	t.say(client, request("GET", "/big.bin?parts", "Range: bytes=0-9,20-29"))
	t.say(server, download(206, parts, "Content-Type: multipart/byteranges; boundary=x"))
	t.did("GET", "/big.bin?parts", 206, 0, len(parts))
	t.close(client)
}

func largeResponse(p *tape) {
	t := p.talk().open()
	t.get("/small", 10)
	t.get("/large", 3<<20)
	t.get("/small/2", 11)
	t.close(client)
}

func largeChunked(p *tape) {
	t := p.talk().open()
	t.say(client, request("GET", "/stream"))
	var sizes []int
	for n := range 400 {
		sizes = append(sizes, 100+13*n)
	}
	total := 0
	for _, n := range sizes {
		total += n
	}
	t.say(server, response(200, "Transfer-Encoding: chunked")+chunked(fill(total), sizes...))
	t.did("GET", "/stream", 200, 0, total)
	t.get("/after", 12)
	t.close(client)
}

func largeRequest(p *tape) {
	t := p.talk().open()
	t.say(client, upload("PUT", "/backup", noise(1<<20, 3)))
	t.say(server, download(201, fill(2)))
	t.did("PUT", "/backup", 201, 1<<20, 2)
	t.get("/after", 12)
	t.close(client)
}

func requestBodies(p *tape) {
	t := p.talk().open()
	form := "--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a.csv\"\r\n\r\n" + fill(500) + "\r\n--b--\r\n"
	for i, body := range []string{"", `{"name":"Ada"}`, form, strings.Repeat("a=1&", 100)} {
		target := fmt.Sprintf("/body/%d", i)
		t.say(client, upload("POST", target, body))
		t.say(server, download(200, fill(20)))
		t.did("POST", target, 200, len(body), 20)
	}
	t.say(client, request("DELETE", "/body/1")) // no length: no body (6.3 rule 7)
	t.say(server, response(204))
	t.did("DELETE", "/body/1", 204, 0, 0)
	t.close(client)
}

func lengthNotReached(p *tape) {
	t := p.talk().open()
	t.say(client, request("GET", "/cut"))
	t.say(server, response(200, "Content-Length: 9000")+fill(4000))
	t.rst(server)
	t.did("GET", "/cut", 200, 0, 4000)
	t = p.talk().open()
	t.say(client, request("POST", "/cut", "Content-Length: 500")+fill(200))
	t.rst(client)
	t.did("POST", "/cut", 0, 200, 0)
}
