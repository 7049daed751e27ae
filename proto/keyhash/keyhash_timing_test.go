// SPDX-License-Identifier: Apache-2.0

package keyhash_test

import (
	"bytes"
	"testing"

	"github.com/weir-project/weir/proto/keyhash"
)

func BenchmarkTokenID(b *testing.B) {
	c, cred := tenant().Derive().Credentials, bytes.Repeat([]byte("t"), 800)
	b.SetBytes(int64(len(cred)))
	b.ReportAllocs()
	for b.Loop() {
		c.TokenID(keyhash.KindToken, cred)
	}
}

func BenchmarkObject(b *testing.B) {
	o, class, id := tenant().Derive().Objects, []byte("customers"), []byte("4711042")
	b.ReportAllocs()
	for b.Loop() {
		o.Object(class, id)
	}
}

func BenchmarkExchangeID(b *testing.B) {
	e, head := tenant().Derive().Exchanges, bytes.Repeat([]byte("h"), 400)
	b.SetBytes(int64(len(head)))
	b.ReportAllocs()
	for b.Loop() {
		e.ExchangeID(1, 0, head)
	}
}
