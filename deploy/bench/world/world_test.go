// SPDX-License-Identifier: Apache-2.0

package world_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/weir-project/weir/deploy/bench/world"
	"github.com/weir-project/weir/proto/wire"
	weirv1 "github.com/weir-project/weir/proto/wire/weir/v1"
)

func open(t *testing.T, text string) *world.Reader {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	io.WriteString(z, "ts,token,ip,endpoint,requests,status4xx,bytes,records,ids,fresh_ids,seq,sensitive\n"+text)
	z.Close()
	path := filepath.Join(t.TempDir(), "events.csv.gz")
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := world.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

const line = "1666915244,t00042,198.51.100.7,GET /orders?since,9,2,4500,120,100,40,0.60,240\n"

func TestRead(t *testing.T) {
	r := open(t, line)
	var e world.Event
	if err := r.Read(&e); err != nil {
		t.Fatal(err)
	}
	want := world.Event{Time: 1666915244, Token: "t00042", Address: netip.MustParseAddr("198.51.100.7"), Endpoint: "GET /orders?since",
		Requests: 9, Refused: 2, Bytes: 4500, Records: 120, Objects: 100, Fresh: 40, Successor: 0.6, Sensitive: 240}
	if e != want {
		t.Errorf("got %+v", e)
	}
	if err := r.Read(&e); !errors.Is(err, io.EOF) {
		t.Error(err)
	}
}

func TestReadSaysWhichLine(t *testing.T) {
	for _, bad := range []string{"1,2\n", strings.Replace(line, "4500", "-1", 1), strings.Replace(line, "0.60", "x", 1), strings.Replace(line, ",240", ",240,1", 1), strings.Replace(line, "198.51.100.7", "host", 1)} {
		r := open(t, line+bad)
		var e world.Event
		if err := errors.Join(r.Read(&e), r.Read(&e)); err == nil || !strings.Contains(err.Error(), "line 3") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func event(at int64, objects, fresh int) *world.Event {
	return &world.Event{Time: at, Token: "t1", Address: netip.MustParseAddr("198.51.100.7"), Endpoint: "GET /orders?since",
		Requests: 9, Refused: 2, Bytes: 4501, Records: objects + 3, Objects: objects, Fresh: fresh, Successor: 0.6}
}

// Everything an event counts is in its exchanges, and the wire takes them.
func TestFeedKeepsCounts(t *testing.T) {
	f := world.NewFeeder()
	for _, c := range []struct{ objects, fresh int }{{100, 100}, {100, 40}, {1, 0}, {0, 0}, {20_000, 300}, {200_000, 200_000}} {
		e := event(1666915244, c.objects, c.fresh)
		b := &weirv1.Batch{SchemaVersion: 1, SensorId: "world", Sequence: 1,
			WindowStartUnixNano: uint64(e.Time/60*60) * 1e9, WindowEndUnixNano: uint64(e.Time/60*60+60) * 1e9}
		f.Feed(e, b)
		b.Partition = uint32(wire.PartitionOf(b.Exchanges[0].PrincipalId))
		var records, size, seen uint64
		for _, x := range b.Exchanges {
			records, size, seen = records+x.RecordCount, size+x.HttpResponseBodySize, seen+uint64(x.ObjectsSeen)
			if !slices.IsSorted(x.ObjectHashes) || len(x.ObjectHashes) > 64 || x.ObjectsSeen > 300 && len(x.ObjectHashes) < 64 {
				t.Errorf("%+v: %d of %d hashes", c, len(x.ObjectHashes), x.ObjectsSeen)
			}
		}
		if len(b.Rollups) != 1 || b.Rollups[0].Requests_4Xx != 2 || records != uint64(e.Records) || size != e.Bytes || seen > uint64(c.objects) {
			t.Errorf("%+v: records %d bytes %d objects %d %v", c, records, size, seen, b.Rollups)
		}
		if err := wire.Validate(b); err != nil {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

// The hashes say what the event says: as many are new as it has fresh objects, estimated from the
// listed ones, and none that was read within 28 days comes back as new.
func TestFreshIsTrueOfHashes(t *testing.T) {
	f, r := world.NewFeeder(), rand.New(rand.NewPCG(1, 2))
	lastRead := map[uint64]int64{}
	var told, found float64
	for day := range int64(80) {
		for range 10 {
			objects := 1 + r.IntN(400)
			fresh := r.IntN(objects/4 + 1)
			if day < 3 {
				fresh = objects
			}
			told += float64(fresh)
			b := &weirv1.Batch{}
			f.Feed(event(1666915200+day*86400, objects, fresh), b)
			for _, x := range b.Exchanges {
				if len(x.ObjectHashes) == 0 {
					continue
				}
				n := 0.0
				for _, h := range x.ObjectHashes {
					last, known := lastRead[h]
					if known && day-last > 28 {
						t.Fatalf("day %d: an object comes back after %d days", day, day-last)
					}
					if !known {
						n++
					}
					lastRead[h] = day
				}
				found += n * float64(x.ObjectsSeen) / float64(len(x.ObjectHashes))
			}
		}
	}
	if math.Abs(found/told-1) > 0.03 {
		t.Errorf("%.0f fresh objects told, %.0f found", told, found)
	}
}
