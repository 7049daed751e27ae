// SPDX-License-Identifier: Apache-2.0

package http2_test

import (
	"fmt"
	"strings"

	"github.com/weir-project/weir/sensor/http2"
)

// diary writes down what a Parser says. Data and gaps in a row are one line, since how they are cut is
// not part of the answer.
type diary struct {
	out  []string
	run  string // the stream and kind of the open line
	n    int64
	hash uint64
}

func (d *diary) flush() {
	if d.run != "" {
		s := fmt.Sprintf("%s %d", d.run, d.n)
		if strings.HasPrefix(d.run, "data") {
			s = fmt.Sprintf("%s #%04x", s, d.hash&0xffff)
		}
		d.out = append(d.out, s)
	}
	d.run = ""
}

func (d *diary) say(format string, args ...any) {
	d.flush()
	d.out = append(d.out, fmt.Sprintf(format, args...))
}

func (d *diary) more(run string) {
	if d.run != run {
		d.flush()
		d.run, d.n, d.hash = run, 0, 14695981039346656037
	}
}

func (d *diary) Block(p *http2.Parser, b *http2.Block) {
	kind := [...]string{"", "undetermined", "request", "response", "trailer"}[b.Kind]
	var s strings.Builder
	fmt.Fprintf(&s, "block %d %s @%d-%d size=%d raw=%d mark=%d", b.Stream, kind, b.Offset, b.End, b.Size, len(b.Raw), b.Mark.Offset)
	if b.Promised != 0 {
		fmt.Fprintf(&s, " promised=%d", b.Promised)
	}
	for _, f := range []struct {
		on   bool
		name string
	}{{b.EndStream, "end"}, {b.Unknown, "unknown"}, {b.Cut, "cut"}} {
		if f.on {
			s.WriteString(" " + f.name)
		}
	}
	fmt.Fprintf(&s, " [%s]", strings.Join(b.Anomalies.AppendNames(nil), ","))
	for _, f := range b.Fields {
		text := func(b []byte) string {
			if b == nil {
				return "?"
			}
			return fmt.Sprintf("%.40q", b)
		}
		fmt.Fprintf(&s, " %s=%s", text(f.Name), text(f.Value))
	}
	d.say("%s", s.String())
}

func (d *diary) Data(p *http2.Parser, stream uint32, b []byte) {
	d.more(fmt.Sprintf("data %d", stream))
	d.n += int64(len(b))
	for _, c := range b {
		d.hash = (d.hash ^ uint64(c)) * 1099511628211
	}
}

func (d *diary) Gap(p *http2.Parser, stream uint32, n int64) {
	d.more(fmt.Sprintf("gap %d", stream))
	d.n += n
}

func (d *diary) End(p *http2.Parser, stream uint32) { d.say("end %d", stream) }
func (d *diary) Reset(p *http2.Parser, stream uint32, code uint32) {
	d.say("reset %d %#x", stream, code)
}
func (d *diary) GoAway(p *http2.Parser, last uint32, code uint32) { d.say("goaway %d %#x", last, code) }
func (d *diary) Setting(p *http2.Parser, id uint16, value uint32) { d.say("setting %#x %d", id, value) }
func (d *diary) Lost(p *http2.Parser)                             { d.say("lost") }
