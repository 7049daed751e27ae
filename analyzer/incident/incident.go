// SPDX-License-Identifier: Apache-2.0

// Package incident groups the findings on one principal into one incident with a life: it opens
// once, grows with each doubling, and closes after quiet.
//
// It assumes findings that detect has judged and views of the same partition, in the order of event
// time. It refuses to judge what is abnormal, and to read a clock, a file or a network.
package incident

import (
	"crypto/sha256"
	"encoding/binary"

	"github.com/weir-project/weir/analyzer/finding"
	"github.com/weir-project/weir/analyzer/ledger"
)

// ID names an incident for ever, on every replica.
type ID [16]byte

// The kinds of subject an incident can have; numbers are append-only, 0 is invalid.
const (
	SubjectPrincipal = iota + 1
	SubjectEndpoint
	SubjectNetwork
	SubjectCampaign
)

const minute = 60_000_000_000

// NewID gives the id of the incident on a subject that began in the minute of start (Unix
// nanoseconds): the first 16 bytes of SHA-256 over
//
//	+--------------+-----------------+------------+---------------------------------+
//	| subject kind | subject length  | subject id | minutes since the Unix epoch    |
//	| 1 byte       | 2 bytes, big e. | n bytes    | 8 bytes, big endian, two's c.   |
//	+--------------+-----------------+------------+---------------------------------+
func NewID(kind uint8, subject []byte, start int64) ID {
	canon := make([]byte, 0, 11+len(subject))
	canon = append(canon, kind)
	canon = binary.BigEndian.AppendUint16(canon, uint16(len(subject)))
	canon = append(canon, subject...)
	canon = binary.BigEndian.AppendUint64(canon, uint64(floorMinute(start)/minute))
	sum := sha256.Sum256(canon)
	return ID(sum[:16])
}

func floorMinute(t int64) int64 {
	m := t % minute
	if m < 0 {
		m += minute
	}
	return t - m
}

// Severity is how bad an incident is; numbers are append-only, 0 is invalid.
type Severity uint8

// The severities, by how many records the principal took that it had never read before.
const (
	Low      Severity = iota + 1 // below 1,000
	Medium                       // below 10,000
	High                         // below 100,000
	Critical                     // more, or more than a hundredth of all objects known on the endpoint
)

var severityNames = [...]string{"", "low", "medium", "high", "critical"}

// String gives the severity as it stands in subjects and alerts.
func (s Severity) String() string {
	if int(s) < len(severityNames) {
		return severityNames[s]
	}
	return ""
}

// ChangeKind is what happened to an incident; the numbers are those of OCSF activities.
type ChangeKind uint8

// The kinds of change.
const (
	Opened ChangeKind = iota + 1
	Grew
	Closed
)

var changeNames = [...]string{"", "opened", "grew", "closed"}

// String gives the kind of change in a word.
func (k ChangeKind) String() string {
	if int(k) < len(changeNames) {
		return changeNames[k]
	}
	return ""
}

// Change is what is worth an alert. The incident in it is a copy that the receiver owns.
type Change struct {
	Kind     ChangeKind
	Time     int64 // event time, Unix nanoseconds
	Incident Incident
}

// Figures are exact counts since an incident's Start, but for FreshObjects, which is as exact as
// the ledger's memory of objects.
type Figures struct {
	Requests, Records, ResponseBytes uint64
	FreshObjects                     uint64
	SensitiveObjects                 uint64
}

// Incident is one principal's theft as far as it is known. Times are Unix nanoseconds of event time.
type Incident struct {
	ID        ID
	Revision  uint32 // of the last change that was told, from 1
	Principal ledger.ID
	Assurance uint8  // as in the wire schema
	Kind      uint8  // credential kind, as in the wire schema
	Label     string // bounded, printable
	Endpoint  string // dominant endpoint; bounded, printable
	Software  string // bounded, printable

	Detector  finding.Channel // the channel that opened it
	AtOpening Severity        // stands in the subject of every alert of this incident
	Severity  Severity        // now
	Arrival   bool            // opened by a score on arrival that no closed minute has confirmed yet

	Start        int64 // when it began: the minute in which the run began, else of the first finding
	Opened       int64
	Updated      int64 // last change
	LastEvidence int64
	ClosedAt     int64 // 0 while open
	Now          int64 // up to when Taken counts

	Taken    Figures         // since Start
	Top      finding.Score   // the strongest score of the last finding
	Scores   []finding.Score // all of them, largest first, at most maxScores
	Channels uint8           // bit c is set when channel c ever had a finding here

	Confidence         float64 // expected findings like this per principal-year on clean traffic
	SensitiveInspected bool
	Known              float64 // distinct objects it is remembered to have read
	Addresses          []ledger.AddressShare
	Addressed          uint64 // the records of which the addresses have shares: the run's, or all
	Exemplars          []ledger.Exemplar

	base Figures // the principal's totals when it began
	told marks   // what the last told change said
	peak peaks   // largest long sums so far
}

// marks are the figures whose doubling is worth telling.
type marks struct{ records, fresh uint64 }

// peaks are the largest week and 28-day sums seen, by unit: a long sum stays above its threshold
// for as long as its horizon after the taking has stopped, so only a growing one is evidence.
type peaks [2][finding.ObjectLookups]float64

// Config bounds a Book. The zero value gives the defaults.
type Config struct {
	QuietDays  int // without evidence before an incident closes; default 7
	MaxOpen    int // open incidents; default 1024
	KeepClosed int // closed incidents remembered for reports; default 256
	// EndpointObjects says how many distinct objects are known on an endpoint, 0 if not known.
	// nil: not known. It must depend on nothing but event time.
	EndpointObjects func(endpoint string) float64
}

// Counts are what happened in a Book since it was made or restored.
type Counts struct {
	Opened, Grew, Closed uint64
	RefusedFull          uint64 // findings that opened nothing because the book was full
	Forgotten            uint64 // closed incidents dropped for room
	StartMoved           uint64 // opened on arrival, and the closed minute saw another start
}
