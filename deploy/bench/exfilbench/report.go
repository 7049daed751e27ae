// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"
)

// shapes are in the order of the notes' tables.
var shapes = []string{
	"burst500k_30min", "tmobile_10rps_41d", "tmobile_on_service", "new_token_10rps", "new_token_100k_day", "enum_0.2rps_20d",
	"own_5x_41d", "own_2x_41d", "own_1x_41d", "own_0.5x_41d", "ramp_0.1x_to_20x", "night_only_2x", "hide_in_own_variance",
	"spread_10rps_100tok", "spread_1x_100tok",
}

func report(out io.Writer, t *truth, falseAlerts map[string]int, results map[string]*result, campaigns []campaign) {
	n := 0
	for _, k := range falseAlerts {
		n += k
	}
	fmt.Fprintf(out, "\nEach cell: detected / mean share of the attack's records leaked / median records leaked / median time to alert\n")
	fmt.Fprintf(out, "of those detected; first to speak.\n\n| shape | n | result | first |\n|---|---|---|---|\n")
	fmt.Fprintf(out, "| false alerts per 10,000 tokens a week | %d | %.2f | %s |\n", n, float64(n)/t.weeks()/float64(t.Clean)*1e4, kinds(falseAlerts))
	for _, shape := range shapes {
		r := results[shape]
		if r == nil {
			continue
		}
		fmt.Fprintf(out, "| %s | %d | %.0f%% / %.0f%% / %s / %s | %s |\n", shape, r.n, 100*float64(r.detected)/float64(r.n),
			100*mean(r.leakedShare), human(median(r.leaked)), duration(median(r.hours)), kinds(r.firstToSpeak))
	}
	fmt.Fprintln(out)
	for _, c := range campaigns {
		if c.hours < 0 {
			fmt.Fprintf(out, "%s campaign %d: never\n", c.shape, c.number)
			continue
		}
		fmt.Fprintf(out, "%s campaign %d: first alert after %s, %s of %s records (%.2f%%)\n",
			c.shape, c.number, duration(c.hours), human(c.leaked), human(c.total), 100*c.leaked/c.total)
	}
}

// kinds lists counts, largest first.
func kinds(counts map[string]int) string {
	names := slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		if counts[a] != counts[b] {
			return counts[b] - counts[a]
		}
		return strings.Compare(a, b)
	})
	for i, k := range names {
		names[i] = fmt.Sprintf("%s %d", k, counts[k])
	}
	return strings.Join(names, ", ")
}

func mean(x []float64) float64 {
	sum := 0.0
	for _, v := range x {
		sum += v
	}
	return sum / float64(len(x))
}

func median(x []float64) float64 {
	if len(x) == 0 {
		return math.NaN()
	}
	return slices.Sorted(slices.Values(x))[len(x)/2]
}

func human(x float64) string {
	switch {
	case x >= 1e6:
		return fmt.Sprintf("%.1fM", x/1e6)
	case x >= 1e3:
		return fmt.Sprintf("%.0fk", x/1e3)
	}
	return fmt.Sprintf("%.0f", x)
}

func duration(hours float64) string {
	switch {
	case math.IsNaN(hours):
		return "-"
	case hours < 1:
		return fmt.Sprintf("%.0fm", hours*60)
	case hours < 48:
		return fmt.Sprintf("%.1fh", hours)
	}
	return fmt.Sprintf("%.1fd", hours/24)
}
