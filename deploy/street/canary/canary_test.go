// SPDX-License-Identifier: Apache-2.0

package canary_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/weir-project/weir/deploy/street/canary"
)

func TestEverySecretIsPlantedAndItsOwn(t *testing.T) {
	var p canary.Planter
	said := p.Plant()
	if len(p.Secrets) < 50 {
		t.Fatalf("%d secrets", len(p.Secrets))
	}
	var all []byte
	for _, x := range said {
		all = append(append(all, x.Request...), x.Response...)
	}
	seen := map[string]bool{}
	for _, s := range p.Secrets {
		if seen[s.Text] || len(s.Text) < 16 {
			t.Errorf("%s: %q", s.Where, s.Text)
		}
		seen[s.Text] = true
	}
	// Secrets inside base64 do not stand there raw, but the finder sees them.
	found := strings.Join(canary.NewFinder(p.Secrets).Find(all), "\n")
	for _, s := range p.Secrets {
		if !strings.Contains(found, s.Where+" (") {
			t.Errorf("%s is not found in what was said", s.Where)
		}
	}
}

func TestFinderKnowsEveryForm(t *testing.T) {
	secret := canary.Secret{Where: "w", Text: "Ab3Cd4Ef5Gh6Ij7Kl8Mn9Op0Qr"}
	finder := canary.NewFinder([]canary.Secret{secret})
	sum := sha256.Sum256([]byte(secret.Text))
	texts := []string{
		"x" + secret.Text + "y", strings.ToUpper(secret.Text), secret.Text[:14], hex.EncodeToString([]byte(secret.Text)),
		fmt.Sprintf("%x", sum), fmt.Sprintf("%X", secret.Text), base64.StdEncoding.EncodeToString(sum[:]), string(sum[:]),
	}
	for i := range 4 {
		texts = append(texts, base64.URLEncoding.EncodeToString([]byte(strings.Repeat("?", i)+secret.Text+"..")), base64.StdEncoding.EncodeToString([]byte(strings.Repeat("~", i)+secret.Text)))
	}
	for _, text := range texts {
		if len(finder.Find([]byte(text))) == 0 {
			t.Errorf("not found in %q", text)
		}
	}
	if found := finder.Find(bytes.Repeat([]byte("nothing here "), 100)); len(found) != 0 {
		t.Errorf("found %q", found)
	}
}
