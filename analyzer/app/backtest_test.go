// SPDX-License-Identifier: Apache-2.0

package app_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weir-project/weir/analyzer/app"
	"github.com/weir-project/weir/proto/wire"
	weirv1 "github.com/weir-project/weir/proto/wire/weir/v1"
)

var monday = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)

// timeline writes exchanges as JSON Lines.
type timeline struct {
	lines []byte
	n     uint64
}

func id(kind byte, n uint64) []byte {
	out := make([]byte, 16)
	binary.BigEndian.PutUint64(out, n*0x9E3779B97F4A7C15+1)
	binary.BigEndian.PutUint64(out[8:], n)
	out[0] ^= kind
	return out
}

// read lets a principal read records with objects numbered from first on.
func (l *timeline) read(at time.Time, principal, first uint64, records int) {
	l.n++
	x := &weirv1.Exchange{
		ExchangeId: id(1, l.n), PartLast: true, RequestCount: 1,
		PartStartTimeUnixNano: uint64(at.UnixNano()), PartEndTimeUnixNano: uint64(at.UnixNano()) + 5e6, StartTimeUnixNano: uint64(at.UnixNano()), DurationNano: 5e6,
		PrincipalId: id(2, principal), PrincipalSource: "authorization", PrincipalAssurance: weirv1.Assurance_ASSURANCE_TOKEN, TokenId: id(3, principal),
		CredentialKind: weirv1.CredentialKind_CREDENTIAL_KIND_BEARER, CredentialName: "authorization",
		ClientAddress: []byte{192, 0, 2, byte(principal)}, ClientPort: 40000, ServerAddress: []byte{198, 51, 100, 1}, ServerPort: 80,
		ObservationPoint: "s/eth0", ObservationRank: weirv1.ObservationRank_OBSERVATION_RANK_SERVER_PACKET,
		NetworkProtocolName: "http", NetworkProtocolVersion: "1.1", ServerName: "shop.example", HttpRequestMethod: "GET", UrlPath: "/customers", UrlTemplate: "/customers",
		HttpResponseStatusCode: 200, RpcGrpcStatusCode: -1, HttpRequestHeaderSize: 100, HttpResponseHeaderSize: 100, HttpResponseBodySize: uint64(records) * 100,
		ResponseContentType: "application/json", RecordCount: uint64(records), RecordCountKind: weirv1.RecordCountKind_RECORD_COUNT_KIND_EXACT,
		ObjectsSeen: uint32(records), ObjectListComplete: records <= 64,
		DetailLevel: weirv1.DetailLevel_DETAIL_LEVEL_FULL, Coverage: weirv1.Coverage_COVERAGE_COMPLETE,
	}
	for i := range min(records, 64) {
		x.ObjectHashes = append(x.ObjectHashes, (first+uint64(i)+1)*0xD1342543DE82EF95)
	}
	sortHashes(x.ObjectHashes)
	l.lines = append(wire.AppendExchangeJSON(l.lines, x), '\n')
}

func sortHashes(h []uint64) {
	for i := range h {
		for j := i; j > 0 && h[j] < h[j-1]; j-- {
			h[j], h[j-1] = h[j-1], h[j]
		}
	}
}

// habits is what ten principals do on the days from one to another: the same for the same days.
func habits(l *timeline, from, to int) {
	for day := from; day < to; day++ {
		for hour := 8; hour < 18; hour++ {
			for p := range uint64(10) {
				rng := rand.New(rand.NewPCG(p, uint64(day*24+hour)))
				at := monday.AddDate(0, 0, day).Add(time.Duration(hour)*time.Hour + time.Duration(p)*time.Minute)
				l.read(at, p, 1000*p+rng.Uint64N(400), 1+rng.IntN(8))
			}
		}
	}
}

const thief, theftDay = 3, 30

// theft is 60 minutes in which one of them reads what it never read, 100 records a request.
func theft(l *timeline) {
	for i := range 600 {
		l.read(monday.AddDate(0, 0, theftDay).Add(19*time.Hour+time.Duration(i)*6*time.Second), thief, 1_000_000+uint64(i)*100, 100)
	}
}

// backtest runs the command.
func backtest(t *testing.T, input []byte, args ...string) (alerts, notices string) {
	t.Helper()
	var out, errs bytes.Buffer
	if code := app.Main(append([]string{"backtest", "-"}, args...), app.Env{Stdin: bytes.NewReader(input), Stdout: &out, Stderr: &errs, Version: "test"}); code != 0 {
		t.Fatalf("exit %d: %s", code, errs.String())
	}
	return out.String(), errs.String()
}

func TestBacktestFlagsTheThiefAlone(t *testing.T) {
	l := &timeline{}
	habits(l, 0, theftDay+1)
	quiet, _ := backtest(t, l.lines)
	if quiet != "" {
		t.Fatalf("alerts without a thief: %s", quiet)
	}
	theft(l)
	alerts, notices := backtest(t, l.lines)
	if !strings.Contains(notices, fmt.Sprintf("judged %d exchanges", l.n)) {
		t.Errorf("notices: %s", notices)
	}
	n := 0
	for line := range strings.Lines(alerts) {
		n++
		var a struct {
			Subject string
			Time    time.Time
		}
		if err := json.Unmarshal([]byte(line), &a); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		if a.Subject != fmt.Sprintf("%x", id(2, thief)) {
			t.Errorf("somebody else is flagged: %s", line)
		}
		if a.Time.Second() != 0 || a.Time.Before(monday.AddDate(0, 0, theftDay).Add(19*time.Hour)) {
			t.Errorf("not at the end of a closed minute of the theft: %s", a.Time)
		}
	}
	if n == 0 {
		t.Error("the thief is not flagged")
	}
}

func TestBacktestRepeatsItself(t *testing.T) {
	l := &timeline{}
	habits(l, 0, theftDay+1)
	theft(l)
	habits(l, theftDay+1, theftDay+12)
	first, _ := backtest(t, l.lines)
	second, _ := backtest(t, l.lines)
	if first == "" || first != second {
		t.Errorf("two runs differ:\n%s\n%s", first, second)
	}
}

// TestBacktestGoesOnWhereItWas splits a timeline, before, within and after the theft.
func TestBacktestGoesOnWhereItWas(t *testing.T) {
	l := &timeline{}
	var cuts []int
	habits(l, 0, 15)
	cuts = append(cuts, len(l.lines))
	habits(l, 15, theftDay+1)
	cuts = append(cuts, len(l.lines))
	theft(l)
	cuts = append(cuts, len(l.lines))
	habits(l, theftDay+1, theftDay+12)
	whole, _ := backtest(t, l.lines)
	for _, cut := range cuts {
		state := filepath.Join(t.TempDir(), "state")
		before, _ := backtest(t, l.lines[:cut], "--save-state", state)
		after, _ := backtest(t, l.lines[cut:], "--load-state", state)
		if before+after != whole {
			t.Errorf("cut at %d: %d and %d alerts, in one run %d", cut, strings.Count(before, "\n"), strings.Count(after, "\n"), strings.Count(whole, "\n"))
		}
		if info, err := os.Stat(state); err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("the state can be read by others: %v %v", info.Mode(), err)
		}
	}
}

// TestBacktestTellsWhatItCannotRead gives the line and the exit code.
func TestBacktestTellsWhatItCannotRead(t *testing.T) {
	l := &timeline{}
	habits(l, 0, 1)
	for _, c := range []struct{ input, want string }{
		{string(l.lines) + "{\"exchange_id\":", "-:101:"},
		{"\x00\x01nonsense", "-: batch 1"},
		{"{\"principal_id\":\"xyz\"}\n", "-:1:"},
	} {
		var out, errs bytes.Buffer
		code := app.Main([]string{"backtest", "-"}, app.Env{Stdin: strings.NewReader(c.input), Stdout: &out, Stderr: &errs})
		if code != 1 || !strings.Contains(errs.String(), c.want) || strings.Count(errs.String(), "\n") != 1 {
			t.Errorf("exit %d: %s", code, errs.String())
		}
	}
	if alerts, _ := backtest(t, nil); alerts != "" {
		t.Errorf("nothing gives %s", alerts)
	}
}

// A credential that was never seen before is judged by its peers in a deployment that has learned,
// whatever partition it falls into, also where it is the first there.
func TestBacktestFlagsNewcomersInEveryPartition(t *testing.T) {
	l := &timeline{}
	habits(l, 0, theftDay+1)
	const newcomers = 20
	for i := range 60 {
		for p := range uint64(newcomers) {
			l.read(monday.AddDate(0, 0, theftDay).Add(19*time.Hour+time.Duration(i)*time.Minute), 100+p, (100+p)*1_000_000+uint64(i)*1000, 1000)
		}
	}
	alerts, _ := backtest(t, l.lines)
	flagged := map[string]bool{}
	for line := range strings.Lines(alerts) {
		var a struct{ Subject string }
		if err := json.Unmarshal([]byte(line), &a); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		flagged[a.Subject] = true
	}
	for p := range uint64(newcomers) {
		if !flagged[fmt.Sprintf("%x", id(2, 100+p))] {
			t.Errorf("newcomer %d took 60,000 records unseen", p)
		}
	}
}

// An exchange of long ago, such as one with a broken clock, costs no time worth speaking of.
func TestBacktestPassesOverYears(t *testing.T) {
	l := &timeline{}
	l.read(time.Date(1971, 1, 1, 0, 0, 0, 0, time.UTC), 1, 1, 1)
	habits(l, 0, theftDay+1)
	theft(l)
	alerts, _ := backtest(t, l.lines)
	if !strings.Contains(alerts, fmt.Sprintf("%x", id(2, thief))) {
		t.Error("the thief is not flagged")
	}
}
