// SPDX-License-Identifier: Apache-2.0

package corpus

import (
	"fmt"
	"net/netip"
)

// connectionScenes are about how connections begin and end, and which is which.
func connectionScenes() []scene {
	return []scene{
		{"tuple-reuse-after-fin", []string{"tuple-reuse"}, reuse(func(t *talk) { t.close(client) })},
		{"tuple-reuse-after-rst", []string{"tuple-reuse"}, reuse(func(t *talk) { t.rst(server) })},
		{"tuple-reuse-without-close", []string{"tuple-reuse"}, reuse(func(*talk) {})},
		{"response-before-request", []string{"out-of-order"}, responseFirst},
		{"interleaved", []string{"keepalive-multi"}, interleaved},
		{"half-close", []string{"half-close", "close-delimited"}, halfClose},
		{"syn-twice", []string{"retransmit"}, synTwice},
		{"syn-with-data", []string{"fast-open"}, fastOpen},
		{"refused", []string{"no-http"}, refused},
		{"idle-for-an-hour", []string{"keepalive-multi"}, idle},
		{"odd-port", []string{"odd-port"}, oddPort},
		{"odd-port-mid-stream", []string{"odd-port", "missing-syn"}, oddPortMid},
		{"client-port-below-server-port", []string{"odd-port"}, lowClientPort},
		{"client-port-below-server-port-mid-stream", []string{"odd-port", "missing-syn"}, lowClientPortMid},
		{"same-port-both-ends", []string{"odd-port"}, samePort},
		{"self", []string{"odd-port"}, self},
	}
}

// reuse has three connections on the same addresses and ports, with sequence numbers of their own.
func reuse(end func(*talk)) func(*tape) {
	return func(p *tape) {
		t := p.talk()
		for i := range 3 {
			t.next = [2]uint32{uint32(i+1) * 0x31415926, uint32(i+1) * 0x27182818}
			t.pause = 120e9
			t.open()
			t.get(fmt.Sprintf("/reuse/%d", i), 100+i)
			end(t)
		}
	}
}

func interleaved(p *tape) {
	var all []*talk
	for range 8 {
		all = append(all, p.talk().open())
	}
	for i := range 3 {
		for n, t := range all {
			t.say(client, request("GET", fmt.Sprintf("/talk/%d/%d", n, i)))
		}
		for n := len(all) - 1; n >= 0; n-- {
			t := all[n]
			t.say(server, download(200, fill(10*n+i)))
			t.did("GET", fmt.Sprintf("/talk/%d/%d", n, i), 200, 0, 10*n+i)
		}
	}
	for _, t := range all {
		t.close(server)
	}
}

func halfClose(p *tape) {
	t := p.talk().open()
	t.say(client, upload("POST", "/half", fill(44)))
	t.fin(client)
	t.ack(server)
	t.say(server, response(200)+fill(5000))
	t.fin(server)
	t.ack(client)
	t.did("POST", "/half", 200, 44, 5000)
}

func synTwice(p *tape) {
	t := p.talk()
	t.segment(client, t.next[client], flagSYN, "")
	t.pause = 1e9
	t.open()
	t.segment(server, t.next[server]-1, flagSYN|flagACK, "")
	t.ack(client)
	t.get("/twice", 10)
	t.close(client)
}

// RFC 7413: a SYN may carry data, which the server's SYN acknowledges.
func fastOpen(p *tape) {
	t := p.talk()
	r := request("GET", "/fast")
	t.segment(client, t.next[client], flagSYN, r)
	t.next[client] += 1 + uint32(len(r))
	t.segment(server, t.next[server], flagSYN|flagACK, "")
	t.next[server]++
	t.say(server, download(200, fill(77)))
	t.did("GET", "/fast", 200, 0, 77)
	t.get("/after", 10)
	t.close(client)
}

func refused(p *tape) {
	t := p.talk()
	t.segment(client, t.next[client], flagSYN, "")
	t.next[client]++
	t.segment(server, 0, flagRST|flagACK, "")
}

func idle(p *tape) {
	t := p.talk().open()
	t.get("/before", 10)
	t.pause = 3600e9
	t.get("/after", 20)
	t.close(client)
}

func oddPort(p *tape) {
	for _, to := range []string{"192.0.2.10:1", "192.0.2.10:22", "192.0.2.10:443", "192.0.2.10:6379", "192.0.2.10:65535"} {
		t := p.talkTo(to).open()
		t.get("/odd", 40)
		t.close(client)
	}
}

func oddPortMid(p *tape) {
	t := p.talkTo("192.0.2.10:51234")
	t.get("/odd", 40)
	t.get("/odd/2", 50)
}

func lowClientPort(p *tape) {
	t := p.between(netip.MustParseAddrPort("10.0.0.7:80"), netip.MustParseAddrPort("192.0.2.10:50123")).open()
	t.get("/low", 40)
	t.close(client)
}

func lowClientPortMid(p *tape) {
	t := p.between(netip.MustParseAddrPort("10.0.0.7:443"), netip.MustParseAddrPort("192.0.2.10:50123"))
	t.get("/low", 40)
	t.close(client)
}

func samePort(p *tape) {
	t := p.between(netip.MustParseAddrPort("192.0.2.77:8080"), netip.MustParseAddrPort("192.0.2.10:8080")).open()
	t.get("/same", 40)
	t.close(client)
}

func self(p *tape) {
	t := p.between(netip.MustParseAddrPort("127.0.0.1:40001"), netip.MustParseAddrPort("127.0.0.1:8080")).open()
	t.get("/self", 40)
	t.close(client)
}
