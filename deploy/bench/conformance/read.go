// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/weir-project/weir/deploy/bench/score"
)

// reader runs the sensor.
type reader struct {
	sensor string
	key    string // file with the tenant key
}

// patience is how long the sensor may take for one capture.
const patience = 2 * time.Minute

// fault is a capture that the sensor did not read to its end.
type fault struct {
	capture, text string
	crash         bool // not the exit status of a damaged capture
}

// readAll reads every capture, each in a process of its own so that one does not spoil another, and
// gives what was told in the order of the captures.
func (r *reader) readAll(dir string, captures []score.Capture) ([]score.Observed, []fault, error) {
	told := make([][]score.Observed, len(captures))
	faults := make([]*fault, len(captures))
	errs := make([]error, len(captures))
	var wg sync.WaitGroup
	slots := make(chan struct{}, runtime.GOMAXPROCS(0))
	for i := range captures {
		slots <- struct{}{}
		wg.Go(func() {
			told[i], faults[i], errs[i] = r.read(dir, captures[i].Name)
			<-slots
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, nil, err
	}
	var all []score.Observed
	var bad []fault
	for i := range captures {
		all = append(all, told[i]...)
		if faults[i] != nil {
			bad = append(bad, *faults[i])
		}
	}
	return all, bad, nil
}

// read reads one capture. An error is one of the reader's own.
func (r *reader) read(dir, name string) ([]score.Observed, *fault, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var out, text bytes.Buffer
	cmd := exec.CommandContext(ctx, r.sensor, "read", "--unredacted", "--inspect", "off", "--key-file", r.key, filepath.Join(dir, name))
	cmd.Stdout, cmd.Stderr = &out, &text
	runErr := cmd.Run()
	var exit *exec.ExitError
	if runErr != nil && !errors.As(runErr, &exit) {
		return nil, nil, fmt.Errorf("run the sensor: %w", runErr)
	}
	told, err := parse(out.Bytes(), name)
	if err != nil {
		return nil, nil, fmt.Errorf("what the sensor told of %s: %w", name, err)
	}
	if runErr == nil {
		return told, nil, nil
	}
	words := text.String()
	last := strings.TrimSpace(words)
	last = last[strings.LastIndexByte(last, '\n')+1:]
	crash := exit.ExitCode() != 1 || strings.Contains(words, "panic")
	return told, &fault{capture: name, text: runErr.Error() + ": " + last, crash: crash}, nil
}

// line is what is read of the sensor's exchanges in JSON.
type line struct {
	ID           string  `json:"exchange_id"`
	Client       string  `json:"client_address"`
	ClientPort   int     `json:"client_port"`
	Server       string  `json:"server_address"`
	ServerPort   int     `json:"server_port"`
	Method       string  `json:"http_request_method"`
	Name         string  `json:"server_name"`
	Target       *string `json:"http_request_target"`
	Path         string  `json:"url_path"`
	Status       int     `json:"http_response_status_code"`
	RequestBody  int64   `json:"http_request_body_size"`
	ResponseBody int64   `json:"http_response_body_size"`
}

// parse makes Observed of the lines that tell of exchanges; others, which end a capture, have no id.
func parse(b []byte, name string) ([]score.Observed, error) {
	var all []score.Observed
	lines := bufio.NewScanner(bytes.NewReader(b))
	lines.Buffer(nil, 16<<20)
	for n := 1; lines.Scan(); n++ {
		var l line
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		if l.ID == "" {
			continue
		}
		target := l.Path
		if l.Target != nil {
			target = *l.Target
		}
		all = append(all, score.Observed{Capture: name, Client: join(l.Client, l.ClientPort), Server: join(l.Server, l.ServerPort),
			Method: l.Method, Host: l.Name, Path: target, Status: l.Status, RequestBody: l.RequestBody, ResponseBody: l.ResponseBody})
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	return all, nil
}

func join(address string, port int) string { return net.JoinHostPort(address, strconv.Itoa(port)) }
