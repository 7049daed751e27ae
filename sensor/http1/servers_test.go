// SPDX-License-Identifier: Apache-2.0

package http1_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/weir-project/weir/sensor/http1"
)

// What servers make of a request whose framing is odd, with "GET /next" right behind it. A number is the length
// of the body after which the server read the next request; "end" says that it read the body and closed the
// connection; "no" says that it answered 400, 422 or 501 and closed it, so that it read nothing more.
//
// Asked over loopback: nginx 1.22.1, Node 20.20 (llhttp), haproxy 2.6 before a Go server; Go's net/http is asked
// again here, each time. What weir reads is what most servers that read on do. Where none does, the rest of the
// side is the body of the request: nobody answers what stands in it, and if a server does all the same, session's
// scout finds it there.
var shapes = []struct {
	name, fields, body             string
	nginx, node, haproxy, gos, our string
}{
	{"two lengths", "Content-Length: 3\r\nContent-Length: 40", "abc", "no", "no", "no", "no", "rest"},
	{"a length twice", "Content-Length: 3\r\nContent-Length: 3", "abc", "no", "no", "3", "3", "3"},
	{"a list of equal lengths", "Content-Length: 3, 3", "abc", "no", "no", "3", "no", "3"},
	{"plus", "Content-Length: +3", "abc", "no", "no", "no", "no", "rest"},
	{"hexadecimal", "Content-Length: 0x3", "abc", "no", "no", "no", "no", "rest"},
	{"leading zero", "Content-Length: 03", "abc", "3", "3", "3", "3", "3"},
	{"minus", "Content-Length: -3", "abc", "no", "no", "no", "no", "rest"},
	{"no number", "Content-Length:", "", "no", "no", "no", "no", "rest"},
	{"2^63", "Content-Length: 9223372036854775808", "abc", "no", "rest", "no", "no", "rest"},
	{"2^64 + 3", "Content-Length: 18446744073709551619", "abc", "no", "no", "no", "no", "rest"},
	{"space before colon", "Content-Length : 3", "abc", "no", "no", "no", "no", "rest"},
	{"VT before length", "Content-Length: \v3", "abc", "no", "no", "no", "no", "rest"},
	{"both framings", "Content-Length: 4\r\nTransfer-Encoding: chunked", "3\r\nabc\r\n0\r\n\r\n", "no", "no", "end", "3", "3"},
	{"gzip, chunked", "Transfer-Encoding: gzip, chunked", "3\r\nabc\r\n0\r\n\r\n", "no", "3", "no", "no", "3"},
	{"identity, chunked", "Transfer-Encoding: identity, chunked", "3\r\nabc\r\n0\r\n\r\n", "no", "3", "no", "no", "3"},
	{"an empty element", "Transfer-Encoding: ,chunked", "3\r\nabc\r\n0\r\n\r\n", "no", "3", "no", "no", "3"},
	{"no coding", "Transfer-Encoding:", "", "no", "0", "no", "no", "0"},
	{"no coding, a length", "Transfer-Encoding:\r\nContent-Length: 3", "abc", "no", "3", "no", "no", "3"},
	// Chunked with something behind it: none of these reads on, servers of other makes and the proxies before them do,
	// by chunks. A request that nobody answers costs nobody anything.
	{"chunked, chunked", "Transfer-Encoding: chunked, chunked", "3\r\nabc\r\n0\r\n\r\n", "no", "no", "no", "no", "3"},
	{"chunked twice", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", "3\r\nabc\r\n0\r\n\r\n", "no", "no", "no", "no", "3"},
	{"chunked, gzip", "Transfer-Encoding: chunked, gzip", "3\r\nabc\r\n0\r\n\r\n", "no", "no", "no", "no", "3"},
	{"chunked, identity", "Transfer-Encoding: chunked, identity", "3\r\nabc\r\n0\r\n\r\n", "no", "no", "no", "no", "3"},
	{"gzip", "Transfer-Encoding: gzip", "", "no", "no", "no", "no", "rest"},
	{"an unknown coding", "Transfer-Encoding: xchunked", "3\r\nabc\r\n0\r\n\r\n", "no", "no", "no", "no", "rest"},
	{"VT before chunked", "Transfer-Encoding: \vchunked", "3\r\nabc\r\n0\r\n\r\n", "no", "no", "no", "no", "rest"},
	{"quoted", "Transfer-Encoding: \"chunked\"", "3\r\nabc\r\n0\r\n\r\n", "no", "no", "no", "no", "rest"},
	{"folded", "Transfer-Encoding:\r\n chunked", "3\r\nabc\r\n0\r\n\r\n", "no", "no", "3", "3", "3"},
	// RFC 2616 servers took identity for nothing at all, and one that knows no codings reads by the length: a
	// client must not hide what it asks for next behind a word.
	{"identity", "Transfer-Encoding: identity", "", "no", "no", "no", "no", "0"},
	{"identity, a length", "Transfer-Encoding: identity\r\nContent-Length: 3", "abc", "no", "no", "no", "no", "3"},
	{"an unknown coding, a length", "Transfer-Encoding: xchunked\r\nContent-Length: 3", "abc", "no", "no", "no", "no", "3"},

	{"chunk extensions", "Transfer-Encoding: chunked", "3;a=\"b\"\r\nabc\r\n0;x\r\n\r\n", "3", "no", "3", "3", "3"},
	{"blank behind the size", "Transfer-Encoding: chunked", "3 \r\nabc\r\n0\r\n\r\n", "3", "no", "3", "3", "3"},
	{"tab behind the size", "Transfer-Encoding: chunked", "3\t\r\nabc\r\n0\r\n\r\n", "3", "no", "3", "3", "3"},
	{"words behind the size", "Transfer-Encoding: chunked", "3 x\r\nabc\r\n0\r\n\r\n", "3", "no", "no", "no", "3"},
	{"many zeros", "Transfer-Encoding: chunked", "00000000000000000003\r\nabc\r\n000\r\n\r\n", "3", "3", "3", "no", "3"},
	{"LF alone", "Transfer-Encoding: chunked", "3\nabc\n0\n\n", "3", "no", "3", "no", "3"},
	{"trailers", "Transfer-Encoding: chunked", "3\r\nabc\r\n0\r\nX: y\r\nContent-Length: 50\r\n\r\n", "3", "no", "3", "3", "3"},
	{"trailers without a colon", "Transfer-Encoding: chunked", "3\r\nabc\r\n0\r\nno colon\x01\r\n\r\n", "3", "no", "no", "no", "3"},
	{"blank before the size", "Transfer-Encoding: chunked", " 3\r\nabc\r\n0\r\n\r\n", "no", "no", "no", "no", "rest"},
	{"hexadecimal size", "Transfer-Encoding: chunked", "0x3\r\nabc\r\n0\r\n\r\n", "no", "no", "no", "no", "rest"},
	{"plus before the size", "Transfer-Encoding: chunked", "+3\r\nabc\r\n0\r\n\r\n", "no", "no", "no", "no", "rest"},
	{"a letter behind the size", "Transfer-Encoding: chunked", "3x\r\nabc\r\n0\r\n\r\n", "no", "no", "no", "no", "rest"},
	{"no size", "Transfer-Encoding: chunked", "\r\nabc\r\n0\r\n\r\n", "no", "no", "no", "no", "rest"},
	{"no line end behind a chunk", "Transfer-Encoding: chunked", "3\r\nabc0\r\n\r\n", "no", "no", "no", "no", "rest"},
	{"LF in an extension", "Transfer-Encoding: chunked", "3;a=\"\n\"\r\nabc\r\n0\r\n\r\n", "no", "no", "no", "no", "rest"},
}

func TestFramingIsTheServers(t *testing.T) {
	for _, s := range shapes {
		text := "POST /a HTTP/1.1\r\nHost: a\r\n" + s.fields + "\r\n\r\n" + s.body + "GET /next HTTP/1.1\r\nHost: a\r\n\r\n"
		if got := askGo(text); got != s.gos {
			t.Errorf("%s: net/http reads %s, noted is %s", s.name, got, s.gos)
		}
		out := run(t, []act{{data: []byte(text)}}, false, http1.Limits{}, whole)
		our := "rest"
		if len(out) > 1 && strings.Contains(out[1], "GET /next") {
			_, after, _ := strings.Cut(out[0], " body=")
			our, _, _ = strings.Cut(after, " ")
		}
		if our != s.our {
			t.Errorf("%s: read %s, want %s:\n%s", s.name, our, s.our, strings.Join(out, "\n"))
		}
		votes := map[string]int{}
		for _, v := range []string{s.nginx, s.node, s.haproxy, s.gos} {
			votes[v]++
		}
		reads := votes["0"] + votes["3"]
		if s.our == "rest" && reads > 0 || s.our != "rest" && reads == 0 &&
			!strings.HasPrefix(s.name, "identity") && !strings.HasPrefix(s.name, "an unknown") && !strings.HasPrefix(s.name, "chunked") {
			t.Errorf("%s: %s is not what servers do: %v", s.name, s.our, votes)
		}
	}
}

// askGo says how Go's server reads the text.
func askGo(text string) string {
	r := bufio.NewReader(strings.NewReader(text))
	q, err := http.ReadRequest(r)
	if err != nil {
		return "no"
	}
	for name := range q.Header { // the server looks at them, ReadRequest does not
		if strings.ContainsAny(name, " \t") {
			return "no"
		}
	}
	n, err := io.Copy(io.Discard, q.Body)
	if err != nil {
		return "no"
	}
	if next, err := http.ReadRequest(r); err != nil || next.URL.Path != "/next" {
		return "end"
	}
	return fmt.Sprint(n)
}
