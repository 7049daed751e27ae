// SPDX-License-Identifier: Apache-2.0

package keyhash

import (
	"bytes"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
)

// TenantKey is the one secret of a fleet. It prints as "redacted" in every form that fmt and the
// text encoders reach; fmt does not call methods on unexported fields, so keep one in a local
// variable or behind a pointer, not in a struct.
type TenantKey [32]byte

const redacted = "redacted"

// String is always "redacted".
func (TenantKey) String() string { return redacted }

// GoString is always "redacted".
func (TenantKey) GoString() string { return redacted }

// Format prints "redacted" for every verb.
func (TenantKey) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// MarshalText is always "redacted": a key is written to its file by LoadOrCreate and nowhere else.
func (TenantKey) MarshalText() ([]byte, error) { return []byte(redacted), nil }

var errKeyText = errors.New("a tenant key is 32 bytes written as 64 hex digits or as base64")

// ParseTenantKey reads a key written as 64 hex digits or as base64 of 32 bytes (standard or URL
// alphabet, with or without padding); white space around it is ignored. Errors never repeat the
// text. The text stays the caller's.
func ParseTenantKey(text []byte) (TenantKey, error) {
	var k TenantKey
	text = bytes.TrimSpace(text)
	if len(text) == 0 {
		return k, fmt.Errorf("parse tenant key: it is empty: %w", errKeyText)
	}
	if len(text) == 2*len(k) {
		if _, err := hex.Decode(k[:], text); err != nil {
			return TenantKey{}, fmt.Errorf("parse tenant key: 64 characters, not all hex digits: %w", errKeyText)
		}
		return k.checked()
	}
	bare := bytes.TrimRight(text, "=")
	enc := base64.RawStdEncoding
	if bytes.ContainsAny(bare, "-_") {
		enc = base64.RawURLEncoding
	}
	var raw [64]byte
	defer clear(raw[:])
	if len(bare) != enc.EncodedLen(len(k)) {
		return k, fmt.Errorf("parse tenant key: %d characters: %w", len(text), errKeyText)
	}
	if n, err := enc.Strict().Decode(raw[:], bare); err != nil || n != len(k) {
		return k, fmt.Errorf("parse tenant key: not valid base64: %w", errKeyText)
	}
	copy(k[:], raw[:])
	return k.checked()
}

// checked refuses the one key that is surely a mistake.
func (k TenantKey) checked() (TenantKey, error) {
	if k == (TenantKey{}) {
		return k, errors.New("parse tenant key: all bytes are zero, which is no secret; make one with `openssl rand -hex 32`")
	}
	return k, nil
}

// NewTenantKey draws a key from rand, which must be cryptographically strong (crypto/rand.Reader).
func NewTenantKey(rand io.Reader) (TenantKey, error) {
	var k TenantKey
	if _, err := io.ReadFull(rand, k[:]); err != nil {
		return TenantKey{}, fmt.Errorf("draw a tenant key: %w", err)
	}
	return k, nil
}

// Keys are the three keys derived from one tenant key. They are immutable and may be used by any
// number of goroutines.
type Keys struct {
	Credentials *CredentialsKey
	Objects     *ObjectsKey
	Exchanges   *ExchangesKey
}

// epoch is the generation of a derived key. Each of the three has its own, so that one can rotate
// while the others stay.
const epoch = 1

// salt separates weir's derivations from any other use of the same secret.
const salt = "weir/v1"

// Derive makes the three derived keys: HKDF-SHA-256 (RFC 5869) with the labels of CANONICAL.md.
func (k TenantKey) Derive() *Keys {
	return &Keys{
		Credentials: newCredentialsKey(k.expand("credentials", 32), k.keyID("credentials")),
		Objects:     newObjectsKey(k.expand("objects", 16), k.keyID("objects")),
		Exchanges:   newExchangesKey(k.expand("exchanges", 16), k.keyID("exchanges")),
	}
}

func (k TenantKey) expand(label string, n int) []byte {
	out, err := hkdf.Key(sha256.New, k[:], []byte(salt), fmt.Sprintf("weir/v1/%s/%d", label, epoch), n)
	if err != nil {
		panic("BUG: HKDF refuses a fixed length: " + err.Error())
	}
	return out
}

// keyID is a public name for a derived key: an expansion of its own, so it tells nothing of the
// key. Zero means "not known" on the wire and is never given.
func (k TenantKey) keyID(label string) uint32 {
	id := binary.BigEndian.Uint32(k.expand(label+"/id", 4))
	if id == 0 {
		return 1
	}
	return id
}
