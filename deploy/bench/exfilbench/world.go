// SPDX-License-Identifier: Apache-2.0

package main

import (
	"math"
	"sort"
)

const (
	daySeconds = 86400
	epoch      = 1666915200 // 2022-10-28T00:00:00Z, a Friday
	days       = 70
	warmDays   = 28 // scoring starts on 2022-11-25T00:00Z
	binSeconds = 600
	binsPerDay = daySeconds / binSeconds
	minutes    = daySeconds / 60
)

// event summarises what one token did on one endpoint within at most ten minutes.
type event struct {
	time      int64
	token     int32
	address   uint32
	endpoint  uint8
	requests  float32
	refused   float32 // 4xx among requests
	bytes     float64
	records   float32
	ids       float32 // distinct object ids
	fresh     float32 // of them, ids this token had not read in the last 28 days, 3 % noise
	successor float32 // share of ids that succeed the one before, 0..1
	sensitive float32 // sensitive fields
	attack    float32 // the truth: attack records in it
}

var endpoints = []string{"GET /me", "GET /customers/{id}", "GET /customers?page", "GET /accounts/{id}/summary", "GET /orders/{id}", "GET /orders?since", "POST /search", "GET /export/{job}"}

// The classes of tokens.
const (
	user = iota
	agent
	partner
	batch
	service
	bursty
)

// token is one API token with its habits.
type token struct {
	id            int32
	class         int
	volume        float64 // median records a day
	sigma         float64 // of the daily volume, in ln
	recordsPerReq float64
	bytesPer      float64
	zone          int // hours from UTC
	weekend       float64
	monthEnd      float64
	growth        float64 // a week
	stepDay       int
	step          float64
	birth, death  int
	workingSet    float64
	freshShare    float64 // of reads that go to ids never seen (agents)
	churn         float64 // of the working set, a day
	covered       float64 // share of the working set that has been read
	main, side    uint8   // endpoints
	jobHour       int
	jobBins       int
	sunday        float64
	retryDay      int
	shiftWeek     int // agents: a week on another shift, ten hours later
	activeShare   float64
	address       uint32
	history       float64 // records in the warm-up, to size attacks by
	historyDays   int
	attacks       []*attack
	dayRecords    float64
}

// world is a set of tokens and attacks. It is deterministic in seed, token and day: attacks never
// change the background.
type world struct {
	seed    uint64
	n       int
	tokens  []*token
	attacks []*attack
	deploys [8][3]float64 // factor on bytes of each endpoint after each deploy
}

var deployDays = []int{20, 37, 55}

// newWorld makes n tokens, 5 % of which die and are followed by one that behaves alike, and attacks.
func newWorld(seed uint64, n int) *world {
	w := &world{seed: seed, n: n}
	r := newRng(seed, 777, 1)
	for e := range w.deploys {
		for i := range w.deploys[e] {
			w.deploys[e][i] = 1
			if r.unit() < 0.4 {
				w.deploys[e][i] = 0.6 + 1.9*r.unit()
			}
		}
	}
	for i := range n {
		w.tokens = append(w.tokens, newToken(seed, i))
	}
	for _, t := range w.tokens[:n] {
		if r.unit() >= 0.05 {
			continue
		}
		d := 5 + r.intn(60)
		if d <= t.birth+3 {
			continue
		}
		next := *t
		next.id, next.birth, next.covered = int32(len(w.tokens)), d, 0
		t.death = d
		w.tokens = append(w.tokens, &next)
	}
	w.addAttacks()
	return w
}

// dayEvents appends what one token does on one day, attack and background, in time order.
func (w *world) dayEvents(t *token, day int, out []event) []event {
	from := len(out)
	t.dayRecords = 0
	if day >= t.birth && day < t.death {
		out = w.background(t, day, out)
	}
	if day < warmDays && day >= t.birth {
		t.history += t.dayRecords
		t.historyDays++
	}
	for _, a := range t.attacks {
		out = w.attack(t, a, day, out)
	}
	if len(t.attacks) > 0 {
		e := out[from:]
		sort.Slice(e, func(i, j int) bool { return e[i].time < e[j].time })
	}
	return out
}

// run generates the whole stream, in the order of minutes.
func (w *world) run(emit func(*event) error) error {
	var events []event
	var order []int32
	for day := range days {
		events = events[:0]
		for _, t := range w.tokens {
			events = w.dayEvents(t, day, events)
		}
		order = byMinute(events, int64(epoch+day*daySeconds), order)
		for _, i := range order {
			if err := emit(&events[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

// byMinute gives the indexes of a day's events in the order of minutes (a counting sort, stable).
func byMinute(events []event, start int64, order []int32) []int32 {
	var at [minutes + 1]int32
	for i := range events {
		at[(events[i].time-start)/60+1]++
	}
	for i := 1; i < len(at); i++ {
		at[i] += at[i-1]
	}
	order = append(order[:0], make([]int32, len(events))...)
	for i := range events {
		m := (events[i].time - start) / 60
		order[at[m]] = int32(i)
		at[m]++
	}
	return order
}

// monthDay gives the day of the month and its last day.
func monthDay(day int) (d, last int) {
	for _, m := range []struct{ from, length, first int }{{0, 4, 28}, {4, 30, 1}, {34, 31, 1}, {65, 31, 1}} {
		if day >= m.from && day < m.from+m.length {
			return m.first + day - m.from, m.first + m.length - 1
		}
	}
	return 15, 31
}

func diurnal(h float64) float64 { return 0.25 + math.Exp(-(h-14)*(h-14)/18) }

// localHour gives the hour of the day, 0..24, where the token's people are.
func (t *token) localHour(utc float64) float64 { return math.Mod(utc+float64(t.zone)+24, 24) }
