// SPDX-License-Identifier: Apache-2.0

package main

import "math"

// How an attack spreads over time.
const (
	constant     = iota
	ownHours     // inside the token's active hours
	ramp         // likewise, doubling every five days
	night        // 01-05 local
	burst        // minute by minute
	enumeration  // sequential ids, many refused
	ownRandomDay // random half of the days, in the token's job hour
)

// attack takes records through one token.
type attack struct {
	id       int
	shape    string
	campaign int // attacks of one campaign share it; 0: none
	token    int32
	start    int64
	end      int64
	rate     float64 // records a second, or
	multiple float64 // of the token's own daily mean
	profile  int
}

// perShape is how many attacks of a shape a world has; perCampaign how many tokens a spread one uses.
const (
	perShape    = 20
	perCampaign = 100
)

// attacker picks victims and places attacks.
type attacker struct {
	w    *world
	r    *rng
	used map[int32]bool
	// The incident's replay: 2022-11-25T03:10Z, for 41 days.
	from, to int64
}

func (w *world) addAttacks() {
	from := int64(epoch + warmDays*daySeconds + 3*3600 + 600)
	a := &attacker{w: w, r: newRng(w.seed, 4242, 5), used: map[int32]bool{}, from: from, to: from + 41*daySeconds}
	for range perShape {
		a.one()
	}
	for c := 1; c <= 2; c++ {
		for range perCampaign {
			a.add(attack{shape: "spread_10rps_100tok", campaign: c, start: from, end: a.to, rate: 0.1}, a.pick(middling))
		}
		for range perCampaign {
			a.add(attack{shape: "spread_1x_100tok", campaign: 10 + c, start: from, end: a.to, multiple: 1, profile: ownHours}, a.pick(middling))
		}
	}
}

// one adds an attack of every shape. The order of draws is part of what a seed means.
func (a *attacker) one() {
	s := a.someStart()
	a.add(attack{shape: "burst500k_30min", start: s, end: s + 1800, rate: 500000.0 / 1800, profile: burst},
		a.pick(func(t *token) bool { return settled(t) && t.class <= partner }))
	a.add(attack{shape: "tmobile_10rps_41d", start: a.from, end: a.to, rate: 10}, a.pick(middling))
	a.add(attack{shape: "tmobile_on_service", start: a.from, end: a.to, rate: 10},
		a.pick(func(t *token) bool { return settled(t) && t.class == service }))
	for _, own := range []struct {
		shape    string
		multiple float64
	}{{"own_0.5x_41d", .5}, {"own_1x_41d", 1}, {"own_2x_41d", 2}, {"own_5x_41d", 5}} {
		a.add(attack{shape: own.shape, start: a.from, end: a.to, multiple: own.multiple, profile: ownHours}, a.pick(func(t *token) bool {
			return settled(t) && t.volume > 150 && (t.class == agent || t.class == partner || t.class == batch)
		}))
	}
	a.add(attack{shape: "ramp_0.1x_to_20x", start: a.from, end: a.to, multiple: 0.1, profile: ramp},
		a.pick(func(t *token) bool { return middling(t) || (settled(t) && t.class == batch) }))
	a.add(attack{shape: "night_only_2x", start: a.someStart(), end: a.to, multiple: 2, profile: night},
		a.pick(func(t *token) bool { return settled(t) && t.class == agent }))
	a.add(attack{shape: "new_token_100k_day", start: a.someStart(), end: a.to, rate: 100000.0 / daySeconds}, a.newcomer())
	a.add(attack{shape: "new_token_10rps", start: a.someStart(), end: a.to, rate: 10}, a.newcomer())
	a.add(attack{shape: "hide_in_own_variance", start: a.from, end: a.to, multiple: 1, profile: ownRandomDay}, a.pick(func(t *token) bool {
		return settled(t) && (t.class == bursty && t.volume < 200000 || t.class == batch && t.sunday > 1)
	}))
	s = a.someStart()
	a.add(attack{shape: "enum_0.2rps_20d", start: s, end: s + 20*daySeconds, rate: 0.2, profile: enumeration},
		a.pick(func(t *token) bool { return settled(t) && t.class == user }))
}

func settled(t *token) bool { return t.birth <= 7 }

func middling(t *token) bool {
	return settled(t) && (t.class == agent || t.class == partner) && t.volume > 150 && t.volume < 30000
}

// someStart is a time in the first week that is scored.
func (a *attacker) someStart() int64 {
	return int64(epoch + (warmDays+a.r.intn(7))*daySeconds + binSeconds*a.r.intn(binsPerDay))
}

// pick draws a victim that no attack has, nil if there is none.
func (a *attacker) pick(ok func(*token) bool) *token {
	for range 2_000_000 {
		t := a.w.tokens[a.r.intn(a.w.n)]
		if !a.used[t.id] && t.death > days && t.retryDay < 0 && ok(t) {
			a.used[t.id] = true
			return t
		}
	}
	return nil
}

// newcomer makes a token that does nothing but the attack.
func (a *attacker) newcomer() *token {
	t := &token{
		id: int32(len(a.w.tokens)), class: partner, birth: never, death: never, stepDay: -1, retryDay: -1, shiftWeek: -1,
		bytesPer: 450, recordsPerReq: 20, main: 1, side: 1, address: uint32(a.r.uint64()),
	}
	a.used[t.id] = true
	a.w.tokens = append(a.w.tokens, t)
	return t
}

func (a *attacker) add(x attack, t *token) {
	if t == nil {
		return
	}
	x.id, x.token = len(a.w.attacks)+1, t.id
	a.w.attacks = append(a.w.attacks, &x)
	t.attacks = append(t.attacks, &x)
}

// attack appends what an attack takes on a day.
func (w *world) attack(t *token, a *attack, day int, out []event) []event {
	start := int64(epoch + day*daySeconds)
	if a.end <= start || a.start >= start+daySeconds {
		return out
	}
	r := newRng(w.seed, uint64(a.id)+90000, uint64(day))
	perDay := a.perDay(t, start)
	if a.profile == ownRandomDay {
		if r.unit() > 0.5 {
			return out
		}
		perDay = a.own(t) * a.multiple * 2 * math.Max(1, 0.3+0.7*r.unit())
	}
	step := int64(binSeconds)
	if a.profile == burst {
		step = 60
	}
	for s := start; s < start+daySeconds; s += step {
		if s < a.start || s >= a.end {
			continue
		}
		records := a.binRecords(t, day, s-start, step, perDay)
		records = math.Floor(records*(0.9+0.2*r.unit()) + r.unit())
		if records >= 1 {
			out = append(out, a.event(t, s+int64(r.intn(int(step))), records))
		}
	}
	return out
}

// own is the token's mean day in the warm-up.
func (a *attack) own(t *token) float64 {
	if t.historyDays == 0 {
		return 1
	}
	return t.history / float64(t.historyDays)
}

func (a *attack) perDay(t *token, start int64) float64 {
	if a.profile == ramp {
		return math.Min(a.own(t)*a.multiple*math.Pow(2, float64(start-a.start)/float64(5*daySeconds)), a.own(t)*20)
	}
	return a.own(t) * a.multiple
}

// binRecords is what is taken in one step at a second of the day, before chance.
func (a *attack) binRecords(t *token, day int, second, step int64, perDay float64) float64 {
	hour := int(second / 3600)
	local := t.localHour(float64(hour))
	switch a.profile {
	case constant, burst, enumeration:
		return a.rate * float64(step)
	case ownHours, ramp:
		return inOwnHours(t, day, hour, local, perDay)
	case night:
		if local >= 1 && local < 5 {
			return perDay / 24
		}
	case ownRandomDay:
		if t.class == bursty && hour == 10 || t.class != bursty && hour == t.jobHour {
			return perDay / 6
		}
	}
	return 0
}

func inOwnHours(t *token, day, hour int, local, perDay float64) float64 {
	switch t.class {
	case agent:
		if (day+4)%7 >= 5 && t.weekend == 0 || local < 8 || local >= 17 {
			return 0
		}
		return perDay / 54
	case batch:
		if hour != t.jobHour {
			return 0
		}
		return perDay / 6
	}
	return perDay / binsPerDay
}

// event makes one event of an attack: every record is a fresh object.
func (a *attack) event(t *token, at int64, records float64) event {
	e := event{
		time: at, token: t.id, address: uint32(mix(uint64(a.id))), endpoint: 1, records: float32(records),
		ids: float32(records), fresh: float32(records), successor: 0.3, sensitive: float32(records * 4), attack: float32(records),
	}
	perRequest, bytesPer := 20.0, 600.0
	switch a.profile {
	case enumeration:
		perRequest, bytesPer = 0.6, 120
		e.successor = 0.95
	case ownHours, ownRandomDay, ramp:
		e.endpoint, e.successor = t.main, 0.05
		perRequest, bytesPer = t.recordsPerReq, t.bytesPer
	}
	e.requests = float32(math.Max(1, math.Round(records/perRequest)))
	if a.profile == enumeration {
		e.refused = float32(math.Floor(float64(e.requests) * 0.4))
	}
	e.bytes = records * bytesPer
	return e
}
