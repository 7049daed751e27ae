// SPDX-License-Identifier: Apache-2.0

package conf

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// WriteHelp lists the flags.
func (s *Set) WriteHelp(w io.Writer) {
	fmt.Fprintf(w, "Flags of %s (each also a key of the YAML file and a %s* variable):\n", s.command, s.prefix())
	fmt.Fprintf(w, "  --config FILE\n        YAML configuration; flags and variables override it\n")
	for _, f := range s.fields {
		if f.flag == "" {
			continue
		}
		value := " VALUE"
		if f.toggle {
			value = ""
		}
		fmt.Fprintf(w, "  --%s%s\n        %s", f.flag, value, f.usage)
		if f.deflt != "" && !f.toggle {
			fmt.Fprintf(w, " (default %s)", f.deflt)
		}
		fmt.Fprintln(w)
	}
}

// WriteReference writes a YAML file that documents every setting and holds every default.
func (s *Set) WriteReference(w io.Writer) {
	fmt.Fprintf(w, "# Every setting of %s with its default. Each is also a variable:\n", s.command)
	fmt.Fprintf(w, "# nats.url is %sNATS__URL, and a flag where one is named.\n", s.prefix())
	var open []string
	for _, f := range s.grouped() {
		parts := strings.Split(f.key, ".")
		groups := parts[:len(parts)-1]
		for i, g := range groups {
			if i < len(open) && open[i] == g {
				continue
			}
			fmt.Fprintf(w, "%s%s:\n", strings.Repeat("  ", i), g)
			open = append(open[:min(i, len(open))], g)
		}
		open = open[:len(groups)]
		indent := strings.Repeat("  ", len(groups))
		fmt.Fprintf(w, "%s# %s", indent, f.usage)
		if f.flag != "" {
			fmt.Fprintf(w, " (--%s)", f.flag)
		}
		fmt.Fprintf(w, "\n%s%s: %s\n", indent, parts[len(parts)-1], yamlValue(f))
	}
}

// grouped gives the fields with those of one group together, groups in the order they first appear.
func (s *Set) grouped() []*field {
	first := map[string]int{}
	group := func(f *field) string { g, _, _ := strings.Cut(f.key, "."); return g }
	for i, f := range s.fields {
		if _, ok := first[group(f)]; !ok {
			first[group(f)] = i
		}
	}
	fields := slices.Clone(s.fields)
	slices.SortStableFunc(fields, func(a, b *field) int { return first[group(a)] - first[group(b)] })
	return fields
}

func yamlValue(f *field) string {
	switch {
	case f.list:
		return "[]"
	case f.deflt == "":
		return `""`
	}
	return f.deflt
}

// Effective lists every setting with the value in force and where it came from, secrets redacted.
func (s *Set) Effective() []string {
	out := make([]string, 0, len(s.fields))
	for _, f := range s.fields {
		value := f.value
		if f.secret && value != "" {
			value = "redacted"
		}
		out = append(out, fmt.Sprintf("%s=%s (%s)", f.key, value, f.source))
	}
	return out
}

// Changed gives the settings that differ between two lists of Effective, as they stand in the
// second.
func Changed(before, after []string) []string {
	var changed []string
	for i, setting := range after {
		if i >= len(before) || before[i] != setting {
			changed = append(changed, setting)
		}
	}
	return changed
}
