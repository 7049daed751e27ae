// SPDX-License-Identifier: Apache-2.0

// Package logs makes the logger that both programs write with.
//
// It assumes that a terminal wants lines for people and everything else wants JSON. It refuses a
// global logger: what New gives is passed on.
package logs

import (
	"io"
	"os"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
)

// Field names, the same in every line.
const (
	Component = "component"
	Reason    = "reason"
	Interface = "interface"
	File      = "file"
	Partition = "partition"
)

// Level is the least level that is logged. It may change at any time, from any goroutine.
type Level struct{ least atomic.Int32 }

// Set changes the level: debug, info, warn or error; anything else is info.
func (l *Level) Set(level string) {
	least, err := zerolog.ParseLevel(level)
	if err != nil || level == "" {
		least = zerolog.InfoLevel
	}
	l.least.Store(int32(least))
}

// Run drops events below the level (zerolog.Hook).
func (l *Level) Run(e *zerolog.Event, level zerolog.Level, _ string) {
	if int32(level) < l.least.Load() {
		e.Discard()
	}
}

// New makes a logger and the level that it obeys. format is json, console, or auto: console when to
// is a terminal.
func New(to io.Writer, level, format string) (zerolog.Logger, *Level) {
	l := &Level{}
	l.Set(level)
	if format == "console" || format == "auto" && terminal(to) {
		to = zerolog.ConsoleWriter{Out: to, TimeFormat: time.TimeOnly, TimeLocation: time.UTC, NoColor: !terminal(to)}
	}
	return zerolog.New(to).Hook(l).With().Timestamp().Logger(), l
}

func terminal(to io.Writer) bool {
	f, ok := to.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
