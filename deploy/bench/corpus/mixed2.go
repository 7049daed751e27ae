// SPDX-License-Identifier: Apache-2.0

package corpus

import (
	"fmt"
	"math/rand/v2"
	"strconv"

	"golang.org/x/net/http2"

	"github.com/weir-project/weir/deploy/bench/score"
)

// mixedStreamScenes throw dice, the same each time: streams that come and go on a few connections, in every shape
// that frames may have, cut, reordered and repeated at random.
func mixedStreamScenes() []scene {
	var all []scene
	for seed := range uint64(32) {
		all = append(all, scene{fmt.Sprintf("h2-mixed-%02d", seed), prior("mixed", "h2-multiplexed", "out-of-order", "retransmit"), func(p *tape) {
			(&dice{rand.New(rand.NewPCG(seed, 2))}).streams(p)
		}})
	}
	return all
}

// flow is a stream under way. Its truth is as far as it has come.
type flow struct {
	id    uint32
	truth *score.Truth
	up    int // bytes of the request's body to come; -1: its end was sent
	down  int // of the response's; -1: its end was sent
	state int // of the response: 0 not begun, 1 its head was sent
	head  bool
}

type loom struct {
	*h2
	dice *dice
	open []*flow
}

func (d *dice) streams(p *tape) {
	var all []*loom
	for range 1 + d.IntN(3) {
		t := p.talkTo([]string{v4, v6}[d.IntN(2)])
		t.next = [2]uint32{d.Uint32(), d.Uint32()}
		t.mss, t.quiet = 30+d.IntN(1400), d.IntN(2) == 0
		l := &loom{h2: speak(t.open()), dice: d}
		all = append(all, l)
		if d.IntN(3) == 0 {
			l.send(server)
		}
	}
	for i := range 150 {
		l := all[d.IntN(len(all))]
		if len(l.open) < 2 || len(l.open) < 12 && d.IntN(3) == 0 {
			l.begin(fmt.Sprintf("/mixed/%d?n=%d", i, d.IntN(9)))
		} else {
			l.go1(d.IntN(len(l.open)))
		}
	}
	for _, l := range all {
		for len(l.open) > 0 {
			l.go1(0)
		}
		l.send(client)
		l.send(server)
		l.close(host(d.IntN(2)))
	}
}

// send lets go of what was written, in cuts of the dice.
func (l *loom) send(from host) {
	text := l.side[from].buf.String()
	if text == "" {
		return
	}
	l.side[from].buf.Reset()
	l.dice.burst(l.talk, from, text)
}

// turn is what both hosts do before the other one may speak: a response never goes out before its request.
func (l *loom) turn(from host) {
	l.odd(from)
	if from == client || l.dice.IntN(2) == 0 {
		l.send(from)
	}
}

func (l *loom) begin(target string) {
	d := l.dice
	l.next2()
	if d.IntN(9) == 0 {
		l.next2()
	}
	method := []string{"GET", "GET", "POST", "PUT", "HEAD", "DELETE"}[d.IntN(6)]
	fl := &flow{id: l.last, head: method == "HEAD", up: -1, down: d.IntN(1 + d.IntN(30_000))}
	if method == "POST" || method == "PUT" {
		fl.up = d.IntN(5000)
	}
	fields := []string{":method: " + method, ":scheme: http", ":authority: shop.example", ":path: " + target, "authorization: Bearer tok_test_" + strconv.Itoa(d.IntN(3))}
	for range d.IntN(6) {
		fields = append(fields, fmt.Sprintf("x-%d: %s", d.IntN(4), noisy(d.IntN(5))))
	}
	l.block(client, fl.id, fl.up < 0, fields)
	fl.truth = l.did(method, target, 0, 0, 0)
	l.open = append(l.open, fl)
	l.turn(client)
}

// block writes a block whole, in pieces, or with padding and priority.
func (l *loom) block(from host, id uint32, end bool, fields []string) {
	f := l.side[from]
	switch l.dice.IntN(4) {
	case 0:
		l.pieces(from, id, end, fields)
	case 1:
		l.wrote(f.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: f.pack(fields), EndHeaders: true, EndStream: end,
			PadLength: uint8(l.dice.IntN(256)), Priority: http2.PriorityParam{StreamDep: id - 1, Weight: 9}}))
	default:
		l.headers(from, id, end, fields...)
	}
}

// odd writes a frame that carries no message, now and then.
func (l *loom) odd(from host) {
	f := l.side[from]
	switch l.dice.IntN(12) {
	case 0:
		l.wrote(f.WritePing(false, [8]byte{1, 2, 3}))
	case 1:
		l.wrote(f.WriteWindowUpdate(0, 1+l.dice.Uint32()>>8))
	case 2:
		f.hpack.SetMaxDynamicTableSize([]uint32{0, 200, 4096}[l.dice.IntN(3)])
	case 3:
		l.wrote(f.WriteRawFrame(http2.FrameType(0x20+l.dice.IntN(200)), 0, 0, []byte(fill(l.dice.IntN(90)))))
	}
}

// go1 takes the i-th open stream a step on.
func (l *loom) go1(i int) {
	fl, d := l.open[i], l.dice
	switch {
	case fl.up >= 0 && d.IntN(2) == 0:
		l.upload(fl)
	case fl.state == 0:
		l.respond(fl)
	case fl.down >= 0:
		l.download(fl)
	case fl.up >= 0:
		l.upload(fl)
	}
	gone := fl.up < 0 && fl.state == 1 && fl.down < 0
	if !gone && d.IntN(25) == 0 { // either side gives up; what was on its way is on the tape already
		from := host(d.IntN(2))
		l.send(from.other())
		l.wrote(l.side[from].WriteRSTStream(fl.id, http2.ErrCodeCancel))
		l.send(from)
		gone = true
	}
	if gone {
		l.open = append(l.open[:i], l.open[i+1:]...)
	}
}

// piece writes a frame of a body, with padding at times.
func (l *loom) piece(from host, id uint32, n int, end bool) {
	if l.dice.IntN(4) == 0 {
		l.wrote(l.side[from].WriteDataPadded(id, end, []byte(fill(n)), make([]byte, l.dice.IntN(256))))
		return
	}
	l.data(from, id, n, end)
}

func (l *loom) upload(fl *flow) {
	n := min(fl.up, l.dice.IntN(3000))
	end := n == fl.up
	l.piece(client, fl.id, n, end)
	fl.truth.RequestBody += int64(n)
	if fl.up -= n; end {
		fl.up = -1
	}
	l.turn(client)
}

func (l *loom) respond(fl *flow) {
	d := l.dice
	l.send(client)
	status := []int{200, 200, 200, 201, 204, 304, 404, 500}[d.IntN(8)]
	if fl.head || status == 204 || status == 304 {
		fl.down = -1
	}
	if d.IntN(8) == 0 {
		l.headers(server, fl.id, false, ":status: 103", "link: </a.css>")
	}
	l.block(server, fl.id, fl.down < 0, []string{":status: " + strconv.Itoa(status), "x-a: " + noisy(d.IntN(4)), "etag: " + strconv.Itoa(d.IntN(99))})
	fl.truth.Status, fl.state = status, 1
	l.turn(server)
}

func (l *loom) download(fl *flow) {
	n := min(fl.down, 1+l.dice.IntN(6000))
	end := n == fl.down
	trailers := end && l.dice.IntN(4) == 0
	l.piece(server, fl.id, n, end && !trailers)
	if trailers {
		l.block(server, fl.id, true, []string{"x-sum: " + strconv.Itoa(n), "grpc-status: 0"})
	}
	fl.truth.ResponseBody += int64(n)
	if fl.down -= n; end {
		fl.down = -1
	}
	l.turn(server)
}
