// SPDX-License-Identifier: Apache-2.0

package corpus

// lossScenes are about bytes that the hosts exchanged and the capture does not have. Truth is what was
// exchanged; what nobody can know from the capture is not checked.
func lossScenes() []scene {
	return []scene{
		{"loss-in-body", []string{"tcp-gap"}, lossInBody},
		{"loss-in-chunk", []string{"tcp-gap", "chunked-response"}, lossInChunk},
		{"loss-of-chunk-size", []string{"tcp-gap", "gap-resync", "chunked-response"}, lossOfChunkSize},
		{"loss-in-close-delimited", []string{"tcp-gap", "close-delimited"}, lossInClose},
		{"loss-at-end-of-body", []string{"tcp-gap"}, lossAtEnd},
		{"loss-in-request-body", []string{"tcp-gap"}, lossInUpload},
		{"loss-in-request-head", []string{"tcp-gap", "gap-resync"}, lossInRequestHead},
		{"loss-in-response-head", []string{"tcp-gap", "gap-resync"}, lossInResponseHead},
		{"loss-of-request", []string{"tcp-gap", "orphan-response"}, lossOfRequest},
		{"loss-of-response", []string{"tcp-gap", "no-response"}, lossOfResponse},
		{"loss-of-exchange", []string{"tcp-gap"}, lossOfExchange},
		{"loss-of-handshake", []string{"missing-syn"}, lossOfHandshake},
		{"loss-of-syn", []string{"missing-syn"}, lossOfSYN},
		{"mid-stream-in-response", []string{"missing-syn"}, midResponse},
		{"mid-stream-in-request", []string{"missing-syn", "orphan-response"}, midRequest},
		{"one-sided-requests", []string{"one-direction", "no-response"}, onlyClient},
		{"one-sided-responses", []string{"one-direction", "orphan-response"}, onlyServer},
		{"one-sided-requests-mid-stream", []string{"one-direction", "no-response", "missing-syn"}, onlyClientMid},
		{"snaplen-cuts-bodies", []string{"snaplen-truncated"}, snapBodies},
		{"snaplen-cuts-chunks", []string{"snaplen-truncated", "chunked-response"}, snapChunks},
	}
}

func lossInBody(p *tape) {
	t := p.talk().open()
	t.say(client, request("GET", "/gap"))
	t.say(server, response(200, "Content-Length: 9000")+fill(2000))
	t.lose(server, fill(3000))
	t.say(server, fill(4000))
	t.did("GET", "/gap", 200, 0, 9000)
	t.get("/after", 10)
	t.close(client)
}

func lossInChunk(p *tape) {
	t := p.talk().open()
	t.say(client, request("GET", "/gap"))
	t.say(server, response(200, "Transfer-Encoding: chunked")+"1f40\r\n"+fill(1000))
	t.lose(server, fill(5000))
	t.say(server, fill(2000)+"\r\n3\r\nend\r\n0\r\n\r\n")
	t.did("GET", "/gap", 200, 0, 8003)
	t.get("/after", 10)
	t.close(client)
}

// How many of the lost bytes were framing nobody can say; how many exchanges there were, the ACK
// numbers say.
func lossOfChunkSize(p *tape) {
	t := p.talk().open()
	t.say(client, request("GET", "/gap"))
	t.say(server, response(200, "Transfer-Encoding: chunked")+"3e8\r\n"+fill(700))
	t.lose(server, fill(300)+"\r\n3e8\r\n"+fill(400))
	t.say(server, fill(600)+"\r\n0\r\n\r\n")
	unsure(t.did("GET", "/gap", 200, 0, 2000), "resp_body_len")
	t.get("/after", 10)
	t.get("/after/2", 20)
	t.close(client)
}

func lossInClose(p *tape) {
	t := p.talk().open()
	t.say(client, request("GET", "/gap"))
	t.say(server, response(200)+fill(2000))
	t.lose(server, fill(3000))
	t.say(server, fill(1500))
	t.close(server)
	t.did("GET", "/gap", 200, 0, 6500)
}

// The lost end of the body goes to the last byte; the next message begins right after it.
func lossAtEnd(p *tape) {
	t := p.talk().open()
	t.say(client, request("GET", "/gap"))
	t.say(server, response(200, "Content-Length: 2500")+fill(1000))
	t.lose(server, fill(1500))
	t.ack(client)
	t.did("GET", "/gap", 200, 0, 2500)
	t.get("/after", 10)
	t.close(client)
}

func lossInUpload(p *tape) {
	t := p.talk().open()
	t.say(client, request("POST", "/gap", "Content-Length: 6000")+fill(1000))
	t.lose(client, fill(4000))
	t.say(client, fill(1000))
	t.say(server, download(200, fill(9)))
	t.did("POST", "/gap", 200, 6000, 9)
	t.get("/after", 10)
	t.close(client)
}

func lossInRequestHead(p *tape) {
	t := p.talk().open()
	t.get("/before", 10)
	r := request("GET", "/head/lost", "Cookie: session=tok_test_lost")
	t.say(client, r[:40])
	t.lose(client, r[40:])
	t.ack(server)
	t.say(server, download(200, fill(60)))
	unsure(t.did("GET", "/head/lost", 200, 0, 60), "host", "req_body_len")
	t.get("/after", 20)
	t.get("/after/2", 30)
	t.close(client)
}

func lossInResponseHead(p *tape) {
	t := p.talk().open()
	t.get("/before", 10)
	t.say(client, request("GET", "/head/lost"))
	d := download(200, fill(3000))
	t.say(server, d[:30])
	t.lose(server, d[30:500])
	t.say(server, d[500:])
	unsure(t.did("GET", "/head/lost", 200, 0, 3000), "resp_body_len")
	t.get("/after", 20)
	t.close(client)
}

func lossOfRequest(p *tape) {
	t := p.talk().open()
	t.get("/before", 10)
	t.lose(client, request("GET", "/not/seen"))
	t.say(server, download(200, fill(70)))
	t.orphan(200, 70)
	t.get("/after", 20)
	t.close(client)
}

func lossOfResponse(p *tape) {
	t := p.talk().open()
	t.get("/before", 10)
	t.say(client, request("GET", "/unanswered"))
	t.lose(server, download(200, fill(70)))
	t.ack(client)
	t.did("GET", "/unanswered", 0, 0, 0)
	t.get("/after", 20)
	t.get("/after/2", 30)
	t.close(client)
}

// The one request may have been two in the lost bytes, and then the response is not that of the request
// seen: nobody can know. The exchange after it is sure again.
func lossOfExchange(p *tape) {
	t := p.talk().open()
	t.get("/before", 10)
	t.lose(client, request("GET", "/not/seen"))
	t.lose(server, download(200, fill(70)))
	t.get("/after", 20)
	unsure(t.truth[1], "status", "resp_body_len")
	t.orphan(200, 20)
	t.truth[2].Strict = false
	t.get("/after/2", 30)
	t.close(client)
}

func lossOfHandshake(p *tape) {
	t := p.talk()
	t.get("/first-seen", 500)
	t.say(client, upload("POST", "/second", fill(40)))
	t.say(server, download(201, fill(3)))
	t.did("POST", "/second", 201, 40, 3)
	t.close(client)
}

func lossOfSYN(p *tape) {
	t := p.talk().open()
	t.forget(0, 0)
	t.get("/first", 500)
	t.close(client)
	t = p.talk()
	from := len(t.frames)
	t.open()
	t.forget(from, 1) // the SYN of the server
	t.get("/second", 600)
	t.close(client)
}

func midResponse(p *tape) {
	t := p.talk()
	t.say(server, fill(5000)) // of a response that began before the capture
	t.get("/first-seen", 500)
	t.get("/second", 20)
	t.close(client)
}

func midRequest(p *tape) {
	t := p.talk()
	t.say(client, "lf of a field\r\nAccept: */*\r\n\r\n")
	t.say(server, download(200, fill(31)))
	t.orphan(200, 31)
	t.get("/first-whole", 500)
	t.close(client)
}

// only drops the frames of one host.
func (t *talk) only(h host) {
	kept := t.frames[:0]
	for _, f := range t.frames {
		if f.data[11] == macs(t.ends[h])[11] {
			kept = append(kept, f)
		}
	}
	t.frames = kept
}

func onlyClient(p *tape) {
	t := p.talk().open()
	for _, target := range []string{"/a", "/b", "/c"} {
		t.say(client, upload("POST", target, fill(400)))
		t.say(server, download(200, fill(700)))
		unsure(t.did("POST", target, 0, 400, 0), "resp_body_len") // what was acknowledged of it, head and all
	}
	t.close(client)
	t.only(client)
}

func onlyServer(p *tape) {
	t := p.talk().open()
	for n := range 3 {
		t.say(client, request("GET", "/x"))
		t.say(server, download(200+n, fill(300*n)))
		t.orphan(200+n, 300*n)
	}
	t.close(server)
	t.only(server)
}

func onlyClientMid(p *tape) {
	t := p.talkTo("192.0.2.30:8081")
	for _, target := range []string{"/a", "/b", "/c"} {
		t.say(client, request("GET", target))
		t.say(server, download(200, fill(700)))
		unsure(t.did("GET", target, 0, 0, 0), "resp_body_len")
	}
	t.only(client)
}

func snapBodies(p *tape) {
	p.snap = 400 // the heads fit
	t := p.talk().open()
	t.get("/one", 5000)
	t.say(client, upload("POST", "/two", fill(3000)))
	t.say(server, download(200, fill(1200)))
	t.did("POST", "/two", 200, 3000, 1200)
	t.get("/three", 10)
	t.close(client)
}

// Every chunk-size line is within what the snap length kept.
func snapChunks(p *tape) {
	p.snap = 300
	t := p.talk().open()
	t.say(client, request("GET", "/chunks"))
	t.say(server, response(200, "Transfer-Encoding: chunked")+"3e8\r\n"+fill(1000))
	t.say(server, "\r\n320\r\n"+fill(800))
	t.say(server, "\r\n0\r\n\r\n")
	t.did("GET", "/chunks", 200, 0, 1800)
	t.get("/after", 10)
	t.close(client)
}
