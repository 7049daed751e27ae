// SPDX-License-Identifier: Apache-2.0

package corpus

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/weir-project/weir/deploy/bench/score"
)

// tape is a capture being made.
type tape struct {
	name    string
	classes []string
	link    uint32 // pcap link type of interface 0
	snap    int    // bytes of a frame that are kept; 0 for all
	write   func(*tape) []byte
	frames  []frame
	truth   []*score.Truth
	talks   uint16
	step    time.Duration // between frames; 0 for 1 ms
	pause   time.Duration // more, before the next frame
	delayed bool          // hosts acknowledge with their next bytes only
	clock   time.Duration
	ipID    uint16
	streams bool  // hosts that may speak either speak HTTP/2
	payload int64 // bytes that hosts sent, each once
	wire    map[string][2]int64
}

// frame is one captured frame; at is since the capture began.
type frame struct {
	at    time.Duration
	iface int
	data  []byte
}

func (p *tape) put(data []byte) {
	p.clock += max(p.step, time.Millisecond) + p.pause
	p.pause = 0
	p.frames = append(p.frames, frame{at: p.clock, data: data})
}

// reorder puts frames from the given one on in another order: the i-th becomes the one that was at
// order[i]. Times stay in order.
func (p *tape) reorder(from int, order ...int) {
	old := slices.Clone(p.frames[from:])
	if len(old) != len(order) {
		panic(fmt.Sprintf("BUG: corpus: %s: %d frames, order of %d", p.name, len(old), len(order)))
	}
	for i, k := range order {
		p.frames[from+i].data, p.frames[from+i].iface = old[k].data, old[k].iface
	}
}

// forget takes the n-th frame of those from the given one on out of the capture: it was on the wire,
// but the capture lost it.
func (p *tape) forget(from, n int) { p.frames = slices.Delete(p.frames, from+n, from+n+1) }

// host is a side of a talk.
type host int

const (
	client host = iota
	server
)

func (h host) other() host { return 1 - h }

// talk is one TCP connection between two hosts that get all that is sent.
type talk struct {
	*tape
	ends  [2]netip.AddrPort
	next  [2]uint32                                          // sequence number of the next byte, by who sends it
	carry func(from, to netip.AddrPort, seg []byte) [][]byte // puts a segment into frames
	mss   int
	quiet bool // no pure ACKs
}

// The parts of a TCP header's flags that are used here.
const (
	flagFIN = 1 << iota
	flagSYN
	flagRST
	flagPSH
	flagACK
)

// talk begins a connection from a port of its own to port 80; nothing is sent yet.
func (p *tape) talk() *talk { return p.talkTo("192.0.2.10:80") }

func (p *tape) talkTo(server string) *talk {
	p.talks++
	to := netip.MustParseAddrPort(server)
	from := netip.AddrFrom4([4]byte{10, 0, 0, byte(p.talks)})
	if to.Addr().Is6() {
		from = netip.MustParseAddr(fmt.Sprintf("2001:db8::c:%x", p.talks))
	}
	return p.between(netip.AddrPortFrom(from, 40000+p.talks), to)
}

func (p *tape) between(from, to netip.AddrPort) *talk {
	t := &talk{tape: p, ends: [2]netip.AddrPort{from, to}, next: [2]uint32{1000 * uint32(p.talks), 77_000_000}, mss: 1400}
	t.carry = func(from, to netip.AddrPort, seg []byte) [][]byte {
		return [][]byte{ethernet(from, p.datagram(from.Addr(), to.Addr(), protoTCP, seg))}
	}
	return t
}

// segment puts one segment on the tape, with an ACK of all that the other host has sent.
func (t *talk) segment(from host, seq uint32, flags byte, data string) {
	src, dst := t.ends[from], t.ends[from.other()]
	ack := t.next[from.other()]
	if flags&flagACK == 0 {
		ack = 0
	}
	seg := tcp(src, dst, seq, ack, flags, data)
	for _, f := range t.carry(src, dst, seg) {
		t.put(f)
	}
}

// open shakes hands.
func (t *talk) open() *talk {
	t.segment(client, t.next[client], flagSYN, "")
	t.next[client]++
	t.segment(server, t.next[server], flagSYN|flagACK, "")
	t.next[server]++
	t.ack(client)
	return t
}

func (t *talk) ack(from host) { t.segment(from, t.next[from], flagACK, "") }

// say sends text in segments, and has the other host acknowledge it.
func (t *talk) say(from host, text string) {
	for len(text) > 0 {
		n := min(len(text), t.mss)
		t.segment(from, t.next[from], flagPSH|flagACK, text[:n])
		t.next[from] += uint32(n)
		t.payload += int64(n)
		text = text[n:]
	}
	if !t.quiet && !t.delayed {
		t.ack(from.other())
	}
}

// lose sends text that the other host gets but the capture does not.
func (t *talk) lose(from host, text string) { t.next[from] += uint32(len(text)) }

// again sends the bytes that ended back bytes ago once more.
func (t *talk) again(from host, back int, text string) {
	t.segment(from, t.next[from]-uint32(back)-uint32(len(text)), flagPSH|flagACK, text)
}

func (t *talk) fin(from host) {
	t.segment(from, t.next[from], flagFIN|flagACK, "")
	t.next[from]++
}

func (t *talk) rst(from host) { t.segment(from, t.next[from], flagRST|flagACK, "") }

// close ends the connection in order, the given host first.
func (t *talk) close(first host) {
	t.fin(first)
	t.fin(first.other())
	t.ack(first)
}

var checkAll = []string{"method", "host", "target", "status", "req_body_len", "resp_body_len"}

// did notes that an exchange took place, with the lengths of its bodies.
func (t *talk) did(method, target string, status, sent, got int) *score.Truth {
	x := &score.Truth{Client: t.ends[client].String(), Server: t.ends[server].String(), Method: method, Host: "shop.example", Target: target,
		Status: status, RequestBody: int64(sent), ResponseBody: int64(got), Strict: true, Check: checkAll}
	t.truth = append(t.truth, x)
	return x
}

// unsure says of some fields that the capture does not show them.
func unsure(x *score.Truth, fields ...string) *score.Truth {
	x.Check = slices.DeleteFunc(slices.Clone(x.Check), func(f string) bool { return slices.Contains(fields, f) })
	return x
}

// orphan notes a response whose request the capture does not show.
func (t *talk) orphan(status, got int) {
	x := t.did("", "", status, 0, got)
	x.Host, x.Check = "", []string{"status", "resp_body_len"}
}

// request is a request without a body.
func request(method, target string, fields ...string) string {
	return method + " " + target + " HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: corpus/1\r\n" + lines(fields) + "\r\n"
}

// upload is a request with a body.
func upload(method, target, body string, fields ...string) string {
	return request(method, target, append(fields, fmt.Sprintf("Content-Length: %d", len(body)))...) + body
}

// response is a response without Content-Length.
func response(status int, fields ...string) string {
	return fmt.Sprintf("HTTP/1.1 %d Because\r\nServer: corpus/1\r\n", status) + lines(fields) + "\r\n"
}

// download is a response with a body of known length.
func download(status int, body string, fields ...string) string {
	return response(status, append(fields, fmt.Sprintf("Content-Length: %d", len(body)))...) + body
}

func lines(fields []string) string {
	if len(fields) == 0 {
		return ""
	}
	return strings.Join(fields, "\r\n") + "\r\n"
}

// fill is a body of n bytes in which nothing looks like HTTP.
func fill(n int) string {
	const line = "17;Ada Example;ada@example.org;1815-12-10;12 Engine Street\n"
	return strings.Repeat(line, n/len(line)+1)[:n]
}

// noise is n bytes of no text.
func noise(n int, seed uint64) string {
	b := make([]byte, n)
	for i := range b {
		seed = seed*6364136223846793005 + 1442695040888963407
		b[i] = byte(seed >> 56)
	}
	return string(b)
}

// chunked is a body in chunks of the given sizes; the last one before the trailer is "0".
func chunked(body string, sizes ...int) string {
	var b strings.Builder
	for _, n := range sizes {
		fmt.Fprintf(&b, "%x\r\n%s\r\n", n, body[:n])
		body = body[n:]
	}
	if body != "" {
		fmt.Fprintf(&b, "%x\r\n%s\r\n", len(body), body)
	}
	return b.String() + "0\r\n\r\n"
}

// get is a plain exchange.
func (t *talk) get(target string, n int) {
	t.say(client, request("GET", target))
	t.say(server, download(200, fill(n), "Content-Type: text/plain"))
	t.did("GET", target, 200, 0, n)
}
