// SPDX-License-Identifier: Apache-2.0

package ledger_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"flag"
	"hash/crc32"
	"os"
	"strings"
	"testing"

	"github.com/weir-project/weir/analyzer/ledger"
)

var update = flag.Bool("update", false, "write golden files")

// sample is a small state with something in every section, open minutes included.
func sample() *ledger.Partition {
	p := ledger.New(3, ledger.Config{})
	list := traffic(4, start, 20*minute, 40)
	list = append(list, traffic(5, start+30*day, 4*minute, 25)...)
	for _, d := range list {
		p.Apply(d.batch)
		p.Advance(p.Newest()-late, nil)
	}
	return p
}

func TestSnapshotAtEveryStep(t *testing.T) {
	list := traffic(8, start, 30*minute, 120)
	p, q := ledger.New(3, ledger.Config{}), ledger.New(3, ledger.Config{})
	chunks := [][]byte{p.AppendSnapshot(nil)}
	for i, d := range list {
		p.Apply(d.batch)
		q.Apply(d.batch)
		p.Advance(p.Newest()-late, nil)
		q.Advance(q.Newest()-late, nil)
		chunks = append(chunks, p.AppendChanges(nil))
		r := ledger.New(3, ledger.Config{})
		if err := r.Restore(chunks...); err != nil {
			t.Fatalf("step %d: %v", i, err)
		}
		want := q.AppendSnapshot(nil)
		if got := r.AppendSnapshot(nil); !bytes.Equal(got, want) {
			t.Fatalf("step %d: restored state of %d bytes differs from %d", i, len(got), len(want))
		}
		if i%7 == 0 { // go on from what was restored
			p = r
			chunks = [][]byte{p.AppendSnapshot(nil)}
		}
	}
}

func TestSnapshotKeepsItsDestination(t *testing.T) {
	p := sample()
	got := p.AppendSnapshot([]byte("before"))
	if want := p.AppendSnapshot(nil); string(got[:6]) != "before" || !bytes.Equal(got[6:], want) {
		t.Error("what stood before a snapshot changed it")
	}
}

// TestGolden: every version decodes for ever, and the present one encodes as it did.
func TestGolden(t *testing.T) {
	const file = "testdata/v2/small.golden"
	if *update {
		text := "# A base chunk of version 2; see FORMAT.md. Never edited.\n" + wrap(hex.EncodeToString(sample().AppendSnapshot(nil)))
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want := golden(t, file)
	p := ledger.New(3, ledger.Config{})
	if err := p.Restore(want); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(p.AppendSnapshot(nil), want) {
		t.Error("a restored golden chunk is written otherwise")
	}
	if p.Totals() != sample().Totals() || p.Len() != sample().Len() {
		t.Errorf("totals are %+v of %d, want %+v of %d", p.Totals(), p.Len(), sample().Totals(), sample().Len())
	}
}

// TestGoldenOfVersion1 reads what the first version wrote and works on.
func TestGoldenOfVersion1(t *testing.T) {
	old := golden(t, "testdata/v1/small.golden")
	p := ledger.New(3, ledger.Config{})
	if err := p.Restore(old); err != nil {
		t.Fatal(err)
	}
	want := ledger.Totals{Requests: 124, Records: 678, ResponseBytes: 145600, FreshObjects: 503, SensitiveObjects: 98, Refused: 17, SensitiveInspected: true}
	if p.Totals() != want || p.Len() != 13 {
		t.Errorf("totals are %+v of %d, want %+v", p.Totals(), p.Len(), want)
	}
	q := ledger.New(3, ledger.Config{})
	now := p.AppendSnapshot(nil)
	if err := q.Restore(now); err != nil || !bytes.Equal(q.AppendSnapshot(nil), now) {
		t.Errorf("written in the present version it is read otherwise: %v", err)
	}
	p.Advance(start+40*day, nil)
	if got := p.Totals(); got.Requests <= want.Requests {
		t.Errorf("open minutes of the old chunk do not count: %+v", got)
	}
}

func golden(t *testing.T, file string) []byte {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	_, body, _ := strings.Cut(string(text), "\n")
	b, err := hex.DecodeString(strings.ReplaceAll(body, "\n", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func wrap(s string) string {
	var b strings.Builder
	for len(s) > 100 {
		b.WriteString(s[:100] + "\n")
		s = s[100:]
	}
	return b.String() + s + "\n"
}

func TestRestoreRefuses(t *testing.T) {
	base := sample().AppendSnapshot(nil)
	p := sample()
	p.AppendSnapshot(nil)
	changes := p.AppendChanges(nil)
	cases := map[string][][]byte{
		"nothing in it":  {{}},
		"changes first":  {changes},
		"two bases":      {base, base},
		"cut":            {base[:len(base)-5]},
		"other magic":    {append([]byte("XXXX"), base[4:]...)},
		"other version":  {sealed(base, func(b []byte) { b[4] = 9 })},
		"no known kind":  {sealed(base, func(b []byte) { b[5] = 7 })},
		"changed a bit":  {flip(base, len(base)/2)},
		"more than all":  {sealed(append(bytes.Clone(base[:len(base)-4]), 0, 0, 0, 0, 0), nil)},
		"partition":      {sealed(base, func(b []byte) { b[6] = 4 })},
		"wrong change":   {base, flip(changes, 8)},
		"short of items": {sealed(base[:len(base)-20], nil)},
	}
	for name, chunks := range cases {
		q := ledger.New(3, ledger.Config{})
		err := q.Restore(chunks...)
		if !errors.Is(err, ledger.ErrCorrupt) {
			t.Errorf("%s: error is %v", name, err)
		}
		if q.Len() != 0 || q.Newest() != 0 {
			t.Errorf("%s: the partition is not empty", name)
		}
	}
	if err := ledger.New(3, ledger.Config{}).Restore(base, changes); err != nil {
		t.Errorf("a good pair is refused: %v", err)
	}
}

func flip(b []byte, at int) []byte {
	b = bytes.Clone(b)
	b[at] ^= 1
	return b
}

// sealed is a changed chunk with a good checksum.
func sealed(b []byte, change func([]byte)) []byte {
	b = bytes.Clone(b)
	if change != nil {
		change(b)
	}
	body := b[:len(b)-4]
	return binary.LittleEndian.AppendUint32(body, crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli)))
}

// FuzzRestore: any bytes under a good checksum give an error or a partition that works on, and that
// writes what it reads.
func FuzzRestore(f *testing.F) {
	p := ledger.New(3, ledger.Config{}) // small, so that a mutation often hits something
	list := traffic(9, start, 4*minute, 8)
	for _, d := range list[:5] {
		p.Apply(d.batch)
	}
	p.Advance(start+2*minute, nil)
	base := p.AppendSnapshot(nil)
	f.Add(base, []byte{})
	for _, d := range list[5:] {
		p.Apply(d.batch)
	}
	p.Advance(start+4*minute, nil)
	f.Add(base, p.AppendChanges(nil))
	f.Add(ledger.New(3, ledger.Config{}).AppendSnapshot(nil), []byte{1})
	f.Fuzz(func(t *testing.T, base, changes []byte) {
		if len(base) < 4 {
			return
		}
		chunks := [][]byte{sealed(base, nil)}
		if len(changes) > 4 {
			chunks = append(chunks, sealed(changes, nil))
		}
		p := ledger.New(3, ledger.Config{})
		if p.Restore(chunks...) != nil {
			return
		}
		first := p.AppendSnapshot(nil)
		q := ledger.New(3, ledger.Config{})
		if err := q.Restore(first); err != nil {
			t.Fatalf("what a partition wrote is refused: %v", err)
		}
		if !bytes.Equal(q.AppendSnapshot(nil), first) {
			t.Fatal("a restored partition writes otherwise")
		}
		for _, d := range traffic(6, start+40*day, 3*minute, 5) {
			p.Apply(d.batch)
			q.Apply(d.batch)
		}
		p.Arrivals(func(*ledger.View) {})
		p.Advance(start+41*day, nil)
		q.Advance(start+41*day, nil)
		p.Each(func(*ledger.View) {})
		if !bytes.Equal(q.AppendSnapshot(nil), p.AppendSnapshot(nil)) {
			t.Fatal("a restored partition goes on otherwise")
		}
	})
}
