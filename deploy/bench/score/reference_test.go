// SPDX-License-Identifier: Apache-2.0

package score_test

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weir-project/weir/deploy/bench/score"
)

// cases is where captures with truth, and the scorer that came with them, may be.
const cases = "../../../../shared/cases/http"

// reference is what score.py says.
type reference struct {
	Captures, Expected, Matched, Exact, Outputs int
	Recall                                      float64
	ExactRate                                   float64                   `json:"exact_rate"`
	Optional                                    int                       `json:"optional_matched"`
	Extra                                       int                       `json:"false_extra"`
	Unknown                                     int                       `json:"outputs_for_unknown_captures"`
	Wrong                                       map[string]int            `json:"field_mismatches"`
	Compared                                    map[string]int            `json:"fields_compared"`
	WithTruth                                   int                       `json:"captures_with_truth"`
	AllMatched                                  int                       `json:"captures_all_matched"`
	AllExact                                    int                       `json:"captures_all_exact"`
	MeanMatched                                 float64                   `json:"macro_recall"`
	MeanExact                                   float64                   `json:"macro_exact"`
	Classes                                     map[string]referenceClass `json:"per_class"`
}

type referenceClass struct {
	Expected, Matched, Exact, Extra int
	Wrong                           map[string]int `json:"mismatches"`
}

func round(f float64) float64 { return math.Round(f*1e4) / 1e4 }

func asReference(r *score.Result) reference {
	p := reference{Captures: r.Captures, Expected: r.Expected, Matched: r.Matched, Exact: r.Exact, Outputs: r.Outputs,
		Recall: round(r.Recall()), ExactRate: round(r.ExactRate()), Optional: r.Optional, Extra: r.Extra, Unknown: r.Unknown,
		Wrong: r.Wrong, Compared: r.Compared, WithTruth: r.WithTruth, AllMatched: r.AllMatched, AllExact: r.AllExact,
		MeanMatched: round(r.MeanMatched), MeanExact: round(r.MeanExact), Classes: map[string]referenceClass{}}
	for name, c := range r.Classes {
		if c.Wrong == nil {
			c.Wrong = map[string]int{}
		}
		p.Classes[name] = referenceClass(c)
	}
	return p
}

// imperfect is what a sensor might tell that errs in every way, again the same each time.
func imperfect(truth []score.Truth) (os []score.Observed) {
	for i, t := range truth {
		o := told(t, nil)
		switch i % 23 {
		case 1:
			continue
		case 2:
			o.Status = 0
		case 3:
			o.Method = "PUT"
		case 4:
			o.Path = strings.ToUpper(o.Path)
		case 5:
			o.Client, o.Server = o.Server, o.Client
		case 6:
			o.ResponseBody++
		case 7:
			o.RequestBody++
		case 8:
			o.Host += ":8080"
		case 9:
			o.Host = "other.example"
		case 10:
			os = append(os, o)
		case 11:
			o.Path, _, _ = strings.Cut(o.Path, "?")
		case 12:
			o.Capture = "never-heard-of.pcap"
		case 13:
			o.Method, o.Path = "PUT", "/elsewhere"
		case 14:
			o.Client = "192.0.2.1:1"
		case 15:
			o.Host = ""
		case 16:
			o.Method = ""
		}
		os = append(os, o)
	}
	return os
}

func TestReference(t *testing.T) {
	truth, err := score.ReadTruth(filepath.Join(cases, "truth.jsonl"))
	if err != nil {
		t.Skipf("SKIPPED: captures with truth and their scorer are not at %s: %v", cases, err)
	}
	if _, err := exec.LookPath("python3"); err != nil {
		t.Skip("SKIPPED: python3 is not installed, which the reference scorer needs")
	}
	captures, err := score.ReadCaptures(filepath.Join(cases, "captures.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	os := imperfect(truth)
	for _, c := range []struct {
		args []string
		opt  score.Options
	}{
		{nil, score.Options{}},
		{[]string{"--require-orphans", "--ignore-no-response"}, score.Options{Orphans: true, IgnoreNoResponse: true}},
		{[]string{"--only-class", "grpc,vlan"}, score.Options{OnlyClasses: []string{"grpc", "vlan"}}},
	} {
		r := score.Score(truth, captures, os, c.opt)
		if diff := cmp.Diff(python(t, os, c.args), asReference(&r)); diff != "" {
			t.Errorf("%v, score.py and this (-,+):\n%s", c.args, diff)
		}
	}
}

func python(t *testing.T, observed []score.Observed, args []string) (r reference) {
	t.Helper()
	var lines bytes.Buffer
	e := json.NewEncoder(&lines)
	e.SetEscapeHTML(false)
	for i := range observed {
		if err := e.Encode(&observed[i]); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(t.TempDir(), "observed.jsonl")
	if err := os.WriteFile(file, lines.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	args = append([]string{filepath.Join(cases, "score.py"), filepath.Join(cases, "truth.jsonl"), file, "--min-recall", "0", "--json"}, args...)
	cmd := exec.Command("python3", args...)
	cmd.Env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("score.py: %v", err)
	}
	if err := json.Unmarshal(out, &r); err != nil {
		t.Fatalf("score.py: %v in %s", err, out)
	}
	return r
}
