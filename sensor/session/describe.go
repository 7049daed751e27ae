// SPDX-License-Identifier: Apache-2.0

package session

import (
	"slices"

	"github.com/weir-project/weir/sensor/exchange"
	"github.com/weir-project/weir/sensor/http1"
	"github.com/weir-project/weir/sensor/identity"
	"github.com/weir-project/weir/sensor/inspect"
	"github.com/weir-project/weir/sensor/stream"
)

var versions = [...]string{"1.0", "1.1", "1.2", "1.3", "1.4", "1.5", "1.6", "1.7", "1.8", "1.9"}

// newCall takes a call from the pool and fills in what its connection knows.
func (s *Session) newCall(k link, client stream.Side) *call {
	var t *call
	if n := len(s.freeCalls); n > 0 {
		t = s.freeCalls[n-1]
		s.freeCalls = s.freeCalls[:n-1]
	} else {
		t = &call{}
	}
	t.renew(k)
	c := k.of()
	x := &t.x
	x.Point, x.Rank, x.File, x.TLS = s.cfg.Point, s.cfg.Rank, s.cfg.File, c.TLS
	x.Client, x.Server = c.Addr[client], c.Addr[client.Other()]
	x.Protocol, x.Detail, x.RecordsKind, x.GRPCStatus = "http", exchange.DetailFull, exchange.CountNone, -1
	t.told = s.now
	s.calls++
	s.running.add(t)
	return t
}

// free gives a call back without telling of it.
func (s *Session) free(t *call) {
	s.running.remove(t)
	if t.look != nil {
		t.look.Release()
		t.look = nil
	}
	t.on = nil
	s.calls--
	if len(s.freeCalls) < maxFreeCalls {
		s.freeCalls = append(s.freeCalls, t)
	}
}

// begin fills in what the first head of an exchange tells, be it of a request or an orphan response.
func (t *call) begin(m *http1.Message) {
	x := &t.x
	t.last = m.Mark.Time
	x.Start, x.PartStart = m.Mark.Time, m.Mark.Time
	x.Anomalies |= m.Anomalies
	x.Version = "0.9"
	if m.Minor >= 0 && m.Minor < len(versions) {
		x.Version = versions[m.Minor]
	}
	t.spoilt = m.Truncated
}

// exchangeID names an exchange by its first sequence number, its stream and its head, if that was wholly seen.
func (s *Session) exchangeID(t *call, seq, stream uint32, head []byte) {
	if head == nil {
		t.x.Anomalies.Add(exchange.IDPartial)
	}
	t.x.ID = exchange.ID(s.keys.Exchanges.ExchangeID(seq, stream, head))
}

// describeRequest fills a call with what a request's head tells, which began at a sequence number of a
// stream.
func (s *Session) describeRequest(t *call, m *http1.Message, seq, stream uint32) {
	x := &t.x
	t.begin(m)
	s.exchangeID(t, seq, stream, m.Raw)
	t.start, t.headEnd, t.cut = m.Offset, m.HeadEnd, m.Cut
	t.ack, t.hasAck = m.Mark.Ack, m.Mark.HasAck
	t.isHead = string(m.Method) == "HEAD"
	t.isConnect = string(m.Method) == "CONNECT"
	t.bare = m.Minor < 0
	t.total.requestHead = uint64(m.Size)
	x.Method = t.put(m.Method)
	x.ServerName = t.serverName(m)

	if m.Target != nil {
		s.describeTarget(t, m.Target)
	}
	s.headers(t, m)
	s.identify(t, m)
}

// describeTarget fills in what the request-target tells.
func (s *Session) describeTarget(t *call, target []byte) {
	x, p := &t.x, &s.path
	p.IDs, p.IDClasses = nil, nil
	s.templater.Path(target, x.ServerName, p)
	x.Template, x.Path, t.class = t.put(p.Template), t.put(p.Path), t.put(p.Class)
	for _, n := range p.QueryNames {
		t.names = append(t.names, t.put(n))
	}
	x.QueryNames = t.names
	if p.TooLarge {
		x.Anomalies.Add(exchange.PathTooLarge)
	}
	if s.inspector != nil {
		for i, id := range p.IDs {
			t.ids = append(t.ids, t.put(id))
			t.classes = append(t.classes, t.put(p.IDClasses[i]))
		}
	}
	if s.cfg.Unredacted {
		x.Target = t.printable(target)
	}
}

// headers reads the request fields that are not credentials.
func (s *Session) headers(t *call, m *http1.Message) {
	for i := range m.Fields {
		f := &m.Fields[i]
		switch len(f.Name) {
		case len("via"), len("forwarded"), len("x-forwarded-for"):
			if is(f.Name, "via") || is(f.Name, "forwarded") || is(f.Name, "x-forwarded-for") {
				t.x.Anomalies.Add(exchange.Forwarded)
			}
		case len("x-request-id"), len("request-id"), len("x-correlation-id"):
			if t.x.RequestID == nil && (is(f.Name, "x-request-id") || is(f.Name, "request-id") || is(f.Name, "x-correlation-id")) {
				t.x.RequestID = t.requestID(f.Value)
			}
		case len("upgrade"):
			if is(f.Name, "upgrade") {
				t.h2c = t.h2c || offers(f.Value)
			}
		case len("http2-settings"):
			if is(f.Name, "http2-settings") {
				t.table = tableOf(f.Value)
			}
		case len("traceparent"):
			if id := traceID(f); id != nil {
				t.x.TraceIDHash = s.hashTrace(id)
			}
		}
	}
}

// identify turns what the request showed of credentials into ids.
func (s *Session) identify(t *call, m *http1.Message) {
	s.fields = slices.Grow(s.fields[:0], len(m.Fields))[:len(m.Fields)]
	for i := range m.Fields {
		s.fields[i] = identity.Field(m.Fields[i])
	}
	r := identity.Request{ServerName: t.x.ServerName, Target: m.Target, Fields: s.fields, Client: t.x.Client, Truncated: m.Truncated, Unknown: t.unknown}
	s.id = identity.Identity{}
	s.resolver.Resolve(&r, &s.id)
	clear(s.fields)
	if s.id.Assurance == exchange.AssuranceClaimed && r.ServerName == nil && (m.Truncated || t.unknown) {
		s.disown(t) // a claim holds for one server, and which one was not seen
		return
	}
	t.own(&s.id)
}

// describeOrphan fills a call with what a response without a request tells: nobody asked for it.
func (s *Session) describeOrphan(t *call, m *http1.Message, seq, stream uint32) {
	t.begin(m)
	s.exchangeID(t, seq, stream, nil)
	t.orphan, t.requestOver = true, true
	t.x.Anomalies.Add(exchange.OrphanResponse)
	s.disown(t)
}

// disown charges a call to nobody: its request was not seen.
func (s *Session) disown(t *call) {
	r := identity.Request{Client: t.x.Client, Truncated: true}
	s.id = identity.Identity{}
	s.resolver.Resolve(&r, &s.id)
	t.own(&s.id)
}

// describeResponse fills in what the head of the final response tells.
func (s *Session) describeResponse(t *call, m *http1.Message) {
	x := &t.x
	t.answered = true
	t.spoilt = t.spoilt || m.Truncated
	x.Status = uint16(m.Status)
	for i := range m.Fields {
		f := &m.Fields[i]
		switch {
		case x.ContentType == nil && is(f.Name, "content-type"):
			x.ContentType = t.mediaType(f.Value)
		case x.ContentEncoding == nil && is(f.Name, "content-encoding"):
			x.ContentEncoding = t.lowered(f.Value, maxCoding)
		}
	}
	s.refuse(t)
	s.look(t)
}

// refuse charges an exchange to the bare credential if the server did not accept it.
func (s *Session) refuse(t *call) {
	if st := t.x.Status; !t.orphan && (st == 401 || st == 403 || st == 407) {
		s.id = t.id
		s.resolver.Refused(&s.id)
		t.own(&s.id)
	}
}

// look begins to look into the response body of a call.
func (s *Session) look(t *call) {
	if s.inspector == nil || t.look != nil || t.isConnect || t.x.Status == 101 {
		return
	}
	server := t.x.ServerName
	if len(server) == 0 {
		n := len(t.buf)
		t.buf = t.x.Server.AppendTo(t.buf)
		server = t.buf[n:len(t.buf):len(t.buf)]
	}
	walker := t.x.TokenID
	if walker.IsZero() { // else all who show none would be one
		walker = t.x.PrincipalID
	}
	t.look = s.inspector.Begin(inspect.Begin{
		ContentType: t.x.ContentType, ContentEncoding: t.x.ContentEncoding, Class: t.class, Server: server,
		Template: t.x.Template, Method: t.x.Method, RequestIDs: t.ids, RequestClasses: t.classes,
		Token: walker, Status: int(t.x.Status),
	})
}
