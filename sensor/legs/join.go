// SPDX-License-Identifier: Apache-2.0

package legs

import (
	"net/netip"

	"github.com/weir-project/weir/sensor/exchange"
)

// reason says why a leg waits no longer.
type reason uint8

const (
	expired reason = iota
	evicted
	flushed
	numReasons
)

var reasonNames = [numReasons]string{"expired", "evicted", "flushed"}

// kind is what becomes of the later parts of an exchange.
type kind uint8

const (
	waits   kind = iota + 1 // they wait behind the first part
	carries                 // they are told as parts of the joined exchange
	drops                   // the inner leg tells of them
	marks                   // they are told, marked
)

// name tells one copy of an exchange from others: an address translation shows the same id on both
// sides, and their parts are cut where each of them likes.
type name struct {
	id             exchange.ID
	point          string
	client, server netip.AddrPort
}

func nameOf(x *exchange.Exchange) name { return name{x.ID, x.Point, x.Client, x.Server} }

// fate is that of an exchange whose last part has not come.
type fate struct {
	kind kind
	top  bool // of drops: the leg that gives the identity
	leg  *leg // of waits: the first part; of a joined exchange: a copy of the latest part that gives the identity
	seen int64
}

// settle ends the waiting of a leg: it is joined, or told alone.
func (j *Joiner) settle(e *leg, why reason) {
	if chain := j.whole(e); len(chain) > 1 {
		j.join(chain)
		return
	}
	j.alone(e, why)
}

// unqueue takes a leg out of those that wait.
func (j *Joiner) unqueue(e *leg) {
	if e.slow {
		e.slow = false
		j.slow.remove(e)
	} else {
		j.queue.remove(e)
	}
	if e.unsure {
		j.unsure--
	}
	for p := e; p != nil; p = p.parts {
		j.waiting--
	}
}

// alone tells a leg for itself, marked where another tells of the same data.
func (j *Joiner) alone(e *leg, why reason) {
	j.unqueue(e)
	mark := j.forwarded(e)
	if e.marked = mark != nil; e.marked {
		*mark++
	}
	for p := e; p != nil; p = p.parts {
		j.n.Told[why]++
		j.tell(&p.x, e.marked)
	}
	switch {
	case e.latest().Last:
		j.end(nameOf(&e.x))
	case e.marked:
		j.running[nameOf(&e.x)] = fate{kind: marks, seen: j.now}
	default:
		delete(j.running, nameOf(&e.x))
	}
	j.remember(e)
}

// tell hands on a leg's part.
func (j *Joiner) tell(x *exchange.Exchange, mark bool) {
	if !mark {
		j.next.Exchange(x)
		return
	}
	j.out = *x
	j.out.Anomalies.Add(exchange.Forwarded)
	j.next.Exchange(&j.out)
}

// join tells the legs of a chain as one exchange: what the innermost counted, for whom the outermost
// knows. Copies of its legs are dropped: they tell the same.
func (j *Joiner) join(chain []*leg) {
	j.n.Joined++
	twins := j.twins(chain)
	for _, e := range chain {
		j.unqueue(e)
	}
	for _, e := range twins {
		j.unqueue(e)
	}
	id, bottom := identityOf(chain), chain[len(chain)-1]
	for part := bottom; part != nil; part = part.parts {
		j.joined(&part.x, id.latest(), chain[0].latest())
	}
	for _, e := range chain[:len(chain)-1] {
		j.dropAll(e)
	}
	for _, e := range twins {
		j.dropAll(e)
	}
	j.follow(chain, twins, id)
	for _, e := range chain[1:] {
		j.leave(e)
		j.release(e)
	}
	for _, e := range twins {
		j.leave(e)
		j.release(e)
	}
	chain[0].marked = true // no later leg of it need be
	j.remember(chain[0])
}

// follow says what becomes of the later parts of a chain's legs, and of their copies.
func (j *Joiner) follow(chain, twins []*leg, id *leg) {
	var identity *leg
	then := func(e *leg, k kind) {
		if e.latest().Last {
			delete(j.running, nameOf(&e.x))
			return
		}
		if identity == nil {
			identity = j.spare()
			identity.copyOf(id.latest())
			j.weigh(identity)
		}
		identity.open++
		j.running[nameOf(&e.x)] = fate{kind: k, top: e == id, leg: identity, seen: j.now}
	}
	for _, e := range chain[:len(chain)-1] {
		then(e, drops)
	}
	then(chain[len(chain)-1], carries)
	for _, e := range twins {
		then(e, drops)
	}
}

// identityOf gives the outermost leg whose owner is known; without one, the outermost.
func identityOf(chain []*leg) *leg {
	for _, e := range chain {
		if e.latest().Assurance > exchange.AssuranceUnknown {
			return e
		}
	}
	return chain[0]
}

// dropAll drops a leg and its parts.
func (j *Joiner) dropAll(e *leg) {
	for part := e; part != nil; part = part.parts {
		j.drop(&part.x)
	}
}

// drop counts a part that the inner leg tells of.
func (j *Joiner) drop(x *exchange.Exchange) {
	j.n.Dropped++
	j.n.DroppedRequestBytes += x.RequestBodySize
	j.n.DroppedResponseBytes += x.ResponseBodySize
}

// joined tells one part of a joined exchange: in is the inner leg's part, id the latest of the leg
// that gives the identity, ended the latest of the outermost leg.
//
// The exchange id, the point and the endpoint are those of the identity: the id and the principal,
// which chooses the partition, must stay together so that another sensor's view of the outer leg is
// known to be the same exchange there.
func (j *Joiner) joined(in, id, ended *exchange.Exchange) {
	x := &j.out
	*x = *in
	x.ID, x.Start = id.ID, id.Start
	x.PrincipalID, x.PrincipalSource, x.Assurance = id.PrincipalID, id.PrincipalSource, id.Assurance
	x.TokenID, x.OtherTokenIDs, x.CredentialKind, x.CredentialName = id.TokenID, id.OtherTokenIDs, id.CredentialKind, id.CredentialName
	x.Client, x.Server, x.ForwardedFor, x.ClientSoftware = id.Client, id.Server, id.ForwardedFor, id.ClientSoftware
	x.Point, x.Rank, x.TLS, x.Protocol, x.Version = id.Point, id.Rank, id.TLS, id.Protocol, id.Version
	x.ServerName, x.Method, x.Path, x.Template, x.Target = id.ServerName, id.Method, id.Path, id.Template, id.Target
	x.QueryNames, x.Operation = id.QueryNames, id.Operation
	if len(id.RequestID) > 0 {
		x.RequestID = id.RequestID
	}
	if id.TraceIDHash != 0 {
		x.TraceIDHash = id.TraceIDHash
	}
	if id.Status != 0 {
		x.Status = id.Status
	}
	if id.GRPCStatus >= 0 {
		x.GRPCStatus = id.GRPCStatus
	}
	x.Anomalies = in.Anomalies&^ofIdentity | id.Anomalies&ofIdentity
	if x.Part == 0 {
		x.PartStart = x.Start
	}
	if x.Last && ended.Last {
		x.PartEnd = max(x.PartEnd, ended.PartEnd)
	}
	x.PartEnd = max(x.PartEnd, x.PartStart)
	x.Duration = max(0, x.PartEnd-x.Start)
	j.n.ToldJoined++
	j.next.Exchange(x)
}

// ofIdentity are the anomalies that go with who asked, not with the bytes of the answer.
const ofIdentity = exchange.AnomalySet(1<<exchange.IDPartial | 1<<exchange.GapInHeader | 1<<exchange.CredentialMalformed |
	1<<exchange.CredentialTooLarge | 1<<exchange.UnknownSlot | 1<<exchange.UnknownSide | 1<<exchange.Forwarded)

// later takes a part beyond the first.
func (j *Joiner) later(x *exchange.Exchange) {
	name := nameOf(x)
	f, known := j.running[name]
	if known && f.kind == waits && (j.waiting >= j.cfg.MaxHeld || j.bytes >= j.cfg.MaxBytes) {
		j.settle(f.leg, evicted)
		f, known = j.running[name]
	}
	if !known {
		j.next.Exchange(x)
		return
	}
	switch f.kind {
	case waits:
		j.queueBehind(f.leg, x)
	case marks:
		j.tell(x, true)
	case carries:
		j.joined(x, &f.leg.x, &f.leg.x)
	case drops:
		j.drop(x)
		if f.top {
			j.bytes -= f.leg.size
			f.leg.copyOf(x)
			j.weigh(f.leg)
		}
	}
	switch {
	case f.kind == waits:
		return
	case x.Last:
		j.end(name)
	default:
		f.seen = j.now
		j.running[name] = f
	}
}

// queueBehind lets a part wait behind the first one of its exchange.
func (j *Joiner) queueBehind(e *leg, x *exchange.Exchange) {
	part := j.spare()
	part.copyOf(x)
	j.weigh(part)
	if e.tail == nil {
		e.parts = part
	} else {
		e.tail.parts = part
	}
	e.tail = part
	j.waiting++
	j.n.Held++
}

// end forgets an exchange whose last part was told.
func (j *Joiner) end(n name) {
	f, known := j.running[n]
	if !known {
		return
	}
	delete(j.running, n)
	if f.kind != carries && f.kind != drops {
		return
	}
	if f.leg.open--; f.leg.open == 0 {
		j.release(f.leg)
	}
}

// restFor is how long an exchange may rest before another may take its place, sweepEvery how often
// is looked for such.
const (
	restFor    = 600_000_000_000
	sweepEvery = 10_000_000_000
)

// sweep gives up exchanges that did not move for long. What comes of them later is told as it is.
func (j *Joiner) sweep() bool {
	if j.now < j.swept+sweepEvery {
		return false
	}
	j.swept = j.now
	found := false
	for name, f := range j.running {
		if f.kind != waits && j.now-f.seen > restFor {
			j.n.GivenUp++
			j.end(name)
			found = true
		}
	}
	return found
}
