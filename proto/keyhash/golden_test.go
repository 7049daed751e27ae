// SPDX-License-Identifier: Apache-2.0

package keyhash_test

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/weir-project/weir/proto/keyhash"
)

// tenant is the key of all golden vectors: 00 01 02 .. 1f.
func tenant() keyhash.TenantKey {
	var k keyhash.TenantKey
	for i := range k {
		k[i] = byte(i)
	}
	return k
}

// golden reads the rows of a vector file; quoted fields are unquoted. The files are computed from
// CANONICAL.md by golden.py, which shares no code with this package.
func golden(t *testing.T, name string) [][]string {
	t.Helper()
	text, err := os.ReadFile("testdata/v1/" + name + ".golden")
	if err != nil {
		t.Fatal(err)
	}
	var rows [][]string
	sc := bufio.NewScanner(bytes.NewReader(text))
	for sc.Scan() {
		if line := sc.Text(); !strings.HasPrefix(line, "#") {
			rows = append(rows, fields(t, line))
		}
	}
	if len(rows) == 0 {
		t.Fatalf("%s holds no vector", name)
	}
	return rows
}

func fields(t *testing.T, line string) (out []string) {
	t.Helper()
	for line != "" {
		word, _, _ := strings.Cut(line, " ")
		if line[0] == '"' {
			quoted, err := strconv.QuotedPrefix(line)
			if err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			word = quoted
		}
		line = strings.TrimPrefix(line[len(word):], " ")
		if word[0] == '"' {
			word, _ = strconv.Unquote(word)
		}
		out = append(out, word)
	}
	return out
}

func number(t *testing.T, s string) uint64 {
	t.Helper()
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func slices(ss []string) (out [][]byte) {
	for _, s := range ss {
		out = append(out, []byte(s))
	}
	return out
}

func TestGoldenKeys(t *testing.T) {
	k := tenant().Derive()
	ids := map[string]uint32{"credentials": k.Credentials.KeyID(), "objects": k.Objects.KeyID(), "exchanges": k.Exchanges.KeyID()}
	for _, row := range golden(t, "keys") {
		label, want, wantID := row[0], row[1], row[2]
		if got := hex.EncodeToString(keyhash.Expand(tenant(), label, len(want)/2)); got != want {
			t.Errorf("%s: derived %s, want %s", label, got, want)
		}
		if got := fmt.Sprintf("%08x", ids[label]); got != wantID {
			t.Errorf("%s: key id %s, want %s", label, got, wantID)
		}
	}
}

func TestGoldenIDs(t *testing.T) {
	k := tenant().Derive()
	check := func(t *testing.T, row []string, got []byte, want string) {
		t.Helper()
		if hex.EncodeToString(got) != want {
			t.Errorf("%.80q: %x, want %s", row, got, want)
		}
	}
	t.Run("tokens", func(t *testing.T) {
		for _, row := range golden(t, "tokens") {
			id := k.Credentials.TokenID(byte(number(t, row[0])), []byte(row[1]))
			check(t, row, id[:], row[2])
		}
	})
	t.Run("principals", func(t *testing.T) {
		for _, row := range golden(t, "principals") {
			id := k.Credentials.PrincipalID(keyhash.Class(number(t, row[0])), slices(row[2:])...)
			check(t, row, id[:], row[1])
		}
	})
	t.Run("exchanges", func(t *testing.T) {
		for _, row := range golden(t, "exchanges") {
			id := k.Exchanges.ExchangeID(uint32(number(t, row[1])), uint32(number(t, row[2])), []byte(row[3]))
			check(t, row, id[:], row[0])
		}
	})
	t.Run("loglines", func(t *testing.T) {
		for _, row := range golden(t, "loglines") {
			id := k.Exchanges.LogLineID(number(t, row[1]), []byte(row[2]))
			check(t, row, id[:], row[0])
		}
	})
}

func TestGoldenObjects(t *testing.T) {
	k := tenant().Derive()
	for _, row := range golden(t, "objects") {
		class, ids := []byte(row[1]), slices(row[2:])
		got := k.Objects.ObjectComposite(class, ids...)
		if fmt.Sprintf("%016x", got) != row[0] {
			t.Errorf("%.80q: %016x, want %s", row[1:], got, row[0])
		}
		if len(ids) == 1 && k.Objects.Object(class, ids[0]) != got {
			t.Errorf("%.80q: Object and ObjectComposite differ", row[1:])
		}
	}
}

// Constants are hashed: a renumbering would orphan every stored id.
func TestNumbersAreFrozen(t *testing.T) {
	got := fmt.Sprint(uint8(keyhash.ClassVerified), uint8(keyhash.ClassClaimed), uint8(keyhash.ClassToken),
		uint8(keyhash.ClassAddress), uint8(keyhash.ClassUnknown), keyhash.KindToken, keyhash.KindBasic,
		keyhash.KindCookie, keyhash.KindCertificate, keyhash.KindAccessKey)
	if want := "1 2 3 4 5 1 2 3 4 5"; got != want {
		t.Errorf("numbers %s, want %s", got, want)
	}
}
