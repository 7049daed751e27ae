// SPDX-License-Identifier: Apache-2.0

// Package identity turns the credentials one request showed into ids, and forgets them.
//
// It assumes that what it is shown is valid only during the call. It refuses to print or store it.
package identity

import (
	"bytes"
	"fmt"
	"io"
	"net/netip"

	"github.com/weir-project/weir/proto/keyhash"
	"github.com/weir-project/weir/sensor/exchange"
)

// MaxOtherTokens bounds Identity.OtherTokenIDs.
const MaxOtherTokens = 8

// maxShown bounds the credentials of one request that are fingerprinted; the rest are counted.
const maxShown = 32

// Field is one header field. Name keeps the case it was sent in; both slices belong to the caller.
type Field struct{ Name, Value []byte }

// Format prints "redacted" for every verb: a field may be a credential.
func (Field) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "redacted") }

// Request is what identity may look at. All of it belongs to the caller.
type Request struct {
	ServerName []byte // lower case, without port
	Target     []byte // request-target as sent
	Fields     []Field
	Client     netip.AddrPort
	Truncated  bool // a gap or a bound cut the header block: fields are missing
	Unknown    bool // some fields are not known: they refer to compression table entries never seen (RFC 7541)
}

// incomplete says that a field may be missing which would have counted for more than all that are there.
func (q *Request) incomplete() bool { return q.Truncated || q.Unknown }

// Format prints "redacted" for every verb.
func (Request) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "redacted") }

// Identity is what is left of the credentials: ids and names, never values. Slices are the
// Resolver's own and are valid until its next call.
type Identity struct {
	PrincipalID    exchange.ID
	Source         string // the rule that named the principal: authorization, api_key, client_certificate, query, cookie, proxy_authorization, address, unknown
	Assurance      exchange.Assurance
	TokenID        exchange.ID // of the credential that owns the exchange; zero without one
	OtherTokenIDs  []exchange.ID
	OtherTokens    int // distinct credentials beyond the owner's and beyond OtherTokenIDs' bound
	Kind           exchange.CredentialKind
	Name           []byte // header, cookie or query key, lower case
	ForwardedFor   netip.Addr
	ClientSoftware string
	Anomalies      exchange.AnomalySet
}

// Config chooses the rules. The zero value is the default rule set with no trusted proxy.
type Config struct {
	APIKeyHeaders  []string       // beyond the defaults, such as "X-Partner-Key"
	SessionCookies []string       // beyond the defaults
	QueryKeys      []string       // beyond the defaults
	TrustedHops    []netip.Prefix // proxies whose forwarding headers are believed
	MaxCached      int            // ids kept per Resolver, so that a token is hashed once; 0 means 65,536
}

// Resolver applies the rules. It belongs to one goroutine.
//
// Of the credentials a request shows, one owns the exchange: the first of Authorization, API-key
// headers in the order of the rules, a client certificate told by a trusted hop, query keys,
// session cookies, Proxy-Authorization. All others are told as OtherTokenIDs. Where fields are missing
// only Authorization owns: a missing field may be a credential that would have come before any other,
// and a wrong owner is worse than none.
type Resolver struct {
	keys     *keyhash.Keys
	hops     []netip.Prefix
	headers  map[string]headerRule
	first    [maxNameLen + 1]uint32 // by length of a header name: which first letters have a rule
	cookies  map[string]struct{}
	queries  map[string]queryRule
	unknown  exchange.ID
	cache    cache
	families families

	shown  []shown
	more   int // credentials beyond maxShown
	others [MaxOtherTokens]exchange.ID
	name   [maxNameLen]byte
	jwt    jwtParser
	buf    []byte   // a decoded credential, cleared after use
	id16   [16]byte // an id or address on its way into a hash
}

// shown is one fingerprinted credential.
type shown struct {
	rank      int // lower owns
	source    string
	name      []byte // the caller's or a constant; read only during Resolve
	kind      exchange.CredentialKind
	ids       ids
	malformed bool
}

// NewResolver makes a Resolver. Resolvers with the same key and Config agree on every id.
func NewResolver(keys *keyhash.Keys, cfg Config) *Resolver {
	r := &Resolver{
		keys:    keys,
		hops:    cfg.TrustedHops,
		headers: headerRules(cfg.APIKeyHeaders),
		cookies: cookieRules(cfg.SessionCookies),
		queries: queryRules(cfg.QueryKeys),
		unknown: exchange.ID(keys.Credentials.PrincipalID(keyhash.ClassUnknown)),
		shown:   make([]shown, 0, maxShown),
		buf:     make([]byte, 0, maxCredential),
	}
	for name := range r.headers {
		if len(name) <= maxNameLen {
			r.first[len(name)] |= 1 << (name[0] & 31)
		}
	}
	r.cache.init(cfg.MaxCached)
	return r
}

// Format prints nothing of what a Resolver was shown.
func (Resolver) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "identity.Resolver") }

// Resolve looks at the credentials of one request and fills out. Nothing of req is kept.
func (r *Resolver) Resolve(req *Request, out *Identity) {
	*out = Identity{ClientSoftware: softwareNone}
	r.shown, r.more = r.shown[:0], 0
	trusted := r.isHop(req.Client.Addr())
	for i := range req.Fields {
		r.field(req, &req.Fields[i], trusted, out)
	}
	r.query(req)
	for i := range req.Fields {
		if f := &req.Fields[i]; equalFold(f.Name, "cookie") {
			r.cookie(req, f.Value)
		}
	}
	client := req.Client.Addr().Unmap()
	if trusted && !req.incomplete() { // the last hop may have written into a field that is missing
		if addr := r.forwardedFor(req.Fields); addr.IsValid() {
			client, out.ForwardedFor = addr, addr
		}
	}
	if req.incomplete() && out.ClientSoftware == softwareNone {
		out.ClientSoftware = "" // nobody said that there is none
	}
	r.choose(req, client, out)
	clear(r.shown)
}

// field looks at one header field; cookies come later, so that they cannot crowd out the others.
func (r *Resolver) field(req *Request, f *Field, trusted bool, out *Identity) {
	if n := len(f.Name); n == 0 || n > maxNameLen || r.first[n]&(1<<(f.Name[0]&31)) == 0 {
		return // most fields: no rule has this length and first letter
	}
	var low [maxNameLen]byte
	name, _ := lower(low[:0], f.Name)
	rule, ok := r.headers[string(name)]
	if !ok {
		return
	}
	switch rule.kind {
	case headerAuthorization:
		r.authorization(req, f, rankAuthorization, sourceAuthorization)
	case headerProxyAuthorization:
		r.authorization(req, f, rankProxyAuthorization, sourceProxyAuthorization)
	case headerAPIKey:
		r.show(req, candidate{rank: rule.rank, source: sourceAPIKey, name: f.Name, hash: keyhash.KindToken,
			kind: exchange.CredentialAPIKey, text: trim(f.Value), jwt: true})
	case headerBinaryKey: // base64; "implementations MUST accept padded and un-padded values"
		r.show(req, candidate{rank: rule.rank, source: sourceAPIKey, name: f.Name, hash: keyhash.KindToken,
			kind: exchange.CredentialAPIKey, text: bytes.TrimRight(trim(f.Value), "=")})
	case headerClientCertificate:
		r.clientCertificate(req, f, trusted)
	case headerUserAgent:
		out.ClientSoftware = r.families.of(f.Value)
	}
}

// choose finds the owner among the credentials shown and lists the others.
func (r *Resolver) choose(req *Request, client netip.Addr, out *Identity) {
	owner, below := -1, rankNever
	if req.incomplete() {
		below = rankAuthorization + 1
	}
	for i := range r.shown {
		s := &r.shown[i]
		if s.malformed {
			out.Anomalies.Add(exchange.CredentialMalformed)
		}
		if s.ids.tooLarge {
			out.Anomalies.Add(exchange.CredentialTooLarge)
		}
		if s.rank < below && (owner < 0 || s.rank < r.shown[owner].rank) {
			owner = i
		}
	}
	switch {
	case owner >= 0:
		s := &r.shown[owner]
		out.TokenID, out.Kind, out.Source = s.ids.token, s.kind, s.source
		out.PrincipalID, out.Assurance = s.ids.principal, exchange.AssuranceToken
		if s.ids.claimed {
			out.Assurance = exchange.AssuranceClaimed
		}
		out.Name, _ = lower(r.name[:0], s.name)
	case req.incomplete() || !client.IsValid():
		out.PrincipalID, out.Assurance = r.unknown, exchange.AssuranceUnknown
		out.Kind, out.Source = exchange.CredentialNone, sourceUnknown
	default:
		out.PrincipalID, out.Assurance = r.address(client), exchange.AssuranceAddress
		out.Kind, out.Source = exchange.CredentialNone, sourceAddress
	}
	r.listOthers(owner, out)
}

func (r *Resolver) listOthers(owner int, out *Identity) {
	n := 0
	for i := range r.shown {
		id := r.shown[i].ids.token
		if i == owner || id == out.TokenID || contains(r.others[:n], id) {
			continue
		}
		if n == MaxOtherTokens {
			out.OtherTokens++
			continue
		}
		r.others[n] = id
		n++
	}
	out.OtherTokenIDs = r.others[:n]
	out.OtherTokens += r.more
}

func contains(list []exchange.ID, id exchange.ID) bool {
	for i := range list {
		if list[i] == id {
			return true
		}
	}
	return false
}

// Refused charges what a server refused (401, 403, 407) to the token alone: the principal becomes
// the token's own. Without a token the principal stays.
func (r *Resolver) Refused(id *Identity) {
	if id.TokenID.IsZero() {
		return
	}
	id.PrincipalID = r.tokenPrincipal(id.TokenID)
	id.Assurance = exchange.AssuranceToken
}

func (r *Resolver) tokenPrincipal(token exchange.ID) exchange.ID {
	r.id16 = token
	return exchange.ID(r.keys.Credentials.PrincipalID(keyhash.ClassToken, r.id16[:]))
}
