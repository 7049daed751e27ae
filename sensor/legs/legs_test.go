// SPDX-License-Identifier: Apache-2.0

package legs_test

import (
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"github.com/weir-project/weir/sensor/exchange"
	"github.com/weir-project/weir/sensor/legs"
)

// The conversations: what comes, then what is told. A is the outer leg, B the inner one.
var conversations = []struct{ name, in, want string }{
	{"no id", `
		B GET /x 10.0.0.1>10.0.0.2 2..8 bytes=100
		A GET /x 192.0.2.1>10.0.0.1 1..9 bytes=100`, `
		B/B 100 bytes
		A/A 100 bytes`},
	{"other ids", `
		B GET /x 10.0.0.1>10.0.0.2 2..8 bytes=100 id=q
		A GET /x 192.0.2.1>10.0.0.1 1..9 bytes=100 id=r
		flush`, `
		B/B 100 bytes
		A/A 100 bytes`},
	{"another host asks", `
		B GET /x 10.0.0.9>10.0.0.2 2..8 bytes=100 id=r
		A GET /x 192.0.2.1>10.0.0.1 1..9 bytes=100 id=r
		flush`, `
		B/B 100 bytes
		A/A 100 bytes`},
	{"another method", `
		B POST /x 10.0.0.1>10.0.0.2 2..8 bytes=100 id=r
		A GET /x 192.0.2.1>10.0.0.1 1..9 bytes=100 id=r
		flush`, `
		B/B 100 bytes forwarded
		A/A 100 bytes`},
	{"another path", `
		B GET /y 10.0.0.1>10.0.0.2 2..8 bytes=100 id=r
		A GET /x 192.0.2.1>10.0.0.1 1..9 bytes=100 id=r
		flush`, `
		B/B 100 bytes forwarded
		A/A 100 bytes`},
	{"part of a segment is no prefix", `
		B GET /x 10.0.0.1>10.0.0.2 2..8 bytes=100 id=r
		A GET /ax 192.0.2.1>10.0.0.1 1..9 bytes=100 id=r
		flush`, `
		B/B 100 bytes forwarded
		A/A 100 bytes`},
	{"at another time", `
		B GET /x 10.0.0.1>10.0.0.2 20..28 bytes=100 id=r
		A GET /x 192.0.2.1>10.0.0.1 1..9 bytes=100 id=r
		flush`, `
		B/B 100 bytes
		A/A 100 bytes`},
	{"it ends too late", `
		A GET /x 192.0.2.1>10.0.0.1 1..9 bytes=100 id=r
		B GET /x 10.0.0.1>10.0.0.2 2..20 bytes=100 id=r
		flush`, `
		A/A 100 bytes
		B/B 100 bytes`},
	{"a retry", `
		B GET /x 10.0.0.1>10.0.0.2 2..4 bytes=10 id=r status=502
		C GET /x 10.0.0.1>10.0.0.3 5..8 bytes=100 id=r
		A GET /x 192.0.2.1>10.0.0.1 1..9 bytes=100 id=r
		flush`, `
		B/B 10 bytes forwarded
		C/C 100 bytes forwarded
		A/A 100 bytes`},
	{"a retry after no answer", `
		B GET /x 10.0.0.1>10.0.0.2 2..4 bytes=0 id=r status=0
		C GET /x 10.0.0.1>10.0.0.3 5..8 bytes=100 id=r
		A GET /x 192.0.2.1>10.0.0.1 1..9 bytes=90 id=r
		flush`, `
		B/B 0 bytes forwarded
		A/A 100 bytes`},
	{"two clients with one id", `
		B GET /x 10.0.0.1>10.0.0.2 2..8 bytes=100 id=r
		A GET /x 192.0.2.1>10.0.0.1 1..9 bytes=100 id=r
		C GET /x 192.0.2.3>10.0.0.1 1..9 bytes=70 id=r
		flush`, `
		B/B 100 bytes forwarded
		A/A 100 bytes
		C/C 70 bytes`},
	{"a trace fans out", `
		B GET /x 10.0.0.1>10.0.0.2 2..8 bytes=100 trace=7
		C GET /y 10.0.0.1>10.0.0.2 2..8 bytes=50 trace=7
		A GET /x 192.0.2.1>10.0.0.1 1..9 bytes=100 trace=7
		flush`, `
		B/B 100 bytes forwarded
		C/C 50 bytes forwarded
		A/A 100 bytes`},
	{"the answer of the inner leg was not seen", `
		B GET /x 10.0.0.1>10.0.0.2 2..8 bytes=0 id=r status=0
		A GET /x 192.0.2.1>10.0.0.1 1..9 bytes=100 id=r
		flush`, `
		B/B 0 bytes forwarded
		A/A 100 bytes`},
	{"the proxy answers by itself", `
		A GET /x 192.0.2.1>10.0.0.1 1..9 bytes=100 id=r
		flush`, `
		A/A 100 bytes`},
	{"joined by the request id", `
		B GET /x 10.0.0.1>10.0.0.2 2..8 bytes=100 id=r
		A GET /x 192.0.2.1>10.0.0.1 1..9 bytes=30 id=r
		flush`, `
		A/A 100 bytes`},
	{"whichever comes first", `
		A GET /x 192.0.2.1>10.0.0.1 1..9 bytes=30 id=r
		B GET /x 10.0.0.1>10.0.0.2 2..8 bytes=100 id=r
		flush`, `
		A/A 100 bytes`},
	{"joined by the trace", `
		B GET /x 10.0.0.1>10.0.0.2 2..8 bytes=100 trace=7
		A GET /x 192.0.2.1>10.0.0.1 1..9 bytes=30 trace=7
		flush`, `
		A/A 100 bytes`},
	{"a request id outweighs the trace", `
		B GET /x 10.0.0.1>10.0.0.2 2..8 bytes=100 trace=7 id=r
		C GET /x 10.0.0.1>10.0.0.2 2..8 bytes=50 trace=7 id=q
		A GET /x 192.0.2.1>10.0.0.1 1..9 bytes=30 trace=7 id=r
		flush`, `
		A/A 100 bytes
		C/C 50 bytes forwarded`},
	{"a prefix is taken away", `
		B GET /x/1 10.0.0.1>10.0.0.2 2..8 bytes=100 id=r
		A GET /api/x/1 192.0.2.1>10.0.0.1 1..9 bytes=30 id=r
		flush`, `
		A/A 100 bytes`},
	{"a prefix is added", `
		B GET /v2/x/1 10.0.0.1>10.0.0.2 2..8 bytes=100 id=r
		A GET /x/1 192.0.2.1>10.0.0.1 1..9 bytes=30 id=r
		flush`, `
		A/A 100 bytes`},
	{"all over loopback", `
		B GET /x 127.0.0.1>127.0.0.1 2..8 bytes=100 id=r
		A GET /x 127.0.0.1>127.0.0.1 1..9 bytes=30 id=r
		flush`, `
		A/A 100 bytes`},
	{"loopback and another address of the host", `
		B GET /x 127.0.0.1>127.0.0.2 2..8 bytes=100 id=r
		A GET /x 192.0.2.1>203.0.113.5 1..9 bytes=30 id=r
		flush`, `
		A/A 100 bytes`},
	{"two proxies", `
		C GET /x 10.0.0.2>10.0.0.3 3..7 bytes=100 id=r
		B GET /x 10.0.0.1>10.0.0.2 2..8 bytes=80 id=r
		A GET /x 192.0.2.1>10.0.0.1 1..9 bytes=30 id=r
		flush`, `
		A/A 100 bytes`},
	{"two proxies on one host cannot be told apart", `
		C GET /x 127.0.0.1>127.0.0.1 3..7 bytes=100 id=r
		B GET /x 127.0.0.1>127.0.0.1 2..8 bytes=80 id=r
		A GET /x 127.0.0.1>127.0.0.1 1..9 bytes=30 id=r
		flush`, `
		C/C 100 bytes forwarded
		B/B 80 bytes forwarded
		A/A 30 bytes`},
	{"nobody knows who the outer leg's client is", `
		B GET /x 10.0.0.1>10.0.0.2 2..8 bytes=100 id=r
		A GET /x 192.0.2.1>10.0.0.1 1..9 bytes=30 id=r unknown
		flush`, `
		B/B 100 bytes`},
	{"a slow client", `
		B GET /x 10.0.0.1>10.0.0.2 2..8 bytes=100 id=r
		@3000
		A GET /x 192.0.2.1>10.0.0.1 1..3500 bytes=100 id=r
		flush`, `
		B/B 100 bytes
		A/A 100 bytes forwarded`},
	{"a slow client of a large answer", `
		B GET /x 10.0.0.1>10.0.0.2 2..8 bytes=100000 id=r
		@3000
		A GET /x 192.0.2.1>10.0.0.1 1..3500 bytes=100000 id=r
		flush`, `
		A/A 100000 bytes`},
	{"a very slow client of a large answer", `
		B GET /x 10.0.0.1>10.0.0.2 2..8 bytes=100000 id=r
		@10000
		A GET /x 192.0.2.1>10.0.0.1 1..10050 bytes=60000 id=r more
		@15000
		A GET /x 192.0.2.1>10.0.0.1 1..15000 bytes=40000 at=60000 id=r part=1
		flush`, `
		A/A 100000 bytes`},
	{"a client that takes nothing of a large answer", `
		B GET /x 10.0.0.1>10.0.0.2 2..8 bytes=100000 id=r
		@12008
		A GET /x 192.0.2.1>10.0.0.1 1..13000 bytes=40000 id=r
		flush`, `
		B/B 100000 bytes
		A/A 40000 bytes forwarded`},
	{"a late retry", `
		B GET /x 10.0.0.1>10.0.0.2 2..8 bytes=100 id=r
		A GET /x 192.0.2.1>10.0.0.1 1..9 bytes=100 id=r
		@3000
		C GET /x 10.0.0.1>10.0.0.2 3..7 bytes=50 id=r
		flush`, `
		A/A 100 bytes
		C/C 50 bytes forwarded`},
	{"parts", `
		A GET /x 192.0.2.1>10.0.0.1 1..1000 bytes=90 id=r more
		B GET /x 10.0.0.1>10.0.0.2 2..1001 bytes=100 id=r more
		B GET /x 10.0.0.1>10.0.0.2 2..1500 bytes=50 at=100 id=r part=1 more
		@4000
		A GET /x 192.0.2.1>10.0.0.1 1..4000 bytes=90 at=90 id=r part=1 more
		B GET /x 10.0.0.1>10.0.0.2 2..4001 bytes=100 at=150 id=r part=2 more
		B GET /x 10.0.0.1>10.0.0.2 2..4500 bytes=7 at=250 id=r part=3
		A GET /x 192.0.2.1>10.0.0.1 1..5001 bytes=1 at=180 id=r part=2
		@9000`, `
		A/A part 0 100 bytes
		A/A part 1 50 bytes
		A/A part 2 100 bytes
		A/A part 3 last 7 bytes`},
	{"the outer leg runs on", `
		B GET /x 10.0.0.1>10.0.0.2 2..8 bytes=100 id=r
		A GET /x 192.0.2.1>10.0.0.1 1..1000 bytes=60 id=r more
		@3000
		A GET /x 192.0.2.1>10.0.0.1 1..5001 bytes=40 at=60 id=r part=1
		@9000`, `
		A/A 100 bytes`},
	{"a service address before the backend", `
		B GET /x 10.0.0.1>10.0.0.50 2..8 bytes=100 id=r
		B GET /x 10.0.0.1>10.0.0.2 2..8 bytes=100 id=r point=other
		A GET /x 192.0.2.1>10.0.0.1 1..9 bytes=100 id=r
		flush`, `
		A/A 100 bytes`},
	{"a service address before the proxy", `
		B GET /x 10.0.0.1>10.0.0.2 2..8 bytes=100 id=r
		A GET /x 192.0.2.1>10.0.0.50 1..9 bytes=100 id=r
		A GET /x 192.0.2.1>10.0.0.1 1..9 bytes=100 id=r point=other
		flush`, `
		A/A 100 bytes`},
	{"copies in other parts", `
		B GET /x 10.0.0.1>10.0.0.50 2..1000 bytes=50 id=r more
		B GET /x 10.0.0.1>10.0.0.2 2..1001 bytes=60 id=r point=other more
		A GET /x 192.0.2.1>10.0.0.1 1..1001 bytes=55 id=r more
		@4000
		B GET /x 10.0.0.1>10.0.0.2 2..5000 bytes=40 at=60 id=r point=other part=1
		B GET /x 10.0.0.1>10.0.0.50 2..4500 bytes=20 at=50 id=r part=1 more
		A GET /x 192.0.2.1>10.0.0.1 1..5001 bytes=45 at=55 id=r part=1
		B GET /x 10.0.0.1>10.0.0.50 2..5000 bytes=30 at=70 id=r part=2
		@9000`, `
		A/A part 0 60 bytes
		A/A part 1 last 40 bytes`},
	{"parts that are not joined", `
		A GET /x 192.0.2.1>10.0.0.1 1..1000 bytes=90 id=r more
		B GET /y 10.0.0.1>10.0.0.2 2..1001 bytes=100 id=r more
		@4000
		B GET /y 10.0.0.1>10.0.0.2 2..4001 bytes=100 at=100 id=r part=1
		A GET /x 192.0.2.1>10.0.0.1 1..4001 bytes=10 at=90 id=r part=1`, `
		A/A part 0 90 bytes
		B/B part 0 100 bytes forwarded
		B/B part 1 last 100 bytes forwarded
		A/A part 1 last 10 bytes`},
}

func TestConversations(t *testing.T) {
	for _, c := range conversations {
		t.Run(c.name, func(t *testing.T) {
			out := &sink{}
			j := legs.New(legs.Config{Local: []netip.Addr{netip.MustParseAddr("203.0.113.5")}}, out)
			play(t, j, c.in)
			want := strings.ReplaceAll(strings.TrimSpace(c.want), "\t", "") + "\n"
			if got := out.String(); got != want {
				t.Errorf("told\n%swant\n%s", got, want)
			}
			if n := j.Counters(); n.Waiting != 0 {
				t.Errorf("%d wait still", n.Waiting)
			}
		})
	}
}

// A joined exchange has the outer leg's identity, endpoint and point, and the inner leg's content.
func TestWhatIsToldOfTwoLegs(t *testing.T) {
	outer, inner := filled(2), filled(3)
	for x, ends := range map[*exchange.Exchange][2]string{&outer: {"192.0.2.1:1", "10.0.0.1:80"}, &inner: {"10.0.0.1:5", "10.0.0.2:81"}} {
		x.Client, x.Server = netip.MustParseAddrPort(ends[0]), netip.MustParseAddrPort(ends[1])
		x.RequestID, x.Method, x.Path, x.Last, x.Part = []byte("r"), []byte("GET"), []byte("/x"), true, 0
		x.Start, x.PartStart, x.PartEnd, x.Duration = base, base, base+ms, ms
		x.Anomalies = 0
	}
	inner.Start++
	outer.PartEnd++
	outer.Anomalies.Add(exchange.CredentialMalformed)
	outer.Anomalies.Add(exchange.GapInBody)
	inner.Anomalies.Add(exchange.CredentialTooLarge)
	inner.Anomalies.Add(exchange.BodyBomb)
	inner.Anomalies.Add(exchange.Forwarded)
	want := inner
	for _, name := range []string{"ID", "Start", "PartStart", "PartEnd", "PrincipalID", "PrincipalSource", "Assurance", "TokenID", "OtherTokenIDs",
		"CredentialKind", "CredentialName", "Client", "Server", "ForwardedFor", "ClientSoftware", "Point", "Rank", "TLS", "Protocol", "Version",
		"ServerName", "Method", "Path", "Template", "Target", "QueryNames", "Operation", "RequestID", "TraceIDHash", "Status", "GRPCStatus"} {
		reflect.ValueOf(&want).Elem().FieldByName(name).Set(reflect.ValueOf(&outer).Elem().FieldByName(name))
	}
	want.Duration = want.PartEnd - want.Start
	want.Anomalies = 0
	want.Anomalies.Add(exchange.CredentialMalformed)
	want.Anomalies.Add(exchange.BodyBomb)
	var got []exchange.Exchange
	j := legs.New(legs.Config{}, sinkFunc(func(x *exchange.Exchange) { got = append(got, *x) }))
	j.Exchange(&inner)
	j.Exchange(&outer)
	j.Flush()
	if len(got) != 1 || !reflect.DeepEqual(got[0], want) {
		t.Errorf("told %+v\nwant %+v", got, want)
	}
}

// What waits is a copy to the last byte: nothing of it changes with what it was copied from.
func TestWhatWaitsIsACopy(t *testing.T) {
	x := filled(3)
	x.Client, x.Server = netip.MustParseAddrPort("127.0.0.1:1"), netip.MustParseAddrPort("127.0.0.1:2")
	x.Last, x.Part = true, 0
	want := filled(3)
	want.Client, want.Server, want.Last, want.Part = x.Client, x.Server, x.Last, x.Part
	var got exchange.Exchange
	j := legs.New(legs.Config{}, sinkFunc(func(x *exchange.Exchange) { got = *x }))
	j.Exchange(&x)
	for i := range reflect.TypeOf(x).NumField() {
		if f := reflect.ValueOf(&x).Elem().Field(i); f.Kind() == reflect.Slice {
			for k := range f.Len() {
				if f.Index(k).Kind() == reflect.Slice {
					f.Index(k).Index(0).SetZero()
				} else {
					f.Index(k).SetZero()
				}
			}
		}
	}
	j.Flush()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("told %+v\nwant %+v", got, want)
	}
}

// filled is an exchange with something in every field.
func filled(n byte) exchange.Exchange {
	var x exchange.Exchange
	for i := range reflect.TypeOf(x).NumField() {
		fill(reflect.ValueOf(&x).Elem().Field(i), n)
	}
	return x
}

func fill(v reflect.Value, n byte) {
	switch v.Kind() {
	case reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(uint64(n))
	case reflect.Int16, reflect.Int64:
		v.SetInt(int64(n))
	case reflect.Bool:
		v.SetBool(n%2 == 0)
	case reflect.String:
		v.SetString(string('a' + rune(n)))
	case reflect.Array:
		for i := range v.Len() {
			fill(v.Index(i), n)
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			fill(v.Index(i), n)
		}
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[netip.Addr]() {
			v.Set(reflect.ValueOf(netip.AddrFrom4([4]byte{192, 0, 2, n})))
		} else if v.Type() == reflect.TypeFor[netip.AddrPort]() {
			v.Set(reflect.ValueOf(netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, n}), uint16(n))))
		} else {
			panic("BUG: a kind of field that the test does not know: " + v.Type().String())
		}
	default:
		panic("BUG: a kind of field that the test does not know: " + v.Type().String())
	}
}

type sinkFunc func(x *exchange.Exchange)

func (f sinkFunc) Exchange(x *exchange.Exchange) { f(x) }
