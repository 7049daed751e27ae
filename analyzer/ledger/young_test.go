// SPDX-License-Identifier: Apache-2.0

package ledger_test

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/weir-project/weir/analyzer/ledger"
	weirv1 "github.com/weir-project/weir/proto/wire/weir/v1"
)

// life is one principal whose requests come one record each.
type life struct {
	p *ledger.Partition
	n uint64
}

func (l *life) read(at time.Time, count int) {
	for range count {
		l.n++
		t := uint64(at.UnixNano())
		x := &weirv1.Exchange{ExchangeId: make([]byte, 16), PrincipalId: []byte("principal number"), PartLast: true, RequestCount: 1,
			PartStartTimeUnixNano: t, PartEndTimeUnixNano: t, StartTimeUnixNano: t, HttpResponseStatusCode: 200, RecordCount: 1,
			ObjectHashes: []uint64{l.n * 0x9e3779b97f4a7c15}, ObjectsSeen: 1, ObjectListComplete: true, ObservationPoint: "a/eth0",
			ObservationRank: weirv1.ObservationRank_OBSERVATION_RANK_MIRROR, PrincipalAssurance: weirv1.Assurance_ASSURANCE_TOKEN}
		binary.BigEndian.PutUint64(x.ExchangeId, l.n)
		l.p.Apply(&weirv1.Batch{WindowStartUnixNano: t, WindowEndUnixNano: t, Exchanges: []*weirv1.Exchange{x}})
	}
}

func (l *life) at(t *testing.T, now time.Time) ledger.View {
	t.Helper()
	var last ledger.View
	l.p.Advance(now.UnixNano(), func(v *ledger.View) { last = *v })
	if last.Now == 0 {
		t.Fatalf("nobody was seen up to %s", now)
	}
	return last
}

// A run that begins shortly before midnight is no part of the maxima it is held against after
// midnight, and is one day later.
func TestMaximaLearnAYoungRunADayLater(t *testing.T) {
	l := &life{p: ledger.New(1, ledger.Config{})}
	day := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	for range 30 {
		for h := range 8 {
			l.read(day.Add(time.Duration(9+h)*time.Hour), 20)
		}
		day = day.Add(24 * time.Hour)
	}
	theft := day.Add(-2 * time.Minute)
	l.read(theft, 900)
	l.read(theft.Add(time.Minute), 900)
	before := l.at(t, day)
	if before.Run.Records != 1800 || before.DayRecords != 1960 || before.DayMax > 165 {
		t.Fatalf("before midnight: %+v", before)
	}
	l.read(day, 900)
	after := l.at(t, day.Add(time.Minute))
	if after.Run.Records != 2700 {
		t.Errorf("the run ends at midnight: %+v", after.Run)
	}
	if after.DayMax > 1.1*before.DayMax || after.FreshDayMax > 1.1*before.FreshDayMax || after.HourMax > before.HourMax || after.Scale > before.Scale+0.1 {
		t.Errorf("after midnight the theft is usual: day %v fresh %v hour %v scale %v, before %v %v %v %v",
			after.DayMax, after.FreshDayMax, after.HourMax, after.Scale, before.DayMax, before.FreshDayMax, before.HourMax, before.Scale)
	}
	if after.Records6 < 1960+5*160-50 {
		t.Errorf("sums must hold all of it: %v", after.Records6)
	}
	l.read(day.Add(24*time.Hour), 1)
	learned := l.at(t, day.Add(24*time.Hour+time.Minute))
	if learned.DayMax < 1900 || learned.HourMax < 1700 {
		t.Errorf("a day later it is not learned: day %v hour %v", learned.DayMax, learned.HourMax)
	}
}
