// SPDX-License-Identifier: Apache-2.0

// Package world reads the events of a benchmark world and turns them into exchanges as a sensor would
// have sent them.
//
// It assumes events.csv.gz as `exfilbench gen` writes it. It refuses to show what is not in it: the
// truth about attacks is in another file.
package world

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strconv"
)

// Event is one line: what one token did on one endpoint within at most ten minutes.
type Event struct {
	Time      int64 // Unix seconds
	Token     string
	Address   netip.Addr
	Endpoint  string // "GET /customers/{id}"
	Requests  int
	Refused   int // 4xx among requests
	Bytes     uint64
	Records   int
	Objects   int     // distinct
	Fresh     int     // of them never read before by this token
	Successor float64 // share of object ids that succeed the one before
	Sensitive int     // sensitive fields
}

// Reader reads events in the order of the file, which is that of minutes.
type Reader struct {
	file  *os.File
	lines *bufio.Scanner
	names map[string]string // one copy of each token and endpoint
	line  int
}

// Open opens an events.csv.gz.
func Open(path string) (*Reader, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open events (made by `exfilbench gen`): %w", err)
	}
	z, err := gzip.NewReader(bufio.NewReaderSize(f, 1<<20))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", path, err), f.Close())
	}
	r := &Reader{file: f, lines: bufio.NewScanner(z), names: map[string]string{}}
	r.lines.Scan() // the header
	r.line++
	return r, nil
}

// Close closes the file.
func (r *Reader) Close() error { return r.file.Close() }

// Read reads the next event; io.EOF at the end.
func (r *Reader) Read(e *Event) error {
	if !r.lines.Scan() {
		if err := r.lines.Err(); err != nil {
			return fmt.Errorf("read events after line %d: %w", r.line, err)
		}
		return io.EOF
	}
	r.line++
	if err := r.parse(r.lines.Bytes(), e); err != nil {
		return fmt.Errorf("read events, line %d: %w", r.line, err)
	}
	return nil
}

func (r *Reader) parse(line []byte, e *Event) error {
	var fields [12][]byte
	n := 0
	for f := range bytes.SplitSeq(line, []byte{','}) {
		if n == len(fields) {
			return errors.New("too many fields")
		}
		fields[n] = f
		n++
	}
	if n != len(fields) {
		return fmt.Errorf("%d fields, want %d", n, len(fields))
	}
	var err error
	number := func(f []byte) int {
		v, e := strconv.Atoi(string(f))
		if e == nil && v < 0 {
			e = errors.New("negative count")
		}
		err = errors.Join(err, e)
		return v
	}
	e.Time, e.Token, e.Endpoint = int64(number(fields[0])), r.name(fields[1]), r.name(fields[3])
	e.Requests, e.Refused, e.Bytes = number(fields[4]), number(fields[5]), uint64(number(fields[6]))
	e.Records, e.Objects, e.Fresh, e.Sensitive = number(fields[7]), number(fields[8]), number(fields[9]), number(fields[11])
	var wrong [2]error
	e.Address, wrong[0] = netip.ParseAddr(string(fields[2]))
	e.Successor, wrong[1] = strconv.ParseFloat(string(fields[10]), 64)
	return errors.Join(err, wrong[0], wrong[1])
}

func (r *Reader) name(b []byte) string {
	s, ok := r.names[string(b)]
	if !ok {
		s = string(b)
		r.names[s] = s
	}
	return s
}
