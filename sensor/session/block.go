// SPDX-License-Identifier: Apache-2.0

package session

import (
	"bytes"
	"slices"
	"strconv"

	"github.com/weir-project/weir/sensor/exchange"
	"github.com/weir-project/weir/sensor/http1"
	"github.com/weir-project/weir/sensor/http2"
)

// An HTTP/2 block is made the head that the same request would have had in HTTP/1 (RFC 9113 section 8.3), so
// that both are described by the same code and have the same principal.

// describeStream fills a call with what the block of a request tells.
func (s *Session) describeStream(t *call, b *http2.Block, seq, stream uint32) {
	m := s.headOf(b)
	protocol, grpc := false, false
	var authority, path []byte
	for i := range b.Fields {
		f := &b.Fields[i]
		switch {
		case f.Name == nil || f.Value == nil && (len(f.Name) == 0 || f.Name[0] != ':'):
			t.unknown = true
		case len(f.Name) > 0 && f.Name[0] == ':':
			switch string(f.Name) {
			case ":method":
				if m.Method = f.Value; !isMethod(f.Value) {
					m.Method = nil
					m.Anomalies.Add(exchange.BadRequestLine)
				}
			case ":path":
				path = f.Value
			case ":authority":
				authority = f.Value
			case ":protocol":
				protocol = true
			}
		default:
			if is(f.Name, "content-type") {
				grpc = bytes.HasPrefix(f.Value, []byte("application/grpc"))
			}
			m.Fields = append(m.Fields, http1.Field{Name: f.Name, Value: f.Value})
		}
	}
	if b.Unknown || b.Cut {
		t.unknown = true
		m.Anomalies.Add(exchange.UnknownSlot)
	}
	m.Target = path
	connect := string(m.Method) == "CONNECT"
	if connect && path == nil { // RFC 9113 section 8.5: of the target only the authority is sent
		m.Target = authority
	}
	if authority != nil {
		m.Fields[0] = http1.Field{Name: hostName, Value: authority}
	} else {
		m.Fields = m.Fields[1:]
	}
	s.describeRequest(t, m, seq, stream)
	t.x.Version, t.stream, t.described = "2", stream, true
	if t.isConnect {
		t.x.Anomalies.Add(exchange.Tunnel)
		if protocol { // RFC 8441: the path is asked for, and what follows is opaque
			t.x.Anomalies &^= 1 << exchange.Tunnel
			t.x.Anomalies.Add(exchange.Upgraded)
		}
	}
	if t.grpc = grpc; grpc {
		t.x.Operation = operationOf(t.x.Path)
	}
}

// isMethod says whether a text may be a method: a short token, as for HTTP/1.
func isMethod(v []byte) bool {
	const longest = 24 // UPDATEREDIRECTREF has 17 letters
	for _, c := range v {
		if c <= ' ' || c >= 0x7f || bytes.IndexByte([]byte(`"(),/:;<=>?@[\]{}`), c) >= 0 {
			return false
		}
	}
	return len(v) > 0 && len(v) <= longest
}

var hostName = []byte("host")

// headOf makes the head of a block without its fields. The first field is kept free for the host.
func (s *Session) headOf(b *http2.Block) *http1.Message {
	m := &s.head
	fields := append(m.Fields[:0], http1.Field{})
	*m = http1.Message{
		Offset: b.Offset, HeadEnd: b.End, Size: b.Size, Raw: b.Raw, Minor: 1, Fields: fields, Truncated: b.Cut, Length: -1,
		Mark:      http1.Mark{Time: b.Mark.Time, Offset: b.Mark.Offset, Ack: b.Mark.Ack, HasAck: b.Mark.HasAck},
		Anomalies: b.Anomalies, Role: http1.Request,
	}
	return m
}

// operationOf gives the operation a gRPC path names; nil if it names none.
func operationOf(path []byte) []byte {
	if len(path) < 4 || path[0] != '/' || bytes.IndexByte(path[1:], '/') <= 0 {
		return nil
	}
	return path[1:]
}

// describeAnswer fills in what the block of the final response tells.
func (s *Session) describeAnswer(t *call, b *http2.Block) {
	m := s.headOf(b)
	m.Role, m.Status = http1.Response, max(statusOf(b), 0)
	m.Fields = m.Fields[:0]
	for i := range b.Fields {
		if f := &b.Fields[i]; len(f.Name) > 0 && f.Name[0] != ':' && f.Value != nil {
			m.Fields = append(m.Fields, http1.Field{Name: f.Name, Value: f.Value})
		}
	}
	if b.Unknown || b.Cut {
		t.x.Anomalies.Add(exchange.UnknownSlot)
	}
	s.describeResponse(t, m)
	if v := field(m, "content-length"); len(v) > 0 && len(v) <= 18 {
		if n, err := strconv.ParseUint(string(v), 10, 62); err == nil {
			t.declared = n + 1
		}
	}
	if b.EndStream { // trailers only, as a gRPC call that fails at once is answered
		s.describeTrailers(t, b)
	}
}

// whole says whether an HTTP/2 response has all that it declared: a client that has it may leave before END_STREAM comes.
func (t *call) whole() bool {
	return t.responseOver || t.declared > 0 && t.total.responseBody+1 == t.declared
}

// describeTrailers fills in what follows a body.
func (s *Session) describeTrailers(t *call, b *http2.Block) {
	for i := range b.Fields {
		f := &b.Fields[i]
		if !is(f.Name, "grpc-status") || f.Value == nil || len(f.Value) > 5 {
			continue
		}
		code, err := strconv.ParseUint(string(f.Value), 10, 15)
		if err != nil {
			continue
		}
		t.x.GRPCStatus = int16(code)
		const permissionDenied, unauthenticated = 7, 16
		if (code == permissionDenied || code == unauthenticated) && t.grpc && !t.orphan && t.x.Part == 0 && t.total.responseBody == 0 {
			s.id = t.id // as 401 and 403: the server did not accept what was shown
			s.resolver.Refused(&s.id)
			t.own(&s.id)
		}
	}
}

// statusOf gives the status of a response's block, -1 if it is not known.
func statusOf(b *http2.Block) int {
	i := slices.IndexFunc(b.Fields, func(f http2.Field) bool { return string(f.Name) == ":status" })
	if i < 0 || len(b.Fields[i].Value) != 3 {
		return -1
	}
	n := 0
	for _, c := range b.Fields[i].Value {
		if c < '0' || c > '9' {
			return -1
		}
		n = n*10 + int(c-'0')
	}
	return n
}
