// SPDX-License-Identifier: Apache-2.0

// Package template makes the path template, the redacted path and the object ids of a request-target.
//
// It assumes that a target is shown as it was sent. It refuses to keep raw paths: between calls it
// holds hashes of templates, and of one target only what the caller may still read.
package template

// Config says how ids are hashed and what is bounded.
type Config struct {
	Hash         func(class, id []byte) uint64 // keyed; needed
	MaxTemplates int                           // distinct templates per server; 0 means 1,000
}

// Result is what is left of a request-target. All slices are the Templater's own and are valid
// until its next call.
type Result struct {
	Template   []byte   // "/customers/{id}"; "*" for OPTIONS *; Other when a server has too many
	Path       []byte   // printable, ids and secrets replaced by {16 hex digits}
	Class      []byte   // the class of the object or list the path names; may be empty
	IDs        [][]byte // decoded id segments from left to right, for hashing only
	IDClasses  [][]byte // the class of each id
	QueryNames [][]byte // names only, bounded, redacted
	TooLarge   bool     // something was cut: path, segments or query names
}

// Templater makes templates. It belongs to one goroutine.
type Templater struct {
	cfg Config
}

// New makes a Templater. It panics without a Hash, since a path cannot be redacted without.
func New(cfg Config) *Templater {
	if cfg.Hash == nil {
		panic("BUG: template.New without a Hash")
	}
	if cfg.MaxTemplates == 0 {
		cfg.MaxTemplates = 1000
	}
	return &Templater{cfg: cfg}
}

// Path reads a request-target (origin, absolute, authority or asterisk form, RFC 9112 section 3.2)
// of a server and fills out. Target and server stay the caller's.
func (t *Templater) Path(target, server []byte, out *Result) {
	*out = Result{}
}
