// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/weir-project/weir/proto/conf"
	"github.com/weir-project/weir/proto/keyhash"
	"github.com/weir-project/weir/sensor/config"
	"github.com/weir-project/weir/sensor/identity"
)

// fingerprint prints the id of each line of stdin as weir writes it, so that a credential or a
// customer's id can be looked up in alerts and exports without weir ever having stored it.
func fingerprint(args []string, env *Env) int {
	var kind, class, server, keyFile string
	set := conf.New("weir-sensor")
	set.Choice(&kind, "fingerprint.kind", "kind", "credential", "what the lines are", "credential", "object")
	set.String(&class, "fingerprint.class", "class", "", "class of the objects, such as customers")
	set.String(&server, "fingerprint.server", "server", "", "server name that a JWT was shown to: its claims are bound to it")
	set.String(&keyFile, "key_file", "key-file", "", "tenant key; the single machine's when empty")
	words, err := set.Parse(args, nil, env.Stdout)
	if errors.Is(err, conf.ErrHelp) {
		return exitDone
	}
	if err == nil && len(words) > 0 {
		err = conf.Faults{fmt.Sprintf("fingerprint: reads stdin and takes no words, but got %d (a secret on a command line can be read by others)", len(words))}
	}
	if err == nil && kind == "object" && class == "" {
		err = conf.Faults{"fingerprint.class: an object's id is hashed with its class (--class customers)"}
	}
	if err != nil {
		fmt.Fprintf(env.Stderr, "weir-sensor fingerprint: %v\n", err)
		return exitUsage
	}
	if keyFile == "" {
		keyFile = config.DefaultKeyFile()
	}
	key, err := keyhash.Load(keyFile)
	if err == nil {
		err = printIDs(env.Stdin, env.Stdout, key.Derive(), kind, class, server)
	}
	if err != nil {
		fmt.Fprintf(env.Stderr, "weir-sensor fingerprint: %v\n", err)
		return exitFailed
	}
	return exitDone
}

func printIDs(from io.Reader, to io.Writer, keys *keyhash.Keys, kind, class, server string) error {
	lines := bufio.NewScanner(from)
	lines.Buffer(make([]byte, 1<<12), 1<<16)
	out := bufio.NewWriter(to)
	resolver := identity.NewResolver(keys, identity.Config{})
	for lines.Scan() {
		text := bytes.TrimSpace(lines.Bytes())
		if len(text) == 0 {
			continue
		}
		if kind == "object" {
			fmt.Fprintf(out, "%016x\n", keys.Objects.Object([]byte(class), keyhash.CanonicalID(nil, text)))
			continue
		}
		printCredential(out, resolver, text, server)
	}
	if err := errors.Join(lines.Err(), out.Flush()); err != nil {
		return fmt.Errorf("fingerprint: %w", err)
	}
	return nil
}

// printCredential takes a header line such as "X-Api-Key: ..." as it would stand in a request, and
// anything else as a bearer token.
func printCredential(to io.Writer, resolver *identity.Resolver, text []byte, server string) {
	field := identity.Field{Name: []byte("Authorization"), Value: append([]byte("Bearer "), text...)}
	if name, value, ok := bytes.Cut(text, []byte(":")); ok && isToken(name) {
		field = identity.Field{Name: name, Value: bytes.TrimSpace(value)}
	}
	var id identity.Identity
	resolver.Resolve(&identity.Request{ServerName: []byte(server), Target: []byte("/"), Fields: []identity.Field{field}}, &id)
	fmt.Fprintf(to, `{"token_id":"%x","principal_id":"%x","principal_assurance":"%s","credential_kind":"%s"}`+"\n", id.TokenID[:], id.PrincipalID[:], id.Assurance, id.Kind)
}

// isToken says whether a text may be a header field's name (RFC 9110, section 5.6.2).
func isToken(name []byte) bool {
	for _, c := range name {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_') {
			return false
		}
	}
	return len(name) > 0
}
