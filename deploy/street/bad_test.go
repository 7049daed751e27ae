// SPDX-License-Identifier: Apache-2.0

package street

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// says holds that stderr is one line (of a program's own words) that has every text.
func says(t *testing.T, stderr string, lines int, texts ...string) {
	t.Helper()
	if n := strings.Count(strings.TrimSpace(stderr), "\n") + 1; n != lines {
		t.Errorf("%d lines instead of %d: %s", n, lines, stderr)
	}
	for _, text := range texts {
		if !strings.Contains(stderr, text) {
			t.Errorf("%q is not in: %s", text, stderr)
		}
	}
	if strings.Contains(stderr, "panic") || strings.Contains(stderr, "goroutine ") {
		t.Errorf("a stack: %s", stderr)
	}
}

// TestBadCaptures reads what is damaged: what stands before the damage is printed, and one line says
// which file and where.
func TestBadCaptures(t *testing.T) {
	l := newLab(t)
	shopAPI := l.open("127.0.0.1:0")
	good, truth := shopAPI.capture(time.Date(2026, 5, 6, 7, 0, 0, 0, time.UTC), 2, 50)
	text, err := os.ReadFile(good)
	l.must(err)
	half := len(text) / 2
	corrupt := append([]byte(nil), text...)
	record := 24 // a packet's header in the second half, made absurd
	for record < half {
		record += 16 + int(corrupt[record+8]) + int(corrupt[record+9])<<8
	}
	copy(corrupt[record+8:], []byte{0xff, 0xff, 0xff, 0x7f})
	for _, c := range []struct {
		name   string
		data   []byte
		offset bool // the line says where
		some   bool // exchanges come first
	}{
		{"truncated.pcap", text[:half+7], true, true},
		{"corrupt.pcap", corrupt, true, true},
		{"empty.pcap", nil, false, false},
		{"letter.txt", []byte("Dear reader, this is not a capture of anything at all.\n"), false, false},
		{"header.pcap", text[:17], false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := filepath.Join(l.dir, c.name)
			l.must(os.WriteFile(file, c.data, 0o600))
			stdout, stderr, code := l.run("weir-sensor", "read", file, "--key-file", l.key)
			if code != 1 {
				t.Errorf("exit %d", code)
			}
			says(t, stderr, 1, file)
			if c.offset && !strings.Contains(stderr, "offset ") && !strings.Contains(stderr, "byte ") {
				t.Errorf("it does not say where: %s", stderr)
			}
			if got := l.read([]byte(stdout)); c.some != (got.Requests > truth.Requests/3) {
				t.Errorf("%d of %d exchanges come before the damage", got.Requests, truth.Requests)
			}
		})
	}
	t.Run("the others are read", func(t *testing.T) {
		stdout, stderr, code := l.run("weir-sensor", "read", filepath.Join(l.dir, "letter.txt"), filepath.Join(l.dir, "absent.pcap"), good, "--key-file", l.key)
		says(t, stderr, 2, "letter.txt", "absent.pcap")
		if got := l.read([]byte(stdout)); code != 1 || got != truth {
			t.Errorf("exit %d, told %+v of %+v", code, got, truth)
		}
	})
	t.Run("backtest", func(t *testing.T) {
		file := filepath.Join(l.dir, "lines.jsonl")
		l.must(os.WriteFile(file, []byte("{}\n{\"exchange_id\":\n"), 0o600))
		_, stderr, code := l.run("weir-analyzer", "backtest", file)
		if code != 1 {
			t.Errorf("exit %d", code)
		}
		says(t, stderr, 1, "lines.jsonl:2:")
	})
}

// TestBadSurroundings starts where something is missing or in the way.
func TestBadSurroundings(t *testing.T) {
	l := newLab(t)
	open := filepath.Join(l.dir, "open.key")
	l.must(os.WriteFile(open, []byte(strings.Repeat("ab", 32)), 0o644))
	garbage := filepath.Join(l.dir, "garbage.key")
	l.must(os.WriteFile(garbage, []byte("not a key"), 0o600))
	for _, c := range []struct {
		name  string
		args  []string
		texts []string
	}{
		{"no such interface", []string{"run", "-i", "weir-none", "--output", "json", "--key-file", l.key}, []string{"weir-none", "there are: lo, " + serverLink}},
		{"key that others may read", []string{"run", "-i", "lo", "--output", "json", "--key-file", open}, []string{"open.key", "chmod 600"}},
		{"key that is none", []string{"run", "-i", "lo", "--output", "json", "--key-file", garbage}, []string{"garbage.key"}},
		{"key that is not there", []string{"run", "-i", "lo", "--output", "json", "--key-file", l.key + "-none"}, []string{"tenant.key-none", "openssl rand"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, stderr, code := l.run("weir-sensor", c.args...)
			if code != 1 {
				t.Errorf("exit %d", code)
			}
			says(t, stderr, 1, c.texts...)
			if strings.Contains(stderr, "not a key") || strings.Contains(stderr, "abab") {
				t.Errorf("the key is told: %s", stderr)
			}
		})
	}
	t.Run("no permission", func(t *testing.T) { l.t = t; l.asNobody() })
	l.t = t
	t.Run("NATS port taken", func(t *testing.T) {
		shopAPI := l.open("127.0.0.1:0")
		_, stderr, code := l.run("weir-analyzer", "run", "--nats-dir", filepath.Join(l.dir, "n1"), "--nats-listen", shopAPI.addr, "--http-addr", "")
		if code != 1 {
			t.Errorf("exit %d", code)
		}
		says(t, stderr, 1, shopAPI.addr, "address already in use")
	})
	t.Run("HTTP port taken", func(t *testing.T) {
		shopAPI := l.open("127.0.0.1:0")
		_, stderr, code := l.run("weir-analyzer", "run", "--nats-dir", filepath.Join(l.dir, "n2"), "--nats-listen", l.nats, "--http-addr", shopAPI.addr)
		if code != 1 || !strings.Contains(stderr, shopAPI.addr) || !strings.Contains(stderr, "address already in use") {
			t.Errorf("exit %d: %s", code, stderr)
		}
	})
	t.Run("directory taken", func(t *testing.T) {
		l.analyzer()
		_, stderr, code := l.run("weir-analyzer", "run", "--nats-dir", filepath.Join(l.dir, "nats"), "--nats-listen", l.freeAddress(), "--http-addr", "")
		if code != 1 {
			t.Errorf("exit %d", code)
		}
		says(t, stderr, 1, "in use")
	})
}

// asNobody captures without the right to.
func (l *lab) asNobody() {
	dir, err := os.MkdirTemp("", "weir-nobody-") // nobody must reach it
	l.must(err)
	defer os.RemoveAll(dir)
	l.must(os.Chmod(dir, 0o755))
	name := filepath.Join(dir, "weir-sensor")
	text, err := os.ReadFile(binary("weir-sensor"))
	l.must(err)
	l.must(os.WriteFile(name, text, 0o755))
	cmd := exec.Command(name, "run", "-i", "lo", "--output", "json")
	cmd.Dir, cmd.Env = dir, []string{"HOME=" + dir}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}, Pdeathsig: syscall.SIGKILL}
	out, err := cmd.CombinedOutput()
	if code := cmd.ProcessState.ExitCode(); err == nil || code != 1 {
		l.t.Errorf("exit %d", code)
	}
	says(l.t, string(out), 1, "CAP_NET_RAW", "setcap")
}

// TestWrongConfig tells every fault at once, each with its key.
func TestWrongConfig(t *testing.T) {
	l := newLab(t)
	file := filepath.Join(l.dir, "wrong.yaml")
	l.must(os.WriteFile(file, []byte("sensor:\n  id: s\n  colour: red\ncapture:\n  rank: best\n  ring: many\npublish:\n  batch_exchanges: 0\nlog:\n  level: shout\nnats:\n  url: nats://192.0.2.1:4222\n"), 0o600))
	_, stderr, code := l.run("weir-sensor", "run", "--config", file)
	if code != 2 {
		t.Errorf("exit %d", code)
	}
	for _, key := range []string{"sensor.colour", "capture.rank", "capture.ring", "publish.batch_exchanges", "log.level", "capture.interfaces", "key_file"} {
		if !strings.Contains(stderr, key) {
			t.Errorf("%s is not told: %s", key, stderr)
		}
	}
	l.must(os.WriteFile(file, []byte("ledger:\n  lateness: soon\n  depth: 3\ndetect:\n  budget: -1\ntop:\n  by: beauty\n"), 0o600))
	_, stderr, code = l.run("weir-analyzer", "run", "--config", file)
	if code != 2 {
		t.Errorf("exit %d", code)
	}
	for _, key := range []string{"ledger.lateness", "ledger.depth", "detect.budget", "top.by"} {
		if !strings.Contains(stderr, key) {
			t.Errorf("%s is not told: %s", key, stderr)
		}
	}
}
