// SPDX-License-Identifier: Apache-2.0

package identity

import (
	"encoding/binary"
	"hash/maphash"
	"math/bits"
	"math/rand/v2"

	"github.com/weir-project/weir/sensor/exchange"
)

const (
	defaultCached = 65536
	ways          = 4
	// The key of the universal hash has a word for each word of what is hashed.
	textWords   = maxCredential/8 + 2
	maxServer   = 512
	serverWords = maxServer/8 + 2
)

// ids is what is kept of a credential.
type ids struct {
	token, principal exchange.ID
	claimed          bool // principal comes from a JWT's claims
	malformed        bool
	tooLarge         bool // beyond what is read
}

// cacheKey stands for a credential that is itself never kept: 64 bits of the runtime's seeded hash
// and 128 bits of NH under a random key of this process. For two different credentials of the same
// length NH agrees with probability 2^-64 whatever they are (Black et al., UMAC, 1999), so that
// nobody can make a credential that is taken for another's, even knowing all about the fast hash.
type cacheKey struct {
	fast, hi, lo uint64
	length       uint32
	server       uint32 // 0: holds for every server; else 1 and the length of the name
	kind         byte
}

type entry struct {
	key  cacheKey
	used uint32 // when, in lookups; 0: empty
	ids  ids
}

// cache keeps ids in sets of four; the longest unused of a set goes. It never allocates after init.
type cache struct {
	seed maphash.Seed
	nh   []uint64
	sets [][ways]entry
	mask uint64
	tick uint32
}

func (c *cache) init(maxCached int) {
	if maxCached <= 0 {
		maxCached = defaultCached
	}
	sets := 1
	for sets*ways*2 <= maxCached {
		sets *= 2
	}
	c.seed = maphash.MakeSeed()
	c.nh = make([]uint64, textWords+serverWords)
	for i := range c.nh {
		c.nh[i] = rand.Uint64() // ChaCha8, seeded by the system
	}
	c.sets = make([][ways]entry, sets)
	c.mask = uint64(sets - 1)
}

// key hashes a credential of at most maxCredential bytes.
func (c *cache) key(kind byte, text []byte) cacheKey {
	hi, lo := universal(c.nh, text)
	return cacheKey{fast: maphash.Bytes(c.seed, text), hi: hi, lo: lo, length: uint32(len(text)), kind: kind}
}

// bind makes a key hold for one server name only, as claims do. The name has key words of its own,
// so the sum of the two hashes is again one of the pair.
func (c *cache) bind(k cacheKey, server []byte) cacheKey {
	hi, lo := universal(c.nh[textWords:], server)
	var carry uint64
	k.lo, carry = bits.Add64(k.lo, lo, 0)
	k.hi, _ = bits.Add64(k.hi, hi, carry)
	k.server = uint32(len(server)) + 1
	return k
}

// universal is NH: the sum of products of pairs of 64-bit words, each plus a word of the key.
func universal(nh []uint64, p []byte) (hi, lo uint64) {
	var carry uint64
	for len(p) >= 16 {
		a := binary.LittleEndian.Uint64(p) + nh[0]
		b := binary.LittleEndian.Uint64(p[8:]) + nh[1]
		h, l := bits.Mul64(a, b)
		lo, carry = bits.Add64(lo, l, 0)
		hi, _ = bits.Add64(hi, h, carry)
		p, nh = p[16:], nh[2:]
	}
	if len(p) > 0 {
		var last [16]byte
		copy(last[:], p)
		h, l := bits.Mul64(binary.LittleEndian.Uint64(last[:])+nh[0], binary.LittleEndian.Uint64(last[8:])+nh[1])
		lo, carry = bits.Add64(lo, l, 0)
		hi, _ = bits.Add64(hi, h, carry)
	}
	return hi, lo
}

func (c *cache) get(k cacheKey) (ids, bool) {
	set := &c.sets[k.fast&c.mask]
	for i := range set {
		if e := &set[i]; e.used != 0 && e.key == k {
			e.used = c.now()
			return e.ids, true
		}
	}
	return ids{}, false
}

func (c *cache) put(k cacheKey, v ids) {
	set := &c.sets[k.fast&c.mask]
	oldest := 0
	for i := range set {
		if set[i].used < set[oldest].used {
			oldest = i
		}
	}
	set[oldest] = entry{key: k, used: c.now(), ids: v}
}

// now counts lookups; at the end of the numbers the cache forgets its order, not its ids.
func (c *cache) now() uint32 {
	if c.tick++; c.tick == 0 {
		for i := range c.sets {
			for j := range c.sets[i] {
				c.sets[i][j].used = min(c.sets[i][j].used, 1)
			}
		}
		c.tick = 2
	}
	return c.tick
}
