// SPDX-License-Identifier: Apache-2.0

// Command demo shows weir catching a thief in real packets, with the real binaries and their
// default settings: a customer API with 42 days of past, people who use it by habit, and a thief who
// has one support agent's valid token and reads customer after customer at 50 a second.
//
//	demo [-at TIME] [-seed N]
//
// As root it captures from the wire. Without root, or with -at, it replays a capture that it
// generates; -at sets the time at which the theft is under way (RFC 3339, default now). HOLD=1 keeps
// everything running after the thief was flagged.
//
// Exit status: 0 the thief was flagged, alone, and every number agreed with the API's own log;
// 1 anything else.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// bound is how long the demo may take in all.
const bound = 3 * time.Minute

func main() {
	at := flag.String("at", "", "replay a generated capture whose theft happens at this time (RFC 3339)")
	seed := flag.Uint64("seed", 1, "seed of the people's habits")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *at, *seed, os.Getenv("HOLD") == "1"); err != nil {
		fmt.Fprintln(os.Stderr, "demo: FAILED:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, at string, seed uint64, hold bool) error {
	now, replayed, err := when(at)
	if err != nil {
		return err
	}
	bounded, cancel := context.WithTimeout(ctx, bound)
	defer cancel()
	s, err := newStage(seed, now, replayed)
	if err != nil {
		return err
	}
	defer s.close()
	say("42 days of past: %d people and programs use a customer API with 100,000 customers, by habit", len(s.people))
	if err := s.startAnalyzer(bounded); err != nil {
		return err
	}
	if err := s.history(bounded); err != nil {
		return err
	}
	if replayed {
		err = s.replay(bounded)
	} else {
		err = s.live(bounded)
	}
	if err != nil {
		return err
	}
	if err := s.verdict(bounded); err != nil {
		return err
	}
	if err := s.top(); err != nil {
		return err
	}
	say("done in %s: the thief was flagged, nobody else was, and every number equals the API's own log", time.Since(s.started).Round(time.Second))
	if hold {
		say("HOLD=1: everything keeps running; interrupt to end")
		<-ctx.Done()
	}
	return nil
}

// when tells the time of the theft, and whether it comes from a generated capture.
func when(at string) (now time.Time, replayed bool, err error) {
	if at != "" {
		now, err = time.Parse(time.RFC3339, at)
		if err == nil && time.Until(now) > 0 {
			err = fmt.Errorf("-at %s is in the future, which an analyzer refuses to judge", at)
		}
		return now, true, err
	}
	if os.Geteuid() != 0 {
		say("capturing from the wire needs root (CAP_NET_RAW), which this user has not: a generated capture is replayed instead")
		return time.Now(), true, nil
	}
	return time.Now(), false, nil
}

// say prints one line for the person who watches.
func say(format string, args ...any) {
	fmt.Printf("%s  %s\n", time.Now().Format("15:04:05"), fmt.Sprintf(format, args...))
}
