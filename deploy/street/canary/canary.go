// SPDX-License-Identifier: Apache-2.0

// Package canary plants secrets in HTTP conversations, one at every place where a client or a
// server may put one, and finds them again in whatever form they leaked.
//
// It assumes that each secret is unlike any word that weir may tell. It refuses to know weir: what
// was searched, and that it held anything at all, is for the caller to say.
package canary

import (
	"bytes"
	"crypto/md5"  //nolint:gosec // leaks are searched for in every form
	"crypto/sha1" //nolint:gosec // likewise
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/url"
	"strings"
)

// Secret is one planted text and where it stands.
type Secret struct {
	Where string
	Text  string
}

// Exchange is what a client and a server say; Secrets stand in it somewhere.
type Exchange struct {
	Where             string
	Request, Response []byte
	Wild              bool // malformed or taking its connection over: wants a connection of its own
}

// Planter makes secrets and remembers them.
type Planter struct{ Secrets []Secret }

// letters makes a text of n characters of an alphabet that depends on where and a salt alone.
func letters(where, alphabet string, n int) string {
	var out strings.Builder
	for block := 0; out.Len() < n; block++ {
		sum := sha256.Sum256(fmt.Appendf(nil, "%s %s %d", where, alphabet, block))
		for _, b := range sum {
			if out.Len() < n {
				out.WriteByte(alphabet[int(b)%len(alphabet)])
			}
		}
	}
	return out.String()
}

const (
	mixed    = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789"
	hexLower = "0123456789abcdef"
	digits   = "0123456789"
)

func (p *Planter) keep(where, text string) string {
	p.Secrets = append(p.Secrets, Secret{where, text})
	return text
}

// secret plants a random text of letters and digits.
func (p *Planter) secret(where string) string { return p.keep(where, letters(where, mixed, 28)) }

// jwt plants an unsigned token; each of its parts is a secret, and the subject in it too.
func (p *Planter) jwt(where string) string {
	enc := base64.RawURLEncoding.EncodeToString
	subject := p.secret(where + " subject")
	head := enc([]byte(`{"alg":"RS256","kid":"` + p.secret(where+" kid") + `"}`))
	body := p.keep(where+" claims", enc(fmt.Appendf(nil, `{"iss":"https://issuer.example","sub":"%s","email":"%s@example.com","exp":4102444800}`, subject, p.secret(where+" email"))))
	return head + "." + body + "." + p.keep(where+" signature", letters(where+" signature", mixed, 86))
}

// basic plants user and password, as RFC 7617 writes them.
func (p *Planter) basic(where string) string {
	return p.keep(where+" encoded", base64.StdEncoding.EncodeToString([]byte(p.secret(where+" user")+":"+p.secret(where+" password"))))
}

// forms are the shapes in which a secret may have leaked, by name.
func forms(text string) map[string][]byte {
	b := []byte(text)
	f := map[string][]byte{
		"raw": b, "lower case": bytes.ToLower(b), "upper case": bytes.ToUpper(b),
		"first half": b[:max(10, len(b)/2)], "last half": b[min(len(b)-10, len(b)/2):],
		"hex": []byte(hex.EncodeToString(b)), "HEX": []byte(strings.ToUpper(hex.EncodeToString(b))),
		"url-encoded": []byte(url.QueryEscape(text)), "path-encoded": []byte(url.PathEscape(text)), "percent": percent(b),
	}
	for i := range 3 { // what stands before it moves it within base64's groups of three
		shifted := append(make([]byte, i), b...)
		std := base64.StdEncoding.EncodeToString(shifted)
		web := base64.RawURLEncoding.EncodeToString(shifted)
		// The first and the last group also hold neighbours' bits.
		from, to := []int{0, 2, 3}[i], len(shifted)/3*4
		f[fmt.Sprintf("base64 at %d", i)] = []byte(std[from:to])
		f[fmt.Sprintf("base64url at %d", i)] = []byte(web[from:to])
	}
	md, s1, s2 := md5.Sum(b), sha1.Sum(b), sha256.Sum256(b) //nolint:gosec // likewise
	for name, sum := range map[string][]byte{"md5": md[:], "sha1": s1[:], "sha256": s2[:]} {
		f[name] = sum
		f[name+" hex"] = []byte(hex.EncodeToString(sum))
		f[name+" base64"] = []byte(base64.RawStdEncoding.EncodeToString(sum))
		f[name+" base64url"] = []byte(base64.RawURLEncoding.EncodeToString(sum))
		f[name+" first 8"] = sum[:8]
		f[name+" hex first 16"] = []byte(hex.EncodeToString(sum[:8]))
	}
	return f
}

func percent(b []byte) []byte {
	var out []byte
	for _, c := range b {
		out = fmt.Appendf(out, "%%%02X", c)
	}
	return out
}

// Finder searches for secrets.
type Finder struct {
	needles []needle
}

type needle struct {
	where, form string
	bytes       []byte
}

// NewFinder prepares a search for every form of every secret.
func NewFinder(secrets []Secret) *Finder {
	f := &Finder{}
	for _, s := range secrets {
		for form, b := range forms(s.Text) {
			f.needles = append(f.needles, needle{s.Where, form, b})
		}
	}
	return f
}

// Find says which secrets stand in a text, and in which form: "where (form)".
func (f *Finder) Find(text []byte) []string {
	var found []string
	for _, n := range f.needles {
		if i := bytes.Index(text, n.bytes); i >= 0 {
			from, to := max(0, i-60), min(len(text), i+len(n.bytes)+20)
			found = append(found, fmt.Sprintf("%s (%s): ...%q", n.where, n.form, text[from:to]))
		}
	}
	return found
}
