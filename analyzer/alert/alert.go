// SPDX-License-Identifier: Apache-2.0

// Package alert says a change of an incident to the world: an OCSF Detection Finding in a
// CloudEvents message, published until it is acknowledged.
//
// It assumes incidents as incident tells them, and that text in them came from traffic. It refuses
// to change an incident, and to send a credential: a principal is its keyed id.
package alert

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/weir-project/weir/analyzer/incident"
	"github.com/weir-project/weir/proto/wire"
)

// Type is the CloudEvents type of an alert.
const Type = "dev.weir.alert.v1"

// MaxData bounds the bytes of one message.
const MaxData = 64 << 10

const (
	maxText     = 256  // bytes of one text that came from traffic
	maxSentence = 4096 // bytes of a sentence that is read
)

// Meta is what an alert says about the weir that made it.
type Meta struct {
	Cluster string // as in subjects
	Version string // of the analyzer
}

// Message is one alert, ready to be published.
type Message struct {
	Subject string // weir.v1.alerts.<severity>.<cluster>.<detector>, as at the incident's opening
	ID      string // incident id in hex, a dot, the revision: CloudEvents id and Nats-Msg-Id
	Data    []byte // CloudEvents 1.0 structured JSON, at most MaxData bytes
}

// Build makes the alert of a change.
func Build(c incident.Change, m Meta) (Message, error) {
	inc := &c.Incident
	detector := inc.Detector.String()
	if detector == "" {
		detector = "other"
	}
	opening := inc.AtOpening.String()
	if opening == "" {
		opening = incident.Low.String()
	}
	id := hex.EncodeToString(inc.ID[:]) + "." + strconv.FormatUint(uint64(inc.Revision), 10)
	cluster := wire.Name(m.Cluster)
	e := event{
		SpecVersion: "1.0", ID: id, Source: "/weir/" + cluster + "/analyzer", Type: Type,
		Subject: hex.EncodeToString(inc.Principal[:]), Time: stamp(c.Time),
		DataContentType: "application/json", DataSchema: "urn:weir:schema:alert:v1",
	}
	e.Data = newFinding(c, id, cluster, detector, text(m.Version))
	data, err := json.Marshal(&e)
	if err != nil {
		return Message{}, fmt.Errorf("encode alert %s: %w", id, err)
	}
	if len(data) > MaxData {
		return Message{}, fmt.Errorf("encode alert %s: %d bytes, at most %d", id, len(data), MaxData)
	}
	return Message{Subject: wire.AlertsSubject(opening, cluster, detector), ID: id, Data: data}, nil
}

// AppendJSON appends the message as one JSON line, as `backtest` prints it.
func AppendJSON(dst []byte, m *Message) []byte { return append(append(dst, m.Data...), '\n') }

// stamp is RFC 3339. Times beyond its years are cut: they came from a clock in traffic.
func stamp(nano int64) string {
	t := time.Unix(0, nano).UTC()
	return t.Format("2006-01-02T15:04:05.999999999Z07:00")
}

// text bounds a text that came from traffic and replaces what a terminal or a reader could mistake.
// incident has done so already; but what is restored from a file passes here too.
func text(s string) string { return clean(s, maxText) }

func clean(s string, most int) string {
	if len(s) > most {
		cut := most
		for cut > 0 && !utf8.RuneStart(s[cut]) {
			cut--
		}
		s = s[:cut]
	}
	return strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsGraphic(r) || (unicode.IsSpace(r) && r != ' ') {
			return '?'
		}
		return r
	}, s)
}
