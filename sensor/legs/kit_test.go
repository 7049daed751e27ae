// SPDX-License-Identifier: Apache-2.0

package legs_test

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"testing"

	"github.com/weir-project/weir/sensor/exchange"
	"github.com/weir-project/weir/sensor/legs"
)

const ms = int64(1_000_000)

var base = int64(1_772_618_400_000_000_000)

// told is what a sink keeps of an exchange.
type told struct {
	id, principal byte
	part          uint32
	last, marked  bool
	requests      uint32
	bytes, offset uint64
	point         string
	text          string
}

type sink struct{ all []told }

func (s *sink) Exchange(x *exchange.Exchange) {
	s.all = append(s.all, told{id: x.ID[0], principal: x.PrincipalID[0], part: x.Part, last: x.Last, marked: x.Anomalies.Has(exchange.Forwarded),
		requests: x.RequestCount, bytes: x.ResponseBodySize, offset: x.ResponseBodyOffset, point: x.Point,
		text: fmt.Sprintf("%s %s %s>%s status=%d %d..%d", x.Method, x.Path, x.Client, x.Server, x.Status, (x.PartStart-base)/ms, (x.PartEnd-base)/ms)})
}

// String lists what was told, in order: id/principal/part, bytes, marks.
func (s *sink) String() string {
	var b strings.Builder
	for _, t := range s.all {
		fmt.Fprintf(&b, "%c/%c", t.id, t.principal)
		if t.part > 0 || !t.last {
			fmt.Fprintf(&b, " part %d", t.part)
			if t.last {
				b.WriteString(" last")
			}
		}
		fmt.Fprintf(&b, " %d bytes", t.bytes)
		if t.marked {
			b.WriteString(" forwarded")
		}
		b.WriteString("\n")
	}
	return b.String()
}

// parse reads an exchange of one line, such as
//
//	A GET /v1/x 192.0.2.1>10.0.0.1 10..30 id=r7 trace=5 bytes=100 status=200
//
// Its id and its principal are the letter, times are milliseconds.
func parse(t testing.TB, line string) *exchange.Exchange {
	t.Helper()
	f := strings.Fields(line)
	if len(f) < 5 {
		t.Fatalf("%q", line)
	}
	x := &exchange.Exchange{Last: true, RequestCount: 1, Status: 200, GRPCStatus: -1, Coverage: exchange.Complete, Assurance: exchange.AssuranceToken, Protocol: "http", Version: "1.1"}
	x.ID, x.PrincipalID, x.Point = exchange.ID{f[0][0]}, exchange.ID{f[0][0]}, "s/"+f[0]
	x.Method, x.Path = []byte(f[1]), []byte(f[2])
	client, server, _ := strings.Cut(f[3], ">")
	x.Client, x.Server = netip.AddrPortFrom(netip.MustParseAddr(client), 40000), netip.AddrPortFrom(netip.MustParseAddr(server), 80)
	from, to, _ := strings.Cut(f[4], "..")
	x.Start = base + number(t, from)*ms
	x.PartStart, x.PartEnd = x.Start, base+number(t, to)*ms
	x.Duration = x.PartEnd - x.Start
	for _, option := range f[5:] {
		key, value, _ := strings.Cut(option, "=")
		switch key {
		case "id":
			x.RequestID = []byte(value)
		case "trace":
			x.TraceIDHash = uint64(number(t, value))
		case "bytes":
			x.ResponseBodySize = uint64(number(t, value))
		case "at":
			x.ResponseBodyOffset = uint64(number(t, value))
		case "status":
			x.Status = uint16(number(t, value))
		case "template":
			x.Template = []byte(value)
		case "point":
			x.Point = value
		case "part":
			x.Part, x.RequestCount = uint32(number(t, value)), 0
		case "more":
			x.Last = false
		case "onesided":
			x.Coverage = exchange.OneSided
		case "unknown":
			x.Assurance = exchange.AssuranceUnknown
		default:
			t.Fatalf("%q in %q", option, line)
		}
		if x.Part == 0 {
			x.RequestCount = 1
		}
	}
	return x
}

func number(t testing.TB, text string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// play hands lines to a Joiner. A line "@N" tells it the time, "flush" flushes.
func play(t testing.TB, j *legs.Joiner, text string) {
	t.Helper()
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		switch {
		case line == "":
		case line == "flush":
			j.Flush()
		case line[0] == '@':
			j.Advance(base + number(t, line[1:])*ms)
		default:
			x := parse(t, line)
			j.Exchange(x)
			spoil(x)
		}
	}
}

// spoil overwrites what an exchange refers to, as its owner may after the call.
func spoil(x *exchange.Exchange) {
	for _, b := range [][]byte{x.Method, x.Path, x.Template, x.RequestID} {
		for i := range b {
			b[i] = '!'
		}
	}
	*x = exchange.Exchange{}
}
