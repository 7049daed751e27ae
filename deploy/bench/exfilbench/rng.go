// SPDX-License-Identifier: Apache-2.0

package main

import "math"

// rng is a counter-based generator (splitmix64), so that a stream depends on its three keys alone.
type rng struct{ state uint64 }

func newRng(a, b, c uint64) *rng { return &rng{mix(mix(mix(a)^b*0x9e37) ^ c*0x85eb)} }

func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9
	x = (x ^ (x >> 27)) * 0x94d049bb133111eb
	return x ^ (x >> 31)
}

func (r *rng) uint64() uint64 {
	r.state += 0x9e3779b97f4a7c15
	return mix(r.state)
}

// unit gives a number in [0, 1).
func (r *rng) unit() float64 { return float64(r.uint64()>>11) / (1 << 53) }

func (r *rng) intn(n int) int { return int(r.uint64() % uint64(n)) }

// normal is Box and Muller's.
func (r *rng) normal() float64 {
	u := max(r.unit(), 1e-12)
	return math.Sqrt(-2*math.Log(u)) * math.Cos(2*math.Pi*r.unit())
}

func (r *rng) logNormal(median, sigma float64) float64 { return median * math.Exp(sigma*r.normal()) }

func (r *rng) pareto(least, index float64) float64 {
	return least * math.Pow(1-r.unit(), -1/index)
}
