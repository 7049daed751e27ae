// SPDX-License-Identifier: Apache-2.0

package capture_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"

	"github.com/weir-project/weir/sensor/capture"
	"github.com/weir-project/weir/sensor/packet"
)

// reference reads a capture with gopacket's pcapgo.
func reference(file []byte) (out []packet.Frame, err error) {
	var next func() ([]byte, gopacket.CaptureInfo, error)
	var link func(gopacket.CaptureInfo) layers.LinkType
	if bytes.HasPrefix(file, []byte("\x0a\x0d\x0d\x0a")) {
		r, err := pcapgo.NewNgReader(bytes.NewReader(file), pcapgo.NgReaderOptions{WantMixedLinkType: true})
		if err != nil {
			return nil, err
		}
		next = r.ReadPacketData
		link = func(ci gopacket.CaptureInfo) layers.LinkType {
			i, err := r.Interface(ci.InterfaceIndex)
			if err != nil {
				return 0
			}
			return i.LinkType
		}
	} else {
		r, err := pcapgo.NewReader(bytes.NewReader(file))
		if err != nil {
			return nil, err
		}
		next = r.ReadPacketData
		link = func(gopacket.CaptureInfo) layers.LinkType { return r.LinkType() }
	}
	for {
		data, ci, err := next()
		if err != nil {
			return out, err
		}
		out = append(out, packet.Frame{Time: ci.Timestamp.UnixNano(), Data: data, Length: ci.Length,
			Link: packet.LinkType(link(ci)), Iface: ci.InterfaceIndex})
	}
}

// sameFrames compares all but the link type, which pcapgo keeps in 8 bits.
func sameFrames(t *testing.T, name string, got, want []packet.Frame) {
	t.Helper()
	if len(got) < len(want) {
		t.Errorf("%s: %d frames, pcapgo %d", name, len(got), len(want))
		return
	}
	for i, w := range want {
		g := got[i]
		if !bytes.Equal(g.Data, w.Data) || g.Length != max(w.Length, len(w.Data)) || g.Time != w.Time || uint8(g.Link) != uint8(w.Link) || g.Iface != w.Iface {
			t.Errorf("%s: frame %d is %d of %d bytes at %d on %d/%d, pcapgo: %d of %d at %d on %d/%d", name, i, len(g.Data), g.Length,
				g.Time, g.Link, g.Iface, len(w.Data), w.Length, w.Time, w.Link, w.Iface)
			return
		}
	}
}

func TestAgainstPcapgo(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	var classic, nano, ng bytes.Buffer
	w, n := pcapgo.NewWriter(&classic), pcapgo.NewWriterNanos(&nano)
	g, err := pcapgo.NewNgWriter(&ng, layers.LinkTypeEthernet)
	if err := errors.Join(err, w.WriteFileHeader(65535, layers.LinkTypeEthernet), n.WriteFileHeader(65535, layers.LinkTypeEthernet)); err != nil {
		t.Fatal(err)
	}
	for range 2000 {
		data := make([]byte, rng.IntN(1500))
		ci := gopacket.CaptureInfo{Timestamp: time.Unix(rng.Int64N(4e9), rng.Int64N(1e9)), CaptureLength: len(data), Length: len(data) + rng.IntN(100)}
		if err := errors.Join(w.WritePacket(ci, data), n.WritePacket(ci, data), g.WritePacket(ci, data)); err != nil {
			t.Fatal(err)
		}
	}
	if err := g.Flush(); err != nil {
		t.Fatal(err)
	}
	for name, file := range map[string][]byte{"pcap": classic.Bytes(), "nanoseconds": nano.Bytes(), "pcapng": ng.Bytes()} {
		want, _ := reference(file)
		got, _, err := read(bytes.NewReader(file))
		if err != io.EOF || len(got) != 2000 {
			t.Errorf("%s: %d frames, %v", name, len(got), err)
		}
		sameFrames(t, name, got, want)
	}
}

// The captures of other projects: the same frames as pcapgo, whole files to their end, and most
// of the frames lead to TCP.
func TestCases(t *testing.T) {
	files, err := filepath.Glob("../../../shared/cases/http/pcaps/*")
	if err != nil || len(files) == 0 {
		t.Skip("SKIPPED: no captures in ../shared/cases/http/pcaps beside the repository")
	}
	var sum packet.Counters
	for _, path := range files {
		file, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Base(path)
		got, _, err := read(bytes.NewReader(file))
		if format := new(capture.FormatError); err != io.EOF && !errors.As(err, &format) {
			t.Errorf("%s: %v", name, err)
		}
		want, wantErr := reference(file)
		if err != io.EOF {
			t.Logf("%s: after %d frames %v (pcapgo: %d, %v)", name, len(got), err, len(want), wantErr)
		}
		sameFrames(t, name, got, want)
		d := packet.NewDecoder(packet.DecoderConfig{})
		for i := range got {
			var s packet.Segment
			d.Decode(&got[i], &s)
		}
		d.Flush()
		n := d.Counters()
		if n.ByReason[packet.OK] == 0 {
			t.Logf("%s: no segment: %+v", name, n)
		}
		for i, v := range n.ByReason {
			sum.ByReason[i] += v
		}
		sum.FragmentsJoined += n.FragmentsJoined
		sum.FragmentsExpired += n.FragmentsExpired
		sum.FragmentOverlaps += n.FragmentOverlaps
		sum.LengthZero += n.LengthZero
		sum.LengthOverrun += n.LengthOverrun
		sum.MirrorCut += n.MirrorCut
	}
	t.Logf("%d captures: %+v", len(files), sum)
}
