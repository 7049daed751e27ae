// SPDX-License-Identifier: Apache-2.0

package ledger

import "net/netip"

// ID is a principal's keyed 16-byte id.
type ID = [16]byte

// DayRing is how many closed days a principal's daily totals go back.
const DayRing = 42

// View is one principal as it stands at one time: what detect judges, incident quotes and top
// ranks. It is a copy; slices in it are valid until the next call on the Partition.
//
// "Records" are business items in responses, "fresh" are objects this principal had not read
// before as far as the ledger remembers. Event time is UTC throughout.
type View struct {
	ID        ID
	Assurance uint8 // as in the wire schema
	Kind      uint8 // credential kind, as in the wire schema
	Label     string
	Now       int64 // end of the newest minute that counts here, Unix nanoseconds
	Born      int64 // Unix nanoseconds
	AgeDays   int   // whole UTC days since the day of birth
	LastSeen  int64
	Endpoint  string // dominant endpoint by records: "GET shop.example /customers/{id}"
	Arrival   bool   // open minutes are counted in

	// The running hour and day, and the six closed days before today.
	HourRecords, DayRecords, DayFresh float64
	DayEnum                           float64 // sequential or refused look-ups today
	Records6, Fresh6                  float64 // sums over the six closed days before today
	Fresh27                           float64 // over the 27 closed days before today

	// The principal's own baselines, derived once per principal-day (detection notes, 5.2).
	ActiveDays   int     // days with records among the closed days of the ring
	RingDays     int     // closed days in the ring, at most DayRing
	HourMax      float64 // decayed maximum of hourly records (x0.97 a day)
	DayMax       float64 // largest closed day of records
	Scale        float64 // spike scale of the days; 1 with fewer than 4 active days
	WeekMax      float64 // largest lagged 7-day sum of records
	WeekScale    float64 // spike scale of the 7-day sums
	FreshDayMax  float64 // slowly decayed maximum of daily fresh objects
	FreshWeekMax float64 // largest lagged 7-day sum of fresh objects
	FreshFloor   float64 // half of the working set of a principal that mostly re-reads, else 0
	Fresh28Base  float64 // days 29-42 scaled to 28 days; 0 before there are 41 closed days
	EnumMax      float64 // decayed maximum of daily look-ups
	OffHours     float64 // decayed sum of records at hours it never works
	OffHoursMax  float64 // its slow maximum
	SawMonthEnd  bool    // lived through a month end
	MonthEnd     bool    // today is one of the last two or first two days of a month
	Known        float64 // distinct objects it is remembered to have read

	// Run is the current stretch above its own usual rate; what an alert quotes.
	Run Run

	// Sensitive is the same history for objects that came with personal data.
	Sensitive SensitiveView

	// Totals since birth, exact.
	Total Totals

	// Top addresses by records in the current run (all time where there is no run), exemplars of it,
	// and its busiest tokens.
	Addresses []AddressShare
	Exemplars []Exemplar
	Software  string
	// LearningDays is the age of the deployment in event time: whole days since its first exchange.
	LearningDays int
}

// SensitiveView is the part of a View that counts objects with personal data only, so that reading
// a harmless catalogue first does not make a theft look like re-reading. All zero while none was
// seen. Names mean what they mean in View.
type SensitiveView struct {
	DayObjects, DayFresh      float64 // today: reads of sensitive objects, and those never read as sensitive before
	Objects6, Fresh6, Fresh27 float64
	ActiveDays                int
	DayMax, Scale             float64
	WeekMax, WeekScale        float64
	FreshDayMax, FreshWeekMax float64
	FreshFloor, Fresh28Base   float64
	Known                     float64
}

// Run is a stretch in which a principal takes more than its usual rate: the time since the last
// zero of a one-sided cumulative sum of records per minute over its own busiest hour's mean rate
// (Page 1954). Its counts are exact sums of what arrived, FreshObjects as far as remembered.
type Run struct {
	Start         int64 // Unix nanoseconds of the first minute; 0: no run
	Last          int64 // Unix nanoseconds of the last exchange counted
	Requests      uint64
	Records       uint64
	FreshObjects  uint64
	ResponseBytes uint64
	Sensitive     uint64 // values of personal-data classes
}

// Totals are exact sums. Bytes are those of bodies as sent, headers not counted.
type Totals struct {
	Requests, Records, ResponseBytes, RequestBytes uint64
	EstimatedRecords                               uint64 // the part of Records that was estimated
	FreshObjects                                   uint64
	SensitiveObjects                               uint64
	Refused                                        uint64 // 4xx
	SensitiveInspected                             bool   // at least one exchange was looked through for sensitive fields
}

// AddressShare is a client address and its share of the records.
type AddressShare struct {
	Address   netip.Addr
	Records   uint64
	FirstSeen int64
}

// Exemplar is one exchange that lets people find the caller. Text is bounded and printable.
type Exemplar struct {
	Time       int64
	Client     netip.AddrPort
	RequestID  string
	ServerName string
	Method     string
	Template   string
	Status     uint16
	ExchangeID [16]byte
}
