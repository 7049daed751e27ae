// SPDX-License-Identifier: Apache-2.0

package detect

import (
	"math"

	"github.com/weir-project/weir/analyzer/finding"
	"github.com/weir-project/weir/analyzer/ledger"
)

// Ages in days from which, or until which, rows speak (detection notes, 5.3).
const (
	ageDay   = 7
	ageWeek  = 14
	agePeers = 21 // a principal compares with its peers alone until it has three weeks of its own
	ageMonth = 41

	activeDay     = 4 // active days behind a spike scale
	activeOff     = 8 // active days behind an hour profile
	activeMonth   = ledger.DayRing / 2
	minGroupDays  = 200 // principal-days behind a peer group before it speaks for itself
	guardFactor   = 3
	guardFloor    = 100_000
	guardDeployed = 2 // whole days of the deployment, so that one whole day lies behind the guard
)

// monthEndSlack is ln 6: the first month end of a principal is often its largest day for a good reason.
var monthEndSlack = math.Log(6)

// slack is what rows on volume and fresh objects forgive.
func (t *table) slack() float64 {
	if t.v.MonthEnd && !t.v.SawMonthEnd {
		return monthEndSlack
	}
	return 0
}

// volume makes rows 0-2: records against the principal's own maxima.
func (t *table) volume() {
	v := t.v
	if v.AgeDays >= ageDay && v.ActiveDays >= activeDay {
		t.add(t.hour(finding.Volume), (logRatio(v.HourRecords, v.HourMax, 300)-t.slack())/(0.7*v.Scale+0.3), 3.0)
		t.add(t.day(finding.Volume), (logRatio(v.DayRecords, v.DayMax, 500)-t.slack())/(v.Scale+0.25), 2.2)
	}
	if v.AgeDays >= ageWeek && v.WeekMax > 0 {
		t.add(t.week(finding.Volume), (logRatio(v.Records6+v.DayRecords, v.WeekMax, 1000)-t.slack())/(v.WeekScale+0.5*v.Scale+0.15), 1.9)
	}
}

// fresh makes rows 8-10: objects it had not read before.
func (t *table) fresh() {
	v := t.v
	if v.AgeDays >= ageDay && v.ActiveDays >= activeDay {
		s := finding.Score{Channel: finding.Fresh, Horizon: finding.Day, Unit: finding.FreshObjects, Observed: v.DayFresh, Own: v.FreshDayMax}
		t.add(s, (logRatio(v.DayFresh, v.FreshDayMax, 250)-t.slack())/(v.Scale+0.5), 1.1)
	}
	scale := v.WeekScale + 0.5*v.Scale + 0.4
	if v.AgeDays >= ageWeek && v.WeekMax > 0 {
		s := t.freshWeek(finding.Fresh)
		s.Own = math.Max(s.Own, v.FreshFloor)
		t.add(s, (logRatio(s.Observed, s.Own, 500)-t.slack())/scale, 1.3)
	}
	if v.AgeDays >= ageMonth && v.ActiveDays > activeMonth {
		s := finding.Score{Channel: finding.Fresh, Horizon: finding.Month, Unit: finding.FreshObjects, Observed: v.Fresh27 + v.DayFresh}
		s.Own = math.Max(v.Fresh28Base, 2*v.FreshFloor)
		t.add(s, logRatio(s.Observed, s.Own, 2000)/scale, 0.9)
	}
}

// look makes rows 6 and 7: at hours it never works, and walking through ids.
func (t *table) look() {
	v := t.v
	if v.AgeDays >= ageWeek && v.ActiveDays >= activeOff && 2*v.ActiveDays > v.RingDays {
		s := finding.Score{Channel: finding.OffHours, Horizon: finding.Week, Unit: finding.Records, Observed: v.OffHours, Own: v.OffHoursMax}
		t.add(s, logRatio(v.OffHours, v.OffHoursMax, 300)/(0.5*v.Scale+0.4), 2.5)
	}
	if v.AgeDays >= ageDay && v.ActiveDays >= activeDay {
		s := finding.Score{Channel: finding.Enum, Horizon: finding.Day, Unit: finding.ObjectLookups, Observed: v.DayEnum, Own: v.EnumMax}
		t.add(s, logRatio(v.DayEnum, v.EnumMax, 400)/(0.5*v.Scale+0.5), 2.4)
	}
}

// peers makes rows 3-5 and 11: what a young principal's peers ever take.
func (t *table) peers() {
	v, q := t.v, &t.group
	if v.AgeDays >= agePeers {
		return
	}
	if q.HourRecords > 0 {
		t.add(t.hour(finding.Peer), logRatio(v.HourRecords, q.HourRecords, 3_000), 1.3)
	}
	if q.DayRecords > 0 {
		t.add(t.day(finding.Peer), logRatio(v.DayRecords, q.DayRecords, 10_000), 1.0)
	}
	if q.WeekRecords > 0 {
		t.add(t.week(finding.Peer), logRatio(v.Records6+v.DayRecords, q.WeekRecords, 30_000), 0.6)
	}
	if q.WeekFresh > 0 {
		s := t.freshWeek(finding.Peer)
		t.add(s, logRatio(s.Observed, q.WeekFresh, 10_000), 1.2)
	}
}

// both makes rows 12 and 13: beyond its own maximum and beyond the peers' p99.9 at once.
func (t *table) both() {
	v, q := t.v, &t.group
	if v.AgeDays < ageDay {
		return
	}
	scale := 0.5*v.Scale + 0.5
	if q.DayRecords > 0 {
		own, peer := logRatio(v.DayRecords, v.DayMax, 1000)/scale, logRatio(v.DayRecords, q.DayRecords, 3_000)
		t.add(t.day(finding.Peer), math.Min(own, peer)-t.slack(), 1.4)
	}
	if q.HourRecords > 0 {
		own, peer := logRatio(v.HourRecords, v.HourMax, 1000)/scale, logRatio(v.HourRecords, q.HourRecords, 3_000)
		t.add(t.hour(finding.Peer), math.Min(own, peer)-t.slack(), 1.5)
	}
}

// guard compares today with the largest day anyone ever had: 1 at three times that day, 2 at nine
// times. It is the only score while a deployment learns, so its largest day must be worth the name:
// a whole day lies behind it, and below guardFloor records it counts as guardFloor. A site where
// nobody takes more than that a day has not yet shown what large means there (its first nightly
// job or full synchronisation is several times anything before it), while 10 records a second
// reach three times the floor in 8 hours. Its Peers is that largest day.
func (t *table) guard(peers *finding.Peers) {
	v := t.v
	if peers == nil || !(peers.LargestDay > 0) || v.LearningDays < guardDeployed || !(v.DayRecords > 0) {
		return
	}
	s := t.day(finding.Guard)
	s.Peers = peers.LargestDay
	t.add(s, math.Log(count(v.DayRecords)/math.Max(peers.LargestDay, guardFloor)), math.Log(guardFactor))
}

func (t *table) hour(c finding.Channel) finding.Score {
	return finding.Score{Channel: c, Horizon: finding.Hour, Unit: finding.Records, Observed: t.v.HourRecords, Own: t.v.HourMax, Peers: t.group.HourRecords}
}

func (t *table) day(c finding.Channel) finding.Score {
	return finding.Score{Channel: c, Horizon: finding.Day, Unit: finding.Records, Observed: t.v.DayRecords, Own: t.v.DayMax, Peers: t.group.DayRecords}
}

func (t *table) week(c finding.Channel) finding.Score {
	return finding.Score{Channel: c, Horizon: finding.Week, Unit: finding.Records, Observed: t.v.Records6 + t.v.DayRecords, Own: t.v.WeekMax, Peers: t.group.WeekRecords}
}

func (t *table) freshWeek(c finding.Channel) finding.Score {
	return finding.Score{Channel: c, Horizon: finding.Week, Unit: finding.FreshObjects, Observed: t.v.Fresh6 + t.v.DayFresh, Own: t.v.FreshWeekMax, Peers: t.group.WeekFresh}
}

// groupOf gives the quantiles a principal is measured by: those of the principals with the same
// dominant endpoint, or of everybody while that group is small.
func groupOf(v *ledger.View, peers *finding.Peers) finding.Quantiles {
	if peers == nil {
		return finding.Quantiles{}
	}
	if q, ok := peers.ByEndpoint[v.Endpoint]; ok && q.PrincipalDays >= minGroupDays {
		return q
	}
	return peers.All
}
