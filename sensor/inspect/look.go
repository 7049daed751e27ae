// SPDX-License-Identifier: Apache-2.0

package inspect

import (
	"fmt"
	"io"
	"math/bits"

	"github.com/weir-project/weir/sensor/exchange"
)

type mode uint8

const (
	modeNone     mode = iota + 1 // carries no records: refused, without a body, or no data
	modeEstimate                 // carries records that cannot be read
	modeSniff                    // read if it turns out to be JSON
	modeRead                     // read
	modeBuffer                   // encoded: kept until it can be decoded
	modeMessages                 // gRPC: its messages are counted by their lengths
)

// Look is one body being read.
type Look struct {
	in       *Inspector
	mode     mode
	media    media
	coding   coding
	class    []byte
	endpoint uint64

	requested    [maxRequested]uint64
	nRequested   int
	sequential   bool
	pathObject   uint64 // of the last id in the path
	listed       [1]uint64
	isPathObject bool // the path names that object, not something of it
	ownedBy      bool // what the path names belongs to that object

	messages  messages
	r         *reader
	enc       []byte // encoded bytes, cleared when decoded
	body      uint64 // bytes as sent, lost ones included
	inspected uint64 // bytes as sent that found is made from
	done      bool   // found is final
	found     found
	anomalies exchange.AnomalySet

	perBytes, perRecords uint64 // the ratio of the estimate, fixed when first used

	told struct {
		request, found         bool
		uninspected, estimated uint64
		objects, messages      uint64
	}
}

// Format prints nothing of a body.
func (Look) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "inspect.Look") }

// begin chooses the mode from media type and coding.
func (l *Look) begin() {
	switch {
	case l.media == mediaOther:
		l.mode = modeNone
	case l.media == mediaData || l.coding == codingUnknown:
		l.mode = modeEstimate
		if l.media.onlyIfJSON() {
			l.mode = modeNone
		}
	case l.media.isMessages() && l.coding == codingNone:
		l.mode = modeMessages
		l.messages = messages{media: l.media}
	case l.media.isMessages():
		l.mode = modeEstimate
	case l.coding != codingNone:
		l.mode = modeBuffer
	case l.media == mediaJSON || l.media == mediaNDJSON:
		l.mode = modeRead
	default:
		l.mode = modeSniff
	}
	l.done = l.mode == modeNone || l.mode == modeEstimate
}

// Data takes the next bytes of the body, still encoded. They are not kept, except encoded ones
// until they are decoded.
func (l *Look) Data(p []byte) {
	l.body += uint64(len(p))
	if l.done || len(p) == 0 {
		return
	}
	switch l.mode {
	case modeBuffer:
		l.buffer(p)
	case modeMessages:
		l.count(p)
	default:
		l.read(p, l.in.prefix)
	}
}

// read feeds decoded bytes up to a bound, and ends the inspection there. It says whether to go on.
func (l *Look) read(p []byte, bound int) bool {
	if l.r == nil {
		l.r = l.in.newReader()
		l.r.reset(l.class, l.media == mediaNDJSON)
	}
	room := bound - int(l.r.total)
	more := len(p) > room
	if more {
		p = p[:room]
	}
	if l.mode == modeSniff && !l.sniff(p) {
		return !l.done
	}
	ok := l.r.feed(p)
	if !ok && l.mode == modeSniff { // half a byte order mark
		l.notJSON()
		return false
	}
	if !ok || more {
		l.inspected = l.r.total
		l.finish(false)
		return false
	}
	return true
}

// sniff looks at the first byte that is no white space: JSON that matters begins with a bracket.
func (l *Look) sniff(p []byte) bool {
	for _, c := range p {
		switch c {
		case ' ', '\t', '\r', '\n', 0xEF, 0xBB, 0xBF: // with a byte order mark
			continue
		case '{', '[':
			l.mode = modeRead
			return true
		}
		l.notJSON()
		return false
	}
	return true // white space may be fed: JSON allows it
}

// notJSON ends the reading of a body that might have been JSON.
func (l *Look) notJSON() {
	l.mode, l.done = modeEstimate, true
	if l.media.onlyIfJSON() {
		l.mode = modeNone
	}
}

func (l *Look) buffer(p []byte) {
	room := min(l.in.prefix-len(l.enc), maxBuffered-l.in.buffered)
	more := len(p) > room
	if more {
		p = p[:max(room, 0)]
	}
	if l.enc == nil {
		l.enc = l.in.newBuffer()
	}
	l.enc = append(l.enc, p...)
	l.in.buffered += len(p)
	if more {
		l.finish(false)
	}
}

// Gap says that n bytes of the body were not seen. What comes after them is not read, except gRPC
// messages whose prefixes are not among them.
func (l *Look) Gap(n uint64) {
	l.body += n
	if n > 0 && !l.done && l.mode == modeMessages {
		l.skip(n)
		return
	}
	if n > 0 && !l.done {
		l.inspected = l.body - n
		l.finish(false)
	}
}

// finish makes found final. whole says that the body has ended and nothing of it is missing.
func (l *Look) finish(whole bool) {
	if l.done {
		return
	}
	switch l.mode {
	case modeBuffer:
		l.decode(whole)
		return
	case modeMessages:
		l.endMessages()
		return
	}
	l.done = true
	if l.r == nil {
		return
	}
	if whole {
		l.inspected = l.body
	}
	l.settle(whole)
}

// settle takes the result out of the reader.
func (l *Look) settle(whole bool) {
	l.done = true
	if l.mode == modeSniff { // nothing but white space
		return
	}
	ended := l.r.ended()
	broken := l.r.finish(l.path(), &l.found)
	if broken || whole && l.r.total > 0 && !ended {
		l.anomalies.Add(exchange.BodyMalformed)
		return
	}
	if whole && l.inspected == l.body && l.found.records > 0 {
		l.in.samples.add(l.endpoint, l.body, l.found.records)
	}
}

func (l *Look) path() pathObject {
	return pathObject{hash: l.pathObject, itself: l.isPathObject, owner: l.ownedBy}
}

// Report adds to x what was found since the last Report; last says that the body has ended. Slices
// put into x are valid until Release. A body is told when it was read as far as it will be, its
// unread rest and gRPC messages as they pass.
func (l *Look) Report(x *exchange.Exchange, last bool) {
	x.Objects, x.RequestedObjects, x.FieldNamesHash = nil, nil, 0
	if last {
		l.finish(true)
	}
	if !l.told.request {
		l.told.request = true
		x.RequestedObjects = l.requested[:l.nRequested]
		x.RequestedSeen += uint32(l.nRequested)
		if l.sequential {
			x.SequentialObjects++
		}
	}
	x.RecordsKind = exchange.CountNone
	x.ObjectListComplete = true
	if l.mode == modeMessages {
		l.tellMessages(x)
		return
	}
	if !l.done || l.mode == modeNone {
		return
	}
	x.RecordsKind = exchange.CountExact
	if !l.told.found {
		l.told.found = true
		l.tellFound(x)
	}
	l.tellRest(x)
}

func (l *Look) tellFound(x *exchange.Exchange) {
	f := &l.found
	x.Anomalies |= l.anomalies
	x.Records += f.records
	x.FieldNamesHash = f.fields
	if f.set != nil {
		x.Objects = f.set.hashes[:f.set.n]
		x.ObjectsSeen += f.set.seen
		x.ObjectsUnhashed += f.unhashed
		x.ObjectListComplete = f.unhashed == 0 && int(f.set.seen) == f.set.n
		return
	}
	x.ObjectsUnhashed += f.unhashed
	x.ObjectListComplete = f.unhashed == 0
}

// tellRest tells what passed unread: its bytes, and the records that they hold by estimate.
func (l *Look) tellRest(x *exchange.Exchange) {
	rest := l.body - l.inspected
	if rest == 0 {
		return
	}
	x.RecordsKind = exchange.CountEstimated
	x.ObjectListComplete = false
	x.UninspectedSize += rest - l.told.uninspected
	l.told.uninspected = rest
	records := max(l.estimate(rest), l.least(rest))
	x.Records += records - l.told.estimated
	l.told.estimated = records
	if l.isPathObject && records == 1 && l.found.records == 0 {
		l.tellPathObject(x)
		return
	}
	if l.found.records > 0 && (l.found.set == nil || l.found.set.seen == 0) {
		return // the records of this body have no ids
	}
	x.ObjectsEstimated += saturate(records - l.told.objects)
	l.told.objects = records
}

// Unread bodies of which least says that they hold a record.
const (
	leastObject = 16  // bytes of an object that the path names
	leastData   = 128 // bytes of anything else
)

// least is 1 where a body that could not be read holds a record whatever its size: nobody may read a
// customer by id, again and again, under a coding that the sensor cannot undo, and take nothing.
func (l *Look) least(rest uint64) uint64 {
	if l.found.records > 0 || rest < leastObject || !l.isPathObject && rest < leastData {
		return 0
	}
	return 1
}

// tellPathObject tells the object that the path names as the one that an unread body holds.
func (l *Look) tellPathObject(x *exchange.Exchange) {
	if l.told.objects > 0 {
		return
	}
	l.told.objects = 1
	l.listed[0] = l.pathObject
	x.Objects = l.listed[:]
	x.ObjectsSeen++
}

// estimate is how many records so many unread bytes hold: as many as the part that was read, else
// as bodies of this endpoint that were read whole, else one for each kilobyte.
func (l *Look) estimate(rest uint64) uint64 {
	if l.perBytes == 0 {
		switch b, r := l.in.samples.of(l.endpoint); {
		case l.found.records > 0 && l.inspected > 0:
			l.perBytes, l.perRecords = l.inspected, l.found.records
		case b > 0:
			l.perBytes, l.perRecords = b, r
		default:
			l.perBytes, l.perRecords = bytesPerRecord, 1
		}
	}
	hi, lo := bits.Mul64(rest, l.perRecords)
	lo, carry := bits.Add64(lo, l.perBytes/2, 0)
	if hi += carry; hi >= l.perBytes {
		return ^uint64(0) >> 1
	}
	q, _ := bits.Div64(hi, lo, l.perBytes)
	return q
}

func saturate(n uint64) uint32 { return uint32(min(n, 1<<32-1)) }

// Release gives the Look back; it must not be used afterwards.
func (l *Look) Release() {
	in := l.in
	if l.r != nil {
		l.r.forget()
		if len(in.readers) < maxFreeReaders {
			in.readers = append(in.readers, l.r)
		}
	}
	l.dropBuffer()
	*l = Look{in: in, class: l.class[:0]}
	if len(in.looks) < maxFreeLooks {
		in.looks = append(in.looks, l)
	}
}

// dropBuffer forgets the encoded bytes.
func (l *Look) dropBuffer() {
	if l.enc == nil {
		return
	}
	l.in.buffered -= len(l.enc)
	clear(l.enc)
	if len(l.in.buffers) < maxFreeBuffers {
		l.in.buffers = append(l.in.buffers, l.enc[:0])
	}
	l.enc = nil
}
