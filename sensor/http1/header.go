// SPDX-License-Identifier: Apache-2.0

package http1

import (
	"bytes"

	"github.com/weir-project/weir/sensor/exchange"
)

// maxLength is the largest body length that is believed; sums of lengths stay far from overflow.
const maxLength = 1 << 62

// framer gathers what the fields of one head say about the body.
type framer struct {
	length    int64 // -1: none
	badLength bool
	chunked   bool // some coding is chunked
	coding    bool // some transfer coding at all, "identity" apart
	behind    bool // a coding stands behind chunked
	spaced    bool // a framing field has space before its colon
	crlf      int  // lines that ended with CRLF
	anomalies exchange.AnomalySet
}

// foldEqual compares a field name with one in lower case.
func foldEqual(name []byte, lower string) bool {
	if len(name) != len(lower) {
		return false
	}
	for i := range name {
		c := name[i]
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

func trimBlank(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == '\t') {
		b = b[:len(b)-1]
	}
	return b
}

// parseFields reads header lines into p.msg.Fields and gathers the framing.
func (p *Parser) parseFields(b []byte) framer {
	f := framer{length: -1}
	if len(b) > 3*keptFields { // room at once: growing would make garbage many times the head
		if n := min(bytes.Count(b, []byte{'\n'}), p.limits.Headers); n > cap(p.msg.Fields) {
			p.msg.Fields = make([]Field, 0, n)
		}
	}
	for rest := b; len(rest) > 0; {
		var line []byte
		if line, rest = f.cutLine(rest); len(line) == 0 {
			break
		}
		if isBlank(line[0]) { // a fold of no field: the one before it was none
			f.anomalies.Add(exchange.ObsFold)
			continue
		}
		x, ok := f.splitField(line)
		folded := -1
		for len(rest) > 0 && isBlank(rest[0]) {
			f.anomalies.Add(exchange.ObsFold)
			if line, rest = f.cutLine(rest); ok {
				folded = p.unfold(folded, x.Value, line)
			}
		}
		if folded >= 0 {
			x.Value = p.folded[folded:len(p.folded):len(p.folded)]
		}
		if ok {
			p.field(&f, x)
		}
	}
	// "Field values containing CR, LF, or NUL characters are invalid and dangerous", RFC 9110 section 5.5.
	if bytes.IndexByte(b, 0) >= 0 || bytes.Count(b, []byte{'\r'}) != f.crlf {
		f.anomalies.Add(exchange.BadHeaderLine)
	}
	return f
}

// cutLine takes a line off b, without its end; the last line of a cut head is as much as there is.
func (f *framer) cutLine(b []byte) (line, rest []byte) {
	i := bytes.IndexByte(b, '\n')
	if i < 0 {
		return b, nil
	}
	line, rest = b[:i], b[i+1:]
	if i > 0 && line[i-1] == '\r' {
		f.crlf++
		return line[:i-1], rest
	}
	f.anomalies.Add(exchange.BareLF)
	return line, rest
}

// splitField splits a header line. "No whitespace is allowed between the field name and colon"
// (RFC 9112 section 5.1): it is taken off, and said.
func (f *framer) splitField(line []byte) (Field, bool) {
	colon := bytes.IndexByte(line, ':')
	if colon <= 0 {
		f.anomalies.Add(exchange.BadHeaderLine)
		return Field{}, false
	}
	name := line[:colon]
	if isBlank(name[colon-1]) {
		f.anomalies.Add(exchange.BadHeaderLine)
		if name = trimBlank(name); len(name) == 0 {
			return Field{}, false
		}
		f.spaced = f.spaced || foldEqual(name, "content-length") || foldEqual(name, "transfer-encoding")
	}
	return Field{Name: name, Value: trimBlank(line[colon+1:])}, true
}

// unfold joins a folded line to a value by one blank, RFC 9112 section 5.2, in memory of the Parser's
// own, since the head itself stays as it was sent. It gives the place where the joined value begins.
func (p *Parser) unfold(start int, value, line []byte) int {
	if start < 0 {
		start = len(p.folded)
		p.folded = append(p.folded, value...)
	}
	p.folded = append(p.folded, ' ')
	p.folded = append(p.folded, trimBlank(line)...)
	return start
}

// field keeps one whole field and looks at it if it frames.
func (p *Parser) field(f *framer, x Field) {
	switch len(x.Name) {
	case len("content-length"):
		if foldEqual(x.Name, "content-length") {
			f.contentLength(x.Value)
		}
	case len("transfer-encoding"):
		if foldEqual(x.Name, "transfer-encoding") {
			f.transferEncoding(x.Value)
		}
	}
	if len(p.msg.Fields) >= p.limits.Headers {
		f.anomalies.Add(exchange.TooManyHeaders)
		p.msg.Truncated = true
		return
	}
	p.msg.Fields = append(p.msg.Fields, x)
}

// contentLength takes one field value: a list of equal numbers is that number, RFC 9112 section 6.3
// rule 5.
func (f *framer) contentLength(v []byte) {
	for more := true; more; {
		item := v
		if i := bytes.IndexByte(v, ','); i >= 0 {
			item, v = v[:i], v[i+1:]
		} else {
			more = false
		}
		n, ok := parseLength(trimBlank(item))
		switch {
		case !ok:
			f.badLength = true
			f.anomalies.Add(exchange.BadContentLength)
		case f.length >= 0 && f.length != n:
			f.badLength = true
			f.anomalies.Add(exchange.DuplicateContentLength)
		case f.length == n:
			f.anomalies.Add(exchange.DuplicateContentLength)
		default:
			f.length = n
		}
	}
}

func parseLength(b []byte) (int64, bool) {
	if len(b) == 0 {
		return 0, false
	}
	var n int64
	for _, c := range b {
		if !isDigit(c) || n > maxLength/10 {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, n <= maxLength
}

func (f *framer) transferEncoding(v []byte) {
	for more := true; more; {
		item := v
		if i := bytes.IndexByte(v, ','); i >= 0 {
			item, v = v[:i], v[i+1:]
		} else {
			more = false
		}
		switch item = trimBlank(item); {
		case foldEqual(item, "chunked"):
			f.behind = f.behind || f.chunked
			f.chunked, f.coding = true, true
		case len(item) == 0:
			f.anomalies.Add(exchange.BadTransferEncoding)
		case foldEqual(item, "identity"):
			f.anomalies.Add(exchange.BadTransferEncoding)
			f.behind = f.behind || f.chunked
		default:
			f.behind = f.behind || f.chunked
			f.coding = true
		}
	}
}

// framing settles rules 3 to 8 of RFC 9112 section 6.3. Where the RFC wants a request refused, the
// server reads no further message from the connection: the rest is this request's body. But one with
// an unknown coding and a length is read by its length, as servers do that know no codings: else a
// client could hide what it asks for next. Of a response the coding wins, RFC 9112 section 6.3 rule 4.
func (f *framer) framing(role Role) (Framing, int64) {
	if f.behind {
		f.anomalies.Add(exchange.BadTransferEncoding) // chunked must be the last, and once
	}
	switch {
	case role == Request && f.spaced:
		return UntilClose, -1
	case f.chunked:
		if f.length >= 0 || f.badLength {
			f.anomalies.Add(exchange.TransferEncodingAndLength)
		}
		return Chunked, -1
	case f.coding:
		f.anomalies.Add(exchange.BadTransferEncoding)
		if f.length < 0 || f.badLength {
			return UntilClose, -1
		}
		f.anomalies.Add(exchange.TransferEncodingAndLength)
		if role == Response {
			return UntilClose, -1
		}
	}
	switch {
	case f.badLength:
		return UntilClose, -1
	case f.length > 0:
		return Length, f.length
	case f.length == 0 || role == Request:
		return NoBody, f.length
	}
	return UntilClose, -1
}
