// SPDX-License-Identifier: Apache-2.0

package inspect_test

import (
	"encoding/base64"
	"encoding/binary"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/weir-project/weir/sensor/exchange"
	"github.com/weir-project/weir/sensor/inspect"
)

// frame is one message behind its prefix.
func frame(flag byte, message string) string {
	return string(binary.BigEndian.AppendUint32([]byte{flag}, uint32(len(message)))) + message
}

// lengths gives messages of these lengths.
func lengths(sizes ...int) (body string) {
	for _, n := range sizes {
		body += frame(0, strings.Repeat("m", n))
	}
	return body
}

func TestMessagesAreRecords(t *testing.T) {
	text := base64.StdEncoding.EncodeToString
	three := lengths(10, 0, 300)
	trailers := frame(0x80, "grpc-status:0\r\n")
	for _, c := range []struct{ media, body, want string }{
		// Nothing, and what is broken.
		{"application/grpc", "", "exact 0 seen 0"},
		{"application/grpc", "\x02\x00\x00\x00\x01m", "estimated 0 seen 0 unread 6 cut malformed"},
		{"application/grpc", lengths(20) + strings.Repeat("x", 50), "estimated 3 seen 0 unhashed 1 unread 50 cut malformed"},
		{"application/grpc", lengths(20, 20)[:40], "exact 2 seen 0 unhashed 2 cut malformed"},
		{"application/grpc", lengths(20, 20)[:28], "exact 1 seen 0 unhashed 1 cut malformed"},
		{"application/grpc", trailers, "estimated 0 seen 0 unread 20 cut malformed"},
		{"application/grpc", "\x00\xff\xff\xff\xff", "exact 1 seen 0 unhashed 1 cut malformed"},
		{"application/grpc-web-text", "????", "estimated 0 seen 0 unread 4 cut malformed"},
		{"application/grpc-web-text", text([]byte("\x02")), "estimated 0 seen 0 unread 3 cut malformed"},
		{"application/connect", three, "estimated 1 seen 0 estimated 1 unread 325 cut"}, // no stream of Connect: data all the same
		// What gRPC and its kin send.
		{"application/grpc", lengths(1000), "exact 1 seen 0 unhashed 1 cut"},
		{"application/grpc", three, "exact 3 seen 0 unhashed 3 cut"},
		{"application/grpc+proto", three, "exact 3 seen 0 unhashed 3 cut"},
		{"application/grpc+json", frame(0, `{"id":1}`) + frame(1, "\x1f\x8b"), "exact 2 seen 0 unhashed 2 cut"},
		{"application/grpc-web", three + trailers, "exact 3 seen 0 unhashed 3 cut"},
		{"application/grpc-web+proto", frame(1, "zz") + frame(0x81, "zz"), "exact 1 seen 0 unhashed 1 cut"},
		{"application/grpc-web", trailers, "exact 0 seen 0"},
		{"application/grpc-web-text", text([]byte(three + trailers)), "exact 3 seen 0 unhashed 3 cut"},
		{"application/grpc-web-text+proto", text([]byte(three)) + "\r\n" + text([]byte(trailers)), "exact 3 seen 0 unhashed 3 cut"},
		{"application/connect+proto", three + frame(2, "{}"), "exact 3 seen 0 unhashed 3 cut"},
	} {
		for _, piece := range []int{1, 2, 3, 5, 7, 64, 1 << 20} {
			x := look(inspect.New(keys(), inspect.Config{Prefix: 16}), begin("POST /shop.Customers/List", c.media), c.body, piece)
			if got := told(x); got != c.want {
				t.Errorf("%s %.20q by %d: %s, want %s", c.media, c.body, piece, got, c.want)
			}
		}
	}
}

// step is one call of Data or Gap.
type step struct {
	n    int
	lost bool
}

// run feeds a body by steps and gives what all parts told together, reporting in between by chance.
func run(in *inspect.Inspector, b inspect.Begin, body string, steps []step, rnd *rand.Rand) *exchange.Exchange {
	l := in.Begin(b)
	defer l.Release()
	sum := exchange.Exchange{RecordsKind: exchange.CountNone, ObjectListComplete: true}
	report := func(last bool) {
		var x exchange.Exchange
		l.Report(&x, last)
		sum.Records += x.Records
		sum.ObjectsUnhashed += x.ObjectsUnhashed
		sum.ObjectsEstimated += x.ObjectsEstimated
		sum.UninspectedSize += x.UninspectedSize
		sum.RecordsKind = max(sum.RecordsKind, x.RecordsKind)
		sum.ObjectListComplete = sum.ObjectListComplete && x.ObjectListComplete
		sum.Anomalies |= x.Anomalies
	}
	for _, s := range steps {
		if s.lost {
			l.Gap(uint64(s.n))
		} else {
			l.Data([]byte(body[:s.n]))
		}
		if body = body[s.n:]; rnd != nil && rnd.IntN(8) == 0 {
			report(false)
		}
	}
	report(true)
	return &sum
}

// recut cuts steps at random places; seen and lost bytes stay what they were.
func recut(steps []step, rnd *rand.Rand) (out []step) {
	for _, s := range steps {
		for s.n > 0 {
			n := 1 + rnd.IntN(s.n)
			out = append(out, step{n, s.lost})
			s.n -= n
		}
	}
	return out
}

// However a body comes, in pieces and in parts, with gaps or without, the count is the same; and it is
// exact as long as no prefix is lost.
func TestMessagesSurviveGaps(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 6))
	exact := 0
	for range 3000 {
		var sizes []int
		total, held := 0, uint64(0)
		for range rnd.IntN(6) {
			n := []int{0, 1, 5, rnd.IntN(50), rnd.IntN(3000)}[rnd.IntN(5)]
			sizes, total, held = append(sizes, n), total+5+n, held+1
		}
		body := lengths(sizes...)
		var steps []step
		lostPrefix := false
		for pos := 0; pos < total; {
			s := step{n: 1 + rnd.IntN(min(total-pos, 1+rnd.IntN(1500))), lost: rnd.IntN(3) == 0}
			for at, i := 0, 0; i < len(sizes); i++ { // a prefix stands at [at, at+5)
				if s.lost && pos < at+5 && at < pos+s.n {
					lostPrefix = true
				}
				at += 5 + sizes[i]
			}
			steps, pos = append(steps, s), pos+s.n
		}
		b := begin("POST /shop.Customers/List", "application/grpc")
		whole := run(inspect.New(keys(), inspect.Config{}), b, body, steps, nil)
		pieces := run(inspect.New(keys(), inspect.Config{}), b, body, recut(steps, rnd), rnd)
		if told(whole) != told(pieces) {
			t.Fatalf("%v %v: whole %s, pieces %s", sizes, steps, told(whole), told(pieces))
		}
		if lostPrefix != (whole.RecordsKind == exchange.CountEstimated) {
			t.Fatalf("%v %v: %s, but a prefix lost is %v", sizes, steps, told(whole), lostPrefix)
		}
		if !lostPrefix {
			exact++
			if whole.Records != held || whole.UninspectedSize != 0 || whole.Anomalies != 0 {
				t.Fatalf("%v %v: %s, want %d", sizes, steps, told(whole), held)
			}
		}
	}
	if exact < 300 {
		t.Errorf("only %d bodies kept their prefixes", exact)
	}
}

// After a lost prefix the rest counts as the messages before it did, and another body teaches how large
// they are.
func TestLostMessagesAreEstimated(t *testing.T) {
	in := inspect.New(keys(), inspect.Config{})
	b := begin("POST /shop.Customers/List", "application/grpc")
	body := lengths(95, 95, 95, 95, 95, 95, 95, 95, 95, 95)
	for _, c := range []struct {
		steps []step
		want  string
	}{
		{[]step{{198, false}, {10, true}, {792, false}}, "estimated 10 seen 0 unhashed 2 unread 800 cut"},
		{[]step{{3, true}, {997, false}}, "estimated 1 seen 0 estimated 1 unread 1000 cut"}, // nothing known: one a kilobyte
		{[]step{{1000, false}}, "exact 10 seen 0 unhashed 10 cut"},
		{[]step{{3, true}, {997, false}}, "estimated 10 seen 0 estimated 10 unread 1000 cut"},
		{[]step{{1000, true}}, "estimated 10 seen 0 estimated 10 unread 1000 cut"},
	} {
		if got := told(run(in, b, body, c.steps, nil)); got != c.want {
			t.Errorf("%v: %s, want %s", c.steps, got, c.want)
		}
	}
}

// A stream that never ends tells its messages as they pass.
func TestMessagesOfALongStream(t *testing.T) {
	l := inspect.New(keys(), inspect.Config{}).Begin(begin("POST /shop.Customers/Watch", "application/grpc"))
	defer l.Release()
	for part := range 100 {
		for range 7 {
			l.Data([]byte(lengths(1 << 10)))
		}
		l.Data([]byte{0, 0, 0}) // the begin of a prefix
		var x exchange.Exchange
		if l.Report(&x, false); told(&x) != "exact 7 seen 0 unhashed 7 cut" || x.Anomalies != 0 {
			t.Fatalf("part %d: %s", part, told(&x))
		}
		l.Data([]byte{0, 0, 0, 0, 0, 0, 0}) // its end, and an empty message
		x = exchange.Exchange{}
		if l.Report(&x, false); x.Records != 2 {
			t.Fatalf("part %d: %d empty messages", part, x.Records)
		}
	}
}

// What carries no records stays so: refused, HEAD, or under a coding that is none of gRPC's.
func TestMessagesThatAreNone(t *testing.T) {
	in := inspect.New(keys(), inspect.Config{})
	for want, change := range map[string]func(*inspect.Begin){
		"none 0 seen 0": func(b *inspect.Begin) { b.Status = 503 },
		"estimated 1 seen 0 estimated 1 unread 510 cut": func(b *inspect.Begin) { b.ContentEncoding = []byte("gzip") },
	} {
		b := begin("POST /shop.Customers/List", "application/grpc")
		change(&b)
		if got := told(look(in, b, lengths(250, 250), 100)); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

func TestMessagesAllocateNothing(t *testing.T) {
	in := inspect.New(keys(), inspect.Config{})
	b, body := begin("POST /shop.Customers/List", "application/grpc"), []byte(lengths(300, 300, 300))
	var x exchange.Exchange
	if n := testing.AllocsPerRun(200, func() {
		l := in.Begin(b)
		l.Data(body[:7])
		l.Data(body[7:])
		l.Report(&x, true)
		l.Release()
	}); n > 0 {
		t.Errorf("%v allocations a body", n)
	}
}

func FuzzMessages(f *testing.F) {
	for kind := range byte(4) {
		f.Add([]byte(lengths(3, 0, 7)+frame(0x80, "x")), kind, uint64(1))
		f.Add([]byte(base64.StdEncoding.EncodeToString([]byte(lengths(3)))+"AAAAAAA="), kind, uint64(2))
		f.Add([]byte("\x00\xff\xff\xff\xff\x00"), kind, uint64(3))
		f.Add([]byte("\x04"), kind, uint64(4))
	}
	f.Fuzz(func(t *testing.T, body []byte, kind byte, seed uint64) {
		b := begin("POST /shop.Customers/List", []string{"application/grpc", "application/grpc-web", "application/grpc-web-text", "application/connect+json"}[kind&3])
		rnd := rand.New(rand.NewPCG(seed, 1))
		var steps []step
		for rest := len(body); rest > 0; {
			s := step{n: 1 + rnd.IntN(rest), lost: kind&4 != 0 && rnd.IntN(4) == 0}
			steps, rest = append(steps, s), rest-s.n
		}
		whole := run(inspect.New(keys(), inspect.Config{}), b, string(body), steps, nil)
		pieces := run(inspect.New(keys(), inspect.Config{}), b, string(body), recut(steps, rnd), rnd)
		if told(whole) != told(pieces) {
			t.Fatalf("whole %s, pieces %s", told(whole), told(pieces))
		}
		if whole.UninspectedSize > uint64(len(body)) || whole.RecordsKind == exchange.CountExact && 5*whole.Records > uint64(len(body)) {
			t.Fatalf("%s of %d bytes", told(whole), len(body))
		}
	})
}
