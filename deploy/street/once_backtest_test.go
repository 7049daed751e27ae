// SPDX-License-Identifier: Apache-2.0

package street

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/weir-project/weir/proto/wire"
	weirv1 "github.com/weir-project/weir/proto/wire/weir/v1"
)

// past is a company's past as exchanges: people with habits, nightly dumps that take minutes, and one thief.
type past struct {
	start time.Time
	list  []*weirv1.Exchange
}

func keyed(kind byte, n uint64) []byte {
	h := sha256.Sum256(fmt.Append(nil, kind, n))
	return h[:16]
}

func (h *past) read(at time.Time, who, first uint64, records int) *weirv1.Exchange {
	n := uint64(len(h.list))
	x := &weirv1.Exchange{
		ExchangeId: keyed(1, n), PartLast: true, RequestCount: 1, StartTimeUnixNano: uint64(at.UnixNano()),
		PartStartTimeUnixNano: uint64(at.UnixNano()), PartEndTimeUnixNano: uint64(at.UnixNano()) + 5e6, DurationNano: 5e6,
		PrincipalId: keyed(2, who), PrincipalSource: "authorization", PrincipalAssurance: weirv1.Assurance_ASSURANCE_TOKEN, TokenId: keyed(3, who),
		CredentialKind: weirv1.CredentialKind_CREDENTIAL_KIND_BEARER, CredentialName: "authorization", ClientAddress: []byte{192, 0, 2, byte(who)},
		ClientPort: 40000, ServerAddress: []byte{198, 51, 100, 1}, ServerPort: 80, ObservationPoint: "s1/eth0",
		ObservationRank: weirv1.ObservationRank_OBSERVATION_RANK_SERVER_PACKET, NetworkProtocolName: "http", NetworkProtocolVersion: "1.1",
		ServerName: "shop.example", HttpRequestMethod: "GET", UrlPath: "/customers", UrlTemplate: "/customers", HttpResponseStatusCode: 200,
		RpcGrpcStatusCode: -1, HttpResponseBodySize: uint64(records) * 100, RecordCount: uint64(records),
		RecordCountKind: weirv1.RecordCountKind_RECORD_COUNT_KIND_EXACT, ObjectsSeen: uint32(records), ObjectListComplete: records <= 64,
		DetailLevel: weirv1.DetailLevel_DETAIL_LEVEL_FULL, Coverage: weirv1.Coverage_COVERAGE_COMPLETE,
	}
	for i := range min(records, 64) {
		x.ObjectHashes = append(x.ObjectHashes, (first+uint64(i)+1)*0xD1342543DE82EF95)
	}
	slices.Sort(x.ObjectHashes)
	h.list = append(h.list, x)
	return x
}

// days lets twenty people work for some days; from one day on a thief reads on, and on the nights one of them takes a
// dump that runs for minutes and is told in parts.
func (h *past) days(n, theft int) {
	for day := range n {
		for hour := 7; hour < 19; hour++ {
			for who := range uint64(20) {
				r := rand.New(rand.NewPCG(who, uint64(day*24+hour)))
				at := h.start.AddDate(0, 0, day).Add(time.Duration(hour)*time.Hour + time.Duration(r.IntN(3600))*time.Second)
				h.read(at, who, 1000*who+r.Uint64N(400), 1+r.IntN(8))
			}
		}
		h.dump(h.start.AddDate(0, 0, day).Add(2*time.Hour+37*time.Second), uint64(day))
		for i := 0; day >= theft && i < 2000; i++ {
			h.read(h.start.AddDate(0, 0, day).Add(10*time.Hour+time.Duration(i)*7*time.Second), 7, uint64(100_000+(day*2000+i)*25), 25)
		}
	}
}

func (h *past) dump(at time.Time, day uint64) {
	const parts = 20
	id := uint64(len(h.list))
	for i := range parts {
		x := h.read(at.Add(time.Duration(i)*9*time.Second), 3, 3000, 40)
		x.ExchangeId, x.PartNumber, x.PartLast = keyed(4, id), uint32(i), i == parts-1
		x.ResponseBodyOffset = uint64(i) * x.HttpResponseBodySize
		if i > 0 {
			x.RequestCount = 0
		}
	}
}

// write writes the past as JSON Lines in the order of time; from one day on more sensors tell it too.
func (h *past) write(l *lab, name string, from int, more ...*weirv1.Exchange) string {
	l.t.Helper()
	list := slices.Clone(h.list)
	since := uint64(h.start.AddDate(0, 0, from).Add(12*time.Hour + 17*time.Second).UnixNano())
	for _, x := range h.list {
		for _, as := range more {
			if x.PartEndTimeUnixNano < since {
				continue
			}
			y := proto.Clone(x).(*weirv1.Exchange)
			y.ObservationPoint, y.ObservationRank = as.ObservationPoint, as.ObservationRank
			y.PartEndTimeUnixNano += as.DurationNano
			list = append(list, y)
		}
	}
	slices.SortStableFunc(list, func(a, b *weirv1.Exchange) int { return cmp.Compare(a.PartEndTimeUnixNano, b.PartEndTimeUnixNano) })
	var text []byte
	for _, x := range list {
		text = append(wire.AppendExchangeJSON(text, x), '\n')
	}
	file := filepath.Join(l.dir, name)
	l.must(os.WriteFile(file, text, 0o600))
	return file
}

// TestAnotherSensorRaisesNoAlert: the same past seen by one sensor, and from a day on by two and by four, gives the same
// alerts, word for word.
func TestAnotherSensorRaisesNoAlert(t *testing.T) {
	l := newLab(t)
	h := &past{start: time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)}
	h.days(16, 13)
	alerts := func(file string) string {
		out, errs, code := l.run("weir-analyzer", "backtest", file)
		if code != 0 {
			t.Fatalf("backtest: exit %d: %s", code, errs)
		}
		return out
	}
	want := alerts(h.write(l, "one.jsonl", 0))
	if n := strings.Count(want, "\n"); n == 0 {
		t.Fatal("the thief raises no alert: there is nothing to compare")
	} else {
		t.Logf("%d alerts", n)
	}
	s2 := &weirv1.Exchange{ObservationPoint: "s2/eth0", ObservationRank: weirv1.ObservationRank_OBSERVATION_RANK_SERVER_PACKET}
	client := &weirv1.Exchange{ObservationPoint: "a1/eth0", ObservationRank: weirv1.ObservationRank_OBSERVATION_RANK_CLIENT, DurationNano: 3e6}
	mirror := &weirv1.Exchange{ObservationPoint: "m1/span", ObservationRank: weirv1.ObservationRank_OBSERVATION_RANK_MIRROR, DurationNano: 1e6}
	better := &weirv1.Exchange{ObservationPoint: "l1/tls", ObservationRank: weirv1.ObservationRank_OBSERVATION_RANK_SERVER_LIBRARY}
	for name, more := range map[string][]*weirv1.Exchange{
		"equal rank": {s2}, "client side": {client}, "better rank": {better}, "three more": {client, mirror, s2},
	} {
		for _, day := range []int{3, 10, 14} {
			if got := alerts(h.write(l, "more.jsonl", day, more...)); got != want {
				t.Errorf("%s, from day %d on: %s", name, day, difference(got, want))
			}
		}
	}
}

func difference(got, want string) string {
	a, b := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			k := 0
			for k < min(len(a[i]), len(b[i])) && a[i][k] == b[i][k] {
				k++
			}
			return fmt.Sprintf("%d alerts, not %d; alert %d is\n%.300s\nnot\n%.300s", len(a)-1, len(b)-1, i, a[i][max(0, k-80):], b[i][max(0, k-80):])
		}
	}
	return fmt.Sprintf("%d alerts, not %d", len(a)-1, len(b)-1)
}
