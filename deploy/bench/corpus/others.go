// SPDX-License-Identifier: Apache-2.0

package corpus

import (
	"net/netip"
	"strings"
)

// clientHello is the begin of a TLS connection, as much as matters: a record of a handshake.
var clientHello = "\x16\x03\x01\x00\xc8\x01\x00\x00\xc4\x03\x03" + noise(195, 8)

// otherScenes are about what is not HTTP and must give nothing, or not before HTTP begins.
func otherScenes() []scene {
	tls := []string{clientHello, "\x16\x03\x03\x00\x7a" + noise(122, 9) + "\x14\x03\x03\x00\x01\x01\x17\x03\x03\x04\x00" + noise(1024, 10),
		"\x14\x03\x03\x00\x01\x01\x17\x03\x03\x00\x80" + noise(128, 11), "\x17\x03\x03\x10\x00" + noise(4096, 12)}
	return []scene{
		{"tls", []string{"no-http"}, chat("192.0.2.10:443", tls...)},
		{"tls-on-port-80", []string{"no-http", "non-http-on-http-port"}, chat(v4, tls...)},
		{"ssh", []string{"no-http"}, chat("192.0.2.10:22", "", "SSH-2.0-server_1\r\n", "SSH-2.0-client_1\r\n", noise(900, 13), noise(800, 14), noise(3000, 15))},
		{"smtp", []string{"no-http"}, chat("192.0.2.10:25", "", "220 mail.example ESMTP\r\n", "EHLO a.example\r\n", "250 mail.example\r\n", "MAIL FROM:<ada@example.org>\r\n", "250 ok\r\n", "QUIT\r\n", "221 bye\r\n")},
		{"redis", []string{"no-http"}, chat("192.0.2.10:6379", "*2\r\n$3\r\nGET\r\n$5\r\n/path\r\n", "$4\r\n200 \r\n", "GET /inline\r\n", "-ERR HTTP/1.1\r\n", "PING\r\n", "+PONG\r\n")},
		{"rtsp", []string{"no-http"}, chat("192.0.2.10:554", "DESCRIBE rtsp://cam.example/1 RTSP/1.0\r\nCSeq: 1\r\n\r\n", "RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Length: 4\r\n\r\nv=0\n")},
		{"sip", []string{"no-http"}, chat("192.0.2.10:5060", "OPTIONS sip:ada@example.org SIP/2.0\r\nVia: SIP/2.0/TCP a\r\nContent-Length: 0\r\n\r\n", "SIP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n")},
		{"postgres", []string{"no-http"}, chat("192.0.2.10:5432", "\x00\x00\x00\x29\x00\x03\x00\x00user\x00ada\x00database\x00shop\x00\x00", "R\x00\x00\x00\x08\x00\x00\x00\x00Z\x00\x00\x00\x05I", "Q\x00\x00\x00\x1cSELECT * FROM customers\x00", "D\x00\x00\x04\x0a\x00\x01\x00\x00\x04\x00"+fill(1024))},
		{"binary-on-port-80", []string{"no-http", "non-http-on-http-port"}, chat(v4, noise(3000, 16), noise(50_000, 17), noise(2000, 18), noise(90_000, 19))},
		{"zeros-on-port-80", []string{"no-http", "non-http-on-http-port"}, chat(v4, strings.Repeat("\x00", 9000), strings.Repeat("\x00", 90_000))},
		{"text-on-port-80", []string{"no-http", "non-http-on-http-port"}, chat(v4, fill(5000), fill(70_000), "HELO\nGET\nHTTP/1.1\n", "200 OK\n\n")},
		{"dns-over-tcp", []string{"no-http"}, chat("192.0.2.53:53", "\x00\x1d\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x04shop\x07example\x00\x00\x01\x00\x01", "\x00\x2d\x12\x34"+noise(43, 20))},
		{"udp", []string{"no-http"}, onlyUDP},
		{"not-ip", []string{"no-http"}, notIP},
		{"socks-then-http", []string{"non-http-on-http-port", "odd-port"}, socks},
		{"proxy-protocol-then-http", []string{"non-http-on-http-port"}, proxied},
		{"http-among-others", []string{"plain"}, among},
	}
}

// chat is a connection in which client and server say the lines by turns. Nothing in it is HTTP.
func chat(to string, turns ...string) func(*tape) {
	return func(p *tape) {
		t := p.talkTo(to).open()
		for i, text := range turns {
			if text != "" {
				t.say(host(i%2), text)
			}
		}
		t.close(client)
		t = p.talkTo(to) // and the same from the middle
		for i, text := range turns {
			if text != "" {
				t.say(host(i%2), text)
			}
		}
	}
}

func onlyUDP(p *tape) {
	for i, text := range []string{request("M-SEARCH", "*"), request("GET", "/over/udp"), download(200, fill(30))} {
		from, to := netip.MustParseAddrPort("10.0.0.1:50000"), netip.MustParseAddrPort("239.255.255.250:1900")
		if i == 2 {
			to = netip.MustParseAddrPort("10.0.0.9:80")
		}
		p.put(ethernet(from, p.datagram(from.Addr(), to.Addr(), protoUDP, udp(from, to, []byte(text)))))
	}
}

func notIP(p *tape) {
	from := netip.MustParseAddrPort("10.0.0.1:1")
	p.put(etherFrame(from, 0x0806, cat(u16(1), u16(typeIPv4), []byte{6, 4, 0, 1}, macs(from)[6:], []byte{10, 0, 0, 1}, make([]byte, 6), []byte{10, 0, 0, 2})))
	p.put(etherFrame(from, 0x88cc, []byte(request("GET", "/lldp"))))
	p.put(etherFrame(from, 38, []byte("\x42\x42\x03"+noise(35, 21))))
	p.put(etherFrame(from, typeIPv4, []byte(request("GET", "/no/datagram"))))
	p.put([]byte{1, 2, 3})
	p.put(nil)
}

// RFC 1928: a few bytes, then what the client came for.
func socks(p *tape) {
	t := p.talkTo("192.0.2.20:1080").open()
	t.say(client, "\x05\x01\x00")
	t.say(server, "\x05\x00")
	t.say(client, "\x05\x01\x00\x01\xc0\x00\x02\x0a\x00\x50")
	t.say(server, "\x05\x00\x00\x01\x0a\x00\x00\x14\x04\xd2")
	t.get("/through/socks", 600)
	t.get("/through/socks/2", 60)
	t.close(client)
}

func proxied(p *tape) {
	t := p.talk().open()
	r := request("GET", "/proxied")
	t.say(client, "PROXY TCP4 203.0.113.9 192.0.2.10 51000 80\r\n"+r)
	t.say(server, download(200, fill(61)))
	t.did("GET", "/proxied", 200, 0, 61)
	t.get("/proxied/2", 62)
	t.close(client)
}

func among(p *tape) {
	chat("192.0.2.10:443", clientHello, noise(3000, 22))(p)
	t := p.talk().open()
	t.get("/among", 100)
	notIP(p)
	chat("192.0.2.10:22", "", "SSH-2.0-x\r\n", "SSH-2.0-y\r\n", noise(500, 23))(p)
	t.get("/among/2", 200)
	onlyUDP(p)
	t.close(client)
}
