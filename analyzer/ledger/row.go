// SPDX-License-Identifier: Apache-2.0

package ledger

import "math"

// sums are what one principal did in one minute, scored exchanges only.
type sums struct {
	requests, records, response uint64
	last                        int64  // time of the last exchange
	walk                        uint64 // 4xx that count as looking for objects
	requested, sequential       uint64 // object ids asked for, whatever the status
	sensitiveValues             uint64
	fresh                       float64 // fresh objects, unlisted ones in the ratio of the listed
	listed, listedFresh         float64
	unlisted                    float64 // objects of which no hash is known
	sensitive, sensitiveFresh   float64
	unlistedSensitive           float64
}

// Marks of a row.
const (
	sawMonthEnd = 1 << iota
	wasInspected
)

// row is the closed state of an admitted principal. No pointers. What a quiet principal does not
// have (a run, evidence, sensitive objects, a sketch) is in slabs, 0 where there is none.
type row struct {
	born, seen int64 // Unix nanoseconds
	minute     int64 // start of the newest closed minute that counted here; 0: none yet
	total      Totals
	totalFresh float64

	all              series
	hour, day, birth int32
	binAt            int32 // ten-minute stretch of binRecords
	hourRecords      float64
	enum             float64
	hourMaxDay       float32
	hourCalm         float32 // as hourMaxDay, without the hours of a run that began today
	hourLate         float32 // a closed day's hourMaxDay that hourMax learns a day later
	hourMax          float32
	enumMax          float32
	off, offMax      float32
	hourWeight       float32 // the running hour's weight in the profile, not yet in it
	profileSum       float32
	binRecords       float32
	profile          [24]uint8

	tokens    [4]uint32 // newest accepted tokens, as the first bytes of their ids
	tokenNext uint8
	kind      uint8
	assurance uint8
	marks     uint8
	label     uint32 // of texts
	software  uint32

	dominant uint32  // serial of an endpoint, 0: none
	lead     float64 // its lead by records (Boyer and Moore's majority vote)

	address      [16]byte // majority by records of the client addresses
	addressLead  uint64
	addressSince int64

	objects   objectSet
	sensitive uint32 // of the partition's sensitive histories
	run       uint32 // of runs
	evidence  uint32 // of evidences
}

// sensitiveRow is the second history of a principal, for objects that came with personal data.
type sensitiveRow struct {
	series
	objects objectSet
}

// run is the stretch above the usual rate that a View shows as Run.
type run struct {
	level       float64 // the cumulative sum
	minute      int64   // start of the newest minute in it
	start, last int64
	requests    uint64
	records     uint64
	response    uint64
	sensitive   uint64
	fresh       float64
}

// runFloor is the records a minute below which nothing is a run.
const runFloor = 5

// monthEndOf: the last two and first two days of a month.
func monthEndOf(day int32) bool {
	month, d := monthOf(int64(day))
	later, _ := monthOf(int64(day) + 2)
	return d <= 2 || later != month
}

// monthOf gives the month (March is 0) and the day of it, for days since 1970-01-01: Hinnant's
// civil_from_days (2013).
func monthOf(day int64) (month, d int64) {
	z := day + 719468
	doe := ((z % 146097) + 146097) % 146097
	yoe := (doe - doe/1460 + doe/36524 - doe/146096) / 365
	doy := doe - (365*yoe + yoe/4 - yoe/100)
	month = (5*doy + 2) / 153
	return month, doy - (153*month+2)/5 + 1
}

// step counts one minute of a principal: closes the hour and the day before it where it is the first
// of a new one, adds, and follows the run. Hooks are called where told is set.
func (p *Partition) step(id ID, r *row, start int64, s *sums, told bool) {
	hour, day := hourOf(start), dayOf(start)
	if hour > r.hour {
		p.closeHour(id, r, told)
		r.hour = hour
	}
	if day > r.day {
		p.closeDay(id, r, day, told)
	}
	records := float64(s.records)
	r.hourRecords += records
	r.all.today += records
	r.all.todayFresh += s.fresh
	r.totalFresh += s.fresh
	if s.requested > 0 {
		share := float64(s.sequential) / float64(s.requested)
		r.enum += float64(s.requested) * 2 * max(0, share-0.5)
	}
	r.enum += float64(s.walk)
	if s.sensitive > 0 {
		t := p.sensitives.at(p.sensitiveOf(r))
		t.today += s.sensitive
		t.todayFresh += s.sensitiveFresh
	}
	p.stepProfile(r, start, records)
	p.stepRun(r, start, s)
	r.minute = start
}

// stepProfile follows the hours a principal works. A weight is the logarithm of the records of a
// ten-minute stretch: what the benchmark's summaries were.
func (p *Partition) stepProfile(r *row, start int64, records float64) {
	bin := int32(floorTo(start, 10*minuteNanos) / (10 * minuteNanos))
	if bin != r.binAt {
		r.closeBin()
		r.binAt = bin
	}
	if records == 0 {
		return
	}
	h := r.hourOfDay()
	if r.day-r.birth >= 14 && r.all.active >= 8 {
		near := profileWeight(r.profile[(h+23)%24]) + profileWeight(r.profile[h]) + profileWeight(r.profile[(h+1)%24]) + float64(r.hourWeight)
		if near < 0.01*float64(r.profileSum+r.hourWeight) {
			r.off += float32(records)
		}
	}
	r.binRecords += float32(records)
}

func (r *row) hourOfDay() int32 { return ((r.hour % 24) + 24) % 24 }

func (r *row) closeBin() {
	r.hourWeight += float32(math.Log1p(float64(r.binRecords)))
	r.binRecords = 0
}

// stepRun is a one-sided cumulative sum of records over the mean rate of the principal's own busiest
// hour (Page 1954). Minutes without data pull it down too.
func (p *Partition) stepRun(r *row, start int64, s *sums) {
	usual := max(float64(r.hourMax)/60, runFloor)
	level := float64(s.records) - usual
	if r.run != 0 {
		q := p.runs.at(r.run)
		idle := float64((start-q.minute)/minuteNanos - 1)
		if before := q.level - idle*usual; before <= 0 {
			p.endRun(r)
		} else {
			level += before
		}
	}
	if level <= 0 {
		p.endRun(r)
		return
	}
	if r.run == 0 {
		r.run = p.runs.take()
		p.runs.at(r.run).start = start
	}
	q := p.runs.at(r.run)
	q.level, q.minute, q.last = level, start, max(q.last, s.last)
	q.requests += s.requests
	q.records += s.records
	q.response += s.response
	q.sensitive += s.sensitiveValues
	q.fresh += s.fresh
}

func (p *Partition) endRun(r *row) {
	p.runs.give(r.run)
	r.run = 0
}

func (p *Partition) closeHour(id ID, r *row, told bool) {
	if r.hourRecords > 0 {
		if told && p.onHour != nil {
			p.onHour(id, p.show(&p.hookView, id, r, r.minute+minuteNanos, false), int64(r.hour), r.hourRecords)
		}
		r.hourMaxDay = max(r.hourMaxDay, float32(r.hourRecords))
		if r.run == 0 || dayOf(p.runs.at(r.run).start) != r.day {
			r.hourCalm = max(r.hourCalm, float32(r.hourRecords))
		}
	}
	r.hourRecords = 0
	r.closeBin()
	if r.hourWeight > 0 {
		h := r.hourOfDay()
		r.profile[h] = profileCode(profileWeight(r.profile[h]) + float64(r.hourWeight))
		r.hourWeight = 0
	}
	r.profileSum = 0
	for _, c := range r.profile {
		r.profileSum += float32(profileWeight(c))
	}
}

// closeDay rolls a row on to day. As in the benchmark, maxima and the hour profile decay once per
// day on which the principal was seen, so that a monthly job keeps its level.
func (p *Partition) closeDay(id ID, r *row, day int32, told bool) {
	if told && p.onRoll != nil {
		v := p.show(&p.hookView, id, r, r.minute+minuteNanos, false)
		p.onRoll(id, v, int64(r.day), v.DayRecords, v.DayFresh, v.Records6+v.DayRecords, v.Fresh6+v.DayFresh)
	}
	young := p.youngRun(r, day)
	learned, late := r.hourMaxDay, float32(0)
	if young.records > 0 {
		learned, late = r.hourCalm, r.hourMaxDay
	}
	r.hourMax = max(learned, r.hourLate, r.hourMax*0.97)
	r.hourMaxDay, r.hourCalm, r.hourLate = 0, 0, late
	r.enumMax = max(float32(r.enum), r.enumMax*0.97)
	r.enum = 0
	r.off *= float32(math.Pow(6.0/7, float64(min(day-r.day, 60))))
	r.offMax = max(r.offMax*0.98, r.off*0.25)
	r.profileSum = 0
	for h, c := range r.profile {
		if c > 0 {
			r.profile[h] = c - 1
		}
		r.profileSum += float32(profileWeight(r.profile[h]))
	}
	if monthEndOf(r.day) {
		r.marks |= sawMonthEnd
	}
	if r.sensitive != 0 {
		t := p.sensitives.at(r.sensitive)
		share := young.records / max(1, r.all.today)
		t.close(r.day, day, r.birth, stretch{t.today * share, t.todayFresh * share}, p.tmp[:])
	}
	r.all.close(r.day, day, r.birth, young, p.tmp[:])
	r.day = day
	if r.run == 0 && r.evidence != 0 {
		p.evidences.give(r.evidence)
		r.evidence = 0
	}
}

// youngRun gives what a run took that began on the day that closes and goes on into the next one, a
// minute later. A theft that begins at 23:59 must not have become its victim's usual day at 00:00:
// maxima learn such a run a day later, as they would have had it begun in the morning.
func (p *Partition) youngRun(r *row, day int32) stretch {
	if r.run == 0 || day != r.day+1 {
		return stretch{}
	}
	q := p.runs.at(r.run)
	idle := float64((int64(day)*dayNanos-q.minute)/minuteNanos - 1)
	if dayOf(q.start) != r.day || q.level-idle*max(float64(r.hourMax)/60, runFloor) <= 0 {
		return stretch{}
	}
	return stretch{float64(q.records), q.fresh}
}

// turnObjects forgets what was not read for two generations. Generations count from birth, so that
// not everyone forgets on the same day.
func (p *Partition) turnObjects(r *row, day int32) {
	to := (day - r.birth) / generationDays
	p.sketches.turn(&r.objects, to)
	if r.sensitive != 0 {
		p.sketches.turn(&p.sensitives.at(r.sensitive).objects, to)
	}
}

// sensitiveOf gives the place of the second history, made when it is the first time.
func (p *Partition) sensitiveOf(r *row) uint32 {
	if r.sensitive == 0 {
		r.sensitive = p.sensitives.take()
		t := p.sensitives.at(r.sensitive)
		t.scale, t.scale7 = 1, 1
		t.objects.turns = r.objects.turns
	}
	return r.sensitive
}

// newRow begins a principal at a time.
func newRow(born int64) row {
	r := row{born: born, seen: born, day: dayOf(born), birth: dayOf(born), hour: hourOf(born)}
	r.all.scale, r.all.scale7 = 1, 1
	r.binAt = int32(floorTo(born, 10*minuteNanos) / (10 * minuteNanos))
	return r
}

// release gives back what a row holds in slabs.
func (p *Partition) release(r *row) {
	p.sketches.release(&r.objects)
	if r.sensitive != 0 {
		p.sketches.release(&p.sensitives.at(r.sensitive).objects)
		p.sensitives.give(r.sensitive)
	}
	p.runs.give(r.run)
	p.evidences.give(r.evidence)
}
