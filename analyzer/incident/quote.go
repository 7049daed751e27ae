// SPDX-License-Identifier: Apache-2.0

package incident

import (
	"github.com/weir-project/weir/analyzer/finding"
	"github.com/weir-project/weir/analyzer/ledger"
)

// Score and Exemplar are what an incident quotes, under names that its readers may use.
type (
	Score    = finding.Score
	Exemplar = ledger.Exemplar
)

// Measure names what a score counts and over how many hours, for machines: "fresh_objects", 168.
// Hours are 0 for a horizon that is not known.
func Measure(s Score) (unit string, hours int) {
	unit = "records"
	switch s.Unit {
	case finding.FreshObjects:
		unit = "fresh_objects"
	case finding.ObjectLookups:
		unit = "object_lookups"
	}
	switch s.Horizon {
	case finding.Hour:
		hours = 1
	case finding.Day:
		hours = 24
	case finding.Week:
		hours = 7 * 24
	case finding.Month:
		hours = 28 * 24
	}
	return unit, hours
}
