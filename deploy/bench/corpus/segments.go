// SPDX-License-Identifier: Apache-2.0

package corpus

import "fmt"

// segmentScenes are about segments that come twice, late, overlapping or strangely numbered; nothing
// is lost.
func segmentScenes() []scene {
	return []scene{
		{"retransmit", []string{"retransmit"}, retransmit},
		{"retransmit-in-other-cuts", []string{"retransmit"}, retransmitCut},
		{"retransmit-of-old", []string{"retransmit"}, retransmitOld},
		{"out-of-order", []string{"out-of-order"}, outOfOrder},
		{"out-of-order-heads", []string{"out-of-order"}, outOfOrderHeads},
		{"fin-before-data", []string{"out-of-order", "close-delimited"}, finFirst},
		{"overlap", []string{"overlap"}, overlap},
		{"overlap-conflict", []string{"overlap-conflict", "malformed-evasive"}, overlapConflict},
		{"sequence-wrap", []string{"sequence-wrap"}, wrap},
		{"sequence-wrap-out-of-order", []string{"sequence-wrap", "out-of-order", "retransmit"}, wrapOutOfOrder},
		{"keep-alive-probes", []string{"retransmit"}, probes},
		{"checksum-offload", []string{"checksum-offload"}, offloaded},
	}
}

func retransmit(p *tape) {
	t := p.talk().open()
	r, d := request("GET", "/twice"), download(200, fill(2500))
	t.say(client, r)
	t.again(client, 0, r)
	t.say(server, d)
	t.again(server, 0, d[1400:])
	t.again(server, len(d)-1400, d[:1400])
	t.ack(client)
	t.did("GET", "/twice", 200, 0, 2500)
	t.get("/after", 10)
	t.close(client)
}

func retransmitCut(p *tape) {
	t := p.talk()
	t.mss = 100
	t.open()
	d := download(200, fill(1000))
	t.say(client, request("GET", "/cuts"))
	t.say(server, d)
	for at := 0; at < len(d); at += 333 {
		n := min(333, len(d)-at)
		t.again(server, len(d)-at-n, d[at:at+n])
	}
	t.did("GET", "/cuts", 200, 0, 1000)
	t.get("/after", 10)
	t.close(client)
}

func retransmitOld(p *tape) {
	t := p.talk().open()
	r, d := request("GET", "/old"), download(200, fill(70))
	t.say(client, r)
	t.say(server, d)
	t.did("GET", "/old", 200, 0, 70)
	c, s := t.next[client], t.next[server]
	t.get("/new", 80)
	t.segment(client, c-uint32(len(r)), flagPSH|flagACK, r)
	t.segment(server, s-uint32(len(d)), flagPSH|flagACK, d)
	t.get("/newer", 90)
	t.close(client)
	t.segment(server, s-uint32(len(d)), flagPSH|flagACK, d)
}

func outOfOrder(p *tape) {
	t := p.talk()
	t.mss, t.quiet = 500, true
	t.open()
	t.get("/first", 10)
	t.say(client, upload("POST", "/mixed", fill(2000)))
	from := len(t.frames)
	t.say(server, download(200, fill(2400)))
	t.reorder(from, 4, 1, 3, 0, 2)
	t.did("POST", "/mixed", 200, 2000, 2400)
	t.get("/after", 10)
	t.close(client)
}

func outOfOrderHeads(p *tape) {
	t := p.talk()
	t.mss, t.quiet = 30, true
	t.open()
	from := len(t.frames)
	t.say(client, request("GET", "/a/rather/long/target/for/a/request"))
	t.reorder(from, 3, 2, 1, 0)
	from = len(t.frames)
	t.say(server, download(200, fill(40)))
	t.reorder(from, 1, 0, 3, 2)
	t.did("GET", "/a/rather/long/target/for/a/request", 200, 0, 40)
	t.get("/after", 5)
	t.close(client)
}

// A mirror's two directions may be out of step.
func responseFirst(p *tape) {
	t := p.talk()
	t.quiet = true
	t.open()
	for i := range 3 {
		from := len(t.frames)
		t.get(fmt.Sprintf("/swap/%d", i), 60)
		t.reorder(from, 1, 0)
	}
	t.close(client)
}

func finFirst(p *tape) {
	t := p.talk()
	t.mss, t.quiet = 700, true
	t.open()
	t.say(client, request("GET", "/fin"))
	from := len(t.frames)
	t.say(server, response(200)+fill(2000))
	t.fin(server)
	t.reorder(from, 0, 3, 2, 1)
	t.did("GET", "/fin", 200, 0, 2000)
	t.fin(client)
}

func overlap(p *tape) {
	t := p.talk()
	t.mss = 200
	t.open()
	t.say(client, request("GET", "/overlap"))
	d := download(200, fill(900))
	from := t.next[server]
	for _, cut := range [][2]int{{0, 200}, {150, 400}, {100, 300}, {500, 700}, {390, 600}, {0, 700}, {650, len(d)}} {
		t.segment(server, from+uint32(cut[0]), flagPSH|flagACK, d[cut[0]:cut[1]])
	}
	t.next[server] += uint32(len(d))
	t.ack(client)
	t.did("GET", "/overlap", 200, 0, 900)
	t.get("/after", 5)
	t.close(client)
}

// The server acknowledged the bytes that came first; what comes later with other content it never
// takes (RFC 9293 section 3.10.7.4: bytes outside the window are trimmed).
func overlapConflict(p *tape) {
	t := p.talk().open()
	r := request("GET", "/taken/by-the-server")
	t.say(client, r)
	t.again(client, 0, request("GET", "/shown/to-the-sensor")[:len(r)])
	d := download(200, "the real body")
	t.say(server, d)
	t.again(server, 0, "another body!")
	t.did("GET", "/taken/by-the-server", 200, 0, 13)
	t.get("/after", 5)
	t.close(client)
}

func wrap(p *tape) {
	t := p.talk()
	t.next = [2]uint32{0xffffffc0, 0xfffffc00}
	t.open()
	for i := range 5 {
		t.get(fmt.Sprintf("/wrap/%d", i), 500)
	}
	t.close(client)
}

func wrapOutOfOrder(p *tape) {
	t := p.talk()
	t.next = [2]uint32{0xffffffff, 0xfffffe00}
	t.mss, t.quiet = 300, true
	t.open()
	t.say(client, request("GET", "/wrap"))
	from := len(t.frames)
	d := download(200, fill(1400))
	t.say(server, d)
	t.reorder(from, 0, 2, 1, 4, 3)
	t.again(server, len(d)-900, d[300:900])
	t.did("GET", "/wrap", 200, 0, 1400)
	t.get("/after", 5)
	t.close(client)
}

// A keep-alive probe has one byte before the next one, of any content, or none (RFC 1122 section 4.2.3.6).
func probes(p *tape) {
	t := p.talk().open()
	t.get("/first", 10)
	for _, h := range []host{client, server, client} {
		t.pause = 10e9
		t.segment(h, t.next[h]-1, flagACK, "\x00")
		t.ack(h.other())
		t.segment(h, t.next[h]-1, flagACK, "")
		t.ack(h.other())
	}
	t.get("/second", 11)
	t.close(client)
}

// Checksums that the network card will fill in are wrong in a capture on the sender.
func offloaded(p *tape) {
	t := p.talk().open()
	t.get("/first", 10)
	for i := range t.frames {
		t.frames[i].data[14+20+16] ^= 0x55
	}
	t.close(client)
}
