// SPDX-License-Identifier: Apache-2.0

package wire_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/s2"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/weir-project/weir/proto/keyhash"
	"github.com/weir-project/weir/proto/wire"
	weirv1 "github.com/weir-project/weir/proto/wire/weir/v1"
)

// message frames raw bytes as a batch.
func message(raw []byte) []byte { return append([]byte{1}, s2.Encode(nil, raw)...) }

func TestDecodeRefusesForAReason(t *testing.T) {
	good, err := wire.AppendBatch(nil, newMaker(1).batch(3, 2))
	if err != nil {
		t.Fatal(err)
	}
	many := func(field byte, n int, content string) []byte {
		return message(bytes.Repeat(append(appendVarint([]byte{field<<3 | 2}, len(content)), content...), n))
	}
	inside := func(field byte, n int) string { // n empty elements of a field, inside an exchange
		return string(bytes.Repeat([]byte{0x80 | field<<3&0x7f | 2, field >> 4, 0}, n))
	}
	for name, c := range map[string]struct {
		msg  []byte
		want string
	}{
		"nothing":               {nil, wire.ReasonFormat},
		"another format":        {append([]byte{9}, good[1:]...), wire.ReasonFormat},
		"a long message":        {make([]byte, wire.MaxMessage+1), wire.ReasonTooLarge},
		"a bomb":                {message(make([]byte, wire.MaxBatch+1)), wire.ReasonTooLarge},
		"a lying length":        {[]byte{1, 0xff, 0xff, 0xff, 0x01, 0}, wire.ReasonCompression},
		"no length":             {[]byte{1}, wire.ReasonCompression},
		"half a message":        {good[:len(good)/2], wire.ReasonCompression},
		"no protobuf":           {message([]byte{0xff, 0xff, 0xff}), wire.ReasonMalformed},
		"an empty batch":        {message(nil), wire.ReasonVersion},
		"too many exchanges":    {many(14, wire.MaxExchanges+1, ""), wire.ReasonCount},
		"two million exchanges": {many(14, 2_000_000, ""), wire.ReasonCount},
		"too many rollups":      {many(15, wire.MaxRollups+1, ""), wire.ReasonCount},
		"too many classes":      {many(14, 1, inside(62, 65)), wire.ReasonCount},
		"enough classes":        {many(14, 1, inside(62, 64)+inside(63, 64)), wire.ReasonVersion},
	} {
		var b weirv1.Batch
		if err := wire.DecodeBatch(c.msg, &b); wire.Reason(err) != c.want {
			t.Errorf("%s: refused for %q (%v), want %q", name, wire.Reason(err), err, c.want)
		}
	}
}

// Two bytes of protobuf may become a kilobyte of structure: lists are counted first.
func TestDecodeCountsBeforeItAllocates(t *testing.T) {
	var exemplars []byte
	for range 500_000 {
		exemplars = append(exemplars, 0xaa, 0x02, 0) // field 37 of a rollup, empty
	}
	raw := append([]byte{15<<3 | 2}, appendVarint(nil, len(exemplars))...)
	msg := message(append(raw, exemplars...))
	var b weirv1.Batch
	err := wire.DecodeBatch(msg, &b)
	if wire.Reason(err) != wire.ReasonCount {
		t.Fatalf("refused for %v", err)
	}
	if n := testing.AllocsPerRun(5, func() { _ = wire.DecodeBatch(msg, &b) }); n > 20 {
		t.Errorf("%v allocations", n)
	}
}

func appendVarint(dst []byte, n int) []byte {
	for ; n >= 0x80; n >>= 7 {
		dst = append(dst, byte(n)|0x80)
	}
	return append(dst, byte(n))
}

func TestValidateRefuses(t *testing.T) {
	long := strings.Repeat("x", wire.MaxText+1)
	for name, c := range map[string]struct {
		spoil func(*weirv1.Batch)
		want  string
	}{
		"version":             {func(b *weirv1.Batch) { b.SchemaVersion = 2 }, wire.ReasonVersion},
		"partition":           {func(b *weirv1.Batch) { b.Partition = 64 }, wire.ReasonPartition},
		"another partition":   {func(b *weirv1.Batch) { b.Partition = 4 }, wire.ReasonPartition},
		"no sequence":         {func(b *weirv1.Batch) { b.Sequence = 0 }, wire.ReasonID},
		"no sensor":           {func(b *weirv1.Batch) { b.SensorId = "" }, wire.ReasonID},
		"source":              {func(b *weirv1.Batch) { b.Source = 4 }, wire.ReasonEnum},
		"window":              {func(b *weirv1.Batch) { b.WindowStartUnixNano = b.WindowEndUnixNano + 1 }, wire.ReasonTime},
		"sent":                {func(b *weirv1.Batch) { b.SentUnixNano = 1 << 63 }, wire.ReasonTime},
		"long exchange id":    {func(b *weirv1.Batch) { b.Exchanges[0].ExchangeId = make([]byte, 17) }, wire.ReasonID},
		"no principal":        {func(b *weirv1.Batch) { b.Exchanges[0].PrincipalId = nil }, wire.ReasonID},
		"short token":         {func(b *weirv1.Batch) { b.Exchanges[0].TokenId = []byte{1} }, wire.ReasonID},
		"assurance":           {func(b *weirv1.Batch) { b.Exchanges[0].PrincipalAssurance = -1 }, wire.ReasonEnum},
		"coverage":            {func(b *weirv1.Batch) { b.Exchanges[0].Coverage = 99 }, wire.ReasonEnum},
		"long text":           {func(b *weirv1.Batch) { b.Exchanges[0].ServerName = long }, wire.ReasonText},
		"a control character": {func(b *weirv1.Batch) { b.Exchanges[0].UrlPath = "/\x1b[2J" }, wire.ReasonText},
		"no UTF-8":            {func(b *weirv1.Batch) { b.Exchanges[0].RequestId = "\xff" }, wire.ReasonText},
		"address":             {func(b *weirv1.Batch) { b.Exchanges[0].ClientAddress = []byte{1, 2, 3} }, wire.ReasonAddress},
		"port":                {func(b *weirv1.Batch) { b.Exchanges[0].ServerPort = 65536 }, wire.ReasonNumber},
		"absurd size":         {func(b *weirv1.Batch) { b.Exchanges[0].HttpResponseBodySize = 1 << 60 }, wire.ReasonNumber},
		"two requests":        {func(b *weirv1.Batch) { b.Exchanges[0].RequestCount = 2 }, wire.ReasonNumber},
		"ends before":         {func(b *weirv1.Batch) { b.Exchanges[0].PartEndTimeUnixNano = 1 }, wire.ReasonTime},
		"raw target":          {func(b *weirv1.Batch) { b.Exchanges[0].HttpRequestTarget = "/?key=1" }, wire.ReasonForbidden},
		"too many objects":    {func(b *weirv1.Batch) { b.Exchanges[0].ObjectHashes = make([]uint64, 65) }, wire.ReasonCount},
		"a name without class": {func(b *weirv1.Batch) {
			b.Exchanges[0].SensitiveResponse = []*weirv1.SensitiveCount{{Class: 1, Custom: "x"}}
		}, wire.ReasonEnum},
		"unsorted set":         {func(b *weirv1.Batch) { b.Rollups[0].Objects = &weirv1.ObjectSet{Hashes: []uint64{2, 1}} }, wire.ReasonNumber},
		"a damaged sketch":     {func(b *weirv1.Batch) { b.Rollups[0].Objects = &weirv1.ObjectSet{Hyperloglog: make([]byte, 9)} }, wire.ReasonNumber},
		"estimated beyond all": {func(b *weirv1.Batch) { b.Rollups[0].RecordCountEstimated = 1 << 30 }, wire.ReasonNumber},
		"rollup of another":    {func(b *weirv1.Batch) { b.Rollups[0].PrincipalId = newMaker(1).home(4) }, wire.ReasonPartition},
		"link of another":      {func(b *weirv1.Batch) { b.Links[0].OlderId = newMaker(1).home(4) }, wire.ReasonPartition},
		"evidence":             {func(b *weirv1.Batch) { b.Links[0].Evidence = 7 }, wire.ReasonEnum},
		"gap":                  {func(b *weirv1.Batch) { b.Gaps[0].EndUnixNano = 0 }, wire.ReasonTime},
		"counter":              {func(b *weirv1.Batch) { b.Counters = []*weirv1.Counter{{Name: "\n"}} }, wire.ReasonText},
	} {
		m := newMaker(1)
		b := m.batch(3, 2)
		b.Rollups, b.Links = []*weirv1.Rollup{m.rollup(3)}, []*weirv1.PrincipalLink{m.link(3)}
		if err := wire.Validate(b); err != nil {
			t.Fatalf("a good batch: %v", err)
		}
		c.spoil(b)
		msg, err := wire.AppendBatch(nil, b)
		if err != nil {
			t.Fatal(err)
		}
		err = wire.DecodeBatch(msg, &weirv1.Batch{})
		var refusal *wire.Refusal
		if wire.Reason(err) != c.want || !errors.As(err, &refusal) || refusal.Field == "" {
			t.Errorf("%s: refused for %v, want %s", name, err, c.want)
		}
	}
	if wire.Reason(nil) != "" || wire.Reason(io.EOF) != wire.ReasonOther {
		t.Error("reasons of other errors")
	}
}

func TestBatchRoundTrip(t *testing.T) {
	for seed := range uint64(200) {
		m := newMaker(seed)
		in := m.batch(int(seed%wire.Partitions), m.r.IntN(20))
		msg, err := wire.AppendBatch([]byte("before"), in)
		if err != nil {
			t.Fatal(err)
		}
		out := newMaker(seed+1).batch(1, 1) // what is there already does not stay
		if err := wire.DecodeBatch(msg[len("before"):], out); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if !proto.Equal(in, out) {
			t.Fatalf("seed %d:\n%s", seed, cmp.Diff(in, out, protocmp.Transform()))
		}
	}
}

// A batch put together from pieces is the batch.
func TestPiecesMakeTheBatch(t *testing.T) {
	in := newMaker(7).batch(5, 9)
	var raw []byte
	for _, x := range in.Exchanges {
		raw = wire.AppendExchange(raw, x)
	}
	for _, r := range in.Rollups {
		raw = wire.AppendRollup(raw, r)
	}
	for _, l := range in.Links {
		raw = wire.AppendLink(raw, l)
	}
	head := proto.Clone(in).(*weirv1.Batch)
	head.Exchanges, head.Rollups, head.Links = nil, nil, nil
	data, err := head.MarshalVT()
	if err != nil {
		t.Fatal(err)
	}
	msg, err := wire.AppendRaw(nil, append(raw, data...))
	if err != nil {
		t.Fatal(err)
	}
	var out weirv1.Batch
	if err := wire.DecodeBatch(msg, &out); err != nil {
		t.Fatal(err)
	}
	if !proto.Equal(in, &out) {
		t.Error(cmp.Diff(in, &out, protocmp.Transform()))
	}
}

func TestAppendRefusesWhatNobodyTakes(t *testing.T) {
	b := &weirv1.Batch{Cluster: strings.Repeat("x", wire.MaxBatch)}
	if _, err := wire.AppendBatch(nil, b); wire.Reason(err) != wire.ReasonTooLarge {
		t.Errorf("too many bytes: %v", err)
	}
	if _, err := wire.AppendRaw(nil, make([]byte, wire.MaxBatch+1)); wire.Reason(err) != wire.ReasonTooLarge {
		t.Errorf("too many bytes: %v", err)
	}
	m := newMaker(1)
	for range 40_000 { // hashes do not compress
		b.Counters = append(b.Counters, &weirv1.Counter{Reason: fmt.Sprintf("%x", m.id())})
	}
	b.Cluster = ""
	if _, err := wire.AppendBatch(nil, b); wire.Reason(err) != wire.ReasonTooLarge {
		t.Errorf("a message too long: %v", err)
	}
}

func TestDelimitedStream(t *testing.T) {
	var stream []byte
	var in []*weirv1.Batch
	for i := range 5 {
		b := newMaker(uint64(i)).batch(wire.Unpartitioned, i)
		if i == 4 {
			b.Exchanges[0].HttpRequestTarget = "/?raw=1"
		}
		in = append(in, b)
		var err error
		if stream, err = wire.AppendDelimited(stream, b); err != nil {
			t.Fatal(err)
		}
	}
	r := bufio.NewReader(bytes.NewReader(stream))
	for _, want := range in {
		var got weirv1.Batch
		if err := wire.ReadDelimited(r, &got); err != nil {
			t.Fatal(err)
		}
		if !proto.Equal(want, &got) {
			t.Error(cmp.Diff(want, &got, protocmp.Transform()))
		}
	}
	var b weirv1.Batch
	if err := wire.ReadDelimited(r, &b); err != io.EOF {
		t.Errorf("at the end: %v", err)
	}
	for name, c := range map[string]struct {
		data []byte
		want error
	}{
		"cut in a batch":  {stream[:len(stream)-1], io.ErrUnexpectedEOF},
		"cut in a length": {[]byte{0x80}, io.ErrUnexpectedEOF},
		"length alone":    {[]byte{5}, io.ErrUnexpectedEOF},
	} {
		r := bufio.NewReader(bytes.NewReader(c.data))
		var err error
		for err == nil {
			err = wire.ReadDelimited(r, &b)
		}
		if err != c.want {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := wire.ReadDelimited(bufio.NewReader(bytes.NewReader([]byte{0xff, 0xff, 0xff, 0x7f})), &b); wire.Reason(err) != wire.ReasonTooLarge {
		t.Errorf("a huge length: %v", err)
	}
}

func TestHeartbeatRoundTrip(t *testing.T) {
	in := &weirv1.Heartbeat{SchemaVersion: 1, Cluster: "prod", SensorId: "s", Version: "v1", Interfaces: []string{"eth0"}, Coverage: 0.5,
		Counters: newMaker(1).counters()}
	msg, err := wire.AppendHeartbeat(nil, in)
	if err != nil {
		t.Fatal(err)
	}
	var out weirv1.Heartbeat
	if err := wire.DecodeHeartbeat(msg, &out); err != nil || !proto.Equal(in, &out) {
		t.Errorf("%v: %v", err, &out)
	}
	in.Coverage = 2
	if msg, err = wire.AppendHeartbeat(nil, in); err != nil {
		t.Fatal(err)
	}
	if err := wire.DecodeHeartbeat(msg, &out); wire.Reason(err) != wire.ReasonNumber {
		t.Errorf("coverage of 2: %v", err)
	}
}

func TestSubjects(t *testing.T) {
	for got, want := range map[string]string{
		wire.ExchangesSubject(7, "Prod.EU", "ip-10-0-0-1.Example"): "weir.v1.exchanges.07.prod-eu.ip-10-0-0-1-example",
		wire.ExchangesFilter(63):                                   "weir.v1.exchanges.63.>",
		wire.SensorsSubject("", "a b*>é"):                          "weir.v1.sensors.unnamed.a-b---",
		wire.LedgerSubject(0):                                      "weir.v1.ledger.00",
		wire.PopulationSubject(10):                                 "weir.v1.population.10",
		wire.HintsSubject("p"):                                     "weir.v1.hints.p",
		wire.AlertsSubject("high", "p", "fresh_day"):               "weir.v1.alerts.high.p.fresh_day",
		wire.Name(strings.Repeat("é", 100)):                        strings.Repeat("-", 32),
		wire.BatchID(&weirv1.Batch{SensorId: "N.1", BootId: 0xab, Partition: 5, Sequence: 12}): "n-1-00000000000000ab-05-12",
	} {
		if got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	for range 1000 {
		id := newMaker(3).id()
		if wire.PartitionOf(id) != keyhash.Partition(keyhash.ID(id)) {
			t.Fatal("wire and keyhash disagree on partitions")
		}
	}
}

func FuzzDecodeBatch(f *testing.F) {
	for seed := range uint64(8) {
		msg, err := wire.AppendBatch(nil, newMaker(seed).batch(int(seed), int(seed)))
		if err != nil {
			f.Fatal(err)
		}
		raw, err := s2.Decode(nil, msg[1:])
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw, msg)
	}
	f.Fuzz(func(t *testing.T, raw, msg []byte) {
		_ = wire.DecodeBatch(msg, &weirv1.Batch{})
		_ = wire.DecodeHeartbeat(msg, &weirv1.Heartbeat{})
		_ = wire.ReadDelimited(bufio.NewReader(bytes.NewReader(raw)), &weirv1.Batch{})
		var b weirv1.Batch
		if err := wire.DecodeBatch(message(raw), &b); err != nil {
			if wire.Reason(err) == wire.ReasonOther {
				t.Fatalf("an error without a reason: %v", err)
			}
			return
		}
		again, err := wire.AppendBatch(nil, &b)
		if err != nil {
			t.Fatalf("what was decoded cannot be encoded: %v", err)
		}
		var c weirv1.Batch
		if err := wire.DecodeBatch(again, &c); err != nil || !proto.Equal(&b, &c) {
			t.Fatalf("decoded, encoded and decoded it differs: %v", err)
		}
	})
}
