// SPDX-License-Identifier: Apache-2.0

package session

import (
	"bytes"
	"encoding/binary"

	"github.com/weir-project/weir/sensor/http1"
)

// Bounds of text that came from traffic.
const (
	maxServerName = 253
	maxRequestID  = 128
	maxMediaType  = 128
	maxCoding     = 64
)

// is compares a field name with one in lower case.
func is(name []byte, lower string) bool {
	if len(name) != len(lower) {
		return false
	}
	for i, c := range name {
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

var slash = []byte("/")

// field gives the first value of a field.
func field(m *http1.Message, lower string) []byte {
	for i := range m.Fields {
		if is(m.Fields[i].Name, lower) {
			return m.Fields[i].Value
		}
	}
	return nil
}

// serverName gives the host a request is for: that of an absolute-form or CONNECT target, which
// beats the Host field (RFC 9112 section 3.2.2), else the field; lower case, without port.
func (t *call) serverName(m *http1.Message) []byte {
	host := field(m, "host")
	if a := authority(m.Target); a != nil {
		host = a
	} else if t.isConnect && !bytes.HasPrefix(m.Target, slash) { // an extended CONNECT has a path, RFC 8441
		host = m.Target
	}
	return t.host(host)
}

// authority gives the authority of an absolute-form target, nil for other forms.
func authority(target []byte) []byte {
	i := bytes.Index(target[:min(len(target), 16)], []byte("://"))
	if i <= 0 || target[0] == '/' {
		return nil
	}
	a := target[i+3:]
	if j := bytes.IndexAny(a, "/?#"); j >= 0 {
		a = a[:j]
	}
	if j := bytes.LastIndexByte(a, '@'); j >= 0 {
		a = a[j+1:]
	}
	return a
}

// host copies a host without port, in lower case; nil if it is none. A user and password before it,
// which no Host field may have and some clients send, are left out, and what stands where a port
// belongs must be one: else a user would pass for a host.
func (t *call) host(h []byte) []byte {
	if i := bytes.LastIndexByte(h, '@'); i >= 0 {
		h = h[i+1:]
	}
	if i := bytes.LastIndexByte(h, ':'); i >= 0 && i > bytes.LastIndexByte(h, ']') {
		if !isPort(h[i+1:]) {
			return nil
		}
		h = h[:i]
	}
	h = bytes.TrimSuffix(h, []byte("."))
	if len(h) == 0 || len(h) > maxServerName {
		return nil
	}
	n := len(t.buf)
	for _, c := range h {
		switch {
		case c >= 'A' && c <= 'Z':
			c |= 0x20
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '-', c == '.', c == '_', c == '[', c == ']', c == ':':
		default:
			t.buf = t.buf[:n]
			return nil
		}
		t.buf = append(t.buf, c)
	}
	return t.buf[n:len(t.buf):len(t.buf)]
}

// isPort says whether a text may be a port; an empty one is allowed (RFC 3986 section 3.2.3).
func isPort(p []byte) bool {
	for _, c := range p {
		if c < '0' || c > '9' {
			return false
		}
	}
	return len(p) <= 5
}

// requestID copies an id if it is bounded and printable; nil if not.
func (t *call) requestID(v []byte) []byte {
	if len(v) > maxRequestID {
		return nil
	}
	for _, c := range v {
		if c <= ' ' || c >= 0x7f {
			return nil
		}
	}
	return t.put(v)
}

// mediaType copies a media type without its parameters, in lower case.
func (t *call) mediaType(v []byte) []byte {
	if i := bytes.IndexByte(v, ';'); i >= 0 {
		v = v[:i]
	}
	return t.lowered(bytes.TrimRight(v, " \t"), maxMediaType)
}

// lowered copies bounded printable text in lower case; nil if it is not.
func (t *call) lowered(v []byte, bound int) []byte {
	if len(v) == 0 || len(v) > bound {
		return nil
	}
	n := len(t.buf)
	for _, c := range v {
		if c < ' ' || c >= 0x7f {
			t.buf = t.buf[:n]
			return nil
		}
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		t.buf = append(t.buf, c)
	}
	return t.buf[n:len(t.buf):len(t.buf)]
}

// printable copies a target, bytes beyond ASCII percent-encoded.
func (t *call) printable(v []byte) []byte {
	const hex = "0123456789ABCDEF"
	n := len(t.buf)
	for _, c := range v {
		if c < ' ' || c >= 0x7f {
			t.buf = append(t.buf, '%', hex[c>>4], hex[c&15])
			continue
		}
		t.buf = append(t.buf, c)
	}
	return t.buf[n:len(t.buf):len(t.buf)]
}

// traceID gives the trace id of a traceparent field: 32 hex digits, not all of them 0 (W3C Trace
// Context section 3.2.2.3).
func traceID(f *http1.Field) []byte {
	v := f.Value
	if !is(f.Name, "traceparent") || len(v) < 55 || v[2] != '-' || v[35] != '-' {
		return nil
	}
	id := v[3:35]
	zero := true
	for _, c := range id {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return nil
		}
		zero = zero && c == '0'
	}
	if zero {
		return nil
	}
	return id
}

// hashTrace hashes a trace id under the exchanges key, which never rotates with the others.
func (s *Session) hashTrace(id []byte) uint64 {
	h := s.keys.Exchanges.ExchangeID(0, 0, id)
	return binary.BigEndian.Uint64(h[:8])
}
