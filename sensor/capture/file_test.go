// SPDX-License-Identifier: Apache-2.0

package capture_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/weir-project/weir/sensor/capture"
	"github.com/weir-project/weir/sensor/packet"
)

// read gives all frames, with bytes of their own, and what ended them.
func read(r io.Reader) ([]packet.Frame, *capture.File, error) {
	f, err := capture.NewReader(r, "made.pcap")
	if err != nil {
		return nil, nil, err
	}
	var out []packet.Frame
	for {
		var p packet.Frame
		if err := f.Next(&p); err != nil {
			return out, f, err
		}
		p.Data = bytes.Clone(p.Data)
		out = append(out, p)
	}
}

type sample struct {
	name    string
	file    []byte
	want    []packet.Frame
	dropped uint64
	starts  []int // where a cut leaves a whole file
}

func samples() []sample {
	le, be := binary.LittleEndian, binary.BigEndian
	frames := func(link packet.LinkType, unit int64) []packet.Frame {
		return []packet.Frame{
			{Time: 7e9 + 5*unit, Data: []byte("one"), Length: 3, Link: link},
			{Time: 8e9 + 6*unit, Data: []byte("tw"), Length: 900, Link: link},
			{Time: 4294967295e9 + 6*unit, Data: []byte("three"), Length: 5, Link: link},
		}
	}
	classic := func(o order, magic, link uint32) []byte {
		return pcapFile(o, magic, link, record(o, 7, 5, 3, "one"), record(o, 8, 6, 900, "tw"), record(o, 4294967295, 6, 1, "three"))
	}
	starts := []int{24, 24 + 19, 24 + 19 + 18}
	out := []sample{
		{"pcap le", classic(le, 0xa1b2c3d4, 1), frames(1, 1000), 0, starts},
		{"pcap be", classic(be, 0xa1b2c3d4, 101), frames(101, 1000), 0, starts},
		{"pcap le nano", classic(le, 0xa1b23c4d, 0), frames(0, 1), 0, starts},
		{"pcap be nano fcs", classic(be, 0xa1b23c4d, 1|1<<26|2<<28), frames(1, 1), 0, starts},
		{"pcap modified", pcapFile(le, 0xa1b2cd34, 1, record(le, 7, 5, 3, "")[:8], words(le, 3, 3, 0, 0), []byte("one")), frames(1, 1000)[:1], 0, []int{24}},
		{"pcap without frames", pcapFile(le, 0xa1b2c3d4, 1), nil, 0, nil},
	}
	for name, o := range map[string]order{"pcapng le": le, "pcapng be": be} {
		out = append(out, pcapngSample(name, o))
	}
	return out
}

func pcapngSample(name string, o order) sample {
	s := sample{name: name, dropped: 2 + 3 + 100 + 4}
	second := order(binary.LittleEndian)
	if o == second {
		second = binary.BigEndian
	}
	add := func(b []byte) {
		if len(s.file) > 0 {
			s.starts = append(s.starts, len(s.file))
		}
		s.file = append(s.file, b...)
	}
	want := func(p packet.Frame) { s.want = append(s.want, p) }
	add(section(o))
	add(idb(o, 1, 0, option(o, 2, []byte("eth0"))))
	add(block(o, 0x0bad, bytes.Repeat([]byte("x"), 60)))
	add(epb(o, 0, 7_000_005, 3, "one", option(o, 4, o.AppendUint64(nil, 2)), words(o, 0)))
	want(packet.Frame{Time: 7e9 + 5000, Data: []byte("one"), Length: 3, Link: 1})
	add(idb(o, 101, 4, option(o, 9, []byte{9}), option(o, 14, o.AppendUint64(nil, 100)), words(o, 0)))
	add(epb(o, 1, 7_000_000_005, 70_000, "two."))
	want(packet.Frame{Time: 107e9 + 5, Data: []byte("two."), Length: 70_000, Link: 101, Iface: 1})
	add(idb(o, 113, 0, option(o, 9, []byte{0x80 | 20})))
	add(epb(o, 2, 7<<20|1<<19, 1, "5"))
	want(packet.Frame{Time: 7_500_000_000, Data: []byte("5"), Length: 1, Link: 113, Iface: 2})
	old := append(o.AppendUint16(o.AppendUint16(nil, 1), 3), words(o, 1, 5, 3, 3)...)
	add(block(o, 2, old, []byte("old")))
	want(packet.Frame{Time: 104_294_967_301, Data: []byte("old"), Length: 3, Link: 101, Iface: 1})
	add(block(o, 3, words(o, 6), []byte("simple")))
	want(packet.Frame{Time: 104_294_967_301, Data: []byte("simple"), Length: 6, Link: 1})
	add(block(o, 5, words(o, 2, 0, 0), option(o, 5, o.AppendUint64(nil, 100)), option(o, 7, o.AppendUint64(nil, 4))))
	// a second section in the other order; its interfaces count from 0 again
	add(section(second))
	add(idb(second, 276, 4))
	add(block(second, 3, words(second, 6), []byte("simp")))
	want(packet.Frame{Time: 104_294_967_301, Data: []byte("simp"), Length: 6, Link: 276})
	add(epb(second, 0, 9_000_000, 0, ""))
	want(packet.Frame{Time: 9e9, Data: []byte{}, Link: 276})
	return s
}

func TestRead(t *testing.T) {
	for _, s := range samples() {
		for name, r := range map[string]io.Reader{
			"at once":      bytes.NewReader(s.file),
			"byte by byte": iotest.OneByteReader(bytes.NewReader(s.file)),
			"with eof":     iotest.DataErrReader(bytes.NewReader(s.file)),
		} {
			got, f, err := read(r)
			if err != io.EOF {
				t.Fatalf("%s %s: %v", s.name, name, err)
			}
			if diff := cmp.Diff(s.want, got); diff != "" {
				t.Errorf("%s %s: %s", s.name, name, diff)
			}
			if st := f.Stats(); st.Dropped != s.dropped || st.Received != s.dropped+uint64(len(s.want)) {
				t.Errorf("%s %s: %+v", s.name, name, st)
			}
		}
	}
}

// A file cut anywhere gives the frames before the cut and then one error that names the place.
func TestReadCutAnywhere(t *testing.T) {
	for _, s := range samples() {
		whole := map[int]bool{len(s.file): true}
		for _, n := range s.starts {
			whole[n] = true
		}
		for n := range s.file {
			got, _, err := read(bytes.NewReader(s.file[:n]))
			if whole[n] {
				if err != io.EOF {
					t.Errorf("%s cut at %d: %v", s.name, n, err)
				}
			} else if format := new(capture.FormatError); !errors.As(err, &format) || format.Offset > int64(n) || format.File != "made.pcap" {
				t.Errorf("%s cut at %d: %v", s.name, n, err)
			}
			if diff := cmp.Diff(s.want[:min(len(got), len(s.want))], got); diff != "" && len(got) > 0 {
				t.Errorf("%s cut at %d: %s", s.name, n, diff)
			}
		}
	}
}

func TestReadBad(t *testing.T) {
	le := binary.LittleEndian
	one := record(le, 1, 0, 3, "one")
	good := pcapFile(le, 0xa1b2c3d4, 1, one)
	huge := record(le, 1, 0, 3, "")
	le.PutUint32(huge[8:], 1<<20+1)
	three := pcapFile(le, 0xa1b2c3d4, 1)
	three[4] = 3
	ng := append(section(le), idb(le, 1, 0)...)
	lying := epb(le, 0, 1, 3, "one")
	le.PutUint32(lying[len(lying)-4:], 99)
	long := epb(le, 0, 1, 3, "one")
	le.PutUint32(long[20:], 5)
	small := block(le, 6)
	for _, c := range []struct {
		name   string
		file   []byte
		frames int
		offset int64
		says   string
	}{
		{"empty", nil, 0, 0, "not a capture: empty"},
		{"three bytes", []byte("abc"), 0, 0, "not a capture: 3 bytes"},
		{"text", []byte("GET / HTTP/1.1\r\n"), 0, 0, "begins with 47 45 54 20"},
		{"gzip", []byte("\x1f\x8b\x08\x00aaaa"), 0, 0, "zcat"},
		{"header cut", good[:20], 0, 0, "24 bytes expected, 20 there"},
		{"version", three, 0, 0, "version 3.4"},
		{"record header cut", append(bytes.Clone(good), 1, 2, 3), 1, 43, "cut in a record header: 16 bytes expected, 3 there"},
		{"record cut", append(bytes.Clone(good), one[:17]...), 1, 43, "cut in a record: 19 bytes expected, 17 there"},
		{"insane length", append(bytes.Clone(good), huge...), 1, 43, "record of 1048577 bytes"},
		{"byte order", append(words(le, 0x0a0d0d0a, 28), make([]byte, 20)...), 0, 0, "byte order"},
		{"no interface", append(section(le), epb(le, 0, 1, 3, "one")...), 0, int64(len(section(le))), "interface 0"},
		{"two lengths", append(bytes.Clone(ng), lying...), 0, int64(len(ng)), "says 99 at its end"},
		{"packet beyond block", append(bytes.Clone(ng), long...), 0, int64(len(ng)), "packet of 5 bytes"},
		{"small block", append(bytes.Clone(ng), small...), 0, int64(len(ng)), "with 12 bytes"},
		{"small unknown block", append(bytes.Clone(ng), words(le, 77, 4, 4)...), 0, int64(len(ng)), "at least 12"},
		{"insane block", append(bytes.Clone(ng), words(le, 6, 0xfffffffc)...), 0, int64(len(ng)), "4294967292"},
		{"insane unknown block", append(bytes.Clone(ng), words(le, 77, 0xfffffffc)...), 0, int64(len(ng)), "cut in a block"},
		{"resolution", append(section(le), idb(le, 1, 0, option(le, 9, []byte{25}))...), 0, int64(len(section(le))), "resolution"},
		{"offset", append(section(le), idb(le, 1, 0, option(le, 14, bytes.Repeat([]byte{0x7f}, 8)))...), 0, int64(len(section(le))), "offset"},
		{"long option", append(section(le), idb(le, 1, 0, words(le, 9|100<<16))...), 0, int64(len(section(le))), "option 9 of 100 bytes"},
	} {
		got, _, err := read(bytes.NewReader(c.file))
		format := new(capture.FormatError)
		if !errors.As(err, &format) || len(got) != c.frames || format.Offset != c.offset || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %d frames, error %v, want %q at %d", c.name, len(got), err, c.says, c.offset)
		}
	}
}

// Errors stay, and those of the reader name the place.
func TestReadFails(t *testing.T) {
	broken := errors.New("disk on fire")
	file := pcapFile(binary.LittleEndian, 0xa1b2c3d4, 1, record(binary.LittleEndian, 1, 0, 3, "one"))
	got, f, err := read(io.MultiReader(bytes.NewReader(file), iotest.ErrReader(broken)))
	var p packet.Frame
	if len(got) != 1 || !errors.Is(err, broken) || !strings.Contains(err.Error(), "byte 43") || f.Next(&p) != err {
		t.Errorf("%d frames, %v", len(got), err)
	}
}

func TestOpenFile(t *testing.T) {
	if _, err := capture.OpenFile(filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	if _, err := capture.OpenFile(t.TempDir()); err == nil {
		t.Error("a folder is no capture")
	}
	path := filepath.Join(t.TempDir(), "a.pcap")
	if err := os.WriteFile(path, samples()[0].file, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := capture.OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var p packet.Frame
	if err := f.Next(&p); err != nil || string(p.Data) != "one" {
		t.Error(err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	if err := f.Next(&p); !errors.Is(err, os.ErrClosed) {
		t.Error(err)
	}
}

// Frames up to the bound are read from any place, and a pipe is not waited for beyond a frame.
func TestReadLargeAndPipe(t *testing.T) {
	le := binary.LittleEndian
	large := strings.Repeat("weir", 1<<18)
	records := [][]byte{record(le, 1, 0, 1, "a"), record(le, 1, 0, 1<<20, large), record(le, 1, 0, 1, "b"), record(le, 2, 0, 1<<20, large)}
	r, w := io.Pipe()
	f := make(chan *capture.File)
	go func() {
		file, err := capture.NewReader(r, "pipe")
		if err != nil {
			t.Error(err)
		}
		f <- file
	}()
	write := func(b []byte) {
		if _, err := w.Write(b); err != nil {
			t.Error(err)
		}
	}
	write(pcapFile(le, 0xa1b2c3d4, 1))
	file := <-f
	for i, rec := range records {
		done := make(chan struct{})
		go func() { write(rec); close(done) }()
		var p packet.Frame
		if err := file.Next(&p); err != nil || !bytes.Equal(p.Data, rec[16:]) { // the next record is not written yet
			t.Fatalf("record %d: %v", i, err)
		}
		<-done
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	if err := file.Next(new(packet.Frame)); err != io.EOF {
		t.Error(err)
	}
}

// A block that is not read may be larger than the buffer.
func TestReadSkipsLargeBlock(t *testing.T) {
	le := binary.LittleEndian
	file := bytes.Join([][]byte{section(le), idb(le, 1, 0), block(le, 0x0bad, make([]byte, 5<<20)), epb(le, 0, 1, 3, "one")}, nil)
	got, _, err := read(bytes.NewReader(file))
	if err != io.EOF || len(got) != 1 || string(got[0].Data) != "one" {
		t.Errorf("%d frames, %v", len(got), err)
	}
}

func TestReadAllocates(t *testing.T) {
	for _, s := range samples() {
		if len(s.want) < 3 {
			continue
		}
		file := bytes.NewReader(s.file)
		f, err := capture.NewReader(io.MultiReader(file, repeat(s.name, s.file)), "x")
		if err != nil {
			t.Fatal(err)
		}
		var p packet.Frame
		if n := testing.AllocsPerRun(5000, func() {
			if err := f.Next(&p); err != nil {
				t.Fatal(s.name, err)
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations", s.name, n)
		}
	}
}

// repeat gives a file's frames over and over: pcap without its header, pcapng as more sections.
func repeat(name string, file []byte) io.Reader {
	if strings.HasPrefix(name, "pcap ") {
		file = file[24:]
	}
	return &repeater{file: file}
}

type repeater struct {
	file []byte
	at   int
}

func (r *repeater) Read(b []byte) (int, error) {
	n := copy(b, r.file[r.at:])
	r.at = (r.at + n) % len(r.file)
	return n, nil
}

func fuzzRead(f *testing.F, prefix string) {
	for _, s := range samples() {
		if strings.HasPrefix(s.name, prefix) {
			f.Add(s.file)
		}
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		a, _, errA := read(bytes.NewReader(file))
		b, _, errB := read(iotest.HalfReader(bytes.NewReader(file)))
		if diff := cmp.Diff(a, b); diff != "" || (errA == io.EOF) != (errB == io.EOF) {
			t.Fatalf("depends on how it is cut: %v, %v, %s", errA, errB, diff)
		}
		format := new(capture.FormatError)
		if errA != io.EOF && (!errors.As(errA, &format) || format.Offset > int64(len(file))) {
			t.Fatal(errA)
		}
		total := 0
		for _, p := range a {
			total += len(p.Data)
			if p.Length < len(p.Data) {
				t.Fatalf("%d bytes of %d", len(p.Data), p.Length)
			}
		}
		if total > len(file) {
			t.Fatalf("%d bytes out of %d", total, len(file))
		}
	})
}

func FuzzPcap(f *testing.F)   { fuzzRead(f, "pcap ") }
func FuzzPcapng(f *testing.F) { fuzzRead(f, "pcapng") }
