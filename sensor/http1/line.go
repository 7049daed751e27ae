// SPDX-License-Identifier: Apache-2.0

package http1

import (
	"bytes"
	"strings"
)

// maxMethod bounds a method: the longest registered one, UPDATEREDIRECTREF, has 17 letters.
const maxMethod = 24

// lineKind is what a first line turned out to be.
type lineKind uint8

const (
	notHTTP lineKind = iota
	requestLine
	statusLine
	simpleLine  // GET SP target, HTTP/0.9
	prefaceLine // of HTTP/2
)

// startLine is a parsed first line: positions in it, so that the line may move.
type startLine struct {
	kind                    lineKind
	method                  int // length
	targetStart, targetStop int
	minor                   int
	status                  int
	odd                     bool // read, but not by the grammar
}

var (
	versionPrefix = []byte("HTTP/1.")
	preface       = []byte("PRI * HTTP/2.0")
)

// methods that may be found in the middle of a line, after the last byte of a body. Elsewhere any
// token will do. One that ends like another stands before it.
var methods = [...]string{"GET", "POST", "PUT", "PROPPATCH", "ORDERPATCH", "PATCH", "DELETE", "HEAD", "OPTIONS", "CONNECT", "TRACE",
	"PROPFIND", "REPORT", "MKCOL", "COPY", "MOVE", "UNLOCK", "LOCK", "M-SEARCH", "SEARCH", "QUERY"}

// trimLine takes the line end and trailing blanks off.
func trimLine(line []byte) []byte {
	n := len(line)
	for n > 0 && (line[n-1] == '\n' || line[n-1] == '\r' || line[n-1] == ' ' || line[n-1] == '\t') {
		n--
	}
	return line[:n]
}

// isToken says whether a byte may stand in a method, RFC 9110 section 5.6.2: "method = token". Servers differ:
// some take registered methods alone, some take any token and may answer "get" as they do GET.
func isToken(c byte) bool {
	switch {
	case c|0x20 >= 'a' && c|0x20 <= 'z', isDigit(c), c == '-', c == '_':
		return true
	}
	return c > ' ' && strings.IndexByte("!#$%&'*+.^`|~", c) >= 0
}

// isPlain says whether a method is one as people name them: letters in upper case first of all.
func isPlain(method []byte) bool {
	for i, c := range method {
		if !(c >= 'A' && c <= 'Z' || i > 0 && (c == '-' || c == '_' || isDigit(c))) {
			return false
		}
	}
	return true
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' }

// viable says whether a line that begins so can still become one the role may begin with.
func viable(prefix []byte, role Role) bool {
	prefix = trimLine(prefix)
	return role != Response && viableRequest(prefix) || role != Request && viableStatus(prefix)
}

// settled is how many bytes of a line decide all but whether its target is clean.
const settled = maxMethod + 2

// stillViable is viable for a line of which the first seen bytes were: long lines may come in small pieces.
func stillViable(line []byte, seen int, role Role) bool {
	if seen < settled {
		return viable(line, role)
	}
	if role != Request && viableStatus(line[:settled]) {
		return true
	}
	return role != Response && cleanTarget(trimLine(line[seen-1:]))
}

func viableRequest(prefix []byte) bool {
	for i, c := range prefix {
		if isBlank(c) && i > 0 {
			return cleanTarget(prefix[i+1:])
		}
		if !isToken(c) || i >= maxMethod {
			return false
		}
	}
	return true
}

// cleanTarget refuses control bytes: no server takes them, and binary protocols are full of them.
func cleanTarget(b []byte) bool {
	for i, c := range b {
		if c < ' ' && c != '\t' && !(c == '\r' && i == len(b)-1) || c == 0x7f {
			return false
		}
	}
	return true
}

func viableStatus(prefix []byte) bool {
	n := min(len(prefix), len(versionPrefix))
	if !bytes.Equal(prefix[:n], versionPrefix[:n]) {
		return false
	}
	prefix = prefix[n:]
	return len(prefix) == 0 || isDigit(prefix[0]) && (len(prefix) == 1 || prefix[1] == ' ')
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// parseStart reads a whole first line, line end included, as a side of the given role may send it.
func parseStart(line []byte, role Role) startLine {
	line = trimLine(line)
	if role != Request && viableStatus(line) && len(line) > len(versionPrefix) {
		return parseStatus(line)
	}
	if role != Response {
		return parseRequest(line)
	}
	return startLine{}
}

// parseStatus reads HTTP/1.d SP ddd [SP reason], RFC 9112 section 4.
func parseStatus(line []byte) startLine {
	l := startLine{kind: statusLine, minor: int(line[7] - '0')}
	i := 8
	for i < len(line) && line[i] == ' ' {
		i++
	}
	l.odd = i != 9
	if len(line) < i+3 || !isDigit(line[i]) || !isDigit(line[i+1]) || !isDigit(line[i+2]) ||
		line[i] == '0' || len(line) > i+3 && line[i+3] != ' ' && line[i+3] != '\t' {
		return startLine{}
	}
	l.status = int(line[i]-'0')*100 + int(line[i+1]-'0')*10 + int(line[i+2]-'0')
	return l
}

// parseRequest reads method SP target SP HTTP/1.d, RFC 9112 section 3. Blanks inside a target are
// read as a part of it, as most servers do; tabs for blanks and other versions as some do.
func parseRequest(line []byte) startLine {
	if bytes.Equal(line, preface) || !viableRequest(line) {
		return startLine{kind: lineKindOf(line)}
	}
	method := 0
	for method < len(line) && !isBlank(line[method]) {
		method++
	}
	if method == 0 || method == len(line) {
		return startLine{}
	}
	l := startLine{kind: requestLine, method: method, targetStart: method + 1, odd: line[method] == '\t'}
	l.version(line)
	for l.targetStart < l.targetStop && isBlank(line[l.targetStart]) {
		l.targetStart, l.odd = l.targetStart+1, true
	}
	for l.targetStart < l.targetStop && isBlank(line[l.targetStop-1]) {
		l.targetStop, l.odd = l.targetStop-1, true
	}
	target := line[l.targetStart:max(l.targetStart, l.targetStop)]
	if len(target) == 0 {
		return startLine{}
	}
	l.odd = l.odd || bytes.IndexByte(target, ' ') >= 0 || bytes.IndexByte(target, '\t') >= 0
	if l.minor >= 0 {
		return l
	}
	// HTTP/0.9 knows GET alone (RFC 1945 section 5), and no blank in the target.
	if l.odd || string(line[:method]) != "GET" || !rootedTarget(target) {
		return startLine{}
	}
	l.kind = simpleLine
	return l
}

// lineKindOf tells the preface from what is nothing.
func lineKindOf(line []byte) lineKind {
	if bytes.Equal(line, preface) {
		return prefaceLine
	}
	return notHTTP
}

// version cuts the version off the end of a request line; without one the minor version is -1. What is
// no HTTP/1.d some servers take all the same: HTTP/1.10, HTTP/2.0.
func (l *startLine) version(line []byte) {
	l.minor, l.targetStop = -1, len(line)
	if v := len(line) - 8; v > l.method && isBlank(line[v-1]) && bytes.Equal(line[v:v+7], versionPrefix) && isDigit(line[v+7]) {
		l.minor, l.targetStop, l.odd = int(line[v+7]-'0'), v-1, l.odd || line[v-1] == '\t'
		return
	}
	i := len(line)
	for i > l.method && i > len(line)-maxVersion && !isBlank(line[i-1]) {
		i--
	}
	word, is := bytes.CutPrefix(line[i:], []byte("HTTP/"))
	major, minor, dotted := bytes.Cut(word, []byte("."))
	if is && dotted && i > l.method+1 && isBlank(line[i-1]) && allDigits(major) && allDigits(minor) {
		l.minor, l.targetStop, l.odd = 1, i-1, true
	}
}

// maxVersion bounds a version: HTTP/ and three digits twice.
const maxVersion = len("HTTP/000.000")

func allDigits(b []byte) bool {
	for _, c := range b {
		if !isDigit(c) {
			return false
		}
	}
	return len(b) > 0
}

// rootedTarget says whether a target is in origin, absolute or asterisk form, RFC 9112 section 3.2.
func rootedTarget(t []byte) bool {
	return t[0] == '/' || len(t) == 1 && t[0] == '*' || hasScheme(t)
}

func hasScheme(t []byte) bool {
	i := bytes.Index(t[:min(len(t), 16)], []byte("://"))
	return i > 0
}

// oversizeStart decides on a line that is longer than the bound: only a method everyone knows and
// the beginning of a path make it a request whose target is cut.
func oversizeStart(line []byte, role Role) startLine {
	if role == Response || !viableRequest(line) {
		return startLine{}
	}
	for _, m := range methods {
		if n := len(m); len(line) > n+1 && string(line[:n]) == m && line[n] == ' ' && rootedTarget(line[n+1:]) {
			return startLine{kind: requestLine, method: n, targetStart: n + 1, targetStop: len(line), minor: 1, odd: true}
		}
	}
	return startLine{}
}

// findStart looks for a message that begins inside a whole line: at its first byte, or right after
// the last byte of a body without a line end. It returns -1 where there is none. A first line must
// be by the book here, since the bytes before it are not understood. Of a torn line the begin may be
// missing: then only a method everyone knows is one, for T could have been GET.
func findStart(line []byte, role Role, torn bool) int {
	line = trimLine(line) // once: the line may hold many versions and end with many blanks
	if role != Request {
		for from := 0; ; {
			i := bytes.Index(line[from:], versionPrefix)
			if i < 0 {
				break
			}
			from += i
			if l := parseStart(line[from:], Response); l.kind == statusLine && !l.odd {
				return from
			}
			from++
		}
	}
	if role != Response {
		return findRequest(line, torn)
	}
	return -1
}

func findRequest(line []byte, torn bool) int {
	v := len(line) - 8
	if v < 4 || line[v-1] != ' ' || !bytes.Equal(line[v:v+7], versionPrefix) || !isDigit(line[v+7]) {
		return -1
	}
	if l := parseRequest(line); !torn && l.kind == requestLine && !l.odd && isPlain(line[:l.method]) && shapedTarget(line[:l.method], line[l.targetStart:l.targetStop]) {
		return 0
	}
	sp := bytes.LastIndexByte(line[:v-1], ' ')
	if sp < 0 {
		return -1
	}
	for _, m := range methods {
		if i := sp - len(m); i >= 0 && string(line[i:sp]) == m && sp+1 < v-1 && shapedTarget(line[i:sp], line[sp+1:v-1]) {
			if l := parseRequest(line[i:]); l.kind == requestLine && !l.odd { // as it is read from there
				return i
			}
		}
	}
	return -1
}

func shapedTarget(method, target []byte) bool {
	return rootedTarget(target) || string(method) == "CONNECT"
}
