// SPDX-License-Identifier: Apache-2.0

package keyhash

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"io"
	"sync"
)

// Class is the kind of proof behind a principal. It is part of what is hashed, so ids of different
// classes never meet, whatever their fields say.
type Class uint8

// The classes; the numbers are hashed and never change.
const (
	ClassVerified Class = iota + 1 // fields: iss, sub or client_id; the signature was checked
	ClassClaimed                   // fields: iss, sub or client_id, server name; unverified
	ClassToken                     // field: token_id
	ClassAddress                   // field: client address, 4 or 16 bytes
	ClassUnknown                   // no field: one id per fleet for lost credentials, never scored
)

// Kinds of credentials for TokenID; the numbers are hashed and never change. One secret has one
// kind, however it is carried: a token in a header and the same token in a query string are one.
const (
	KindToken       byte = iota + 1 // bearer token, JWT, API key: the exact text
	KindBasic                       // "user-id:password", decoded
	KindCookie                      // the value of a session cookie
	KindCertificate                 // a client certificate: its hash, lower-case hex
	KindAccessKey                   // the public access key id of a signing scheme
)

// Domains of the credentials key: the first byte that is hashed.
const (
	domainToken     = 1
	domainPrincipal = 2
)

// CredentialsKey makes token and principal ids. It rotates.
type CredentialsKey struct {
	macs *sync.Pool // of *mac; fmt cannot see what a pool holds
	id   uint32
}

// mac is one keyed HMAC-SHA-256 with room for what it must not allocate.
type mac struct {
	hash.Hash
	small [8]byte
	sum   [sha256.Size]byte
}

func newCredentialsKey(key []byte, id uint32) *CredentialsKey {
	return &CredentialsKey{id: id, macs: &sync.Pool{New: func() any {
		return &mac{Hash: hmac.New(sha256.New, key)}
	}}}
}

// KeyID names the key; it is not secret.
func (c *CredentialsKey) KeyID() uint32 { return c.id }

// Format prints "redacted" for every verb.
func (*CredentialsKey) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// TokenID is the keyed fingerprint of one exact credential of a kind: the first 16 bytes of
// HMAC-SHA-256 over 0x01, kind, credential. The credential stays the caller's and is not kept.
func (c *CredentialsKey) TokenID(kind byte, credential []byte) ID {
	m := c.macs.Get().(*mac)
	m.small[0], m.small[1] = domainToken, kind
	m.Write(m.small[:2])
	m.Write(credential)
	return c.finish(m)
}

// PrincipalID is the id of a principal: the first 16 bytes of HMAC-SHA-256 over 0x02, class, and
// each field behind its length, so that no two lists of fields are the same bytes.
func (c *CredentialsKey) PrincipalID(class Class, fields ...[]byte) ID {
	m := c.macs.Get().(*mac)
	m.small[0], m.small[1] = domainPrincipal, byte(class)
	m.Write(m.small[:2])
	for _, f := range fields {
		binary.BigEndian.PutUint32(m.small[:4], uint32(len(f)))
		m.Write(m.small[:4])
		m.Write(f)
	}
	return c.finish(m)
}

// finish takes the sum and puts the mac back without a trace of what it was shown.
func (c *CredentialsKey) finish(m *mac) ID {
	id := ID(m.Sum(m.sum[:0])[:16])
	m.Reset()
	clear(m.sum[:])
	c.macs.Put(m)
	return id
}
