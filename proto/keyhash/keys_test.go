// SPDX-License-Identifier: Apache-2.0

package keyhash_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/weir-project/weir/proto/keyhash"
)

func TestParseTenantKey(t *testing.T) {
	raw := tenant()
	digits := hex.EncodeToString(raw[:])
	for _, c := range []struct{ name, text, wantErr string }{
		{"empty", "", "empty"},
		{"only white space", " \n\t", "empty"},
		{"hex too short", digits[:62], "62 characters"},
		{"hex too long", digits + "00", "66 characters"},
		{"hex with a wrong digit", digits[:63] + "g", "not all hex"},
		{"base64 too short", base64.StdEncoding.EncodeToString(raw[:31]), "characters"},
		{"base64 of 33 bytes", base64.StdEncoding.EncodeToString(append(raw[:], 1)), "characters"},
		{"base64 with a wrong letter", "*" + base64.StdEncoding.EncodeToString(raw[:])[1:], "not valid base64"},
		{"base64 with loose bits", base64.RawStdEncoding.EncodeToString(raw[:])[:42] + "9", "not valid base64"},
		{"all zero", strings.Repeat("0", 64), "no secret"},
		{"huge", strings.Repeat("a", 1<<20), "characters"},
		{"hex", digits, ""},
		{"upper-case hex", strings.ToUpper(digits), ""},
		{"hex with a line end", "  " + digits + "\r\n", ""},
		{"base64", base64.StdEncoding.EncodeToString(raw[:]), ""},
		{"base64 without padding", base64.RawStdEncoding.EncodeToString(raw[:]), ""},
		{"base64url", base64.URLEncoding.EncodeToString(raw[:]), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := keyhash.ParseTenantKey([]byte(c.text))
			if c.wantErr == "" {
				if err != nil || got != raw {
					t.Fatalf("err %v, key equal: %v", err, got == raw)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.wantErr) {
				t.Fatalf("error %v, want one with %q", err, c.wantErr)
			}
			if got != (keyhash.TenantKey{}) {
				t.Error("a failed parse left key bytes")
			}
			if text := strings.TrimSpace(c.text); text != "" && strings.Contains(err.Error(), text) {
				t.Error("the error repeats the text")
			}
		})
	}
}

// A base64url key has letters that the standard alphabet lacks.
func TestParseTenantKeyURLAlphabet(t *testing.T) {
	var k keyhash.TenantKey
	for i := range k {
		k[i] = 0xFB
	}
	got, err := keyhash.ParseTenantKey([]byte(base64.RawURLEncoding.EncodeToString(k[:])))
	if err != nil || got != k {
		t.Errorf("err %v", err)
	}
}

func TestNewTenantKeyNeedsAllBytes(t *testing.T) {
	if k, err := keyhash.NewTenantKey(bytes.NewReader(make([]byte, 31))); err == nil || k != (keyhash.TenantKey{}) {
		t.Errorf("a short source gave a key: err %v", err)
	}
	k, err := keyhash.NewTenantKey(bytes.NewReader(bytes.Repeat([]byte{7}, 40)))
	if err != nil || k[0] != 7 || k[31] != 7 {
		t.Errorf("err %v", err)
	}
}

// TestKeysDoNotPrint looks for the tenant key and the derived keys in whatever fmt and the
// encoders make of keys, alone and inside other values.
func TestKeysDoNotPrint(t *testing.T) {
	tk := tenant()
	keys := tk.Derive()
	type holder struct {
		Key  keyhash.TenantKey
		Keys *keyhash.Keys
		keys *keyhash.Keys
		cred keyhash.CredentialsKey
		objs keyhash.ObjectsKey
		exch keyhash.ExchangesKey
	}
	h := holder{tk, keys, keys, *keys.Credentials, *keys.Objects, *keys.Exchanges}
	var printed strings.Builder
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%X", "%q", "%d", "%08b"} {
		for _, v := range []any{tk, &tk, keys, *keys, keys.Credentials, keys.Objects, keys.Exchanges,
			h, &h, []keyhash.TenantKey{tk}, map[string]keyhash.TenantKey{"k": tk}} {
			fmt.Fprintf(&printed, verb+"\n", v)
		}
	}
	for _, v := range []any{tk, h} {
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		printed.Write(text)
	}
	printed.WriteString(tk.String() + tk.GoString())
	for name, secret := range map[string][]byte{
		"tenant": tk[:], "credentials": keyhash.Expand(tk, "credentials", 32),
		"objects": keyhash.Expand(tk, "objects", 16), "exchanges": keyhash.Expand(tk, "exchanges", 16),
	} {
		for _, form := range forms(secret) {
			if strings.Contains(printed.String(), form) {
				t.Errorf("the %s key prints as %q", name, form)
			}
		}
	}
	if !strings.Contains(printed.String(), "redacted") {
		t.Error("nothing printed as redacted")
	}
}

// forms are the ways in which the first 8 bytes of a secret may show.
func forms(secret []byte) []string {
	part := secret[:8]
	list := strings.Trim(fmt.Sprint(part), "[]")
	le, be := uint64(0), uint64(0)
	for i := range part {
		le |= uint64(part[i]) << (8 * i)
		be = be<<8 | uint64(part[i])
	}
	return []string{string(part), list, hex.EncodeToString(part), strings.ToUpper(hex.EncodeToString(part)),
		fmt.Sprint(le), fmt.Sprint(be), fmt.Sprintf("%x", le), fmt.Sprintf("%#v", part)[8:20],
		base64.StdEncoding.EncodeToString(part)[:10]}
}
