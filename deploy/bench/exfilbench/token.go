// SPDX-License-Identifier: Apache-2.0

package main

import "math"

// never is a day that does not come.
const never = 1 << 30

// newToken draws a token: its class by the shares of the notes, then its habits.
func newToken(seed uint64, i int) *token {
	r := newRng(seed, uint64(i)+1, 11)
	t := &token{
		id: int32(i), death: never, stepDay: -1, retryDay: -1, shiftWeek: -1,
		step: 1, monthEnd: 1, sunday: 1, weekend: 1, activeShare: 1,
	}
	u := r.unit()
	t.zone = []int{0, -8, -7, -6, -5, -5, -5, 1}[r.intn(8)]
	t.address = uint32(r.uint64())
	switch {
	case u < 0.60:
		t.beUser(r)
	case u < 0.75:
		t.beAgent(r)
	case u < 0.87:
		t.bePartner(r)
	case u < 0.95:
		t.beBatch(r)
	case u < 0.98:
		t.beService(r)
	default:
		t.beBursty(r)
	}
	t.bytesPer = r.logNormal(450, 0.5)
	if r.unit() < 0.10 {
		t.growth = 0.02 + 0.04*r.unit()
	}
	if r.unit() < 0.01 { // a legitimate step
		t.stepDay = 5 + r.intn(60)
		t.step = 2 + r.unit()
	}
	if r.unit() < 0.002*10 { // a storm of retries: the same ids again
		t.retryDay = r.intn(days)
	}
	if r.unit() < 0.25 {
		t.birth = r.intn(days)
	}
	return t
}

func (t *token) beUser(r *rng) {
	t.class = user
	t.volume = r.logNormal(40, 1.2)
	t.sigma = 0.5 + 0.4*r.unit()
	t.recordsPerReq = 1 + 9*r.unit()
	t.workingSet = math.Max(1, r.logNormal(6, 0.8))
	t.churn = 0.01
	t.activeShare = 0.15 + 0.7*r.unit()
	t.weekend = 0.6 + 0.8*r.unit()
	t.main, t.side = 0, 4
	if r.unit() < 0.3 {
		t.main = 1
	}
}

func (t *token) beAgent(r *rng) {
	t.class = agent
	t.volume = r.logNormal(400, 0.7)
	t.sigma = 0.25 + 0.2*r.unit()
	t.recordsPerReq = 1 + 4*r.unit()
	t.workingSet = 1e6
	t.freshShare = 0.4 + 0.4*r.unit()
	t.weekend = 0
	if r.unit() < 0.25 {
		t.weekend = 0.7
	}
	if r.unit() < 0.10 {
		t.shiftWeek = r.intn(days / 7)
	}
	t.main, t.side = 1, 6
}

func (t *token) bePartner(r *rng) {
	t.class = partner
	t.volume = r.logNormal(3000, 1.5)
	t.sigma = 0.12 + 0.25*r.unit()
	t.recordsPerReq = 5 + 45*r.unit()
	t.workingSet = t.volume * (0.3 + 3*r.unit())
	t.churn = 0.002 + 0.01*r.unit()
	t.weekend = 0.3 + 0.7*r.unit()
	if r.unit() < 0.2 {
		t.monthEnd = 2 + 2*r.unit()
	}
	t.main, t.side = 5, 1
	if r.unit() < 0.4 {
		t.main, t.side = 1, 5
	}
}

func (t *token) beBatch(r *rng) {
	t.class = batch
	t.volume = r.logNormal(20000, 1.5)
	t.sigma = 0.1 + 0.3*r.unit()
	t.recordsPerReq = 100 + 900*r.unit()
	t.workingSet = t.volume * (0.8 + 1.5*r.unit())
	t.churn = 0.002 + 0.01*r.unit()
	t.jobHour = r.intn(6)
	t.jobBins = 1 + r.intn(4)
	if r.unit() < 0.5 {
		t.sunday = 3 + 4*r.unit()
		t.workingSet *= t.sunday
	}
	if r.unit() < 0.4 {
		t.monthEnd = 3 + 5*r.unit()
	}
	t.main, t.side = 2, 7
}

func (t *token) beService(r *rng) {
	t.class = service
	t.volume = r.logNormal(150000, 1.0)
	t.sigma = 0.08 + 0.1*r.unit()
	t.recordsPerReq = 1 + 3*r.unit()
	t.workingSet = t.volume * 20
	t.churn = 0.003
	t.weekend = 0.7 + 0.5*r.unit()
	t.main, t.side = 3, 1
}

func (t *token) beBursty(r *rng) {
	t.class = bursty
	t.volume = math.Min(r.pareto(5000, 1.2), 3e6)
	t.sigma = 1.0
	t.recordsPerReq = 200 + 800*r.unit()
	t.workingSet = t.volume * 6
	t.churn = 0.02
	t.activeShare = 0.05 + 0.2*r.unit()
	t.main, t.side = 7, 6
}
