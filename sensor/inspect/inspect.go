// SPDX-License-Identifier: Apache-2.0

// Package inspect counts the records of response bodies and hashes the ids of their objects while
// the bytes pass.
//
// It assumes that Data and Gap are called in the order of the body. It refuses to print or store a
// body: it keeps counts, keyed hashes, and the last numeric ids asked for by a token. Encoded bytes
// wait in a bounded buffer until enough of them are there to be decoded, and are cleared after.
package inspect

import (
	"bytes"
	"fmt"
	"hash/maphash"
	"io"

	"github.com/weir-project/weir/proto/keyhash"
	"github.com/weir-project/weir/sensor/exchange"
)

const (
	defaultPrefix  = 64 << 10
	defaultDepth   = 64
	maxDepth       = 64
	maxRequested   = 32
	maxFreeReaders = 256
	maxFreeBuffers = 32
	maxFreeLooks   = 1024
	maxBuffered    = 16 << 20 // encoded bytes of all Looks together
	maxClass       = 64
	bytesPerRecord = 1000 // when nothing better is known of an endpoint
)

// Config bounds the work. The zero value has the defaults.
type Config struct {
	Prefix   int // bytes of a body that are read, after decompression; 0 means 64 KiB
	MaxDepth int // nesting in which arrays are looked for; 0 means 64, which is also the most
}

// Begin is what is known when a response's header block ends. All slices belong to the caller.
type Begin struct {
	ContentType     []byte // without parameters, lower case
	ContentEncoding []byte
	Class           []byte      // template.Result.Class
	Server          []byte      // server name, else address and port
	Template        []byte      // template.Result.Template
	Method          []byte      // request method
	RequestIDs      [][]byte    // template.Result.IDs
	RequestClasses  [][]byte    // template.Result.IDClasses; nil: all of Class
	Token           exchange.ID // whose requests make a sequence: token_id, else the principal's id
	Status          int
}

// Inspector makes Looks. It and its Looks belong to one goroutine.
type Inspector struct {
	objects  *keyhash.ObjectsKey
	prefix   int
	depth    int
	seed     maphash.Seed
	samples  samples
	sequence sequences
	decoders decoders
	buffered int
	looks    []*Look
	readers  []*reader
	buffers  [][]byte
}

// New makes an Inspector.
func New(keys *keyhash.Keys, cfg Config) *Inspector {
	in := &Inspector{objects: keys.Objects, prefix: cfg.Prefix, depth: cfg.MaxDepth, seed: maphash.MakeSeed()}
	if in.prefix <= 0 {
		in.prefix = defaultPrefix
	}
	if in.depth <= 0 || in.depth > maxDepth {
		in.depth = defaultDepth
	}
	return in
}

// Format prints nothing of what an Inspector was shown.
func (Inspector) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "inspect.Inspector") }

// Begin starts a Look at one response body. Release gives it back. Nothing of b is kept.
func (in *Inspector) Begin(b Begin) *Look {
	l := in.newLook()
	l.class = append(l.class[:0], b.Class[:min(len(b.Class), maxClass)]...)
	l.endpoint = in.endpointKey(&b)
	l.request(&b)
	if b.Status < 200 || b.Status > 299 || string(b.Method) == "HEAD" {
		l.mode = modeNone
		return l
	}
	l.media = mediaOf(b.ContentType)
	l.coding = codingOf(b.ContentEncoding)
	l.begin()
	return l
}

func (in *Inspector) newLook() *Look {
	if n := len(in.looks); n > 0 {
		l := in.looks[n-1]
		in.looks = in.looks[:n-1]
		return l
	}
	return &Look{in: in, class: make([]byte, 0, maxClass)}
}

func (in *Inspector) newReader() *reader {
	if n := len(in.readers); n > 0 {
		r := in.readers[n-1]
		in.readers = in.readers[:n-1]
		return r
	}
	return &reader{objects: in.objects, depth: in.depth}
}

func (in *Inspector) newBuffer() []byte {
	if n := len(in.buffers); n > 0 {
		b := in.buffers[n-1]
		in.buffers = in.buffers[:n-1]
		return b
	}
	return make([]byte, 0, 4096)
}

// endpointKey names endpoint and coding for the table of samples; sizes are as sent.
func (in *Inspector) endpointKey(b *Begin) uint64 {
	const odd = 0x9E3779B97F4A7C15
	key := maphash.Bytes(in.seed, b.Server)
	key = key*odd ^ maphash.Bytes(in.seed, b.Method)
	key = key*odd ^ maphash.Bytes(in.seed, b.ContentEncoding)
	return key*odd ^ maphash.Bytes(in.seed, b.Template)
}

// request hashes what the path asked for, whatever comes back, and looks whether it goes on where
// the token's last requests to this endpoint stopped.
func (l *Look) request(b *Begin) {
	in := l.in
	for i, id := range b.RequestIDs {
		if i == maxRequested {
			break
		}
		class := b.Class
		if b.RequestClasses != nil {
			class = b.RequestClasses[min(i, len(b.RequestClasses)-1)]
		}
		l.requested[i] = in.objects.Object(class, id)
		l.nRequested = i + 1
		l.pathObject = l.requested[i]
		// GET of something that belongs to an object reads that object too, if it has no id itself.
		l.isPathObject = bytes.Equal(class, b.Class) && string(b.Method) != "DELETE"
		l.ownedBy = string(b.Method) == "GET"
	}
	if n := len(b.RequestIDs); n > 0 {
		key := in.endpointKey(b) ^ maphash.Bytes(in.seed, b.Token[:])*0xD6E8FEB86659FD93
		l.sequential = in.sequence.follows(key, in.seed, b.RequestIDs[n-1])
	}
}
