// SPDX-License-Identifier: Apache-2.0

package alert_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/weir-project/weir/analyzer/alert"
	"github.com/weir-project/weir/analyzer/finding"
	"github.com/weir-project/weir/analyzer/incident"
	"github.com/weir-project/weir/analyzer/ledger"
)

var t0 = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC).UnixNano()

var meta = alert.Meta{Cluster: "prod.eu", Version: "0.1.0"}

func change(kind incident.ChangeKind) incident.Change {
	score := finding.Score{Channel: finding.Fresh, Horizon: finding.Week, Unit: finding.FreshObjects, Observed: 4321.7, Own: 300, Peers: 1500, Value: 2, Ratio: 1.83}
	inc := incident.Incident{
		ID: incident.ID{0xab, 15: 1}, Revision: 3, Principal: ledger.ID{0x7f, 0x3a, 0x12, 0xcd}, Assurance: 3, Kind: 2,
		Label: "Acme", Endpoint: "GET shop.example /customers/{id}", Software: "curl",
		Detector: finding.Fresh, AtOpening: incident.Low, Severity: incident.Medium,
		Start: t0, Opened: t0 + 1e9, Updated: t0 + 2e9, LastEvidence: t0 + 3e9, Now: t0 + 4e9,
		Taken: incident.Figures{Requests: 4000, Records: 4200, ResponseBytes: 1 << 62, FreshObjects: 4100},
		Top:   score, Scores: []finding.Score{score}, Confidence: 1.0 / 4000, Known: 5000,
		Addresses: []ledger.AddressShare{{Address: netip.MustParseAddr("203.0.113.7"), Records: 4200, FirstSeen: t0}}, Addressed: 4200,
	}
	for i := range 5 {
		inc.Exemplars = append(inc.Exemplars, ledger.Exemplar{Time: t0 + int64(i), Client: netip.AddrPortFrom(netip.MustParseAddr("203.0.113.7"), uint16(40_000+i)),
			RequestID: fmt.Sprint("r-", i), ServerName: "shop.example", Method: "GET", Template: "/customers/{id}", Status: 200, ExchangeID: [16]byte{byte(i)}})
	}
	return incident.Change{Kind: kind, Time: t0 + 5e9, Incident: inc}
}

// hostile is text that breaks out of JSON, HTML, terminals and bounds.
var hostile = "\"}]\\u0000</script>\x1b[2J\u202e\x00\n\xff\xfe" + strings.Repeat("é€\U0001F600", 4000)

// cases are changes of every kind, severity and channel, with texts that are hostile or missing.
func cases() map[string]incident.Change {
	all := map[string]incident.Change{}
	for kind := incident.Opened; kind <= incident.Closed; kind++ {
		for sev := incident.Low; sev <= incident.Critical; sev++ {
			for ch := finding.Volume; ch < finding.NumChannels; ch++ {
				c := change(kind)
				c.Incident.Severity, c.Incident.Detector, c.Incident.Top.Channel, c.Incident.Scores[0].Channel = sev, ch, ch, ch
				c.Incident.Scores[0].Horizon = finding.Horizon(1 + int(ch)%4)
				c.Incident.Scores[0].Unit = finding.Unit(1 + int(ch)%3)
				if kind == incident.Closed {
					c.Incident.ClosedAt = c.Time
				}
				all[fmt.Sprint(kind, "-", sev, "-", ch)] = c
			}
		}
	}
	h := change(incident.Opened)
	h.Incident.Label, h.Incident.Endpoint, h.Incident.Software = hostile, hostile, hostile
	for i := range h.Incident.Exemplars {
		x := &h.Incident.Exemplars[i]
		x.RequestID, x.ServerName, x.Method, x.Template = hostile, hostile, hostile, hostile
		x.Client = netip.MustParseAddrPort("[fe80::1%eth0]:1")
	}
	all["hostile"] = h
	all["nothing"] = incident.Change{}
	only := incident.Change{Kind: incident.Opened}
	only.Incident.Exemplars = make([]ledger.Exemplar, 5)
	only.Incident.Addresses = make([]ledger.AddressShare, 5)
	only.Incident.Scores = make([]finding.Score, 6)
	all["empty elements"] = only
	wild := change(incident.Grew)
	wild.Time, wild.Incident.Start, wild.Incident.Now = 1<<63-1, -1<<63, 1<<63-1
	wild.Incident.Top.Ratio, wild.Incident.Scores[0].Observed = inf(), inf()
	wild.Incident.Scores[0].Own, wild.Incident.Scores[0].Peers, wild.Incident.Confidence = nan(), nan(), nan()
	all["wild numbers"] = wild
	return all
}

func inf() float64 { var z float64; return 1 / z }
func nan() float64 { var z float64; return z / z }

func TestValidAgainstSchemas(t *testing.T) {
	dir := filepath.Join("..", "..", "..", "shared", "schemas")
	if _, err := os.Stat(filepath.Join(dir, "ocsf-detection-finding.schema.json")); err != nil {
		t.Skip("SKIPPED: alerts are not checked against the OCSF and CloudEvents schemas, which are not there: ", err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	ocsf, err := c.Compile(filepath.Join(dir, "ocsf-detection-finding.schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	ce, err := c.Compile(filepath.Join(dir, "cloudevents.schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	for name, ch := range cases() {
		t.Run(name, func(t *testing.T) {
			m, err := alert.Build(ch, meta)
			if err != nil {
				t.Fatal(err)
			}
			doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(m.Data))
			if err != nil {
				t.Fatal(err)
			}
			if err := ce.Validate(doc); err != nil {
				t.Error(err)
			}
			if err := ocsf.Validate(doc.(map[string]any)["data"]); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestMessage(t *testing.T) {
	for name, ch := range cases() {
		m, err := alert.Build(ch, meta)
		if err != nil {
			t.Fatal(name, err)
		}
		if len(m.Data) > alert.MaxData || strings.ContainsAny(string(m.Data), "\x1b\u202e\x00\n\u2028<>") {
			t.Errorf("%s: %d bytes, or text that is not escaped: %s", name, len(m.Data), m.Data)
		}
		if n := strings.Count(m.Subject, "."); n != 5 || strings.ContainsAny(m.Subject, " *>") {
			t.Errorf("%s: subject %q", name, m.Subject)
		}
		a, err := alert.Parse(m.Data)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if a.ID != m.ID || a.Sentence == "" || len(a.Principal) != 32 {
			t.Errorf("%s: %+v", name, a)
		}
	}
	m, err := alert.Build(change(incident.Grew), meta)
	if err != nil {
		t.Fatal(err)
	}
	// The subject is as at opening, the severity in the message is now.
	if m.Subject != "weir.v1.alerts.low.prod-eu.fresh" || m.ID != "ab000000000000000000000000000001.3" {
		t.Errorf("%s %s", m.Subject, m.ID)
	}
	a, err := alert.Parse(m.Data)
	if err != nil {
		t.Fatal(err)
	}
	if a.Activity != "Update" || a.Severity != "medium" || a.Cluster != "prod-eu" || a.Detector != "fresh" || a.Revision != 3 ||
		a.Time.UnixNano() != t0+5e9 || a.IncidentID != "ab000000000000000000000000000001" || a.Title == "" {
		t.Errorf("%+v", a)
	}
	inc := change(incident.Grew).Incident
	if a.Sentence != incident.Sentence(&inc) {
		t.Errorf("sentence %q", a.Sentence)
	}
	if line := alert.AppendJSON(nil, &m); bytes.Count(line, []byte("\n")) != 1 || !json.Valid(line) {
		t.Errorf("line %s", line)
	}
	t.Logf("%d bytes", len(m.Data))
}

func TestExemplarsLeadToTheCaller(t *testing.T) {
	m, err := alert.Build(change(incident.Opened), meta)
	if err != nil {
		t.Fatal(err)
	}
	var e struct {
		Data struct {
			Evidences []struct {
				Request struct {
					UID string
					URL struct{ Hostname, Path string }
				} `json:"http_request"`
				Source struct {
					IP   string
					Port int
				} `json:"src_endpoint"`
				Data struct{ Time string }
			}
		}
	}
	if err := json.Unmarshal(m.Data, &e); err != nil {
		t.Fatal(err)
	}
	if len(e.Data.Evidences) != 5 {
		t.Fatalf("%d evidences", len(e.Data.Evidences))
	}
	x := e.Data.Evidences[1]
	if x.Request.UID != "r-1" || x.Request.URL.Hostname != "shop.example" || x.Request.URL.Path != "/customers/{id}" ||
		x.Source.IP != "203.0.113.7" || x.Source.Port != 40_001 || x.Data.Time != "2026-03-02T09:00:00.000000001Z" {
		t.Errorf("%+v", x)
	}
}

func TestNotAnAlert(t *testing.T) {
	for _, s := range []string{"", "{}", "[]", "null", `{"type":"dev.weir.alert.v1"}`, `{"id":"x.1","type":"dev.weir.alert.v1","data":{"class_uid":2004}}`,
		strings.Repeat(" ", alert.MaxData+1)} {
		if _, err := alert.Parse([]byte(s)); err == nil {
			t.Errorf("%.60q was taken", s)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, ch := range cases() {
		m, err := alert.Build(ch, meta)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(m.Data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		a, err := alert.Parse(data)
		if err == nil && strings.ContainsAny(a.Sentence+a.Title+a.Severity+a.Cluster+a.Detector+a.Principal+a.Activity+a.ID, "\x1b\n\r\x00\u202e") {
			t.Errorf("text for a terminal: %+v", a)
		}
	})
}

func message(id string) alert.Message {
	return alert.Message{Subject: "weir.v1.alerts.low.lab.fresh", ID: id, Data: []byte("data of " + id)}
}

func TestOutbox(t *testing.T) {
	o := alert.NewOutbox(3)
	for _, id := range []string{"a.1", "b.1", "a.2", "c.1", "c.2", "d.1"} {
		o.Add(message(id))
	}
	// a.1 went for a.2, then c.1 for c.2, then the oldest, b.1.
	var ids []string
	for _, m := range o.Pending() {
		ids = append(ids, m.ID)
	}
	if got := strings.Join(ids, " "); got != "a.2 c.2 d.1" || o.Dropped() != 3 || o.Sequence() != 4 {
		t.Errorf("%s, %d dropped, sequence %d", got, o.Dropped(), o.Sequence())
	}
	snap := o.AppendSnapshot(nil)
	p := alert.NewOutbox(3)
	if err := p.Restore(snap); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(p.AppendSnapshot(nil), snap) || p.Sequence() != 4 || len(p.Pending()) != 3 {
		t.Error("not the same again")
	}
	p.Done(2)
	if len(p.Pending()) != 1 || p.Pending()[0].ID != "d.1" || p.Sequence() != 6 {
		t.Errorf("%+v", p.Pending())
	}
	for cut := 1; cut < len(snap); cut++ {
		if p.Restore(snap[:cut]) == nil {
			t.Fatalf("a snapshot cut at %d was taken", cut)
		}
	}
	if err := p.Restore([]byte{7}); err == nil || !strings.Contains(err.Error(), "version 7") {
		t.Error(err)
	}
	if err := p.Restore(nil); err != nil || len(p.Pending()) != 0 {
		t.Error("no bytes are a new outbox")
	}
}

func FuzzOutbox(f *testing.F) {
	o := alert.NewOutbox(0)
	f.Add(o.AppendSnapshot(nil))
	o.Add(message("a.1"))
	o.Add(message("b.1"))
	o.Done(1)
	f.Add(o.AppendSnapshot(nil))
	f.Fuzz(func(t *testing.T, snapshot []byte) {
		o := alert.NewOutbox(0)
		if o.Restore(snapshot) != nil {
			return
		}
		again := o.AppendSnapshot(nil)
		p := alert.NewOutbox(0)
		if err := p.Restore(again); err != nil || !bytes.Equal(p.AppendSnapshot(nil), again) {
			t.Fatalf("not the same again: %v", err)
		}
	})
}
