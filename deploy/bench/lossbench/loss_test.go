// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weir-project/weir/deploy/bench/corpus"
)

func newBench() (*bench, *strings.Builder) {
	var out strings.Builder
	return &bench{out: &out, rig: newRig(), good: true}, &out
}

// report logs what a bench printed, and fails if not all held.
func report(t *testing.T, b *bench, out *strings.Builder) {
	t.Helper()
	t.Log("\n" + out.String())
	if !b.good {
		t.Fail()
	}
}

// The account adds up, whatever is lost; make loss does the same with more.
func TestLosses(t *testing.T) {
	b, out := newBench()
	if err := b.losses(corpus.Kinds, 160, 2); err != nil {
		t.Fatal(err)
	}
	report(t, b, out)
}

// No byte goes to a wrong principal, whichever segments are lost.
func TestOwners(t *testing.T) {
	b, out := newBench()
	if err := b.owners(false); err != nil {
		t.Fatal(err)
	}
	report(t, b, out)
}

// A capture may begin anywhere: nothing false is told. A sample: make loss begins all at every packet.
func TestJoins(t *testing.T) {
	b, out := newBench()
	var some []corpus.Load
	for _, l := range corpus.All() {
		again := strings.HasSuffix(l.Kind, "-slow") || strings.HasSuffix(l.Kind, "-delayed-acks")
		if !again && len(l.Frames) <= 700 {
			some = append(some, l)
		}
	}
	b.joins(some, 13)
	report(t, b, out)
}

// Of every capture frames are lost by chance: nothing false is told.
func TestHoles(t *testing.T) {
	b, out := newBench()
	b.holes(corpus.All(), 2)
	report(t, b, out)
}

// What goes through a tunnel or an upgraded connection counts for whoever opened it, to the byte.
func TestTunnels(t *testing.T) {
	r := newRig()
	tunnels := 0
	for _, l := range corpus.All() {
		for _, x := range l.Truth {
			if x.Status != 101 && (x.Method != "CONNECT" || x.Status/100 != 2) {
				continue
			}
			tunnels++
			found := false
			for _, o := range r.read(&l, none).told {
				if o.status == x.Status && o.client.String() == x.Client && (o.target == x.Target || o.method == "CONNECT") {
					found = true
					if o.sent != uint64(x.RequestBody) || o.got != uint64(x.ResponseBody) {
						t.Errorf("%s: %d and %d bytes went through, told %s", l.Kind, x.RequestBody, x.ResponseBody, o)
					}
				}
			}
			if !found {
				t.Errorf("%s: %s %s is not told of", l.Kind, x.Method, x.Target)
			}
		}
	}
	if tunnels < 10 {
		t.Errorf("%d tunnels", tunnels)
	}
}

// A call's operation and status are told; where the call was given up before its trailers, no status is.
func TestCalls(t *testing.T) {
	want := map[string][]string{
		"grpc-unary":             {"Get 0", "Get 0", "Get 0", "Get 0", "Get 0", "Get 0", "Get 0", "Get 0", "Get 0", "Get 0"},
		"grpc-streams":           {"List 0", "Put 0"},
		"grpc-fails-at-once":     {"Get 5"},
		"grpc-both-ways":         {"Chat 0", "Chat 0"},
		"grpc-message-in-pieces": {"List 0"},
		"grpc-deadline":          {"Get 0", "List -1"},
	}
	r := newRig()
	for _, l := range corpus.All() {
		calls, is := want[l.Kind]
		if !is {
			continue
		}
		delete(want, l.Kind)
		var got []string
		for _, x := range r.read(&l, none).told {
			got = append(got, fmt.Sprintf("%s %d", strings.TrimPrefix(x.operation, "shop.Customers/"), x.grpc))
		}
		slices.Sort(got) // one that was given up is told of later
		if diff := cmp.Diff(calls, got); diff != "" {
			t.Errorf("%s: %s", l.Kind, diff)
		}
	}
	if len(want) > 0 {
		t.Errorf("not in the corpus: %v", want)
	}
}

// The judge finds what is wrong.
func TestJudge(t *testing.T) {
	r := newRig()
	l := corpus.Busy("keep-alive", 16, 1)
	owners, err := principals(&l, r)
	if err != nil {
		t.Fatal(err)
	}
	f := func(name string, spoil func(*told), bad func(*figures) bool) {
		t.Helper()
		o := r.read(&l, none)
		spoil(o.told[3])
		got := judge(&l, owners, o)
		if !bad(&got) {
			t.Errorf("%s: %+v", name, got)
		}
	}
	whole := judge(&l, owners, r.read(&l, none))
	if whole.sum() != 1 || whole.recall != 1 || whole.named != 1 || whole.wrongOwner+len(whole.examples) > 0 {
		t.Errorf("without loss: %+v", whole)
	}
	f("another owner", func(x *told) { x.principal[0] ^= 1 }, func(f *figures) bool { return f.wrongOwner == 1 })
	f("another's answer", func(x *told) { x.status = 404 }, func(f *figures) bool { return f.wrongOwner == 1 })
	f("a byte more", func(x *told) { x.got++ }, func(f *figures) bool { return f.wrongBytes == 1 && f.sum() > 1 })
	f("bytes forgotten", func(x *told) { x.got = 0 }, func(f *figures) bool { return f.sum() < 1 })
	f("nobody's", func(x *told) { x.known = false }, func(f *figures) bool { return f.sum() == 1 && f.named < 1 })
}
