// SPDX-License-Identifier: Apache-2.0

package score

import (
	"net/netip"
	"strings"
)

// contradictions names the checked fields in which o is not t. What follows 101, or a 2xx to
// CONNECT, is another protocol: whether it is a body is a matter of taste.
func contradictions(t *Truth, o *Observed) (bad []string) {
	tunnel := t.Status == 101 || t.Method == "CONNECT" && t.Status/100 == 2
	for _, f := range t.Check {
		right, name := true, f
		switch f {
		case "method":
			right = t.Method == "" || o.Method == t.Method
		case "host":
			right = t.Method == "" || hostRight(t, o.Host)
		case "target":
			right, name = targetRight(t.Target, o.Path), "path"
		case "status":
			right = o.Status == t.Status
		case "req_body_len":
			right, name = tunnel || o.RequestBody == t.RequestBody, "request_body_bytes"
		case "resp_body_len":
			right, name = tunnel || o.ResponseBody == t.ResponseBody, "response_body_bytes"
		}
		if !right {
			bad = append(bad, name)
		}
	}
	return bad
}

// endpoint writes ip:port in one way only.
func endpoint(s string) string {
	s = strings.TrimSpace(s)
	i := strings.LastIndexByte(s, ':')
	if i < 0 {
		return s
	}
	host, _, _ := strings.Cut(strings.Trim(s[:i], "[]"), "%")
	if a, err := netip.ParseAddr(host); err == nil {
		host = a.Unmap().String()
	}
	return host + "|" + s[i+1:]
}

func hostName(h string) string { return strings.TrimRight(strings.ToLower(strings.TrimSpace(h)), ".") }

// hostRight says whether h names the server of t: by Host, by the authority of the target, or by its
// address where nothing names it. With or without port is the same.
func hostRight(t *Truth, h string) bool {
	h = hostName(h)
	want := []string{hostName(t.Host)}
	if want[0] == "" {
		server := strings.ToLower(t.Server)
		want = append(want, server, strings.Trim(withoutPort(server, true), "[]"))
	}
	if before, _, _ := strings.Cut(t.Target, "?"); strings.Contains(before, "://") {
		authority, _, _ := split(t.Target)
		want = append(want, hostName(authority))
	}
	if t.Method == "CONNECT" {
		want = append(want, hostName(t.Target))
	}
	for _, w := range want {
		if h == w || withoutPort(h, false) == withoutPort(w, false) {
			return true
		}
	}
	return false
}

// withoutPort cuts what follows the last colon, unless it is no number and any is false.
func withoutPort(s string, any bool) string {
	i := strings.LastIndexByte(s, ':')
	if i < 0 || !any && (i+1 == len(s) || strings.Trim(s[i+1:], "0123456789") != "") {
		return s
	}
	return s[:i]
}

// targetRight says whether got is the request-target want in one of the spellings that all count:
// as sent or percent-decoded, whole or from the path on, with or without query.
func targetRight(want, got string) bool {
	if want == "" || want == "0" || want == "-" {
		return true
	}
	var all []string
	add := func(s string) { all = append(all, s, unquote(s)) }
	add(want)
	path := want
	before, _, _ := strings.Cut(want, "?")
	if strings.Contains(before, "://") {
		_, p, query := split(want)
		if p == "" {
			p = "/"
		}
		if query != "" {
			p += "?" + query
		}
		path = p
		add(path)
	}
	add(before)
	noQuery, _, _ := strings.Cut(path, "?")
	add(noQuery)
	noFragment, _, _ := strings.Cut(path, "#")
	add(noFragment)
	neither, _, _ := strings.Cut(noFragment, "?")
	add(neither)
	decoded := unquote(got)
	for _, s := range all {
		if got == s || decoded == s {
			return true
		}
	}
	return false
}

// split takes a URI apart as RFC 3986 appendix B does.
func split(u string) (authority, path, query string) {
	u, _, _ = strings.Cut(u, "#")
	if i := strings.IndexByte(u, ':'); i > 0 && isScheme(u[:i]) {
		u = u[i+1:]
	}
	u, query, _ = strings.Cut(u, "?")
	if rest, is := strings.CutPrefix(u, "//"); is {
		i := strings.IndexByte(rest, '/')
		if i < 0 {
			return rest, "", query
		}
		return rest[:i], rest[i:], query
	}
	return "", u, query
}

func isScheme(s string) bool {
	for i, c := range []byte(s) {
		letter := c|0x20 >= 'a' && c|0x20 <= 'z'
		if !letter && (i == 0 || !(c >= '0' && c <= '9' || c == '+' || c == '-' || c == '.')) {
			return false
		}
	}
	return true
}

// unquote undoes percent-encoding, leaves what is none, and writes U+FFFD for bytes that are no UTF-8.
func unquote(s string) string {
	if strings.IndexByte(s, '%') < 0 {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			hi, lo := unhex(s[i+1]), unhex(s[i+2])
			if hi >= 0 && lo >= 0 {
				b = append(b, byte(hi<<4|lo))
				i += 2
				continue
			}
		}
		b = append(b, s[i])
	}
	return string([]rune(string(b)))
}

func unhex(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return int(c|0x20-'a') + 10
	}
	return -1
}
