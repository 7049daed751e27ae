// SPDX-License-Identifier: Apache-2.0

// Package finding is the vocabulary of the analyzer's judgement: scores, findings, and what the
// population says is normal.
//
// It assumes nothing. It refuses to decide: detect makes findings, incident groups them.
package finding

// ID is a principal's keyed 16-byte id.
type ID = [16]byte

// Channel is a family of scores that share one threshold and one part of the false-alert budget.
type Channel uint8

// The channels of notes on detection; numbers are append-only, 0 is invalid.
const (
	Volume   Channel = iota + 1 // more than it ever took
	Peer                        // more than its peers ever take
	OffHours                    // at hours it never works
	Enum                        // walking through ids
	Fresh                       // records it has not read before
	Guard                       // more than anyone ever took
	NumChannels
)

var channelNames = [NumChannels]string{"", "volume", "peer", "off-hours", "enumeration", "fresh", "guard"}

// String gives the channel's name as it stands in subjects and alerts.
func (c Channel) String() string {
	if c < NumChannels {
		return channelNames[c]
	}
	return ""
}

// Horizon is the span of time a score compares.
type Horizon uint8

// The horizons; numbers are append-only, 0 is invalid.
const (
	Hour Horizon = iota + 1
	Day
	Week
	Month // 28 days
)

var horizonNames = [...]string{"", "hour", "day", "week", "28 days"}

// String gives the horizon in words.
func (h Horizon) String() string {
	if int(h) < len(horizonNames) {
		return horizonNames[h]
	}
	return ""
}

// Unit is what a score counts.
type Unit uint8

// The units; numbers are append-only, 0 is invalid.
const (
	Records Unit = iota + 1
	FreshObjects
	ObjectLookups // sequential or refused look-ups
)

// Score is one comparison of an observed value with what is usual.
type Score struct {
	Channel  Channel
	Horizon  Horizon
	Unit     Unit
	Observed float64 // what was counted over the horizon
	Own      float64 // the principal's own baseline over equal horizons; 0 if none
	Peers    float64 // the peers' p99.9 over equal horizons; 0 if none
	Value    float64 // in reference units, before the threshold
	Ratio    float64 // Value / threshold of the channel: 1 and more is a finding
}

// Finding is a detector's statement about one principal at one time.
type Finding struct {
	Principal  ID
	Time       int64   // Unix nanoseconds of the evidence, event time
	Arrival    bool    // made on arrival: may open an incident, never teaches
	Top        Score   // the score with the largest Ratio
	Scores     []Score // every score with Ratio >= 1, largest first
	Confidence float64 // expected findings like this per principal-year on clean traffic
}

// Thresholds are what a score must reach, per channel, in reference units, and how often clean
// traffic does: a score s is expected Rate x exp((Value - s) / Tail) times per principal-year.
type Thresholds struct {
	Version uint64
	Value   [NumChannels]float64
	Rate    [NumChannels]float64 // clean scores beyond Value per principal-year
	Tail    [NumChannels]float64 // mean excess of the largest clean scores; 0: the rate does not fall
}

// Shipped are the thresholds for one false alert per 10,000 principals a week as measured on the
// project's benchmark worlds (budget 1), in force until a population has its own. Rates are the
// channels' shares of that budget; tails are the mean excess of the largest 20 of 117,000 clean
// principal-weeks over the 21st (benchmark worlds 1 and 2). The guard's are not measured: they are
// those of a Pareto tail of index 1.3 at its record-breaking days.
var Shipped = Thresholds{
	Value: [NumChannels]float64{Volume: 1.24, Peer: 1.29, OffHours: 1.16, Enum: 1.04, Fresh: 1.09, Guard: 1},
	Rate:  [NumChannels]float64{Volume: 8.7e-4, Peer: 8.7e-4, OffHours: 4.3e-4, Enum: 4.3e-4, Fresh: 2.6e-3, Guard: 2.6e-4},
	Tail:  [NumChannels]float64{Volume: 0.17, Peer: 0.26, OffHours: 0.16, Enum: 0.13, Fresh: 0.12, Guard: 0.7},
}

// Quantiles are the p99.9 of a peer group; 0 means "no value yet".
type Quantiles struct {
	HourRecords, DayRecords, WeekRecords, WeekFresh float64
	PrincipalDays                                   float64 // how much stands behind them, decayed
}

// Peers are the quantiles in force for every peer group, from a stated event hour on.
type Peers struct {
	Version    uint64
	EventHour  int64 // hours since the Unix epoch
	All        Quantiles
	ByEndpoint map[string]Quantiles // by dominant endpoint
	LargestDay float64              // the largest day of records any voting principal ever had
}

// Campaign groups principals whose findings belong together.
type Campaign struct {
	Endpoint   string
	Start      int64
	Principals []ID
	Fresh      float64 // distinct objects over the union of what they took
}
