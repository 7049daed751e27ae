// SPDX-License-Identifier: Apache-2.0

// Package inspect counts the records of response bodies and hashes the ids of their objects while
// the bytes pass.
//
// It assumes that Data and Gap are called in the order of the body. It refuses to print or store a
// body: it keeps counts, keyed hashes, and the last numeric id asked for by a token.
package inspect

import (
	"github.com/weir-project/weir/proto/keyhash"
	"github.com/weir-project/weir/sensor/exchange"
)

// Config bounds the work. The zero value has the defaults.
type Config struct {
	Prefix   int // bytes of a body that are read, after decompression; 0 means 64 KiB
	MaxDepth int // nesting that is followed; 0 means 64
}

// Begin is what is known when a response's header block ends. All slices belong to the caller.
type Begin struct {
	ContentType     []byte // without parameters, lower case
	ContentEncoding []byte
	Class           []byte   // template.Result.Class
	Server          []byte   // server name, else address and port
	Template        []byte   // template.Result.Template
	Method          []byte   // request method
	RequestIDs      [][]byte // template.Result.IDs
	RequestClasses  [][]byte // template.Result.IDClasses; nil: taken from Template
	Token           exchange.ID
	Status          int
}

// Inspector makes Looks. It and its Looks belong to one goroutine.
type Inspector struct {
	keys *keyhash.Keys
	cfg  Config
}

// New makes an Inspector.
func New(keys *keyhash.Keys, cfg Config) *Inspector {
	return &Inspector{keys: keys, cfg: cfg}
}

// Begin starts a Look at one response body. Release gives it back.
func (in *Inspector) Begin(b Begin) *Look { return &Look{in: in} }

// Look is one body being read.
type Look struct {
	in *Inspector
}

// Data takes the next bytes of the body, still encoded. They are not kept.
func (l *Look) Data(p []byte) {}

// Gap says that n bytes of the body were not seen.
func (l *Look) Gap(n uint64) {}

// Report adds to x what was found since the last Report; last says that the body has ended. Slices
// put into x are valid until Release or the next Report.
func (l *Look) Report(x *exchange.Exchange, last bool) {}

// Release gives the Look back; it must not be used afterwards.
func (l *Look) Release() {}
