// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weir-project/weir/deploy/street/tape"
	"github.com/weir-project/weir/sensor/exchange"
)

// conversation is a tape of several clients on several connections, with its truth in the order of
// the responses.
func conversation() (*tape.Tape, []told) {
	tp := tape.New(start)
	var truth []told
	say := func(k *tape.Talk, path, token, body string, status, records int) {
		k.Client(request(path, token, body))
		answer := list(records)
		k.Server(response(status, answer))
		method := "GET"
		if body != "" {
			method = "POST"
		}
		truth = append(truth, told{Method: method, Path: path, Server: "api.example", Status: uint16(status), Request: uint64(len(body)),
			Response: uint64(len(answer)), Records: uint64(records), Coverage: exchange.Complete})
	}
	for c := range 5 {
		k := tp.Dial(netip.AddrPortFrom(client.Addr(), client.Port()+uint16(c)), server)
		for i := range 6 {
			say(k, "/customers", fmt.Sprintf("tok_test_%d", c), map[bool]string{true: `{"a":1}`}[i == 3], 200, 20*i+c+1)
		}
		k.Close()
	}
	return tp, truth
}

func TestPipelineTellsWhatWasSaid(t *testing.T) {
	tp, want := conversation()
	sink := &memory{}
	p := newTestPipeline(t, sink)
	feed(p, tp.Frames)
	p.end()
	tokens := map[exchange.ID]bool{}
	ids := map[exchange.ID]bool{}
	for i := range sink.all {
		tokens[sink.all[i].Token], ids[sink.all[i].ID] = true, true
		sink.all[i].Token, sink.all[i].ID = exchange.ID{}, exchange.ID{}
	}
	if diff := cmp.Diff(want, sink.all); diff != "" {
		t.Errorf("told otherwise (-said +told):\n%s", diff)
	}
	if len(tokens) != 5 || len(ids) != len(want) {
		t.Errorf("%d tokens of 5, %d ids of %d", len(tokens), len(ids), len(want))
	}
}

// TestASecondReadingHasTheSameIDs reads the same frames in a pipeline of its own.
func TestASecondReadingHasTheSameIDs(t *testing.T) {
	tp, _ := conversation()
	var readings [2]memory
	for i := range readings {
		p := newTestPipeline(t, &readings[i])
		feed(p, tp.Frames)
		p.end()
	}
	if diff := cmp.Diff(readings[0].all, readings[1].all); diff != "" {
		t.Error(diff)
	}
}

func TestALostPacketIsANumber(t *testing.T) {
	tp := tape.New(start)
	k := tp.Dial(client, server)
	body := list(400)
	answer := response(200, body)
	k.Client(request("/customers", "tok_test", ""))
	k.Server(answer[:1400])
	k.Lose(1, 1000)
	k.Server(answer[2400:])
	k.Client(request("/customers/1", "tok_test", ""))
	k.Server(response(200, `{"id":1}`))
	k.Close()
	sink := &memory{}
	p := newTestPipeline(t, sink)
	feed(p, tp.Frames)
	p.end()
	if len(sink.all) != 2 || sink.all[0].Response != uint64(len(body)) || sink.all[0].Gap != 1000 || sink.all[0].Coverage != exchange.Partial || sink.all[1].Response != 8 {
		t.Errorf("told %+v", sink.all)
	}
}

// TestEveryFrameIsAccountedFor sends traffic, noise and our own connection: every frame is a
// segment, filtered or dropped, and every payload byte has one fate.
func TestEveryFrameIsAccountedFor(t *testing.T) {
	tp, _ := conversation()
	own := tape.New(start.Add(time.Second))
	nats := netip.MustParseAddrPort("192.0.2.90:4222")
	o := own.Dial(client, nats)
	o.Client([]byte("PUB weir.v1.exchanges 3\r\nabc\r\n"))
	o.Close()
	rng := rand.New(rand.NewPCG(1, 2))
	frames := append(tp.Frames, own.Frames...)
	for i := range 3000 { // cut, spoilt, and of other protocols
		f := tp.Frames[rng.IntN(len(tp.Frames))]
		data := append([]byte(nil), f.Data[:rng.IntN(len(f.Data)+1)]...)
		for range rng.IntN(4) {
			if len(data) > 0 {
				data[rng.IntN(len(data))] ^= byte(1 << rng.IntN(8))
			}
		}
		frames = append(frames, tape.Frame{At: start.Add(time.Duration(i) * time.Millisecond), Data: data})
	}
	p := newTestPipeline(t, &nowhere{})
	p.own.set(map[netip.AddrPort]bool{nats: true})
	feed(p, frames)
	p.end()
	sum := totals(p)
	t.Logf("%v", sum)
	if sum["frames"] != uint64(len(frames)) || sum["frames"] != sum["segments"]+sum["frames_filtered"]+sum["frames_dropped"] {
		t.Errorf("frames %d of %d = segments %d + filtered %d + dropped %d does not hold", sum["frames"], len(frames), sum["segments"], sum["frames_filtered"], sum["frames_dropped"])
	}
	if sum["segments_filtered"] != uint64(len(own.Frames)) || sum["segments"] != sum["segments_filtered"]+sum["flow_segments"] {
		t.Errorf("segments %d = our own %d + followed %d does not hold", sum["segments"], sum["segments_filtered"], sum["flow_segments"])
	}
	n := p.tracker.Counters()
	if n.PayloadBytes != n.DeliveredBytes+n.UncapturedBytes+n.DuplicateBytes+n.Dropped.Sum()+n.BufferedBytes {
		t.Errorf("payload does not add up: %+v", n)
	}
	if heard := p.session.Counters(); heard.Bytes != n.DeliveredBytes+n.UncapturedBytes+n.LostBytes {
		t.Errorf("the session heard %d bytes, flow told %d + %d + %d", heard.Bytes, n.DeliveredBytes, n.UncapturedBytes, n.LostBytes)
	}
}

// faulty panics at the n-th exchange.
type faulty struct {
	nowhere
	at int
}

func (f *faulty) Exchange(x *exchange.Exchange) {
	if f.at--; f.at == 0 {
		panic("a fault of ours")
	}
	f.nowhere.Exchange(x)
}

// TestAFaultOfOursIsContained has a sink panic once: its connection is lost and counted, the others
// are told.
func TestAFaultOfOursIsContained(t *testing.T) {
	tp, want := conversation()
	sink := &faulty{at: 3}
	p := newTestPipeline(t, sink)
	logged := 0
	p.onBug = func(stack []byte) {
		if logged++; len(stack) == 0 {
			t.Error("no stack")
		}
	}
	feed(p, tp.Frames)
	p.end()
	lost := uint64(len(want)) - sink.exchanges
	if lost == 0 || lost > 6 {
		t.Errorf("%d of %d exchanges are lost", lost, len(want))
	}
	stacks := 0
	for _, c := range p.counters() {
		if c.Name == "http_connections_ignored" && c.Reason == "bug" && c.Value == 1 {
			stacks++
		}
	}
	if stacks != 1 || logged != 1 {
		t.Errorf("the fault is counted %d times and told %d times", stacks, logged)
	}
}

// TestAFaultOutsideConnectionsIsContained breaks what no other room guards: the rooms begin anew,
// and what they had counted stays counted.
func TestAFaultOutsideConnectionsIsContained(t *testing.T) {
	tp, want := conversation()
	sink := &nowhere{}
	p := newTestPipeline(t, sink)
	own, stacks := p.own, 0
	p.onBug = func(stack []byte) {
		if stacks++; len(stack) == 0 {
			t.Error("no stack")
		}
		p.own = own
	}
	half := len(tp.Frames) / 2
	feed(p, tp.Frames[:half])
	p.showCounters()
	before := totals(p)
	p.own = nil
	feed(p, tp.Frames[half:])
	p.end()
	sum := totals(p)
	if stacks != 1 || sum["pipeline_restarts"] != 1 {
		t.Errorf("%d stacks, %d restarts counted", stacks, sum["pipeline_restarts"])
	}
	if sink.exchanges == 0 || sink.exchanges > uint64(len(want)) || sum["http_requests"] < before["http_requests"] {
		t.Errorf("%d exchanges; requests counted %d, later %d", sink.exchanges, before["http_requests"], sum["http_requests"])
	}
	if sum["frames"] != uint64(len(tp.Frames)) || sum["frames"] != sum["segments"]+sum["frames_filtered"]+sum["frames_dropped"] {
		t.Errorf("frames do not add up: %v", sum)
	}
}

// TestAFaultInDecodingIsCounted keeps the sum of frames whole.
func TestAFaultInDecodingIsCounted(t *testing.T) {
	tp, _ := conversation()
	p := newTestPipeline(t, &nowhere{})
	func() {
		defer p.contain()
		p.frames++
		p.busy = true
		panic("in the decoder")
	}()
	feed(p, tp.Frames)
	p.end()
	if sum := totals(p); sum["frames"] != uint64(len(tp.Frames))+1 || sum["frames"] != sum["segments"]+sum["frames_filtered"]+sum["frames_dropped"] {
		t.Errorf("frames do not add up: %v", sum)
	}
}

// TestAPipelineThatOnlyFaultsGivesUp does not go round in circles for ever.
func TestAPipelineThatOnlyFaultsGivesUp(t *testing.T) {
	p := newTestPipeline(t, &nowhere{})
	p.own = nil
	tp, _ := conversation()
	defer func() {
		if recover() == nil || p.bugs != maxBugs+1 {
			t.Errorf("it goes on after %d faults", p.bugs)
		}
	}()
	for range 10 * maxBugs {
		feed(p, tp.Frames[:1])
	}
}
