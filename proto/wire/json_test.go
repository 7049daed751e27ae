// SPDX-License-Identifier: Apache-2.0

package wire_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/weir-project/weir/proto/wire"
	weirv1 "github.com/weir-project/weir/proto/wire/weir/v1"
)

func TestParseLineNamesTheKeyAtFault(t *testing.T) {
	for line, key := range map[string]string{
		``:                                      "",
		`[]`:                                    "",
		`{`:                                     "",
		`{"a":1} x`:                             "",
		`{"a" 1}`:                               "",
		`{"server_name":5}`:                     "server_name",
		`{"server_name":"a`:                     "server_name",
		`{"server_name":"\x"}`:                  "server_name",
		`{"server_name":"\u12"}`:                "server_name",
		"{\"server_name\":\"\n\"}":              "server_name",
		`{"tls":1}`:                             "tls",
		`{"tls":truth}`:                         "tls",
		`{"record_count":"5"}`:                  "record_count",
		`{"record_count":-1}`:                   "record_count",
		`{"record_count":1.5}`:                  "record_count",
		`{"record_count":18446744073709551616}`: "record_count",
		`{"part_number":4294967296}`:            "part_number",
		`{"client_port":65536}`:                 "client_port",
		`{"rpc_grpc_status_code":2147483648}`:   "rpc_grpc_status_code",
		`{"exchange_id":"abc"}`:                 "exchange_id",
		`{"exchange_id":"zz"}`:                  "exchange_id",
		`{"exchange_id":"00"}`:                  "exchange_id",
		`{"trace_id_hash":"00"}`:                "trace_id_hash",
		`{"object_hashes":[5]}`:                 "object_hashes",
		`{"object_hashes":["0000000000000001" "0"]}`: "object_hashes",
		`{"client_address":"nowhere"}`:               "client_address",
		`{"client_address":"fe80::1%eth0"}`:          "client_address",
		`{"coverage":"total"}`:                       "coverage",
		`{"sensitive_response":{"soul":1}}`:          "sensitive_response",
		`{"rollup":{"objects":{"seen":"x"}}}`:        "seen",
		`{"rollup":5}`:                               "rollup",
		`{"rollup":{},"capture":{}}`:                 "",
		`{"rollup":{},"server_name":"a"}`:            "",
		`{"unknown":` + strings.Repeat("[", 100):     "unknown",
		`{"unknown":]}`:                              "unknown",
		`{"unknown":,}`:                              "unknown",
	} {
		var l wire.Line
		err := wire.ParseLine([]byte(line), &l)
		var fault *wire.LineError
		if !errors.As(err, &fault) || fault.Key != key {
			t.Errorf("%s: %v, want a fault of %q", line, err, key)
		}
		if l != (wire.Line{}) {
			t.Errorf("%s: a faulty line left something", line)
		}
	}
}

func TestParseLineIsLiberal(t *testing.T) {
	for line, want := range map[string]*weirv1.Exchange{
		`{}`: nil,
		`{"later":{"a":[1,-2.5e3,true,null,"x\"]"],"b":{}},"more":[[],{}]}`:           nil,
		` { "server_name" : "a\u0041\/\n" , "tls" : true } ` + "\r\n":                 {ServerName: "aA/\n", Tls: true},
		`{"server_name":null,"tls":false,"object_hashes":null,"client_address":null}`: {},
		`{"coverage":9,"later":1,"record_count":3}`:                                   {Coverage: 9, RecordCount: 3},
		`{"server_name":"\ud83d\ude00\ud83d"}`:                                        {ServerName: "😀\ufffd"},
		`{"rpc_grpc_status_code":-1}`:                                                 {RpcGrpcStatusCode: -1},
		`{"server_name":"a","server_name":"b"}`:                                       {ServerName: "b"},
		`{"url\u005fpath":"\u00e9"}`:                                                  {UrlPath: "é"},
	} {
		var l wire.Line
		if err := wire.ParseLine([]byte(line), &l); err != nil {
			t.Errorf("%s: %v", line, err)
		}
		if !proto.Equal(l.Exchange, want) && want != nil || (l.Exchange == nil) != (want == nil) {
			t.Errorf("%s: %v, want %v", line, l.Exchange, want)
		}
	}
}

func TestJSONRoundTrip(t *testing.T) {
	for seed := range uint64(300) {
		m := newMaker(seed)
		for _, in := range []wire.Line{
			{Exchange: m.exchange(wire.Unpartitioned)},
			{Rollup: m.rollup(wire.Unpartitioned)},
			{Link: m.link(wire.Unpartitioned)},
			{Capture: &weirv1.CaptureCounters{StartUnixNano: 5, EndUnixNano: 9, Counters: m.counters()}},
		} {
			data := wire.AppendLineJSON(nil, &in)
			if !json.Valid(data) || bytes.Count(data, []byte("\n")) != 1 || data[len(data)-1] != '\n' {
				t.Fatalf("seed %d: no line of JSON: %s", seed, data)
			}
			var out wire.Line
			if err := wire.ParseLine(data, &out); err != nil {
				t.Fatalf("seed %d: %v\n%s", seed, err, data)
			}
			if d := cmp.Diff(in, out, protocmp.Transform()); d != "" {
				t.Fatalf("seed %d:\n%s\n%s", seed, d, data)
			}
			if err := wire.ValidateLine(&out); err != nil {
				t.Errorf("seed %d: %v", seed, err)
			}
		}
	}
}

// Every field of the schema has its JSON key, under its own name.
func TestJSONKnowsEveryField(t *testing.T) {
	check := func(m proto.Message, data []byte, nested string) {
		t.Helper()
		var keys map[string]json.RawMessage
		if err := json.Unmarshal(data, &keys); err != nil {
			t.Fatal(err)
		}
		if nested != "" {
			if err := json.Unmarshal(keys[nested], &keys); err != nil {
				t.Fatal(err)
			}
			delete(keys, nested)
		}
		fields := m.ProtoReflect().Descriptor().Fields()
		for i := range fields.Len() {
			name := string(fields.Get(i).Name())
			if _, ok := keys[name]; !ok {
				t.Errorf("%s is not in the JSON form", name)
			}
			delete(keys, name)
		}
		for k := range keys {
			t.Errorf("%q is no field", k)
		}
	}
	x, r := &weirv1.Exchange{}, &weirv1.Rollup{}
	fill(x.ProtoReflect())
	fill(r.ProtoReflect())
	check(x, wire.AppendLineJSON(nil, &wire.Line{Exchange: x}), "")
	check(r, wire.AppendLineJSON(nil, &wire.Line{Rollup: r}), "rollup")
	for _, in := range []wire.Line{{Exchange: x}, {Rollup: r}} {
		var out wire.Line
		if err := wire.ParseLine(wire.AppendLineJSON(nil, &in), &out); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(in, out, protocmp.Transform()); d != "" {
			t.Error(d)
		}
	}
}

// fill gives every field a value that is not zero.
func fill(m protoreflect.Message) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		if f.IsList() {
			list := m.Mutable(f).List()
			if f.Kind() == protoreflect.MessageKind {
				fill(list.AppendMutable().Message())
			} else {
				list.Append(value(f))
			}
		} else if f.Kind() == protoreflect.MessageKind {
			fill(m.Mutable(f).Message())
		} else {
			m.Set(f, value(f))
		}
	}
	if c, ok := m.Interface().(*weirv1.SensitiveCount); ok {
		c.Class = weirv1.SensitiveClass_SENSITIVE_CLASS_CUSTOM
	}
}

func value(f protoreflect.FieldDescriptor) protoreflect.Value {
	switch f.Kind() {
	case protoreflect.BytesKind:
		return protoreflect.ValueOfBytes([]byte("0123456789abcdef"))
	case protoreflect.StringKind:
		return protoreflect.ValueOfString("text")
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(true)
	case protoreflect.EnumKind:
		return protoreflect.ValueOfEnum(1)
	case protoreflect.Uint32Kind:
		return protoreflect.ValueOfUint32(7)
	case protoreflect.Sint32Kind:
		return protoreflect.ValueOfInt32(-1)
	}
	return protoreflect.ValueOfUint64(7)
}

// The words are the schema's names in lower case without their prefix.
func TestWordsAreTheSchemas(t *testing.T) {
	for field, word := range map[string]func(int32) *weirv1.Exchange{
		"principal_assurance": func(n int32) *weirv1.Exchange { return &weirv1.Exchange{PrincipalAssurance: weirv1.Assurance(n)} },
		"credential_kind":     func(n int32) *weirv1.Exchange { return &weirv1.Exchange{CredentialKind: weirv1.CredentialKind(n)} },
		"observation_rank":    func(n int32) *weirv1.Exchange { return &weirv1.Exchange{ObservationRank: weirv1.ObservationRank(n)} },
		"record_count_kind":   func(n int32) *weirv1.Exchange { return &weirv1.Exchange{RecordCountKind: weirv1.RecordCountKind(n)} },
		"detail_level":        func(n int32) *weirv1.Exchange { return &weirv1.Exchange{DetailLevel: weirv1.DetailLevel(n)} },
		"coverage":            func(n int32) *weirv1.Exchange { return &weirv1.Exchange{Coverage: weirv1.Coverage(n)} },
	} {
		enum := (&weirv1.Exchange{}).ProtoReflect().Descriptor().Fields().ByName(protoreflect.Name(field)).Enum()
		prefix := strings.TrimSuffix(string(enum.Values().Get(0).Name()), "UNSPECIFIED")
		for i := 1; i < enum.Values().Len(); i++ {
			v := enum.Values().Get(i)
			want := `{"` + field + `":"` + strings.ToLower(strings.TrimPrefix(string(v.Name()), prefix)) + `"}`
			if got := string(wire.AppendExchangeJSON(nil, word(int32(v.Number())))); got != want {
				t.Errorf("%s, want %s", got, want)
			}
		}
	}
	classes := weirv1.SensitiveClass(0).Descriptor().Values()
	for i := range classes.Len() {
		x := &weirv1.Exchange{SensitiveResponse: []*weirv1.SensitiveCount{{Class: weirv1.SensitiveClass(i), Count: 1}}}
		want := `{"sensitive_response":{"` + strings.ToLower(strings.TrimPrefix(string(classes.Get(i).Name()), "SENSITIVE_CLASS_")) + `":1}}`
		if got := string(wire.AppendExchangeJSON(nil, x)); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

func TestAppendJSONAllocatesNothing(t *testing.T) {
	x := newMaker(5).exchange(wire.Unpartitioned)
	dst := make([]byte, 0, 1<<16)
	if n := testing.AllocsPerRun(100, func() { dst = wire.AppendExchangeJSON(dst[:0], x) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	b := newMaker(5).batch(1, 20)
	msg := make([]byte, 0, 1<<20)
	if n := testing.AllocsPerRun(100, func() { msg, _ = wire.AppendBatch(msg[:0], b) }); n != 0 {
		t.Errorf("%v allocations per batch", n)
	}
}

func FuzzParseLine(f *testing.F) {
	for seed := range uint64(8) {
		m := newMaker(seed)
		f.Add(wire.AppendLineJSON(nil, &wire.Line{Exchange: m.exchange(wire.Unpartitioned)}))
		f.Add(wire.AppendLineJSON(nil, &wire.Line{Rollup: m.rollup(wire.Unpartitioned)}))
	}
	f.Add([]byte(`{"later":[1,{"a":null}],"capture":{"counters":[{"name":"x","value":1}]}}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		var l wire.Line
		if err := wire.ParseLine(line, &l); err != nil || wire.ValidateLine(&l) != nil {
			return
		}
		data := wire.AppendLineJSON(nil, &l)
		if len(data) > 0 && !json.Valid(data) {
			t.Fatalf("no JSON: %q", data)
		}
		var again wire.Line
		if err := wire.ParseLine(data, &again); len(data) > 0 && err != nil {
			t.Fatalf("written and not read: %v\n%s", err, data)
		}
		if twice := wire.AppendLineJSON(nil, &again); !bytes.Equal(data, twice) {
			t.Fatalf("written twice it differs:\n%s%s", data, twice)
		}
	})
}

// Whatever bytes a text holds, the line is JSON and nothing in it is invisible.
func FuzzText(f *testing.F) {
	f.Add([]byte("a\"\\\n\x00\x1b\u2028\u202e\xff😀"), uint16(16))
	f.Fuzz(func(t *testing.T, raw []byte, size uint16) {
		limit := 1 + int(size)%300
		if text := wire.AppendText(nil, raw, limit); !wire.IsText(string(text), limit) {
			t.Fatalf("%q is not fit to travel", text)
		}
		data := wire.AppendExchangeJSON(nil, &weirv1.Exchange{UrlPath: string(raw)})
		if !json.Valid(data) || bytes.ContainsAny(data, "\x00\n\r\x1b\x7f\u2028\u2029\u202e\u200b") {
			t.Fatalf("no clean JSON: %q", data)
		}
	})
}
