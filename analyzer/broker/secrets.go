// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/nats-io/nats-server/v2/server"
)

// The users. A sensor can publish and be answered, and see nothing of anybody's data.
const (
	userSensor   = "sensor"
	userAnalyzer = "analyzer"
	userReader   = "reader"
)

const (
	inboxSensor = "_INBOX_sensor"
	secretsFile = "secrets.json"
)

// secrets are the users' passwords.
type secrets map[string]string

// Format prints no password.
func (s secrets) Format(f fmt.State, _ rune) { fmt.Fprint(f, "redacted") }

// connection is the connection file, as proto/natsconn reads it.
type connection struct {
	URL         string `json:"url"`
	User        string `json:"user"`
	Password    string `json:"password"`
	InboxPrefix string `json:"inbox_prefix,omitempty"`
}

// loadSecrets reads the passwords, or makes them on the first start.
func loadSecrets(dir string) (secrets, error) {
	path := filepath.Join(dir, secretsFile)
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return makeSecrets(path)
	}
	if err != nil {
		return nil, fmt.Errorf("read broker passwords: %w", err)
	}
	s := secrets{}
	if err := json.Unmarshal(data, &s); err != nil || s[userSensor] == "" || s[userAnalyzer] == "" || s[userReader] == "" {
		return nil, fmt.Errorf("read broker passwords: %s is damaged; remove it to make new ones", path)
	}
	return s, nil
}

func makeSecrets(path string) (secrets, error) {
	s := secrets{}
	for _, user := range []string{userSensor, userAnalyzer, userReader} {
		var b [24]byte
		if _, err := rand.Read(b[:]); err != nil {
			return nil, fmt.Errorf("make broker passwords: %w", err)
		}
		s[user] = base64.RawURLEncoding.EncodeToString(b[:])
	}
	data, err := json.Marshal(map[string]string(s))
	if err != nil {
		return nil, fmt.Errorf("make broker passwords: %w", err)
	}
	if err := writeFile(path, data); err != nil {
		return nil, fmt.Errorf("make broker passwords: %w", err)
	}
	return s, nil
}

func (s secrets) users() []*server.User {
	allow := func(subjects ...string) *server.SubjectPermission { return &server.SubjectPermission{Allow: subjects} }
	deny := func(subjects ...string) *server.SubjectPermission { return &server.SubjectPermission{Deny: subjects} }
	return []*server.User{
		{Username: userSensor, Password: s[userSensor], Permissions: &server.Permissions{
			Publish:   allow("weir.v1.exchanges.>", "weir.v1.sensors.>"),
			Subscribe: allow(inboxSensor+".>", "weir.v1.hints.>"),
		}},
		{Username: userAnalyzer, Password: s[userAnalyzer]},
		{Username: userReader, Password: s[userReader], Permissions: &server.Permissions{
			Publish:   deny(">"),
			Subscribe: allow("weir.v1.alerts.>"),
		}},
	}
}

// writeFiles writes the connection files; the URL's port may differ from the last start's.
func (s secrets) writeFiles(dir, url string) error {
	for user, password := range s {
		c := connection{URL: url, User: user, Password: password}
		if user == userSensor {
			c.InboxPrefix = inboxSensor
		}
		data, err := json.MarshalIndent(c, "", "  ")
		if err != nil {
			return fmt.Errorf("write connection file: %w", err)
		}
		if err := writeFile(ConnectionFile(dir, user), append(data, '\n')); err != nil {
			return fmt.Errorf("write connection file: %w", err)
		}
	}
	return nil
}

// ConnectionFile is the path of the connection file of a user of the server that keeps its data in dir.
func ConnectionFile(dir, user string) string { return filepath.Join(dir, user+".nats.json") }

// writeFile writes all or nothing, readable by the owner alone.
func writeFile(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }()
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
