// SPDX-License-Identifier: Apache-2.0

// Package corpus writes captures of HTTP whose truth is known, because it wrote them: a bare clone
// tests itself with them.
//
// It assumes that what its hosts send is what they mean, as RFC 9112 and RFC 9293 read it. It refuses
// to ask a sensor what is true, to call sure what a capture does not show, and to hold real traffic.
//
// The same names, bytes and truth come out every time. Addresses are those reserved for
// documentation and private use.
package corpus

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/weir-project/weir/deploy/bench/score"
)

// scene is one capture: what it is called, what it exercises, and who says what in it.
type scene struct {
	name    string
	classes []string
	play    func(*tape)
}

func scenes() []scene {
	streams := slices.Concat(http2Scenes(), http2OddScenes(), http2CutScenes(), grpcScenes(), http2LossScenes())
	return slices.Concat(messageScenes(), framingScenes(), switchScenes(), fieldScenes(), segmentScenes(), lossScenes(),
		slow(lossScenes()), slow(segmentScenes()), slow(hostileScenes()), delayed(lossScenes()), delayed(hostileScenes()),
		connectionScenes(), hostileScenes(), linkScenes(), tunnelScenes(), streams, slow(streams), fileScenes(), otherScenes(),
		inStreams(tunnelScenes()), inStreams(linkScenes()[:2]), mixedScenes(), mixedStreamScenes())
}

// Write makes dir with captures in dir/pcaps, one line a capture in dir/captures.jsonl, and one line an
// exchange in dir/truth.jsonl, and gives the same back. Errors are those of the file system.
func Write(dir string) ([]score.Truth, []score.Capture, error) {
	if err := os.MkdirAll(filepath.Join(dir, "pcaps"), 0o755); err != nil {
		return nil, nil, fmt.Errorf("make corpus: %w", err)
	}
	var truth []score.Truth
	var captures []score.Capture
	for _, s := range scenes() {
		t := &tape{name: s.name, classes: s.classes, link: linkEthernet, write: pcapLittle}
		s.play(t)
		c := score.Capture{Name: s.name + ".pcap", Classes: s.classes, Truth: "yes"}
		if err := os.WriteFile(filepath.Join(dir, "pcaps", c.Name), t.write(t), 0o644); err != nil {
			return nil, nil, fmt.Errorf("write capture: %w", err)
		}
		captures = append(captures, c)
		for _, x := range t.truth {
			x.Capture, x.Classes = c.Name, s.classes
			truth = append(truth, *x)
		}
	}
	err := errors.Join(writeLines(filepath.Join(dir, "truth.jsonl"), truth), writeLines(filepath.Join(dir, "captures.jsonl"), captures))
	return truth, captures, err
}

func writeLines[T any](path string, all []T) error {
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("write truth: %w", err)
	}
	e := json.NewEncoder(f)
	e.SetEscapeHTML(false)
	for i := range all {
		err = errors.Join(err, e.Encode(&all[i]))
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write truth: %w", err)
	}
	return nil
}
