// SPDX-License-Identifier: Apache-2.0

package identity_test

import (
	"strings"
	"testing"

	"github.com/weir-project/weir/sensor/identity"
)

func benchmark(b *testing.B, req *identity.Request) {
	r := identity.NewResolver(keys(1), identity.Config{})
	var id identity.Identity
	b.ReportAllocs()
	for b.Loop() {
		r.Resolve(req, &id)
	}
}

var browserFields = []string{"Host: shop.example", "Accept: application/json", "Accept-Encoding: gzip, deflate, br",
	"Accept-Language: en", "Connection: keep-alive", "Referer: https://shop.example/", "X-Request-Id: 0123456789abcdef",
	"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0 Safari/537.36"}

func BenchmarkResolveAddress(b *testing.B) {
	benchmark(b, request(append([]string{"/x?page=2"}, browserFields...)...))
}

func BenchmarkResolveBearer(b *testing.B) {
	benchmark(b, request(append([]string{"/x?page=2", "Authorization: Bearer tok_test_0123456789abcdef0123456789"}, browserFields...)...))
}

func BenchmarkResolveJWT(b *testing.B) {
	token := jwt(`{"iss":"https://idp.example/","sub":"u17","scope":"` + strings.Repeat("read ", 80) + `"}`)
	benchmark(b, request(append([]string{"/x?page=2", "Authorization: Bearer " + token}, browserFields...)...))
}

func BenchmarkResolveNewJWT(b *testing.B) {
	token := jwt(`{"iss":"https://idp.example/","sub":"u17","scope":"` + strings.Repeat("read ", 80) + `"}`)
	req := request("/", "Authorization: Bearer "+token)
	r := identity.NewResolver(keys(1), identity.Config{MaxCached: 1024})
	var id identity.Identity
	v := req.Fields[0].Value
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		for i, shift := len(v)-1, n; i > len(v)-5; i, shift = i-1, shift/26 {
			v[i] = byte('a' + shift%26)
		}
		r.Resolve(req, &id)
	}
}
