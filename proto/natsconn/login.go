// SPDX-License-Identifier: Apache-2.0

package natsconn

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"

	"github.com/nats-io/nats.go"
)

// errLogin marks secrets that could not be read at a reconnect.
var errLogin = errors.New("read NATS credentials")

// maxSecretFile bounds what is read of a secret's file.
const maxSecretFile = 64 << 10

// File is the connection file that an embedded server writes for clients on the same machine: a
// JSON object, mode 0600. CredsFile may name one.
type File struct {
	URL         string `json:"url"`
	User        string `json:"user"`
	Password    string `json:"password"`
	InboxPrefix string `json:"inbox_prefix,omitempty"`
}

// Format prints a File without its password.
func (f File) Format(s fmt.State, _ rune) {
	fmt.Fprintf(s, "{%s %s redacted}", Redact(f.URL), f.User)
}

// readFile reads a connection file; ok is false where the file is another kind of credential.
func readFile(path string) (f File, ok bool, err error) {
	data, err := readSecret(path)
	if err != nil {
		return File{}, false, err
	}
	if trimmed := bytes.TrimSpace(data); len(trimmed) == 0 || trimmed[0] != '{' {
		return File{}, false, nil
	}
	if err := json.Unmarshal(data, &f); err != nil {
		return File{}, false, fmt.Errorf("read connection file %s: not the JSON object that weir-analyzer writes", path)
	}
	return f, true, nil
}

func readSecret(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("read NATS credentials: %w", err)
	}
	if info.Size() > maxSecretFile {
		return nil, fmt.Errorf("read NATS credentials: %s is larger than %d bytes", path, maxSecretFile)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read NATS credentials: %w", err)
	}
	return data, nil
}

// resolve checks the configuration and fills in what a connection file says.
func (cfg *Config) resolve() error {
	ways := 0
	for _, w := range []string{cfg.CredsFile, cfg.NKeyFile, cfg.User, cfg.TokenFile} {
		if w != "" {
			ways++
		}
	}
	if ways > 1 {
		return errors.New("connect to NATS: give one of credentials file, NKEY file, user and token file")
	}
	if (cfg.TLSCert == "") != (cfg.TLSKey == "") {
		return errors.New("connect to NATS: a client certificate needs both its files, certificate and key")
	}
	if cfg.CredsFile != "" {
		f, ok, err := readFile(cfg.CredsFile)
		if err != nil {
			return err
		}
		if ok && cfg.URL == "" {
			cfg.URL = f.URL
		}
		if ok && cfg.InboxPrefix == "" {
			cfg.InboxPrefix = f.InboxPrefix
		}
	}
	if cfg.URL == "" && cfg.InProcess == nil {
		return errors.New("connect to NATS: no server URL")
	}
	return nil
}

// login gives the options that show credentials. Secrets are read when a connection asks for them;
// what goes wrong then is told to fault.
func (cfg *Config) login(fault func(error)) ([]nats.Option, error) {
	switch {
	case cfg.CredsFile != "":
		_, ok, err := readFile(cfg.CredsFile)
		if err != nil {
			return nil, err
		}
		if !ok {
			return []nats.Option{nats.UserCredentials(cfg.CredsFile)}, nil
		}
		return []nats.Option{nats.UserInfoHandler(func() (string, string) {
			f, _, err := readFile(cfg.CredsFile)
			if err != nil {
				fault(fmt.Errorf("%w: %w", errLogin, err))
			}
			return f.User, f.Password
		})}, nil
	case cfg.NKeyFile != "":
		option, err := nats.NkeyOptionFromSeed(cfg.NKeyFile)
		if err != nil {
			return nil, fmt.Errorf("read NKEY seed %s: %w", cfg.NKeyFile, err)
		}
		return []nats.Option{option}, nil
	case cfg.User != "":
		read, err := lineReader(cfg.PasswordFile, fault)
		if err != nil {
			return nil, err
		}
		return []nats.Option{nats.UserInfoHandler(func() (string, string) { return cfg.User, read() })}, nil
	case cfg.TokenFile != "":
		read, err := lineReader(cfg.TokenFile, fault)
		if err != nil {
			return nil, err
		}
		return []nats.Option{nats.TokenHandler(read)}, nil
	}
	return nil, nil
}

// lineReader reads a secret's file now, to fail early, and whenever it is called.
func lineReader(path string, fault func(error)) (func() string, error) {
	if path == "" {
		return func() string { return "" }, nil
	}
	if _, err := readSecret(path); err != nil {
		return nil, err
	}
	return func() string {
		data, err := readSecret(path)
		if err != nil {
			fault(fmt.Errorf("%w: %w", errLogin, err))
		}
		return strings.TrimSpace(string(data))
	}, nil
}

// IsLoopback says whether every server of a comma-separated URL list is on this machine.
func IsLoopback(urls string) bool {
	for _, u := range strings.Split(urls, ",") {
		host := hostOf(strings.TrimSpace(u))
		if host == "localhost" {
			continue
		}
		ip := net.ParseIP(host)
		if ip == nil || !ip.IsLoopback() {
			return false
		}
	}
	return true
}

func hostOf(u string) string {
	if !strings.Contains(u, "://") {
		u = "nats://" + u
	}
	parsed, err := url.Parse(u)
	if err != nil {
		return ""
	}
	return parsed.Hostname()
}

// Redact gives a URL list without the users, passwords and tokens in it.
func Redact(urls string) string {
	list := strings.Split(urls, ",")
	for i, u := range list {
		u = strings.TrimSpace(u)
		if scheme, rest, ok := strings.Cut(u, "://"); ok {
			list[i] = scheme + "://" + rest[strings.LastIndexByte(rest, '@')+1:]
		} else {
			list[i] = u[strings.LastIndexByte(u, '@')+1:]
		}
	}
	return strings.Join(list, ",")
}
