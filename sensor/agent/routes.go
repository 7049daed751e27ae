// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"fmt"
	"os"
	"slices"
	"strings"
)

// auto stands for the interface of each default route.
const auto = "auto"

// resolveInterfaces puts the interfaces of the default routes in place of "auto".
func resolveInterfaces(names []string) ([]string, error) {
	var out []string
	for _, name := range names {
		if name != auto {
			out = append(out, name)
			continue
		}
		found := defaultRoutes("/proc/net/route", "/proc/net/ipv6_route")
		if len(found) == 0 {
			return nil, fmt.Errorf("-i auto: this host has no default route; name the interface (`ip -brief link` lists them)")
		}
		out = append(out, found...)
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// defaultRoutes reads the kernel's routing tables: the columns of /proc/net/route (interface,
// destination, ..., mask in column 8) and of /proc/net/ipv6_route (destination, prefix length, ...,
// interface last). A table that is not there has no route.
func defaultRoutes(v4, v6 string) []string {
	var out []string
	add := func(name string) {
		if name != "lo" && !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	for _, line := range lines(v4) {
		if f := strings.Fields(line); len(f) >= 8 && f[1] == "00000000" && f[7] == "00000000" {
			add(f[0])
		}
	}
	for _, line := range lines(v6) {
		if f := strings.Fields(line); len(f) >= 10 && strings.Trim(f[0], "0") == "" && f[1] == "00" {
			add(f[9])
		}
	}
	return out
}

func lines(file string) []string {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil
	}
	return strings.Split(string(text), "\n")
}
