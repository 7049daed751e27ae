// SPDX-License-Identifier: Apache-2.0

package ledger_test

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/weir-project/weir/analyzer/ledger"
	weirv1 "github.com/weir-project/weir/proto/wire/weir/v1"
)

// TestTimelines runs testdata/*.timeline. Above the line, in the order of arrival: a time (or "+"
// and a duration after the line before), a principal, and key=value facts of an exchange, with
// repeat=N every=D step=K for many; or a time and "close". Below it: "principal Field=value ..." of
// the View at the end ("~" instead of "=": within 2 %), "open" before it for the View on arrival
// without closing the rest, "totals Field=value", "counter name/reason=value". After the last line
// of input everything is closed.
func TestTimelines(t *testing.T) {
	files, err := filepath.Glob("testdata/*.timeline")
	if err != nil || len(files) == 0 {
		t.Fatalf("no timelines: %v", err)
	}
	for _, f := range files {
		t.Run(strings.TrimSuffix(filepath.Base(f), ".timeline"), func(t *testing.T) {
			text, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			input, wanted, ok := strings.Cut(string(text), "\n----\n")
			if !ok {
				t.Fatal("no ---- line")
			}
			l := &line{t: t, p: ledger.New(0, ledger.Config{})}
			for s := range strings.Lines(input) {
				l.read(strings.TrimSpace(s))
			}
			l.wantOpen(wanted)
			l.p.Advance(l.p.Newest()+24*hour, nil)
			for s := range strings.Lines(wanted) {
				l.want(strings.TrimSpace(s))
			}
		})
	}
}

type line struct {
	t   *testing.T
	p   *ledger.Partition
	at  int64
	ids uint64
}

func (l *line) read(s string) {
	f := strings.Fields(s)
	if len(f) == 0 || strings.HasPrefix(s, "#") {
		return
	}
	if d, ok := strings.CutPrefix(f[0], "+"); ok {
		l.at += l.duration(d)
	} else {
		t, err := time.Parse(time.RFC3339Nano, f[0])
		if err != nil {
			l.t.Fatal(err)
		}
		l.at = t.UnixNano()
	}
	if f[1] == "close" {
		l.p.Advance(l.at, nil)
		return
	}
	facts := map[string]string{}
	for _, kv := range f[2:] {
		k, v, _ := strings.Cut(kv, "=")
		facts[k] = v
	}
	l.exchanges(f[1], facts)
}

func (l *line) duration(s string) int64 {
	d, err := time.ParseDuration(s)
	if err != nil {
		l.t.Fatal(err)
	}
	return int64(d)
}

func (l *line) exchanges(who string, facts map[string]string) {
	number := func(key string, otherwise uint64) uint64 {
		v, ok := facts[key]
		if !ok {
			return otherwise
		}
		n, err := strconv.ParseUint(v, 10, 64)
		if err != nil {
			l.t.Fatalf("%s: %v", key, err)
		}
		return n
	}
	every := int64(0)
	if v, ok := facts["every"]; ok {
		every = l.duration(v)
	}
	for i := range number("repeat", 1) {
		if i > 0 {
			l.at += every
		}
		l.ids++
		id := number("id", l.ids+1_000_000)
		x := exchange(id, uint64(who[0]), l.at, number("from", 0)+i*number("step", 0), number("records", 1))
		x.PrincipalLabel = who
		x.HttpResponseStatusCode = uint32(number("status", 200))
		x.PartNumber = uint32(number("part", 0))
		x.PartLast = facts["last"] != "no"
		if x.PartNumber > 0 {
			x.RequestCount = 0
		}
		x.HttpResponseBodySize = number("bytes", x.HttpResponseBodySize)
		x.ResponseBodyOffset = number("offset", 0)
		x.ObjectsSeen = uint32(number("seen", uint64(x.ObjectsSeen)))
		x.ObjectsEstimated = uint32(number("estimated", 0))
		x.RequestedObjects, x.SequentialObjects = uint32(number("asked", 0)), uint32(number("sequential", 0))
		x.ObservationRank = weirv1.ObservationRank(number("rank", 4))
		x.Excluded = facts["excluded"]
		if v, ok := facts["point"]; ok {
			x.ObservationPoint = v
		}
		if v, ok := facts["path"]; ok {
			x.UrlTemplate = v
		}
		if n := number("sensitive", 0); n > 0 {
			x.SensitiveObjects, x.SensitiveObjectHashes, x.SensitiveInspected = uint32(n), x.ObjectHashes, true
		}
		if facts["assurance"] == "unknown" {
			x.PrincipalAssurance = weirv1.Assurance_ASSURANCE_UNKNOWN
		}
		if facts["list"] == "no" {
			x.ObjectHashes = nil
		}
		l.p.Apply(batch(x))
	}
}

func (l *line) wantOpen(wanted string) {
	for s := range strings.Lines(wanted) {
		f := strings.Fields(s)
		if len(f) == 0 || f[0] != "open" {
			continue
		}
		found := false
		l.p.Arrivals(func(v *ledger.View) {
			if v.Label == f[1] || v.ID == principal(uint64(f[1][0])) {
				found = true
				l.compare(s, reflect.ValueOf(*v), f[2:])
			}
		})
		if !found {
			l.t.Errorf("%s was not shown on arrival", f[1])
		}
	}
}

func (l *line) want(s string) {
	f := strings.Fields(s)
	if len(f) == 0 || strings.HasPrefix(s, "#") || f[0] == "open" {
		return
	}
	switch f[0] {
	case "totals":
		l.compare(s, reflect.ValueOf(l.p.Totals()), f[1:])
	case "counter":
		l.counter(f[1])
	case "none":
		if _, ok := l.p.Lookup(principal(uint64(f[1][0]))); ok {
			l.t.Errorf("%s has a row", f[1])
		}
	default:
		v, ok := l.p.Lookup(principal(uint64(f[0][0])))
		if !ok {
			l.t.Errorf("no principal %s", f[0])
			return
		}
		l.compare(s, reflect.ValueOf(*v), f[1:])
	}
}

func (l *line) counter(s string) {
	name, want, _ := strings.Cut(s, "=")
	for _, c := range l.p.Counters() {
		if c.Name+"/"+c.Reason == name {
			if got := fmt.Sprint(c.Value); got != want {
				l.t.Errorf("counter %s is %s, want %s", name, got, want)
			}
			return
		}
	}
	l.t.Errorf("no counter %s", name)
}

func (l *line) compare(s string, v reflect.Value, wants []string) {
	for _, w := range wants {
		path, want, exact := strings.Cut(w, "=")
		if !exact {
			path, want, _ = strings.Cut(w, "~")
		}
		f := v
		for name := range strings.SplitSeq(path, ".") {
			if f = f.FieldByName(name); !f.IsValid() {
				l.t.Fatalf("%s: no field %s", s, path)
			}
		}
		got := fmt.Sprint(f.Interface())
		if t, err := time.Parse(time.RFC3339Nano, want); err == nil {
			got, want = time.Unix(0, f.Int()).UTC().String(), t.String()
		}
		if exact {
			want = strings.ReplaceAll(want, "_", " ")
			if got != want {
				l.t.Errorf("%s is %s, want %s in %q", path, got, want, strings.TrimSpace(s))
			}
			continue
		}
		x, _ := strconv.ParseFloat(want, 64)
		y, err := strconv.ParseFloat(got, 64)
		if err != nil || math.Abs(x-y) > 0.02*math.Abs(x) {
			l.t.Errorf("%s is %s, want about %s in %q", path, got, want, strings.TrimSpace(s))
		}
	}
}
