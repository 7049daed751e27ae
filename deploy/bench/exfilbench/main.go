// SPDX-License-Identifier: Apache-2.0

// Command exfilbench makes worlds in which API tokens go about their business and some are robbed,
// and scores what a detector said about one.
//
//	exfilbench gen -tokens 10000 -seed 11 -dir DIR    write DIR/events.csv.gz and DIR/truth.json.gz
//	exfilbench score -dir DIR -alerts FILE [-budget 1]
//
// A world is 70 days of summaries from 2022-10-28, of which the last 42 are scored, with six classes
// of tokens and attacks of fifteen shapes. An alerts file has lines ts,token,kind[,score]; without scores
// the alerts are taken as they are. Worlds are deterministic in their seed.
package main

import (
	"flag"
	"fmt"
	"os"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "exfilbench:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 0 || args[0] != "gen" && args[0] != "score" {
		fmt.Fprintln(os.Stderr, "usage: exfilbench gen|score [flags]")
		os.Exit(2)
	}
	flags := flag.NewFlagSet("exfilbench "+args[0], flag.ExitOnError)
	dir := flags.String("dir", "out", "folder of events.csv.gz and truth.json.gz")
	if args[0] == "gen" {
		n := flags.Int("tokens", 10000, "tokens, at least 1000 or attacks find no victims")
		seed := flags.Uint64("seed", 1, "which world")
		if err := flags.Parse(args[1:]); err != nil {
			return err
		}
		return generate(*seed, *n, *dir)
	}
	alerts := flags.String("alerts", "alerts.csv", "what the detector said")
	budget := flags.Float64("budget", 0, "with scores: false alerts per 10,000 tokens a week, else all alerts count")
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	return score(os.Stdout, *dir, *alerts, *budget)
}
