// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var errEnough = errors.New("enough")

// A seed means the same world for ever: figures of different times can be compared.
func TestWorldsDoNotChange(t *testing.T) {
	h := sha256.New()
	out := bufio.NewWriter(h)
	n, attacked := 0, 0
	err := newWorld(11, 4000).run(func(e *event) error {
		if e.time >= epoch+30*daySeconds {
			return errEnough
		}
		if e.time >= epoch+daySeconds && e.time < epoch+29*daySeconds {
			return nil // told by what comes after
		}
		n++
		if e.attack > 0 {
			attacked++
		}
		return writeEvent(out, e)
	})
	if !errors.Is(err, errEnough) {
		t.Fatal(err)
	}
	out.Flush()
	const want = "e0be010d013d69ce508d0d03da9c031a037ef88105a74837356b71df78317e6a"
	if got := fmt.Sprintf("%x", h.Sum(nil)); got != want {
		t.Errorf("%d events, %d of attacks: %s", n, attacked, got)
	}
}

func hand(t *testing.T) *truth {
	t.Helper()
	from := int64(epoch + warmDays*daySeconds)
	return &truth{ScoreFrom: from, ScoreTo: from + 14*daySeconds, Clean: 5000, Attacks: []crime{
		{Shape: "own_1x_41d", Token: "t00001", Start: from + 1000, End: from + 9000, Leak: [][2]float64{{float64(from + 1000), 10}, {float64(from + 5000), 100}}},
		{Shape: "own_1x_41d", Token: "t00002", Start: from + 1000, End: from + 9000, Leak: [][2]float64{{float64(from + 1000), 50}}},
	}}
}

func TestScore(t *testing.T) {
	tr := hand(t)
	s, at := newScorer(tr), tr.ScoreFrom
	alerts := []alert{
		{at + 10, "t00001", "fresh", 1},                 // before its attack: false
		{at + 1000, "t00001", "volume", 1},              // found at its first event
		{at + 20, "t00009", "peer", 1},                  // clean
		{at + 30, "t00009", "peer", 1},                  // the same false alert
		{at + 20 + dedup, "t00009", "volume", 1},        // another
		{at + 40, "t00008", "peer", 0.5},                // below the threshold
		{at + 9000 + daySeconds + 1, "t00002", "e", 1},  // too late, and not false either
		{at + 9000 + daySeconds, "t00003", "volume", 1}, // clean
	}
	if got := kinds(s.falseAlerts(alerts, 1)); got != "volume 2, fresh 1, peer 1" {
		t.Errorf("false alerts: %s", got)
	}
	first := s.firstAlerts(alerts, 1)
	if len(first) != 1 || first["t00001"] != (found{at + 1000, "volume"}) {
		t.Errorf("first alerts: %v", first)
	}
	r := s.results(first)["own_1x_41d"]
	if r.n != 2 || r.detected != 1 || mean(r.leakedShare) != 0.55 || median(r.leaked) != 50 || r.hours[0] != 0 {
		t.Errorf("%+v", r)
	}
}

func TestExceededBy(t *testing.T) {
	var x []float64
	for i := range 1000 { // exponential with mean 1: the i-th largest of 1000
		x = append(x, math.Log(1000/(float64(i)+0.5)))
	}
	for _, k := range []float64{0.1, 0.5, 1, 5, 50} {
		if got, want := exceededBy(x, k), math.Log(1000/k); math.Abs(got-want) > 0.3 {
			t.Errorf("k = %g: %.3f, want about %.3f", k, got, want)
		}
	}
	if exceededBy(nil, 1) != 1 || exceededBy([]float64{2}, 1) != 3 {
		t.Error("few scores")
	}
}

// A folder and an alerts file give a table; missing or broken files an error that says which.
func TestScoreFiles(t *testing.T) {
	dir := t.TempDir()
	alerts := filepath.Join(dir, "alerts.csv")
	var out bytes.Buffer
	if err := score(&out, dir, alerts, 0); err == nil || !strings.Contains(err.Error(), "exfilbench gen") {
		t.Error(err)
	}
	tr := hand(t)
	if err := toGzip(filepath.Join(dir, truthFile), func(w *bufio.Writer) error {
		_, err := fmt.Fprintf(w, `{"score_from":%d,"score_to":%d,"clean_tokens":5000,"attacks":[{"shape":"own_1x_41d","token":"t00001","start":%d,"end":%d,"leak":[[%d,10]]}]}`,
			tr.ScoreFrom, tr.ScoreTo, tr.ScoreFrom+1000, tr.ScoreFrom+9000, tr.ScoreFrom+1000)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if err := score(&out, dir, alerts, 0); err == nil || !strings.Contains(err.Error(), "read alerts") {
		t.Error(err)
	}
	text := fmt.Sprintf("ts,token,kind\n%d,t00001,fresh\n%d,t00007,peer\n", tr.ScoreFrom+1060, tr.ScoreFrom+5)
	if err := os.WriteFile(alerts, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	out.Reset()
	if err := score(&out, dir, alerts, 0); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"| own_1x_41d | 1 | 100% / 100% / 10 / 1m | fresh 1 |", "| 1 | 1.00 | peer 1 |"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
}
