// SPDX-License-Identifier: Apache-2.0

// Package identity turns the credentials one request showed into ids, and forgets them.
//
// It assumes that what it is shown is valid only during the call. It refuses to print or store it.
package identity

import (
	"net/netip"

	"github.com/weir-project/weir/proto/keyhash"
	"github.com/weir-project/weir/sensor/exchange"
)

// Field is one header field. Name keeps the case it was sent in; both slices belong to the caller.
type Field struct{ Name, Value []byte }

// Request is what identity may look at. All of it belongs to the caller.
type Request struct {
	ServerName []byte // lower case, without port
	Target     []byte // request-target as sent
	Fields     []Field
	Client     netip.AddrPort
	Truncated  bool // a gap or a bound cut the header block: a credential may be missing
}

// Identity is what is left of the credentials: ids and names, never values. Slices are the
// Resolver's own and are valid until its next call.
type Identity struct {
	PrincipalID    exchange.ID
	Source         string // the rule that named the principal
	Assurance      exchange.Assurance
	TokenID        exchange.ID
	OtherTokenIDs  []exchange.ID
	Kind           exchange.CredentialKind
	Name           []byte // header, cookie or query key
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
type Resolver struct {
	keys *keyhash.Keys
	cfg  Config
}

// NewResolver makes a Resolver.
func NewResolver(keys *keyhash.Keys, cfg Config) *Resolver {
	return &Resolver{keys: keys, cfg: cfg}
}

// Resolve looks at the credentials of one request and fills out, whose slices it reuses.
func (r *Resolver) Resolve(req *Request, out *Identity) { *out = Identity{} }

// Refused charges what a server refused (401, 403, 407) to the token alone: the principal becomes
// the token's own. Without a token the principal stays.
func (r *Resolver) Refused(id *Identity) {}
