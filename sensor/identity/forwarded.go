// SPDX-License-Identifier: Apache-2.0

package identity

import (
	"bytes"
	"net/netip"
	"unsafe"
)

// maxHops bounds how many forwarding entries are read.
const maxHops = 32

func (r *Resolver) isHop(a netip.Addr) bool {
	a = a.Unmap()
	for _, p := range r.hops {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// forwardedFor is the client as trusted hops tell it: Forwarded (RFC 7239), else X-Forwarded-For,
// else X-Real-IP. Each hop appends, so entries are read from right to left while the one who wrote
// them is trusted; what stands further left anybody may have sent.
func (r *Resolver) forwardedFor(fields []Field) netip.Addr {
	for _, name := range [...]string{"forwarded", "x-forwarded-for"} {
		if a, found := r.walk(fields, name); found {
			return a
		}
	}
	for i := len(fields) - 1; i >= 0; i-- {
		if equalFold(fields[i].Name, "x-real-ip") {
			return parseAddr(trim(fields[i].Value))
		}
	}
	return netip.Addr{}
}

// walk reads all fields of a name as one list, from the end. found says that there is one.
func (r *Resolver) walk(fields []Field, name string) (client netip.Addr, found bool) {
	read := 0
	for i := len(fields) - 1; i >= 0; i-- {
		if !equalFold(fields[i].Name, name) {
			continue
		}
		found = true
		for list := fields[i].Value; list != nil && read < maxHops; read++ {
			var element []byte
			element, list = lastElement(list)
			a := elementAddr(element, name)
			if !a.IsValid() {
				return client, true // "unknown", or nonsense: the last good one stands
			}
			client = a
			if !r.isHop(a) {
				return client, true
			}
		}
	}
	return client, found
}

// elementAddr is the address of one entry.
func elementAddr(element []byte, name string) netip.Addr {
	element = trim(element)
	if name != "forwarded" {
		return parseAddr(element)
	}
	for len(element) > 0 {
		var pair []byte
		pair, element = cutQuoted(element, ';')
		key, value, _ := bytes.Cut(trim(pair), []byte("="))
		if equalFold(trim(key), "for") {
			return parseAddr(bytes.Trim(value, "\" \t"))
		}
	}
	return netip.Addr{}
}

// parseAddr reads an address, also with a port ("192.0.2.7:80", "[2001:db8::7]:80") and without one
// in brackets. Zones and IPv4-mapped forms fall away.
func parseAddr(s []byte) netip.Addr {
	if len(s) == 0 || len(s) > 64 {
		return netip.Addr{}
	}
	switch end := bytes.IndexByte(s, ']'); {
	case s[0] == '[' && end > 0:
		s = s[1:end]
	case bytes.Count(s, []byte(":")) == 1:
		s = s[:bytes.IndexByte(s, ':')]
	}
	if len(s) == 0 {
		return netip.Addr{}
	}
	// The string lives only as long as this call; netip keeps at most a zone, which is dropped.
	a, err := netip.ParseAddr(unsafe.String(&s[0], len(s)))
	if err != nil {
		return netip.Addr{}
	}
	return a.WithZone("").Unmap()
}
