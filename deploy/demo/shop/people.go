// SPDX-License-Identifier: Apache-2.0

// Package shop is the company of the demo: a customer API with 100,000 customers, the people and
// programs that use it by habit, and what each of their calls looks like on the wire.
//
// It assumes nothing but a seed: the same seed plans the same calls on the same days. It refuses to
// know anything of weir.
package shop

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"
)

// Customers is how many customers the API has; ids run from 1.
const Customers = 100_000

// Role is a kind of API user with its own habit.
type Role string

// The roles.
const (
	User    Role = "user"          // looks at a few customers, some days
	Agent   Role = "support agent" // looks up customers one by one, a shift of eight hours
	Nightly Role = "nightly batch" // reads lists for an hour each night
	Partner Role = "partner"       // reads lists all day
)

// Person is one holder of a token. Tokens are made up and say so.
type Person struct {
	Name    string
	Role    Role
	Token   string
	Address netip.Addr // loopback, one each

	seed  uint64
	start int // hour of the day at which the shift or job begins
	pace  float64
}

// Call is one planned request.
type Call struct {
	At   time.Time
	Path string
}

// People makes the holders of tokens: the same for the same seed.
func People(seed uint64) []*Person {
	var all []*Person
	add := func(role Role, count int, pace float64) {
		for i := range count {
			n := len(all)
			rng := rand.New(rand.NewPCG(seed, uint64(n)))
			all = append(all, &Person{
				Name: fmt.Sprintf("%s %d", role, i+1), Role: role,
				Token:   fmt.Sprintf("tok_test_%s_%02d_%016x", []byte(role)[:1], i, rng.Uint64()),
				Address: netip.AddrFrom4([4]byte{127, 0, 10, byte(n + 1)}),
				seed:    rng.Uint64(), start: (i * 24 / count) % 24, pace: pace * (0.7 + 0.6*rng.Float64()),
			})
		}
	}
	add(User, 40, 12)
	add(Agent, 12, 320)
	add(Nightly, 1, 160)
	add(Partner, 3, 90)
	return all
}

// Day plans a person's calls of the UTC day that holds t, in order of time.
func (p *Person) Day(t time.Time) []Call {
	day := t.UTC().Truncate(24 * time.Hour)
	rng := rand.New(rand.NewPCG(p.seed, uint64(day.Unix())))
	weekend := day.Weekday() == time.Saturday || day.Weekday() == time.Sunday
	count := p.pace * (0.8 + 0.4*rng.Float64())
	span, from := 24*time.Hour, time.Duration(0)
	switch p.Role {
	case User:
		if rng.Float64() < 0.3 {
			return nil
		}
	case Agent:
		span, from = 8*time.Hour, time.Duration(p.start)*time.Hour
		if weekend {
			count *= 0.6
		}
	case Nightly:
		span, from = time.Hour, 2*time.Hour
		if day.Weekday() == time.Sunday {
			count *= 1.5
		}
	}
	calls := make([]Call, 0, int(count))
	for range int(count) {
		at := day.Add((from + time.Duration(rng.Float64()*float64(span))) % (24 * time.Hour))
		calls = append(calls, Call{At: at, Path: p.path(rng)})
	}
	slices.SortFunc(calls, func(a, b Call) int { return a.At.Compare(b.At) })
	if p.Role == Nightly {
		for i := range calls { // a job walks its list from the first page
			calls[i].Path = listPath(i, 100)
		}
	}
	return calls
}

func (p *Person) path(rng *rand.Rand) string {
	switch p.Role {
	case Partner:
		return listPath(rng.IntN(Customers/25), 25)
	case User:
		return fmt.Sprintf("/customers/%d", p.seed%Customers+1+rng.Uint64N(20))
	default:
		return fmt.Sprintf("/customers/%d", 1+rng.IntN(Customers))
	}
}

func listPath(page, size int) string { return fmt.Sprintf("/customers?page=%d&size=%d", page, size) }

// Between plans a person's calls from one time to another, the end not included.
func (p *Person) Between(from, to time.Time) []Call {
	var calls []Call
	for day := from.UTC().Truncate(24 * time.Hour); day.Before(to); day = day.Add(24 * time.Hour) {
		for _, c := range p.Day(day) {
			if !c.At.Before(from) && c.At.Before(to) {
				calls = append(calls, c)
			}
		}
	}
	return calls
}

// Working says whether an agent's shift covers a time of day.
func (p *Person) Working(t time.Time) bool {
	return p.Role == Agent && (t.UTC().Hour()-p.start+24)%24 < 8
}
