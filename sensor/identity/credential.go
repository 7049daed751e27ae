// SPDX-License-Identifier: Apache-2.0

package identity

import (
	"bytes"
	"encoding/base64"
	"net/netip"

	"github.com/weir-project/weir/proto/keyhash"
	"github.com/weir-project/weir/sensor/exchange"
)

// maxCredential is the longest credential that is cached, decoded or read for claims. Longer ones
// are fingerprinted all the same.
const maxCredential = 16 << 10

// candidate is a credential before it becomes ids.
type candidate struct {
	rank   int
	source string
	name   []byte
	hash   byte // a keyhash.Kind
	kind   exchange.CredentialKind
	text   []byte
	jwt    bool // it may be a JWT
}

// show fingerprints a credential. An empty one, and what a script sends in place of none, is none.
func (r *Resolver) show(req *Request, c candidate) {
	if len(c.text) == 0 || isNothing(c.text) {
		return
	}
	if len(r.shown) == maxShown {
		r.more++
		return
	}
	isJWT := c.jwt && looksLikeJWT(c.text)
	if isJWT {
		c.hash = keyhash.KindToken // the same token, however it is carried
	}
	got := r.ids(c.hash, c.text, isJWT, req.ServerName)
	s := shown{rank: c.rank, source: c.source, name: c.name, kind: c.kind, ids: got}
	if isJWT {
		s.malformed = got.malformed
		if !got.malformed && !got.tooLarge {
			s.kind = exchange.CredentialJWT
		}
	}
	r.shown = append(r.shown, s)
}

// ids gives token and principal of a credential, from the cache where possible.
func (r *Resolver) ids(hash byte, text []byte, isJWT bool, server []byte) ids {
	if len(text) > maxCredential || len(server) > maxServer {
		token := exchange.ID(r.keys.Credentials.TokenID(hash, text))
		return ids{token: token, principal: r.tokenPrincipal(token), tooLarge: true}
	}
	key := r.cache.key(hash, text)
	if isJWT {
		key = r.cache.bind(key, server)
	}
	if got, ok := r.cache.get(key); ok {
		return got
	}
	got := ids{token: exchange.ID(r.keys.Credentials.TokenID(hash, text))}
	if isJWT {
		r.claim(&got, text, server)
	}
	if !got.claimed {
		got.principal = r.tokenPrincipal(got.token)
	}
	r.cache.put(key, got)
	return got
}

// claim reads a JWT's claims, makes the principal they name, and forgets them.
func (r *Resolver) claim(got *ids, text, server []byte) {
	defer r.jwt.forget()
	c, result := r.jwt.parse(text)
	got.malformed = result == jwtMalformed
	got.tooLarge = result == jwtTooLarge
	if result == jwtRead && len(c.subject) > 0 {
		got.claimed = true
		got.principal = exchange.ID(r.keys.Credentials.PrincipalID(keyhash.ClassClaimed, c.issuer, c.subject, server))
	}
}

func (r *Resolver) address(client netip.Addr) exchange.ID {
	r.id16 = client.As16()
	b := r.id16[:]
	if client.Is4() {
		b = b[12:]
	}
	key := r.cache.key(hashAddress, b)
	if got, ok := r.cache.get(key); ok {
		return got.principal
	}
	id := exchange.ID(r.keys.Credentials.PrincipalID(keyhash.ClassAddress, b))
	r.cache.put(key, ids{principal: id})
	return id
}

// authorization reads "scheme credentials" (RFC 9110 section 11.4). What a scheme changes with each
// request (signatures, nonces) names nobody: of those the stable part is taken.
func (r *Resolver) authorization(req *Request, f *Field, rank int, source string) {
	value := trim(f.Value)
	scheme, rest, found := cutBlank(value)
	c := candidate{rank: rank, source: source, name: f.Name, hash: keyhash.KindToken}
	if !found {
		// No scheme: the bare token, as some clients send it; or a scheme without credentials.
		c.kind, c.text, c.jwt = exchange.CredentialOther, value, true
		if schemeOf(value) != schemeOther {
			c.text = nil
		}
		r.show(req, c)
		return
	}
	rest = trim(rest)
	switch schemeOf(scheme) {
	case schemeBearer:
		c.kind, c.text, c.jwt = exchange.CredentialBearer, rest, true
	case schemeBasic:
		r.basic(req, c, rest)
		return
	case schemeKey:
		c.kind, c.text, c.jwt = exchange.CredentialAPIKey, rest, true
		if v, ok := param(rest, "token"); ok {
			c.text = v
		}
	case schemeSigned:
		c.kind, c.hash, c.text = exchange.CredentialSignature, keyhash.KindAccessKey, accessKey(rest)
	case schemeFleeting:
		return
	default:
		c.kind, c.text, c.jwt = exchange.CredentialOther, rest, true
	}
	r.show(req, c)
}

// basic fingerprints "user-id:password" (RFC 7617), or the text as sent when it is no base64.
func (r *Resolver) basic(req *Request, c candidate, rest []byte) {
	c.kind, c.hash, c.text = exchange.CredentialBasic, keyhash.KindBasic, rest
	bare := bytes.TrimRight(rest, "=")
	malformed := true
	if n := base64.RawStdEncoding.DecodedLen(len(bare)); n <= maxCredential {
		buf := r.buf[:n]
		defer clear(buf)
		if n, err := base64.RawStdEncoding.Decode(buf, bare); err == nil && bytes.IndexByte(buf[:n], ':') >= 0 {
			c.text, malformed = buf[:n], false
		}
	}
	if user, password, _ := bytes.Cut(c.text, []byte(":")); !malformed && absent(user) && absent(password) {
		return
	}
	before := len(r.shown)
	if r.show(req, c); len(r.shown) > before {
		r.shown[before].malformed = malformed
	}
}

// cutBlank cuts at the first blank. RFC 9110 section 11.4 knows spaces alone; servers that split at white
// space take a tab too.
func cutBlank(s []byte) (before, after []byte, found bool) {
	if i := bytes.IndexAny(s, " \t"); i >= 0 {
		return s[:i], s[i+1:], true
	}
	return s, nil, false
}

func absent(s []byte) bool { return len(s) == 0 || isNothing(s) }

// clientCertificate reads Envoy's X-Forwarded-Client-Cert: the Hash of the last element, which the
// nearest hop wrote. Anybody can send the header: it owns only when a trusted hop did.
func (r *Resolver) clientCertificate(req *Request, f *Field, trusted bool) {
	last, _ := lastElement(f.Value)
	hash, ok := xfccHash(last)
	if !ok {
		return
	}
	buf := r.buf[:0]
	for _, c := range hash {
		buf = append(buf, toLower(c))
	}
	defer clear(buf)
	c := candidate{rank: rankNever, source: sourceClientCertificate, name: f.Name,
		hash: keyhash.KindCertificate, kind: exchange.CredentialClientCertificate, text: buf}
	if trusted {
		c.rank = rankClientCertificate
	}
	r.show(req, c)
}

// xfccHash finds Hash=<64 hex digits> in an element.
func xfccHash(element []byte) ([]byte, bool) {
	for len(element) > 0 {
		var part []byte
		part, element = cutQuoted(element, ';')
		name, value, ok := bytes.Cut(trim(part), []byte("="))
		value = bytes.Trim(value, `"`)
		if ok && equalFold(name, "hash") && len(value) == 64 && allHex(value) {
			return value, true
		}
	}
	return nil, false
}

// query looks at the query string of the target.
func (r *Resolver) query(req *Request) {
	_, q, _ := bytes.Cut(req.Target, []byte("?"))
	if i := bytes.IndexByte(q, '#'); i >= 0 {
		q = q[:i]
	}
	for len(q) > 0 {
		var pair []byte
		pair, q, _ = bytes.Cut(q, []byte("&"))
		name, value, ok := bytes.Cut(pair, []byte("="))
		if !ok || len(value) == 0 || len(name) > 3*maxNameLen {
			continue
		}
		var room, low [3 * maxNameLen]byte
		name = unescape(room[:0], name)
		lowName, ok := lower(low[:0], name)
		if !ok {
			continue
		}
		if rule, ok := r.queries[string(lowName)]; ok {
			r.queryValue(req, rule, value)
		}
	}
}

func (r *Resolver) queryValue(req *Request, rule queryRule, value []byte) {
	c := candidate{rank: rule.rank, source: sourceQuery, name: rule.name, hash: keyhash.KindToken,
		kind: exchange.CredentialQuery, text: value, jwt: true}
	if len(value) <= maxCredential && bytes.IndexByte(value, '%') >= 0 {
		buf := unescape(r.buf[:0], value)
		defer clear(buf)
		c.text = buf
	}
	if rule.accessKey {
		c.hash, c.kind, c.jwt = keyhash.KindAccessKey, exchange.CredentialSignature, false
		c.text, _, _ = bytes.Cut(c.text, []byte("/"))
	}
	r.show(req, c)
}

// cookie looks at a Cookie field (RFC 6265 section 4.2.1) for session cookies by name.
func (r *Resolver) cookie(req *Request, value []byte) {
	for len(value) > 0 {
		var pair []byte
		pair, value, _ = bytes.Cut(value, []byte(";"))
		name, v, ok := bytes.Cut(trim(pair), []byte("="))
		if !ok || !r.isSession(name) {
			continue
		}
		if n := len(v); n >= 2 && v[0] == '"' && v[n-1] == '"' {
			v = v[1 : n-1]
		}
		if equalFold(v, "deleted") {
			continue // what PHP leaves of a session that ended
		}
		r.show(req, candidate{rank: rankCookie, source: sourceCookie, name: name, hash: keyhash.KindCookie,
			kind: exchange.CredentialCookie, text: trim(v), jwt: true})
	}
}
