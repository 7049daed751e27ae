// SPDX-License-Identifier: Apache-2.0

package partition_test

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weir-project/weir/analyzer/incident"
	"github.com/weir-project/weir/analyzer/partition"
	"github.com/weir-project/weir/analyzer/population"
	weirv1 "github.com/weir-project/weir/proto/wire/weir/v1"
)

const hour = int64(time.Hour)

var start = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC).UnixNano()

func newPartition() *partition.Partition {
	return partition.New(partition.Config{Lateness: int64(2 * time.Minute)})
}

// batch has one principal read records once.
func batch(at int64, n uint64, records int) *weirv1.Batch {
	id := make([]byte, 16)
	binary.BigEndian.PutUint64(id[8:], n)
	principal := []byte("principal 000001")
	x := &weirv1.Exchange{
		ExchangeId: id, PartLast: true, RequestCount: 1, PartStartTimeUnixNano: uint64(at), PartEndTimeUnixNano: uint64(at), StartTimeUnixNano: uint64(at),
		PrincipalId: principal, PrincipalAssurance: weirv1.Assurance_ASSURANCE_TOKEN, TokenId: principal,
		ObservationPoint: "p", ObservationRank: weirv1.ObservationRank_OBSERVATION_RANK_SERVER_PACKET, ServerName: "a.example", HttpRequestMethod: "GET", UrlTemplate: "/r",
		HttpResponseStatusCode: 200, HttpResponseBodySize: 10 * uint64(records), RecordCount: uint64(records), RecordCountKind: weirv1.RecordCountKind_RECORD_COUNT_KIND_EXACT,
		Coverage: weirv1.Coverage_COVERAGE_COMPLETE, DetailLevel: weirv1.DetailLevel_DETAIL_LEVEL_FULL,
	}
	for i := range min(records, 64) {
		x.ObjectHashes = append(x.ObjectHashes, n<<20|uint64(i))
	}
	x.ObjectsSeen = uint32(records)
	return &weirv1.Batch{WindowStartUnixNano: uint64(at), WindowEndUnixNano: uint64(at), Exchanges: []*weirv1.Exchange{x}}
}

func none(incident.Change) {}

func inForce() *population.InForce { return population.NewInForce(nil, 1) }

func TestNothingClosesBeforeAnythingCame(t *testing.T) {
	p := newPartition()
	if ended, over := p.Step(start, inForce(), none); over || ended != 0 || p.Closed() != 0 {
		t.Errorf("hour %d is over: %v, closed %d", ended, over, p.Closed())
	}
}

// TestStepClosesHoursInOrder asks for five hours at once: each is closed by a step of its own, none
// is passed over, and no step goes beyond what was asked.
func TestStepClosesHoursInOrder(t *testing.T) {
	p := newPartition()
	p.Apply(batch(start+int64(30*time.Minute), 1, 3))
	p.Apply(batch(start+5*hour+int64(10*time.Minute), 2, 3))
	through := p.Closable()
	if through != start+5*hour+int64(8*time.Minute) {
		t.Fatalf("closable through %s", time.Unix(0, through).UTC())
	}
	var hours []int64
	for p.Closed() < through {
		from := p.Closed()
		ended, over := p.Step(through, inForce(), none)
		if p.Closed() <= from || p.Closed() > through || p.Closed()/hour-from/hour > 1 {
			t.Fatalf("a step from %d to %d", from, p.Closed())
		}
		if over != (p.Closed()%hour == 0) {
			t.Errorf("closed through %d, over: %v", p.Closed(), over)
		}
		if over {
			hours = append(hours, ended)
		}
	}
	first := start / hour
	if diff := cmp.Diff([]int64{first, first + 1, first + 2, first + 3, first + 4}, hours); diff != "" {
		t.Error(diff)
	}
	if got := p.Ledger.Totals().Records; got != 3 {
		t.Errorf("%d records in closed minutes", got)
	}
	if ended, over := p.Step(through, inForce(), none); over || ended != 0 {
		t.Error("a step back closes something")
	}
}

// TestStepsOfAnySizeEndTheSame closes the same data minute by minute and all at once.
func TestStepsOfAnySizeEndTheSame(t *testing.T) {
	run := func(step int64) (changes []incident.Change, progress []byte) {
		p := newPartition()
		keep := func(c incident.Change) { changes = append(changes, c) }
		n := uint64(0)
		for day := range int64(12) {
			for i := range int64(20) {
				n++
				records := 4
				if day == 11 {
					records = 5000
				}
				at := start + day*24*hour + i*int64(3*time.Minute)
				p.Apply(batch(at, n, records))
				for through := p.Closable(); p.Closed() < through; {
					p.Step(min(through, p.Closed()+step), inForce(), keep)
				}
			}
		}
		return changes, p.Ledger.AppendSnapshot(p.Book.AppendSnapshot(p.AppendProgress(nil)))
	}
	small, a := run(int64(time.Minute))
	large, b := run(1 << 60)
	if len(small) == 0 {
		t.Fatal("nothing is found in a theft")
	}
	if len(small) != len(large) || string(a) != string(b) {
		t.Errorf("%d changes and %d bytes of state, or %d and %d", len(small), len(a), len(large), len(b))
	}
	for i := range small {
		if small[i].Time != large[i].Time || small[i].Incident.ID != large[i].Incident.ID {
			t.Errorf("change %d is another", i)
		}
	}
}

func TestProgressIsKept(t *testing.T) {
	p := newPartition()
	p.Apply(batch(start+int64(30*time.Minute), 1, 3))
	p.Step(start+int64(10*time.Minute), inForce(), none)
	again := newPartition()
	if err := again.RestoreProgress(p.AppendProgress(nil)); err != nil || again.Closed() != p.Closed() {
		t.Errorf("closed through %d, restored %d: %v", p.Closed(), again.Closed(), err)
	}
	for _, bad := range [][]byte{{1}, {2, 0, 0, 0, 0, 0, 0, 0, 0}, make([]byte, 10)} {
		if err := again.RestoreProgress(bad); err == nil {
			t.Errorf("%v is taken", bad)
		}
	}
}
