// SPDX-License-Identifier: Apache-2.0

package keyhash_test

import (
	"bytes"
	"sync"
	"testing"

	"github.com/weir-project/weir/proto/keyhash"
)

func TestPartitionIsFNV(t *testing.T) {
	// FNV-1a of 16 zero bytes is 0x88201fb960ff6465 (the reference algorithm of Noll).
	if got := keyhash.Partition(keyhash.ID{}); got != 0x88201fb960ff6465%64 {
		t.Errorf("partition of zero %d", got)
	}
	counts := [keyhash.Partitions]int{}
	c := tenant().Derive().Credentials
	for i := range 6400 {
		counts[keyhash.Partition(c.PrincipalID(keyhash.ClassToken, []byte{byte(i), byte(i >> 8)}))]++
	}
	for p, n := range counts {
		if n < 50 || n > 160 {
			t.Errorf("partition %d has %d of 6400", p, n)
		}
	}
}

func TestCanonicalID(t *testing.T) {
	f := func(in, want string) {
		t.Helper()
		if got := keyhash.CanonicalID([]byte("x"), []byte(in)); string(got) != "x"+want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
		if again := keyhash.CanonicalID(nil, []byte(want)); string(again) != want {
			t.Errorf("%q is not a fixed point: %q", want, again)
		}
	}
	f("", "")
	f("  ", "")
	f(" 17\n", "17")
	f("0017", "0017")
	f("1e3", "1e3")
	f("AbC", "AbC")
	f("0191F0C8-7D3A-7B1E-9C55-A0B1C2D3E4F5", "0191f0c8-7d3a-7b1e-9c55-a0b1c2d3e4f5")
	f(" 0191F0C8-7D3A-7B1E-9C55-A0B1C2D3E4F5 ", "0191f0c8-7d3a-7b1e-9c55-a0b1c2d3e4f5")
	f("0191F0C8-7D3A-7B1E-9C55-A0B1C2D3E4FG", "0191F0C8-7D3A-7B1E-9C55-A0B1C2D3E4FG")
	f("0191F0C87-D3A-7B1E-9C55-A0B1C2D3E4F5", "0191F0C87-D3A-7B1E-9C55-A0B1C2D3E4F5")
}

// Whatever an attacker writes into the fields of one class, it is not an id of another, and moving
// the border between two fields gives another id.
func TestPrincipalsOfClassesNeverMeet(t *testing.T) {
	c := tenant().Derive().Credentials
	seen := map[keyhash.ID]string{}
	put := func(name string, id keyhash.ID) {
		t.Helper()
		if other, ok := seen[id]; ok {
			t.Errorf("%s equals %s", name, other)
		}
		seen[id] = name
	}
	tok := c.TokenID(keyhash.KindToken, []byte("tok_test_a"))
	put("token", c.PrincipalID(keyhash.ClassToken, tok[:]))
	put("token id as a claim", c.PrincipalID(keyhash.ClassClaimed, tok[:]))
	put("verified", c.PrincipalID(keyhash.ClassVerified, []byte("iss"), []byte("s:sub")))
	put("claimed", c.PrincipalID(keyhash.ClassClaimed, []byte("iss"), []byte("s:sub"), []byte("h")))
	put("claimed without host", c.PrincipalID(keyhash.ClassClaimed, []byte("iss"), []byte("s:sub")))
	put("moved border", c.PrincipalID(keyhash.ClassClaimed, []byte("is"), []byte("ss:sub"), []byte("h")))
	put("empty field", c.PrincipalID(keyhash.ClassClaimed, []byte("iss"), []byte("s:sub"), nil, []byte("h")))
	put("unknown", c.PrincipalID(keyhash.ClassUnknown))
	put("address", c.PrincipalID(keyhash.ClassAddress, []byte{192, 0, 2, 7}))
	// The bytes of a principal's message, shown as a credential.
	msg := append([]byte{byte(keyhash.ClassToken), 0, 0, 0, 16}, tok[:]...)
	put("token of a message", c.TokenID(2, msg))
	put("bare token id", tok)
	for kind := byte(2); kind <= 5; kind++ {
		put("kind", c.TokenID(kind, []byte("tok_test_a")))
	}
}

func TestOtherKeyOtherIDs(t *testing.T) {
	a := tenant().Derive()
	k := tenant()
	k[31] ^= 1
	b := k.Derive()
	if a.Credentials.TokenID(1, []byte("t")) == b.Credentials.TokenID(1, []byte("t")) ||
		a.Objects.Object([]byte("c"), []byte("1")) == b.Objects.Object([]byte("c"), []byte("1")) ||
		a.Exchanges.ExchangeID(1, 0, nil) == b.Exchanges.ExchangeID(1, 0, nil) ||
		a.Credentials.KeyID() == b.Credentials.KeyID() {
		t.Error("two tenant keys share an id")
	}
}

func TestExchangeIDsOfPacketsAndLogsDiffer(t *testing.T) {
	e := tenant().Derive().Exchanges
	if e.ExchangeID(0, 5, []byte("x")) == e.LogLineID(5, []byte("x")) {
		t.Error("a log line shares the id of a packet")
	}
}

// Keys are shared by all workers of a process.
func TestKeysAreSafeForManyGoroutines(t *testing.T) {
	k := tenant().Derive()
	wantT, wantX := k.Credentials.TokenID(1, []byte("tok_test_a")), k.Exchanges.ExchangeID(9, 1, []byte("head"))
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 500 {
				if k.Credentials.TokenID(1, []byte("tok_test_a")) != wantT || k.Exchanges.ExchangeID(9, 1, []byte("head")) != wantX {
					t.Error("an id changed under concurrency")
					return
				}
			}
		})
	}
	wg.Wait()
}

func TestIDsDoNotAllocate(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector makes sync.Pool allocate; run without -race")
	}
	k := tenant().Derive()
	cred, head, class, id := bytes.Repeat([]byte("t"), 900), bytes.Repeat([]byte("h"), 700), []byte("customers"), []byte("4711")
	f := func(name string, fn func()) {
		t.Helper()
		fn()
		if n := testing.AllocsPerRun(200, fn); n > 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
	f("TokenID", func() { k.Credentials.TokenID(keyhash.KindToken, cred) })
	f("PrincipalID", func() { k.Credentials.PrincipalID(keyhash.ClassClaimed, class, id, head) })
	f("Object", func() { k.Objects.Object(class, id) })
	f("ObjectComposite", func() { k.Objects.ObjectComposite(class, id, id) })
	f("ExchangeID", func() { k.Exchanges.ExchangeID(1, 2, head) })
	f("LogLineID", func() { k.Exchanges.LogLineID(1, head) })
}

func FuzzCanonicalID(f *testing.F) {
	for _, s := range []string{"", " 17 ", "0191F0C8-7D3A-7B1E-9C55-A0B1C2D3E4F5", "\x1f", "\u00a07"} {
		f.Add([]byte(s))
	}
	k := tenant().Derive().Objects
	f.Fuzz(func(t *testing.T, id []byte) {
		once := keyhash.CanonicalID(nil, id)
		if twice := keyhash.CanonicalID(nil, once); !bytes.Equal(once, twice) {
			t.Fatalf("%q then %q", once, twice)
		}
		if k.Object([]byte("c"), id) != k.Object([]byte("c"), once) {
			t.Fatal("an id and its canonical form are two objects")
		}
	})
}

func FuzzParseTenantKey(f *testing.F) {
	for _, s := range []string{"", "00", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		k, err := keyhash.ParseTenantKey(text)
		if (err == nil) == (k == keyhash.TenantKey{}) {
			t.Fatalf("error %v with a zero key or none with it", err)
		}
	})
}
