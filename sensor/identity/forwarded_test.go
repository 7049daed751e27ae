// SPDX-License-Identifier: Apache-2.0

package identity_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/weir-project/weir/proto/keyhash"
	"github.com/weir-project/weir/sensor/exchange"
	"github.com/weir-project/weir/sensor/identity"
)

func TestForwarded(t *testing.T) {
	r := identity.NewResolver(keys(1), identity.Config{TrustedHops: hops})
	f := func(peer netip.AddrPort, want string, lines ...string) {
		t.Helper()
		req := request(append([]string{"/"}, lines...)...)
		req.Client = peer
		var id identity.Identity
		r.Resolve(req, &id)
		got := ""
		if id.ForwardedFor.IsValid() {
			got = id.ForwardedFor.String()
		}
		client := want
		if want == "" {
			client = peer.Addr().String()
		}
		_, principal := address(client).ids(keys(1))
		if got != want || id.PrincipalID != principal {
			t.Errorf("%q: forwarded for %q, want %q; principal right: %v", lines, got, want, id.PrincipalID == principal)
		}
	}
	// From a stranger nothing is believed.
	f(client, "", "X-Forwarded-For: 198.51.100.1")
	f(client, "", "Forwarded: for=198.51.100.1")
	f(client, "", "X-Real-IP: 198.51.100.1")
	// Nonsense from a trusted hop.
	f(proxy, "", "X-Forwarded-For: nonsense")
	f(proxy, "", "X-Forwarded-For:")
	f(proxy, "", "Forwarded: for=unknown")
	f(proxy, "", "Forwarded: for=_hidden;proto=https")
	f(proxy, "", "Forwarded: proto=https")
	f(proxy, "", "X-Real-IP: "+strings.Repeat("1", 100))
	f(proxy, "", "Host: x")
	// Right to left, while trusted.
	f(proxy, "198.51.100.1", "X-Forwarded-For: 198.51.100.1")
	f(proxy, "198.51.100.1", "X-Forwarded-For: 203.0.113.9, 198.51.100.1")
	f(proxy, "198.51.100.1", "X-Forwarded-For: 203.0.113.9, 198.51.100.1, 10.1.1.1, 10.2.2.2")
	f(proxy, "198.51.100.1", "X-Forwarded-For: 203.0.113.9, 198.51.100.1", "X-Forwarded-For: 10.1.1.1")
	f(proxy, "10.1.1.1", "X-Forwarded-For: junk, 10.1.1.1, 10.2.2.2")
	f(proxy, "10.1.1.1", "X-Forwarded-For: 10.1.1.1, 10.2.2.2")
	f(proxy, "2001:db8::7", "X-Forwarded-For: 2001:DB8:0::7, fd00::1")
	f(proxy, "2001:db8::7", "X-Forwarded-For: [2001:db8::7]:4711")
	f(proxy, "198.51.100.1", "X-Forwarded-For: 198.51.100.1:4711")
	f(proxy, "198.51.100.1", "X-Forwarded-For: ::ffff:198.51.100.1")
	f(proxy, "fe80::1", "X-Forwarded-For: fe80::1%eth0")
	f(proxy, "198.51.100.1", `Forwarded: For="198.51.100.1:80";proto=https, for=10.1.1.1;by=10.0.0.1`)
	f(proxy, "2001:db8::7", `Forwarded: proto=http;for="[2001:db8::7]:80"`)
	f(proxy, "198.51.100.1", "Forwarded: for=198.51.100.1", "X-Forwarded-For: 203.0.113.9", "X-Real-IP: 203.0.113.10")
	f(proxy, "198.51.100.1", "X-Real-IP: 203.0.113.9", "X-Real-IP: 198.51.100.1")
	// A list of hops longer than the bound ends there.
	f(proxy, "10.9.9.9", "X-Forwarded-For: 198.51.100.1"+strings.Repeat(", 10.9.9.9", 40))
}

// An IPv4 client is one principal, also when its address comes mapped into IPv6.
func TestMappedAddressIsOnePrincipal(t *testing.T) {
	r := identity.NewResolver(keys(1), identity.Config{})
	req := request("/")
	req.Client = netip.MustParseAddrPort("[::ffff:192.0.2.7]:80")
	check(t, "mapped", r, req, exchange.CredentialNone, "address", "", address("192.0.2.7"))
}

func TestClientCertificate(t *testing.T) {
	r := identity.NewResolver(keys(1), identity.Config{TrustedHops: hops})
	hash := strings.Repeat("ab", 32)
	cert := token(keyhash.KindCertificate, hash)
	f := func(value string) *identity.Request {
		req := request("/", "X-Forwarded-Client-Cert: "+value)
		req.Client = proxy
		return req
	}
	for _, value := range []string{"Hash=" + hash, "By=spiffe://a;hash=" + strings.ToUpper(hash) + `;Subject="x"`,
		"Hash=" + strings.Repeat("00", 32) + ",By=x; Hash=" + hash} {
		check(t, value, r, f(value), exchange.CredentialClientCertificate, "client_certificate", "x-forwarded-client-cert", cert)
	}
	for _, value := range []string{"", "Hash=", "Hash=ab", "By=" + hash, "Hash=" + strings.Repeat("zz", 32)} {
		check(t, value, r, f(value), exchange.CredentialNone, "address", "", address("10.0.0.1"))
	}
	// From a stranger it is told, but owns nothing: anybody can send it.
	stranger := request("/", "X-Forwarded-Client-Cert: Hash="+hash)
	check(t, "stranger", r, stranger, exchange.CredentialNone, "address", "", address("192.0.2.7"))
	var id identity.Identity
	r.Resolve(stranger, &id)
	want, _ := cert.ids(keys(1))
	if len(id.OtherTokenIDs) != 1 || id.OtherTokenIDs[0] != want {
		t.Error("a stranger's certificate is not told")
	}
}

func TestSoftware(t *testing.T) {
	f := func(ua, want string) {
		t.Helper()
		if got := identity.Software([]byte(ua)); got != want {
			t.Errorf("%q: %s, want %s", ua, got, want)
		}
	}
	f("", "none")
	f("  ", "none")
	f("tok_test_secret", "other")
	f(strings.Repeat("x", 5000), "other")
	f("\x00\xff", "other")
	f("curl/8.5.0", "curl")
	f("python-requests/2.31", "python-requests")
	f("Python/3.11 aiohttp/3.9", "aiohttp")
	f("Go-http-client/1.1", "go")
	f("okhttp/4.12.0", "okhttp")
	f("Apache-HttpClient/4.5 (Java/17)", "java")
	f("Shop/12 CFNetwork/1410 Darwin/22", "cfnetwork")
	f("MyApp/1.0 okhttp/4.9", "okhttp")
	f("Googlebot/2.1 (+http://x)", "bot")
	f("kube-probe/1.30", "kube-probe")
	chrome := "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0 Safari/537.36"
	f(chrome, "chrome")
	f(chrome+" Edg/120", "edge")
	f(strings.Replace(chrome, "Chrome/", "HeadlessChrome/", 1), "headless-chrome")
	f("Mozilla/5.0 (X11; rv:120.0) Gecko/20100101 Firefox/120.0", "firefox")
	f("Mozilla/5.0 (iPhone) AppleWebKit/605 (KHTML, like Gecko) Version/17 Mobile Safari/604.1", "safari")
	f("Mozilla/5.0 (compatible; bingbot/2.0)", "bot")
	f("Mozilla/5.0", "browser")
	for _, ua := range []string{"curl/1", "x"} {
		var id identity.Identity
		identity.NewResolver(keys(1), identity.Config{}).Resolve(request("/", "user-agent: "+ua), &id)
		if want := identity.Software([]byte(ua)); id.ClientSoftware != want {
			t.Errorf("%s: %s", ua, id.ClientSoftware)
		}
	}
}
