// SPDX-License-Identifier: Apache-2.0

package incident

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net/netip"

	"github.com/weir-project/weir/analyzer/finding"
	"github.com/weir-project/weir/analyzer/ledger"
)

// A snapshot is
//
//	+-------------+----------------+---------------+------------------+-----------------+
//	| version (1) | n open, varint | n x incident  | n closed, varint | n x incident    |
//	+-------------+----------------+---------------+------------------+-----------------+
//
// with the incidents in the order of principals, and an incident the fields of appendIncident in
// their order: unsigned numbers as varints, times and other signed numbers as zigzag varints,
// floats as 8 bytes little endian, texts and lists after their length.
const snapshotVersion = 1

// AppendSnapshot appends the book's state to dst, the same bytes for the same state.
func (b *Book) AppendSnapshot(dst []byte) []byte {
	dst = append(dst, snapshotVersion)
	for _, m := range []map[ledger.ID]*Incident{b.open, b.closed} {
		dst = binary.AppendUvarint(dst, uint64(len(m)))
		for _, inc := range sorted(m) {
			dst = appendIncident(dst, inc)
		}
	}
	return dst
}

// Restore replaces the book's state by a snapshot. No bytes are the state of a new book. After an
// error the book is as it was.
func (b *Book) Restore(snapshot []byte) error {
	open, closed := make(map[ledger.ID]*Incident), make(map[ledger.ID]*Incident)
	if len(snapshot) > 0 {
		if snapshot[0] != snapshotVersion {
			return fmt.Errorf("restore incidents: version %d, this program reads version %d: use the program that wrote it or a newer one", snapshot[0], snapshotVersion)
		}
		r := reader{rest: snapshot[1:]}
		r.incidents(open)
		r.incidents(closed)
		if r.failed || len(r.rest) > 0 {
			return errDamaged
		}
	}
	b.open, b.closed, b.next = open, closed, 0
	return nil
}

var errDamaged = errors.New("restore incidents: the snapshot is damaged")

func appendIncident(dst []byte, inc *Incident) []byte {
	dst = append(dst, inc.ID[:]...)
	dst = append(dst, inc.Principal[:]...)
	dst = binary.AppendUvarint(dst, uint64(inc.Revision))
	dst = append(dst, inc.Assurance, inc.Kind, uint8(inc.Detector), uint8(inc.AtOpening), uint8(inc.Severity), inc.Channels,
		flag(inc.Arrival), flag(inc.SensitiveInspected))
	for _, s := range [...]string{inc.Label, inc.Endpoint, inc.Software} {
		dst = appendText(dst, s)
	}
	for _, t := range [...]int64{inc.Start, inc.Opened, inc.Updated, inc.LastEvidence, inc.ClosedAt, inc.Now} {
		dst = binary.AppendVarint(dst, t)
	}
	dst = appendFigures(appendFigures(dst, inc.Taken), inc.base)
	dst = binary.AppendUvarint(binary.AppendUvarint(dst, inc.told.records), inc.told.fresh)
	for _, p := range inc.peak {
		for _, x := range p {
			dst = appendFloat(dst, x)
		}
	}
	dst = binary.AppendUvarint(dst, inc.Addressed)
	dst = appendFloat(appendFloat(dst, inc.Confidence), inc.Known)
	dst = appendScore(dst, inc.Top)
	dst = binary.AppendUvarint(dst, uint64(len(inc.Scores)))
	for _, s := range inc.Scores {
		dst = appendScore(dst, s)
	}
	dst = binary.AppendUvarint(dst, uint64(len(inc.Addresses)))
	for _, a := range inc.Addresses {
		dst = appendAddress(dst, a.Address)
		dst = binary.AppendVarint(binary.AppendUvarint(dst, a.Records), a.FirstSeen)
	}
	dst = binary.AppendUvarint(dst, uint64(len(inc.Exemplars)))
	for i := range inc.Exemplars {
		dst = appendExemplar(dst, &inc.Exemplars[i])
	}
	return dst
}

func appendExemplar(dst []byte, e *ledger.Exemplar) []byte {
	dst = binary.AppendVarint(dst, e.Time)
	dst = appendAddress(dst, e.Client.Addr())
	dst = binary.LittleEndian.AppendUint16(dst, e.Client.Port())
	for _, s := range [...]string{e.RequestID, e.ServerName, e.Method, e.Template} {
		dst = appendText(dst, s)
	}
	dst = binary.LittleEndian.AppendUint16(dst, e.Status)
	return append(dst, e.ExchangeID[:]...)
}

func appendFigures(dst []byte, f Figures) []byte {
	for _, n := range [...]uint64{f.Requests, f.Records, f.ResponseBytes, f.FreshObjects, f.SensitiveObjects} {
		dst = binary.AppendUvarint(dst, n)
	}
	return dst
}

func appendScore(dst []byte, s finding.Score) []byte {
	dst = append(dst, uint8(s.Channel), uint8(s.Horizon), uint8(s.Unit))
	for _, x := range [...]float64{s.Observed, s.Own, s.Peers, s.Value, s.Ratio} {
		dst = appendFloat(dst, x)
	}
	return dst
}

func appendFloat(dst []byte, x float64) []byte {
	return binary.LittleEndian.AppendUint64(dst, math.Float64bits(x))
}

func appendText(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

func appendAddress(dst []byte, a netip.Addr) []byte {
	raw := a.WithZone("").AsSlice()
	return append(append(dst, byte(len(raw))), raw...)
}

func flag(b bool) byte {
	if b {
		return 1
	}
	return 0
}

// reader takes a snapshot apart. After the first fault it gives zeros.
type reader struct {
	rest   []byte
	failed bool
}

func (r *reader) bytes(n uint64) []byte {
	if r.failed || n > uint64(len(r.rest)) {
		r.failed = true
		return nil
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}

func (r *reader) id() (id [16]byte) {
	copy(id[:], r.bytes(16))
	return id
}

func (r *reader) byte() byte {
	if b := r.bytes(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) uint() uint64 {
	n, size := binary.Uvarint(r.rest)
	if r.failed || size <= 0 {
		r.failed = true
		return 0
	}
	r.rest = r.rest[size:]
	return n
}

func (r *reader) int() int64 {
	n, size := binary.Varint(r.rest)
	if r.failed || size <= 0 {
		r.failed = true
		return 0
	}
	r.rest = r.rest[size:]
	return n
}

func (r *reader) uint16() uint16 {
	if b := r.bytes(2); b != nil {
		return binary.LittleEndian.Uint16(b)
	}
	return 0
}

func (r *reader) float() float64 {
	if b := r.bytes(8); b != nil {
		return math.Float64frombits(binary.LittleEndian.Uint64(b))
	}
	return 0
}

func (r *reader) text() string { return string(r.bytes(r.bound(maxText))) }

// bound reads a length that writers keep to.
func (r *reader) bound(most uint64) uint64 {
	n := r.uint()
	if n > most {
		r.failed = true
		return 0
	}
	return n
}

func (r *reader) address() netip.Addr {
	raw := r.bytes(uint64(r.byte()))
	a, ok := netip.AddrFromSlice(raw)
	if !ok && len(raw) > 0 {
		r.failed = true
	}
	return a
}

func (r *reader) incidents(into map[ledger.ID]*Incident) {
	for n := r.uint(); n > 0 && !r.failed; n-- {
		inc := r.incident()
		if into[inc.Principal] != nil {
			r.failed = true
		}
		into[inc.Principal] = inc
	}
}

func (r *reader) incident() *Incident {
	inc := &Incident{ID: r.id(), Principal: r.id(), Revision: uint32(r.bound(math.MaxUint32))}
	inc.Assurance, inc.Kind = r.byte(), r.byte()
	inc.Detector, inc.AtOpening, inc.Severity = finding.Channel(r.byte()), Severity(r.byte()), Severity(r.byte())
	inc.Channels, inc.Arrival, inc.SensitiveInspected = r.byte(), r.byte() != 0, r.byte() != 0
	inc.Label, inc.Endpoint, inc.Software = r.text(), r.text(), r.text()
	inc.Start, inc.Opened, inc.Updated, inc.LastEvidence, inc.ClosedAt, inc.Now = r.int(), r.int(), r.int(), r.int(), r.int(), r.int()
	inc.Taken, inc.base = r.figures(), r.figures()
	inc.told = marks{r.uint(), r.uint()}
	for i := range inc.peak {
		for j := range inc.peak[i] {
			inc.peak[i][j] = r.float()
		}
	}
	inc.Addressed = r.uint()
	inc.Confidence, inc.Known = r.float(), r.float()
	inc.Top = r.score()
	for n := r.bound(maxScores); n > 0; n-- {
		inc.Scores = append(inc.Scores, r.score())
	}
	for n := r.bound(maxList); n > 0; n-- {
		inc.Addresses = append(inc.Addresses, ledger.AddressShare{Address: r.address(), Records: r.uint(), FirstSeen: r.int()})
	}
	for n := r.bound(maxList); n > 0; n-- {
		inc.Exemplars = append(inc.Exemplars, r.exemplar())
	}
	return inc
}

func (r *reader) exemplar() ledger.Exemplar {
	e := ledger.Exemplar{Time: r.int()}
	a := r.address()
	e.Client = netip.AddrPortFrom(a, r.uint16())
	e.RequestID, e.ServerName, e.Method, e.Template = r.text(), r.text(), r.text(), r.text()
	e.Status = r.uint16()
	e.ExchangeID = r.id()
	return e
}

func (r *reader) figures() Figures {
	return Figures{Requests: r.uint(), Records: r.uint(), ResponseBytes: r.uint(), FreshObjects: r.uint(), SensitiveObjects: r.uint()}
}

func (r *reader) score() finding.Score {
	return finding.Score{
		Channel: finding.Channel(r.byte()), Horizon: finding.Horizon(r.byte()), Unit: finding.Unit(r.byte()),
		Observed: r.float(), Own: r.float(), Peers: r.float(), Value: r.float(), Ratio: r.float(),
	}
}
