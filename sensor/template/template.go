// SPDX-License-Identifier: Apache-2.0

// Package template makes the path template, the redacted path and the object ids of a request-target.
//
// It assumes that a target is shown as it was sent. It refuses to keep raw paths: between calls it
// holds hashes of templates, and of one target only what the caller may still read.
package template

import (
	"fmt"
	"hash/maphash"
	"io"
)

// Bounds of one target. What is beyond them is cut and flagged.
const (
	maxPath     = 2048 // bytes of a raw path, and of a redacted one
	maxSegments = 32
	maxQuery    = 8192 // bytes of a raw query that are searched for names
	maxNames    = 16
	maxName     = 64 // bytes of a query name
)

// Bounds over all targets.
const (
	defaultTemplates = 1000
	maxServers       = 4096
	maxAllTemplates  = 1 << 16
)

// Placeholders. No text from a target can equal one: braces in a segment make it an id.
const (
	idWord        = "{id}"        // an id, a secret, or any other value
	cutWord       = "{cut}"       // the rest of a path beyond the bounds
	otherWord     = "{other}"     // the template of a server that has too many
	authorityWord = "{authority}" // a target that is no path: CONNECT's, or a broken one
	nameWord      = "{name}"      // a query name that looks like a value
)

// Config says how ids are hashed and what is bounded.
type Config struct {
	Hash         func(class, id []byte) uint64 // keyed, such as keyhash.ObjectsKey.Object; needed; must not keep its arguments
	MaxTemplates int                           // distinct templates per server; 0 means 1,000
}

// Result is what is left of a request-target. All slices are the Templater's own and are valid
// until its next call.
type Result struct {
	Template   []byte   // "/customers/{id}"; "*" for OPTIONS *; "{authority}" for CONNECT; "{other}" when a server has too many
	Path       []byte   // printable, ids and secrets replaced by {16 hex digits of Hash}
	Class      []byte   // class of the object or list that the path names; may be empty
	IDs        [][]byte // ids from left to right, decoded, neighbours joined by U+001F: for hashing only, never to be kept
	IDClasses  [][]byte // the class of each id
	QueryNames [][]byte // distinct names in the order sent, at most 16, values dropped
	TooLarge   bool     // path, segments or query names were cut
	Overflow   bool     // Template is "{other}": the server has more templates than the bound
}

// Templater makes templates. It belongs to one goroutine.
type Templater struct {
	hash         func(class, id []byte) uint64
	maxTemplates int

	seed    maphash.Seed
	known   map[uint64]struct{} // hashes of server and template
	servers map[uint64]int      // hash of a server: its templates

	// One target at a time.
	segs     [maxSegments]segment
	nSegs    int
	cut      bool
	arena    []byte // decoded segments and query names
	joined   []byte // canonical ids
	template []byte
	path     []byte
	ids      [][]byte
	classes  [][]byte
	names    [][]byte
}

// New makes a Templater. It panics without a Hash, since a path cannot be redacted without.
func New(cfg Config) *Templater {
	if cfg.Hash == nil {
		panic("BUG: template.New without a Hash")
	}
	if cfg.MaxTemplates <= 0 {
		cfg.MaxTemplates = defaultTemplates
	}
	return &Templater{
		hash:         cfg.Hash,
		maxTemplates: cfg.MaxTemplates,
		seed:         maphash.MakeSeed(),
		known:        map[uint64]struct{}{},
		servers:      map[uint64]int{},
		// Sized so that slices into them stay where they are for a whole target.
		arena:    make([]byte, 0, maxPath+maxNames*maxName),
		joined:   make([]byte, 0, maxPath+maxSegments),
		template: make([]byte, 0, maxPath),
		path:     make([]byte, 0, maxPath),
		ids:      make([][]byte, 0, maxSegments),
		classes:  make([][]byte, 0, maxSegments),
		names:    make([][]byte, 0, maxNames),
	}
}

// Format prints nothing of the last target.
func (*Templater) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "template.Templater") }

// Path reads a request-target (origin, absolute, authority or asterisk form, RFC 9112 section 3.2)
// of a server and fills out. Target and server stay the caller's.
func (t *Templater) Path(target, server []byte, out *Result) {
	t.reset()
	path, query, form := splitTarget(target)
	switch form {
	case formPath:
		t.cut = !t.split(path)
		t.classify()
		t.emit()
	case formAsterisk:
		t.template = append(t.template, '*')
		t.path = append(t.path, '*')
	case formAuthority:
		t.template = append(t.template, authorityWord...)
		t.path = append(t.path, authorityWord...)
	}
	namesCut := !t.queryNames(query)
	*out = Result{
		Template: t.template, Path: t.path, Class: t.class(),
		IDs: t.ids, IDClasses: t.classes, QueryNames: t.names,
		TooLarge: t.cut || namesCut,
	}
	if form == formPath && !t.admit(server) {
		t.template = append(t.template[:0], otherWord...)
		out.Template, out.Overflow = t.template, true
	}
}

func (t *Templater) reset() {
	t.nSegs, t.cut = 0, false
	t.arena, t.joined = t.arena[:0], t.joined[:0]
	t.template, t.path = t.template[:0], t.path[:0]
	t.ids, t.classes, t.names = t.ids[:0], t.classes[:0], t.names[:0]
}

// admit says whether the template may be told: known, or new within the bounds.
func (t *Templater) admit(server []byte) bool {
	s := maphash.Bytes(t.seed, server)
	key := s*0x9E3779B97F4A7C15 ^ maphash.Bytes(t.seed, t.template)
	if _, ok := t.known[key]; ok {
		return true
	}
	n, ok := t.servers[s]
	if n >= t.maxTemplates || len(t.known) >= maxAllTemplates || !ok && len(t.servers) >= maxServers {
		return false
	}
	t.known[key] = struct{}{}
	t.servers[s] = n + 1
	return true
}

// emit writes template, redacted path and ids of the classified segments.
func (t *Templater) emit() {
	if t.nSegs == 0 && !t.cut {
		t.template = append(t.template, '/')
		t.path = append(t.path, '/')
		return
	}
	for i := range t.segs[:t.nSegs] {
		t.emitSegment(i)
	}
	if t.cut {
		t.template = append(t.template, '/')
		t.template = append(t.template, cutWord...)
		t.path = append(t.path, '/')
		t.path = append(t.path, cutWord...)
	}
}

func (t *Templater) emitSegment(i int) {
	s := &t.segs[i]
	t.template = append(t.template, '/')
	t.path = append(t.path, '/')
	t.template = append(t.template, s.before...)
	t.path = append(t.path, s.before...)
	if s.kind == kindID {
		class := t.classOf(i)
		t.template = append(t.template, idWord...)
		t.path = appendHash(t.path, t.hash(class, s.id))
		t.addID(i, class, s.id)
	}
	t.template = append(t.template, s.after...)
	t.path = append(t.path, s.after...)
}

// addID joins an id to the one in the segment before it: neighbours are one composite id.
func (t *Templater) addID(i int, class, id []byte) {
	if i > 0 && t.segs[i-1].kind == kindID && len(t.segs[i].before) == 0 {
		last := len(t.ids) - 1
		start := len(t.joined) - len(t.ids[last])
		t.joined = append(t.joined, 0x1F)
		t.joined = appendCanonical(t.joined, id)
		t.ids[last] = t.joined[start:len(t.joined):len(t.joined)]
		return
	}
	start := len(t.joined)
	t.joined = appendCanonical(t.joined, id)
	t.ids = append(t.ids, t.joined[start:len(t.joined):len(t.joined)])
	t.classes = append(t.classes, class)
}

// class is that of the object or list which the whole path names.
func (t *Templater) class() []byte {
	if t.nSegs == 0 {
		return nil
	}
	if s := &t.segs[t.nSegs-1]; s.kind == kindID && len(s.before) > 0 {
		return t.classOf(t.nSegs - 1)
	}
	return t.classOf(t.nSegs)
}

// classOf is the class of an id in segment i: the name in the segment itself (OData), else the
// nearest static segment to the left that names a collection, else the nearest static one at all.
func (t *Templater) classOf(i int) []byte {
	if i < t.nSegs && len(t.segs[i].before) > 1 {
		return t.segs[i].before[:len(t.segs[i].before)-1] // without the parenthesis
	}
	var nearest []byte
	for i--; i >= 0; i-- {
		s := &t.segs[i]
		switch {
		case s.kind == kindID && len(s.before) > 1:
			return s.before[:len(s.before)-1]
		case s.kind == kindID:
			continue
		case s.kind == kindStatic && !isGeneric(s.class):
			return s.class
		case nearest == nil:
			nearest = s.class
		}
	}
	return nearest
}

func appendHash(dst []byte, h uint64) []byte {
	const digits = "0123456789abcdef"
	dst = append(dst, '{')
	for shift := 60; shift >= 0; shift -= 4 {
		dst = append(dst, digits[h>>shift&15])
	}
	return append(dst, '}')
}
