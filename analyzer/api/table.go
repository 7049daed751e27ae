// SPDX-License-Identifier: Apache-2.0

package api

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
)

// WriteTable prints a ranking for people.
func WriteTable(w io.Writer, a *TopAnswer) error {
	s := a.Summary
	fmt.Fprintf(w, "%s principals took %s records (%s) in %s requests; %d open incidents; counted through %s\n\n",
		group(uint64(s.Principals)), group(s.Records), bytesOf(s.ResponseBytes), group(s.Requests), s.OpenIncidents, orDash(s.ClosedThrough))
	if a.SilentPartitions > 0 {
		fmt.Fprintf(w, "NOT ALL: %d partitions were too busy to answer; who takes most may be missing. Ask again.\n\n", a.SilentPartitions)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "#\tprincipal\tcredential\trecords\tfresh\tsensitive\ttoday\t7 days\tx own day\tx peers' week\tbytes\tfrom\t  endpoint")
	for i := range a.Rows {
		r := &a.Rows[i]
		fmt.Fprintf(t, "%d\t%s\t%s (%s)\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t  %s\n", i+1, r.Principal[:8], r.Credential, r.Assurance,
			group(r.Records)+estimated(r), group(r.FreshObjects), sensitive(r), group(uint64(r.DayRecords)), group(uint64(r.WeekRecords)),
			times(r.DayRecords, r.OwnDayMax), times(r.WeekRecords, r.PeerWeek), bytesOf(r.ResponseBytes), orDash(r.Address), endpoint(r))
	}
	if err := t.Flush(); err != nil {
		return fmt.Errorf("print the ranking: %w", err)
	}
	return nil
}

// estimated marks counts that are not wholly exact.
func estimated(r *Row) string {
	if r.EstimatedRecords > 0 {
		return "~"
	}
	return ""
}

func sensitive(r *Row) string {
	if r.SensitiveObjects == nil {
		return "not inspected"
	}
	return group(*r.SensitiveObjects)
}

func endpoint(r *Row) string {
	if r.Incident != "" {
		return r.Endpoint + "  << incident " + r.Incident[:min(8, len(r.Incident))]
	}
	return orDash(r.Endpoint)
}

func times(x, base float64) string {
	if base <= 0 {
		return "-"
	}
	return strconv.FormatFloat(x/base, 'f', 1, 64)
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// group writes a number with commas between thousands.
func group(n uint64) string {
	digits := strconv.FormatUint(n, 10)
	var b strings.Builder
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(d)
	}
	return b.String()
}

func bytesOf(n uint64) string {
	units := []string{"B", "kB", "MB", "GB", "TB", "PB", "EB"}
	x, i := float64(n), 0
	for x >= 1000 && i < len(units)-1 {
		x, i = x/1000, i+1
	}
	if i == 0 {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %s", x, units[i])
}
