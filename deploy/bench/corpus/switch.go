// SPDX-License-Identifier: Apache-2.0

package corpus

// switchScenes are about interim responses, and connections that change what they carry.
func switchScenes() []scene {
	return []scene{
		{"continue", []string{"100-continue"}, continued},
		{"continue-not-waited-for", []string{"100-continue"}, continuedEarly},
		{"early-hints", []string{"1xx"}, earlyHints},
		{"early-response", []string{"early-response"}, earlyResponse},
		{"connect", []string{"connect"}, connect},
		{"connect-refused", []string{"connect"}, connectRefused},
		{"websocket", []string{"websocket"}, websocket},
		{"upgrade-declined", []string{"upgrade-other"}, upgradeDeclined},
		{"request-timeout", []string{"orphan-response"}, requestTimeout},
	}
}

func continued(p *tape) {
	t := p.talk().open()
	t.say(client, request("POST", "/expect", "Expect: 100-continue", "Content-Length: 300"))
	t.say(server, response(100))
	t.say(client, fill(300))
	t.say(server, download(201, fill(15)))
	t.did("POST", "/expect", 201, 300, 15)
	t.say(client, request("POST", "/expect/no", "Expect: 100-continue", "Content-Length: 0"))
	t.say(server, download(417, fill(4)))
	t.did("POST", "/expect/no", 417, 0, 4)
	t.close(client)
}

func continuedEarly(p *tape) {
	t := p.talk().open()
	t.say(client, upload("POST", "/impatient", fill(2000), "Expect: 100-continue"))
	t.say(server, response(100)+download(200, fill(6)))
	t.did("POST", "/impatient", 200, 2000, 6)
	t.get("/after", 7)
	t.close(client)
}

func earlyHints(p *tape) {
	t := p.talk().open()
	t.say(client, request("GET", "/page")+request("GET", "/page/2"))
	t.say(server, response(102)+response(103, "Link: </a.css>; rel=preload")+response(103, "Link: </b.css>; rel=preload"))
	t.say(server, download(200, fill(900))+response(103)+download(404, fill(80)))
	t.did("GET", "/page", 200, 0, 900)
	t.did("GET", "/page/2", 404, 0, 80)
	t.close(client)
}

// A server may answer before it has the whole request, and the client may send the rest all the same.
func earlyResponse(p *tape) {
	t := p.talk().open()
	t.say(client, request("POST", "/too-large", "Content-Length: 9000")+fill(3000))
	t.say(server, download(413, fill(33)))
	t.say(client, fill(6000))
	t.did("POST", "/too-large", 413, 9000, 33)
	t.get("/after", 7)
	t.close(client)
}

func connect(p *tape) {
	t := p.talkTo("192.0.2.20:3128").open()
	t.say(client, "CONNECT far.example:443 HTTP/1.1\r\nHost: far.example:443\r\n\r\n")
	t.say(server, "HTTP/1.1 200 Connection established\r\n\r\n")
	t.say(client, clientHello)
	t.say(server, "\x16\x03\x03\x00\x64"+noise(100, 4)+"\x17\x03\x03\x01\x00"+noise(256, 5))
	t.say(client, "\x17\x03\x03\x00\x40"+noise(64, 6))
	t.close(client)
	t.did("CONNECT", "far.example:443", 200, len(clientHello)+69, 366).Host = "far.example:443"
}

func connectRefused(p *tape) {
	t := p.talkTo("192.0.2.20:3128").open()
	for _, fields := range []string{"", "Proxy-Authorization: Basic dG9rX3Rlc3Q6eA==\r\n"} {
		t.say(client, "CONNECT far.example:443 HTTP/1.1\r\nHost: far.example:443\r\n"+fields+"\r\n")
		t.say(server, download(407, fill(120), "Proxy-Authenticate: Basic"))
		t.did("CONNECT", "far.example:443", 407, 0, 120).Host = "far.example:443"
	}
	t.get("http://shop.example/plain", 25)
	t.close(client)
}

func websocket(p *tape) {
	t := p.talk().open()
	t.get("/page", 50)
	t.say(client, request("GET", "/socket", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dG9rX3Rlc3Rfc29ja2V0IQ=="))
	t.say(server, response(101, "Connection: Upgrade", "Upgrade: websocket"))
	t.say(client, "\x81\x85\x01\x02\x03\x04"+noise(5, 7))
	t.say(server, "\x81\x26"+request("GET", "/in-a-frame")[:38])
	t.say(client, "\x88\x80\x00\x00\x00\x00")
	t.say(server, "\x88\x00")
	t.close(server)
	t.did("GET", "/socket", 101, 17, 42).Upgrade = "websocket"
}

func upgradeDeclined(p *tape) {
	t := p.talk().open()
	t.say(client, request("GET", "/declined", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__"))
	t.say(server, download(200, fill(44)))
	t.did("GET", "/declined", 200, 0, 44)
	t.get("/after", 7)
	t.close(client)
}

// A server that closes an idle connection may say 408 first; nobody asked.
func requestTimeout(p *tape) {
	t := p.talk().open()
	t.get("/first", 10)
	t.pause = 30e9
	t.say(server, download(408, fill(13), "Connection: close"))
	t.close(server)
	t.orphan(408, 13)
}
