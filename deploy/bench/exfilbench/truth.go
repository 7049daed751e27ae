// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
)

const (
	eventsFile = "events.csv.gz"
	truthFile  = "truth.json.gz"
	header     = "ts,token,ip,endpoint,requests,status4xx,bytes,records,ids,fresh_ids,seq,sensitive"
)

// truth says what was attacked, and what each attack had taken when.
type truth struct {
	ScoreFrom int64   `json:"score_from"`
	ScoreTo   int64   `json:"score_to"`
	Clean     int     `json:"clean_tokens"`
	Attacks   []crime `json:"attacks"`
}

// crime is one attack. Leak pairs times with the records taken up to and including them.
type crime struct {
	Shape    string       `json:"shape"`
	Campaign int          `json:"campaign"`
	Token    string       `json:"token"`
	Start    int64        `json:"start"`
	End      int64        `json:"end"`
	Leak     [][2]float64 `json:"leak"`
}

// leaked gives the records taken up to and including a time.
func (c *crime) leaked(at int64) float64 {
	i := sort.Search(len(c.Leak), func(i int) bool { return int64(c.Leak[i][0]) > at })
	if i == 0 {
		return 0
	}
	return c.Leak[i-1][1]
}

// total gives the records of the whole attack.
func (c *crime) total() float64 {
	if len(c.Leak) == 0 {
		return 0
	}
	return c.Leak[len(c.Leak)-1][1]
}

func (t *truth) weeks() float64 { return float64(t.ScoreTo-t.ScoreFrom) / 7 / daySeconds }

func tokenName(id int32) string { return fmt.Sprintf("t%05d", id) }

// generate writes a world's events and its truth into a folder.
func generate(seed uint64, n int, dir string) (err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	w := newWorld(seed, n)
	t := &truth{ScoreFrom: epoch + warmDays*daySeconds, ScoreTo: epoch + days*daySeconds, Clean: len(w.tokens) - len(w.attacks)}
	byToken := map[int32]*crime{}
	t.Attacks = make([]crime, len(w.attacks))
	for i, a := range w.attacks {
		t.Attacks[i] = crime{Shape: a.shape, Campaign: a.campaign, Token: tokenName(a.token), Start: a.start, End: a.end}
		byToken[a.token] = &t.Attacks[i]
	}
	count := 0
	err = toGzip(filepath.Join(dir, eventsFile), func(out *bufio.Writer) error {
		fmt.Fprintln(out, header)
		return w.run(func(e *event) error {
			count++
			if c := byToken[e.token]; c != nil && e.attack > 0 {
				c.Leak = append(c.Leak, [2]float64{float64(e.time), c.total() + float64(e.attack)})
			}
			return writeEvent(out, e)
		})
	})
	if err != nil {
		return err
	}
	err = toGzip(filepath.Join(dir, truthFile), func(out *bufio.Writer) error { return json.NewEncoder(out).Encode(t) })
	fmt.Fprintf(os.Stderr, "%d events, %d clean tokens, %d attacks\n", count, t.Clean, len(t.Attacks))
	return err
}

func writeEvent(out *bufio.Writer, e *event) error {
	_, err := fmt.Fprintf(out, "%d,%s,%d.%d.%d.%d,%s,%.0f,%.0f,%.0f,%.0f,%.0f,%.0f,%.2f,%.0f\n",
		e.time, tokenName(e.token), e.address>>24, e.address>>16&255, e.address>>8&255, e.address&255, endpoints[e.endpoint],
		e.requests, e.refused, e.bytes, e.records, e.ids, e.fresh, e.successor, e.sensitive)
	return err
}

func toGzip(path string, write func(*bufio.Writer) error) (err error) {
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("write world: %w", err)
	}
	z, err := gzip.NewWriterLevel(f, gzip.BestSpeed)
	if err != nil {
		panic("BUG: " + err.Error())
	}
	out := bufio.NewWriterSize(z, 1<<20)
	err = errors.Join(write(out), out.Flush(), z.Close(), f.Close())
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// readTruth reads what generate wrote.
func readTruth(dir string) (*truth, error) {
	path := filepath.Join(dir, truthFile)
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read truth (made by `exfilbench gen`): %w", err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	t := &truth{}
	if err := json.NewDecoder(z).Decode(t); err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	if t.Clean <= 0 || t.weeks() <= 0 {
		return nil, fmt.Errorf("read %s: no clean tokens or no time to score", path)
	}
	return t, nil
}

// alert is one line of an alerts file: ts,token,kind[,score].
type alert struct {
	time  int64
	token string
	kind  string
	score float64
}

// parseAlert reads a line; lines whose first field is no number are headers.
func parseAlert(fields []string) (alert, bool) {
	if len(fields) < 3 {
		return alert{}, false
	}
	at, err := strconv.ParseFloat(strings.TrimSpace(fields[0]), 64)
	if err != nil {
		return alert{}, false
	}
	a := alert{time: int64(at), token: fields[1], kind: fields[2], score: 1}
	if len(fields) > 3 {
		if a.score, err = strconv.ParseFloat(fields[3], 64); err != nil {
			return alert{}, false
		}
	}
	return a, true
}
