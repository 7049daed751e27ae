// SPDX-License-Identifier: Apache-2.0

package identity

// ParseJWT shows what is read of a JWT.
func ParseJWT(text []byte) (issuer, subject string, malformed, tooLarge bool) {
	if !looksLikeJWT(text) {
		return "", "", true, false
	}
	var j jwtParser
	c, result := j.parse(text)
	issuer, subject = string(c.issuer), string(c.subject)
	j.forget()
	for _, b := range [...][]byte{j.payload[:], j.subject[:]} {
		for _, c := range b {
			if c != 0 {
				panic("BUG: a claim is not forgotten")
			}
		}
	}
	return issuer, subject, result == jwtMalformed, result == jwtTooLarge
}

// Software shows the family of a User-Agent.
func Software(ua []byte) string { return software(ua) }

// CacheKeysDiffer says whether a Resolver tells two credentials apart in its cache.
func (r *Resolver) CacheKeysDiffer(a, b []byte) bool { return r.cache.key(1, a) != r.cache.key(1, b) }

// WrapCache puts the cache's count of lookups at its end.
func (r *Resolver) WrapCache() { r.cache.tick = ^uint32(0) - 1 }

// Scratch gives all bytes that a Resolver holds between calls.
func (r *Resolver) Scratch() []byte {
	b := append([]byte{}, r.buf[:cap(r.buf)]...)
	b = append(b, r.jwt.payload[:]...)
	b = append(b, r.jwt.subject[:]...)
	for _, s := range r.shown[:cap(r.shown)] {
		b = append(b, s.name...)
	}
	return b
}
