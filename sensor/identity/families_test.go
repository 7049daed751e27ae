// SPDX-License-Identifier: Apache-2.0

package identity_test

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/weir-project/weir/sensor/identity"
)

// What is remembered of User-Agents changes no answer, however many there are and however long.
func TestSoftwareIsRememberedRight(t *testing.T) {
	r := identity.NewResolver(keys(0xab), identity.Config{})
	long := make([]byte, 2000)
	for i := range long {
		long[i] = 'x'
	}
	ask := func(ua []byte) string {
		var out identity.Identity
		r.Resolve(&identity.Request{Client: netip.MustParseAddrPort("192.0.2.1:5"), Fields: []identity.Field{{Name: []byte("User-Agent"), Value: ua}}}, &out)
		return out.ClientSoftware
	}
	for range 2 {
		for i := range 2000 {
			for _, form := range []string{"curl/%d", "Mozilla/5.0 Firefox/%d.0", "Mozilla/5.0 (x) Chrome/%d Safari/1", "%d", "", "Googlebot/%d", "java/%d"} {
				ua := []byte(form)
				if form != "" {
					ua = fmt.Appendf(nil, form, i)
				}
				if got, want := ask(ua), identity.Software(ua); got != want {
					t.Fatalf("%q: %s, want %s", ua, got, want)
				}
			}
		}
		if got, want := ask(append([]byte("curl/"), long...)), "curl"; got != want {
			t.Errorf("a long one: %s, want %s", got, want)
		}
		if got := ask(append(long, " bot"...)); got != "other" {
			t.Errorf("beyond the bound: %s", got)
		}
	}
}
