// SPDX-License-Identifier: Apache-2.0

package canary

import (
	"encoding/base64"
	"fmt"
	"strings"
)

// Host is the server that the conversations are with.
const Host = "canary.example"

// ok is a harmless answer.
const ok = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 30\r\n\r\n" + `[{"id":1,"plan":"a"},{"id":2}]`

// ask makes a GET with header lines.
func ask(target string, lines ...string) []byte {
	return fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: %s\r\n%s\r\n", target, Host, join(lines))
}

func join(lines []string) string {
	var out strings.Builder
	for _, l := range lines {
		out.WriteString(l + "\r\n")
	}
	return out.String()
}

// Plant makes the conversations, the same every time, and remembers their secrets.
func (p *Planter) Plant() []Exchange {
	var all []Exchange
	for _, part := range [][]Exchange{p.authorizations(), p.keyHeaders(), p.cookies(), p.targets(), p.otherFields(), p.bodies(), p.malformed()} {
		all = append(all, part...)
	}
	return all
}

func asked(where string, request []byte) Exchange {
	return Exchange{Where: where, Request: request, Response: []byte(ok)}
}

func (p *Planter) authorizations() []Exchange {
	value := map[string]string{}
	order := []string{"bearer", "token", "apikey", "basic", "digest", "signature", "jwt", "unknown scheme", "no scheme", "negotiate", "two values"}
	value["bearer"] = "Bearer " + p.secret("bearer")
	value["token"] = "token " + p.secret("token scheme")
	value["apikey"] = "ApiKey " + p.secret("apikey scheme")
	value["basic"] = "Basic " + p.basic("basic")
	value["digest"] = `Digest username="` + p.secret("digest user") + `", realm="r", nonce="` + p.secret("digest nonce") + `", uri="/", response="` + p.keep("digest response", letters("digest", hexLower, 32)) + `"`
	value["signature"] = "AWS4-HMAC-SHA256 Credential=" + p.secret("aws access key") + "/20260101/eu-west-1/s3/aws4_request, SignedHeaders=host, Signature=" + p.keep("aws signature", letters("aws", hexLower, 64))
	value["jwt"] = "Bearer " + p.jwt("jwt")
	value["unknown scheme"] = p.secret("authorization scheme") + " " + p.secret("unknown scheme")
	value["no scheme"] = p.secret("authorization without scheme")
	value["negotiate"] = "Negotiate " + p.secret("negotiate")
	value["two values"] = "Bearer " + p.secret("two values, first") + "\r\nAuthorization: Bearer " + p.secret("two values, second")
	var all []Exchange
	for _, name := range order {
		all = append(all, asked("authorization "+name, ask("/orders/17", "Authorization: "+value[name])))
	}
	refused := asked("refused", ask("/orders/18", "Authorization: Bearer "+p.secret("refused bearer")))
	refused.Response = []byte("HTTP/1.1 401 " + p.secret("reason phrase") + "\r\nWWW-Authenticate: Bearer realm=\"" + p.secret("challenge realm") + "\"\r\nContent-Length: 0\r\n\r\n")
	proxied := asked("proxy authorization", ask("/orders/19", "Proxy-Authorization: Basic "+p.basic("proxy basic")))
	return append(all, refused, proxied)
}

func (p *Planter) keyHeaders() []Exchange {
	var all []Exchange
	for _, name := range []string{
		"X-Api-Key", "Api-Key", "X-Auth-Token", "X-Access-Token", "X-Goog-Api-Key", "Private-Token", "X-Vault-Token", "Ocp-Apim-Subscription-Key",
		"X-Amz-Security-Token", "X-Csrf-Token", "X-Unknown-Thing", "X-Forwarded-Access-Token",
	} {
		all = append(all, asked("header "+name, ask("/customers/3", name+": "+p.secret("header "+name))))
	}
	jwt := asked("jwt assertion", ask("/customers/4", "X-Jwt-Assertion: "+p.jwt("jwt assertion")))
	cert := asked("client certificate", ask("/customers/5", `X-Forwarded-Client-Cert: By=spiffe://a;Hash=`+p.keep("certificate hash", letters("xfcc", hexLower, 64))+`;Subject="CN=`+p.secret("certificate subject")+`";URI=spiffe://`+p.secret("certificate uri")))
	name := asked("header name", ask("/customers/6", p.secret("header name")+": 1"))
	return append(all, jwt, cert, name)
}

func (p *Planter) cookies() []Exchange {
	set := Exchange{Where: "set-cookie", Request: ask("/login"), Response: []byte("HTTP/1.1 200 OK\r\nSet-Cookie: session=" + p.secret("set-cookie") + "; HttpOnly\r\nSet-Cookie: " + p.secret("set-cookie name") + "=1\r\nContent-Length: 0\r\n\r\n")}
	return []Exchange{
		asked("session cookie", ask("/me", "Cookie: session="+p.secret("session cookie")+"; theme=dark")),
		asked("several cookies", ask("/me", "Cookie: theme=dark; PHPSESSID="+p.secret("php session")+"; auth_token="+p.secret("auth cookie")+"; other="+p.secret("other cookie"))),
		asked("cookie name", ask("/me", "Cookie: "+p.secret("cookie name")+"=1")),
		asked("jwt cookie", ask("/me", "Cookie: id_token="+p.jwt("jwt cookie"))),
		set,
	}
}

// targets plants secrets in the request-target.
func (p *Planter) targets() []Exchange {
	targets := []struct{ where, target string }{
		{"query access_token", "/reports?access_token=" + p.secret("query access_token")},
		{"query api_key", "/reports?page=2&api_key=" + p.secret("query api_key")},
		{"query of any name", "/reports?q=" + p.secret("query value") + "&sort=asc"},
		{"query key", "/reports?" + p.secret("query key") + "=1"},
		{"query key alone", "/reports?" + p.secret("query key alone")},
		{"query without equals", "/reports?a=1&" + p.secret("bare query part") + "&b"},
		{"signed query", "/files/a.csv?X-Amz-Credential=" + p.secret("signed query key") + "%2F20260101&X-Amz-Signature=" + p.keep("signed query signature", letters("sigv4", hexLower, 64))},
		{"fragment", "/reports#" + p.secret("fragment")},
		{"path mixed", "/share/" + p.secret("path mixed") + "/view"},
		{"path hex", "/share/" + p.keep("path hex", letters("path hex", hexLower, 40))},
		{"path base64", "/reset/" + p.keep("path base64", base64.RawURLEncoding.EncodeToString([]byte(letters("path base64", mixed, 24))))},
		{"path jwt", "/verify/" + p.jwt("path jwt")},
		{"path prefixed", "/hooks/sk_live_" + p.secret("path prefixed")},
		{"path parameter", "/orders;jsessionid=" + p.secret("path parameter") + "/list"},
		{"path bot token", "/bot" + p.keep("path bot token", letters("bot", digits, 10)+":AA"+letters("bot", mixed, 33)) + "/getUpdates"},
		{"path digits", "/accounts/" + p.keep("path digits", letters("digits", digits, 16)) + "/lines"},
		{"path e-mail", "/users/" + p.keep("path e-mail", letters("mail", mixed, 14)+"@example.com") + "/orders"},
		{"path percent", "/share/%41" + p.secret("path percent") + "%2F"},
		{"path matrix of dots", "/v1/" + p.secret("path dotted") + ".json"},
		{"absolute form", "http://" + p.secret("userinfo user") + ":" + p.secret("userinfo password") + "@" + Host + "/orders/1"},
	}
	var all []Exchange
	for _, t := range targets {
		all = append(all, asked(t.where, ask(t.target)))
	}
	return all
}

func (p *Planter) otherFields() []Exchange {
	moved := Exchange{Where: "location", Request: ask("/old"), Response: []byte("HTTP/1.1 302 Found\r\nLocation: https://app.example/cb?code=" + p.secret("location") + "\r\nContent-Length: 0\r\n\r\n")}
	boundary := asked("boundary", ask("/upload"))
	boundary.Response = []byte("HTTP/1.1 200 OK\r\nContent-Type: multipart/mixed; boundary=" + p.secret("boundary") + "\r\nContent-Length: 0\r\n\r\n")
	return []Exchange{
		asked("referer", ask("/a", "Referer: https://app.example/x?token="+p.secret("referer"))),
		asked("origin", ask("/a", "Origin: https://"+p.secret("origin")+".example")),
		asked("forwarded", ask("/a", `Forwarded: for="`+p.secret("forwarded")+`";host=x`, "X-Forwarded-For: "+p.secret("x-forwarded-for")+", 192.0.2.7", "X-Real-Ip: "+p.secret("x-real-ip"), "Via: 1.1 "+p.secret("via"))),
		asked("original url", ask("/a", "X-Original-Url: /p?k="+p.secret("x-original-url"), "X-Forwarded-Uri: /p?k="+p.secret("x-forwarded-uri"), "X-Envoy-Original-Path: /"+p.secret("x-envoy-original-path"))),
		asked("user agent", ask("/a", "User-Agent: curl/8.5 ("+p.secret("user-agent comment")+")")),
		asked("user agent product", ask("/a", "User-Agent: "+p.secret("user-agent product")+"/1.0")),
		asked("etag", ask("/a", `If-None-Match: "`+p.secret("if-none-match")+`"`)),
		asked("trace", ask("/a", "Tracestate: v="+p.secret("tracestate"), "Baggage: user="+p.secret("baggage"))),
		moved, boundary,
	}
}

func (p *Planter) bodies() []Exchange {
	post := func(where, kind, body string) Exchange {
		return asked(where, fmt.Appendf(nil, "POST /oauth/token HTTP/1.1\r\nHost: %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s", Host, kind, len(body), body))
	}
	form := post("form body", "application/x-www-form-urlencoded", "grant_type=password&client_secret="+p.secret("form client_secret")+"&password="+p.secret("form password"))
	grants := `{"access_token":"` + p.secret("issued access_token") + `","refresh_token":"` + p.secret("issued refresh_token") + `","id_token":"` + p.jwt("issued id_token") + `"}`
	form.Response = fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(grants), grants)
	rows := `[{"id":"` + p.secret("object id") + `","` + p.secret("body field name") + `":1,"ssn":"` + p.secret("body value") + `"},{"id":"` + p.secret("second object id") + `"}]`
	list := asked("list", ask("/customers"))
	list.Response = fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n%x;note=%s\r\n%s\r\n0\r\nX-Sum: %s\r\n\r\n",
		len(rows), p.secret("chunk extension"), rows, p.secret("trailer"))
	failed := asked("error page", ask("/fail"))
	page := `{"` + p.secret("error field") + `":{"password":"` + p.secret("error page") + `"}}`
	failed.Response = fmt.Appendf(nil, "HTTP/1.1 500 Oops\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(page), page)
	return []Exchange{post("json body", "application/json", `{"user":"u","password":"`+p.secret("json password")+`"}`), form, list, failed,
		post("text body", "text/plain", p.secret("text body"))}
}

// malformed plants secrets where a parser that lost its way may pick them up.
func (p *Planter) malformed() []Exchange {
	wild := func(where, request string) Exchange {
		return Exchange{Where: where, Request: []byte(request), Response: []byte(ok), Wild: true}
	}
	host := "\r\nHost: " + Host + "\r\n"
	all := []Exchange{
		wild("space before colon", "GET /m HTTP/1.1"+host+"Authorization : Bearer "+p.secret("space before colon")+"\r\n\r\n"),
		wild("no colon", "GET /m HTTP/1.1"+host+"Authorization Bearer "+p.secret("no colon")+"\r\n\r\n"),
		wild("folded", "GET /m HTTP/1.1"+host+"Authorization: Bearer\r\n "+p.secret("folded")+"\r\n\r\n"),
		wild("bare LF", "GET /m HTTP/1.1\nHost: "+Host+"\nX-Api-Key: "+p.secret("bare LF")+"\n\n"),
		wild("no version", "GET /m/"+p.secret("no version")+"\r\n\r\n"),
		wild("spaces in the target", "GET /m/ "+p.secret("spaces in the target")+" HTTP/1.1"+host+"\r\n"),
		wild("odd version", "GET /m HTTP/1."+p.secret("odd version")+host+"\r\n"),
		wild("NUL", "GET /m HTTP/1.1"+host+"X-Api-Key: \x00"+p.secret("NUL")+"\r\n\r\n"),
		wild("long header", "GET /m HTTP/1.1"+host+"X-Filler: "+strings.Repeat("x", 70_000)+"\r\nAuthorization: Bearer "+p.secret("behind a long header")+"\r\n\r\n"),
		wild("credential too long", "GET /m HTTP/1.1"+host+"Authorization: Bearer "+strings.Repeat(p.secret("credential too long"), 500)+"\r\n\r\n"),
		wild("bad length", "POST /m HTTP/1.1"+host+"Content-Length: "+p.secret("bad length")+"\r\n\r\n"),
		wild("body beyond its length", "POST /m HTTP/1.1"+host+"Content-Length: 4\r\n\r\nabcd"+p.secret("body beyond its length")+"\r\n\r\n"),
		wild("host with userinfo", "GET /m HTTP/1.1\r\nHost: "+p.secret("host user")+":"+p.secret("host password")+"@"+Host+"\r\n\r\n"),
		wild("not base64", "GET /m HTTP/1.1"+host+"Authorization: Basic !"+p.secret("basic that is no base64")+"\r\n\r\n"),
		wild("never ends", "GET /m HTTP/1.1"+host+"Authorization: Bearer "+p.secret("head that never ends")),
	}
	status := wild("bad status line", "GET /m HTTP/1.1"+host+"\r\n")
	status.Response = []byte("HTTP/1.1 abc " + p.secret("bad status line") + "\r\n\r\n")
	chunk := wild("bad chunk size", "GET /m HTTP/1.1"+host+"\r\n")
	chunk.Response = []byte("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + p.secret("bad chunk size") + "\r\nabc\r\n")
	upgraded := wild("upgraded", "GET /ws HTTP/1.1"+host+"Upgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Protocol: bearer."+p.secret("websocket protocol")+"\r\n\r\n"+p.secret("upgraded"))
	upgraded.Response = []byte("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n" + p.secret("upgraded answer"))
	return append(all, status, chunk, upgraded)
}
