// SPDX-License-Identifier: Apache-2.0

package publish

import (
	"encoding/binary"
	"time"

	"github.com/weir-project/weir/proto/wire"
	weirv1 "github.com/weir-project/weir/proto/wire/weir/v1"
)

// widths are the windows of rollups, each a multiple of the one before. Beyond the last, rollups give
// up the endpoint (what is left is what each principal took from each server in a day) and then
// what lists and sets hold beyond their counts.
var widths = [...]uint64{uint64(time.Minute), uint64(10 * time.Minute), uint64(time.Hour), uint64(24 * time.Hour)}

const (
	levelNoEndpoint = len(widths)
	levelThin       = len(widths) + 1
	maxLevel        = levelThin

	mergedTemplate = "(merged)" // stands for the template of a rollup over endpoints
	maxAddresses   = 16         // top lists keep the first that come; the rest stays in the totals
	maxExemplars   = 5
	rollupOverhead = 768 // bytes of an empty Rollup and its place in a map
	thinPrecision  = 7   // of the sketches in thin rollups: 128 registers, a standard error of 9 %
	thinList       = 2
)

// rollups merges exchanges of one partition.
type rollups struct {
	byKey map[string]*weirv1.Rollup
	level int // what they gave up: an index into widths, or a level beyond
	bytes int64
	since int64 // clock: the first exchange that is in
	key   []byte
}

// add merges one exchange and says by how much the memory grew.
func (r *rollups) add(x *weirv1.Exchange) int64 {
	start, end := r.window(x.PartStartTimeUnixNano)
	r.key = appendKey(r.key[:0], x, start, r.level)
	before := r.bytes
	into := r.byKey[string(r.key)]
	if into == nil {
		into = r.fresh(x, start, end)
		r.byKey[string(r.key)] = into
		r.bytes += int64(len(r.key))
	} else {
		r.bytes -= memory(into)
	}
	addExchange(into, x)
	r.trim(into)
	r.bytes += memory(into)
	return r.bytes - before
}

func (r *rollups) window(t uint64) (start, end uint64) {
	width := widths[min(r.level, len(widths)-1)]
	start = t - t%width
	return start, start + width
}

// appendKey: what two exchanges of one rollup have in common.
func appendKey(dst []byte, x *weirv1.Exchange, start uint64, level int) []byte {
	dst = append(dst, x.PrincipalId...)
	dst = append(dst, byte(x.PrincipalAssurance), byte(x.ObservationRank))
	dst = binary.BigEndian.AppendUint64(dst, start)
	dst = appendPart(dst, x.ObservationPoint)
	dst = appendPart(dst, x.ServerName)
	if x.ServerName == "" {
		dst = append(dst, x.ServerAddress...)
		dst = binary.BigEndian.AppendUint32(dst, x.ServerPort)
	}
	if level < levelNoEndpoint {
		dst = appendPart(dst, x.HttpRequestMethod)
		dst = appendPart(dst, x.UrlTemplate)
		dst = appendPart(dst, x.Operation)
	}
	return dst
}

func appendPart(dst []byte, s string) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(s)))
	return append(dst, s...)
}

// fresh makes an empty rollup that owns its memory; x may be about to change.
func (r *rollups) fresh(x *weirv1.Exchange, start, end uint64) *weirv1.Rollup {
	n := &weirv1.Rollup{
		PrincipalId: clone(x.PrincipalId), PrincipalAssurance: x.PrincipalAssurance,
		ServerName: cloneText(x.ServerName), HttpRequestMethod: cloneText(x.HttpRequestMethod),
		UrlTemplate: cloneText(x.UrlTemplate), Operation: cloneText(x.Operation),
		ServerAddress: clone(x.ServerAddress), ServerPort: x.ServerPort,
		ObservationPoint: cloneText(x.ObservationPoint), ObservationRank: x.ObservationRank,
		WindowStartUnixNano: start, WindowEndUnixNano: end,
		DetailLevel: weirv1.DetailLevel_DETAIL_LEVEL_ROLLUP, SensitiveInspected: true,
	}
	if r.level >= levelNoEndpoint {
		n.HttpRequestMethod, n.UrlTemplate, n.Operation = "", mergedTemplate, ""
	}
	return n
}

// has says whether an exchange fits a rollup that exists.
func (r *rollups) has(x *weirv1.Exchange) bool {
	start, _ := r.window(x.PartStartTimeUnixNano)
	r.key = appendKey(r.key[:0], x, start, r.level)
	return r.byKey[string(r.key)] != nil
}

// giveUp brings the rollups to a level and says by how much the memory changed.
func (r *rollups) giveUp(level int) int64 {
	if level <= r.level {
		return 0
	}
	r.level = level
	old, before := r.byKey, r.bytes
	r.byKey, r.bytes = make(map[string]*weirv1.Rollup, len(old)/2), 0
	for _, n := range old {
		r.put(n)
	}
	return r.bytes - before
}

// put files a rollup under the present level.
func (r *rollups) put(n *weirv1.Rollup) {
	start, end := r.window(n.WindowStartUnixNano)
	n.WindowStartUnixNano, n.WindowEndUnixNano = start, max(end, n.WindowEndUnixNano)
	if r.level >= levelNoEndpoint {
		n.HttpRequestMethod, n.UrlTemplate, n.Operation = "", mergedTemplate, ""
	}
	same := weirv1.Exchange{PrincipalId: n.PrincipalId, PrincipalAssurance: n.PrincipalAssurance,
		ObservationRank: n.ObservationRank, ObservationPoint: n.ObservationPoint, ServerName: n.ServerName,
		ServerAddress: n.ServerAddress, ServerPort: n.ServerPort, HttpRequestMethod: n.HttpRequestMethod,
		UrlTemplate: n.UrlTemplate, Operation: n.Operation}
	r.key = appendKey(r.key[:0], &same, start, r.level)
	into := r.byKey[string(r.key)]
	r.trim(n)
	if into == nil {
		r.byKey[string(r.key)] = n
		r.bytes += int64(len(r.key)) + memory(n)
		return
	}
	r.bytes -= memory(into)
	addRollup(into, n)
	r.trim(into)
	r.bytes += memory(into)
}

// trim makes a rollup thin at the last level: its totals and a coarse idea of its objects are left.
func (r *rollups) trim(n *weirv1.Rollup) {
	if r.level < levelThin {
		return
	}
	wire.CoarsenObjects(n.Objects, thinPrecision)
	wire.CoarsenObjects(n.SensitiveObjects, thinPrecision)
	n.Exemplars = shorten(n.Exemplars, 1)
	n.Addresses, n.Networks = shorten(n.Addresses, thinList), shorten(n.Networks, thinList)
	n.TokenIds, n.ClientSoftware = shorten(n.TokenIds, thinList), shorten(n.ClientSoftware, thinList)
}

func shorten[T any](list []*T, limit int) []*T {
	if len(list) <= limit {
		return list
	}
	clear(list[limit:])
	return list[:limit:limit]
}

// memory estimates what a rollup takes: its content, and what Go adds to each element of a list.
func memory(n *weirv1.Rollup) int64 {
	elements := len(n.Addresses) + len(n.Networks) + len(n.TokenIds) + len(n.ClientSoftware) + len(n.Anomalies) +
		len(n.SensitiveResponse) + len(n.SensitiveRequest) + 3*len(n.Exemplars)
	return rollupOverhead + int64(n.SizeVT()) + int64(elements)*96
}

// take gives all rollups and forgets them.
func (r *rollups) take() map[string]*weirv1.Rollup {
	all := r.byKey
	r.byKey, r.bytes, r.level = map[string]*weirv1.Rollup{}, 0, 0
	return all
}

// addExchange: every total of the exchange is in the rollup afterwards.
func addExchange(n *weirv1.Rollup, x *weirv1.Exchange) {
	addRequests(n, x)
	n.HttpRequestHeaderSize += x.HttpRequestHeaderSize
	n.HttpRequestBodySize += x.HttpRequestBodySize
	n.HttpResponseHeaderSize += x.HttpResponseHeaderSize
	n.HttpResponseBodySize += x.HttpResponseBodySize
	n.UninspectedSize += x.UninspectedSize
	n.GapBytes += x.GapBytes
	n.RecordCount += x.RecordCount
	if x.RecordCountKind == weirv1.RecordCountKind_RECORD_COUNT_KIND_ESTIMATED {
		n.RecordCountEstimated += x.RecordCount
	}
	n.Objects = addHashes(n.Objects, x.ObjectHashes, x.ObjectsSeen)
	n.SensitiveObjects = addHashes(n.SensitiveObjects, x.SensitiveObjectHashes, x.SensitiveObjects)
	n.ObjectsEstimated += uint64(x.ObjectsEstimated)
	n.ObjectsUnhashed += uint64(x.ObjectsUnhashed)
	n.SequentialObjects += uint64(x.SequentialObjects)
	n.RequestedObjects += uint64(x.RequestedObjects)
	if x.HttpResponseStatusCode >= 400 {
		n.RequestedRefusedObjects += uint64(x.RequestedObjects)
	}
	n.SensitiveResponse = addClasses(n.SensitiveResponse, x.SensitiveResponse)
	n.SensitiveRequest = addClasses(n.SensitiveRequest, x.SensitiveRequest)
	n.WorstCoverage = max(n.WorstCoverage, x.Coverage)
	n.SensitiveInspected = n.SensitiveInspected && x.SensitiveInspected
	for _, a := range x.Anomalies {
		n.Anomalies = addName(n.Anomalies, a, 1, maxList)
	}
	addWho(n, x)
}

// addRequests counts the first part of an exchange under its status.
func addRequests(n *weirv1.Rollup, x *weirv1.Exchange) {
	count := uint64(x.RequestCount)
	n.Exchanges += count
	switch x.HttpResponseStatusCode / 100 {
	case 1:
		n.Requests_1Xx += count
	case 2:
		n.Requests_2Xx += count
	case 3:
		n.Requests_3Xx += count
	case 4:
		n.Requests_4Xx += count
	case 5, 6, 7, 8, 9: // beyond RFC 9110 section 15: treated as 5xx, as it says
		n.Requests_5Xx += count
	default:
		n.RequestsNone += count
	}
	switch x.HttpResponseStatusCode {
	case 401, 403, 407:
		n.RequestsDenied += count
	}
}

func addHashes(s *weirv1.ObjectSet, hashes []uint64, seen uint32) *weirv1.ObjectSet {
	if len(hashes) == 0 && seen == 0 {
		return s
	}
	if s == nil {
		s = &weirv1.ObjectSet{}
	}
	before := s.Seen
	wire.AddObjects(s, hashes)
	s.Seen = before + max(uint64(seen), uint64(len(hashes)))
	return s
}
