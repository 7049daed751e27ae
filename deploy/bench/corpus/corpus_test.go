// SPDX-License-Identifier: Apache-2.0

package corpus_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"

	"github.com/weir-project/weir/deploy/bench/corpus"
	"github.com/weir-project/weir/deploy/bench/score"
)

func write(t *testing.T) (dir string, truth []score.Truth, captures []score.Capture) {
	t.Helper()
	dir = t.TempDir()
	truth, captures, err := corpus.Write(dir)
	if err != nil {
		t.Fatal(err)
	}
	return dir, truth, captures
}

func TestWrite(t *testing.T) {
	dir, truth, captures := write(t)
	names := map[string]bool{}
	for _, c := range captures {
		if names[c.Name] || len(c.Classes) == 0 || c.Truth != "yes" {
			t.Errorf("%+v", c)
		}
		names[c.Name] = true
	}
	if len(names) < 60 {
		t.Errorf("%d captures", len(names))
	}
	quiet := len(names)
	seen := map[string]bool{}
	for _, x := range truth {
		if !names[x.Capture] || len(x.Check) == 0 || len(x.Classes) == 0 {
			t.Errorf("%+v", x)
		}
		if !seen[x.Capture] {
			seen[x.Capture] = true
			quiet--
		}
	}
	if quiet == 0 {
		t.Error("no capture without HTTP")
	}
	read, err := score.ReadTruth(filepath.Join(dir, "truth.jsonl"))
	if err != nil || len(read) != len(truth) {
		t.Error(len(read), err)
	}
	all, err := score.ReadCaptures(filepath.Join(dir, "captures.jsonl"))
	if err != nil || len(all) != len(captures) {
		t.Error(len(all), err)
	}
}

func TestSameEachTime(t *testing.T) {
	a, _, captures := write(t)
	b, _, _ := write(t)
	names := []string{"truth.jsonl", "captures.jsonl"}
	for _, c := range captures {
		names = append(names, filepath.Join("pcaps", c.Name))
	}
	for _, name := range names {
		x, err := os.ReadFile(filepath.Join(a, name))
		y, err2 := os.ReadFile(filepath.Join(b, name))
		if err := errors.Join(err, err2); err != nil || !bytes.Equal(x, y) {
			t.Errorf("%s: %d and %d bytes, %v", name, len(x), len(y), err)
		}
	}
}

func TestNowhereToWrite(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := corpus.Write(file); err == nil || !strings.Contains(err.Error(), "corpus") {
		t.Error(err)
	}
}

// broken are captures whose packets are meant to be wrong or cut.
var broken = map[string]bool{"not-ip": true, "http-among-others": true, "checksum-offload": true, "snaplen-cuts-heads": true, "giant-frames-without-length": true, "snaplen-cuts-bodies": true,
	"snaplen-cuts-chunks": true, "ip-fragments": true, "ip-fragments-6": true}

// unknown are captures for which the other decoder has no reader, or none of several link types.
var unknown = map[string]bool{"pcapng-simple-packets": true, "pcapng-interfaces": true, "pcapng-two-sections": true, "pcapng-empty": true, "linux-sll2": true}

// Another decoder finds nothing wrong with what was written: layers, lengths and checksums.
func TestSoundToAnotherDecoder(t *testing.T) {
	dir, _, captures := write(t)
	for _, c := range captures {
		name := strings.TrimSuffix(c.Name, ".pcap")
		name = strings.TrimSuffix(strings.TrimSuffix(name, "-slow"), "-delayed-acks")
		if broken[name] || unknown[name] {
			continue
		}
		checkFile(t, filepath.Join(dir, "pcaps", c.Name))
	}
}

type source interface {
	gopacket.PacketDataSource
	LinkType() layers.LinkType
}

func checkFile(t *testing.T, path string) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var src source
	if src, err = pcapgo.NewReader(f); err != nil {
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			t.Fatal(err)
		}
		if src, err = pcapgo.NewNgReader(f, pcapgo.DefaultNgReaderOptions); err != nil {
			t.Errorf("%s: %v", path, err)
			return
		}
	}
	link := gopacket.Decoder(src.LinkType())
	switch src.LinkType() {
	case layers.LinkTypeRaw, 12, layers.LinkTypeIPv4, layers.LinkTypeIPv6:
		link = layers.LinkTypeRaw
	}
	for n := 1; ; n++ {
		data, info, err := src.ReadPacketData()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil || info.Timestamp.Year() != 2026 {
			t.Errorf("%s packet %d at %v: %v", path, n, info.Timestamp, err)
			return
		}
		checkPacket(t, path, n, gopacket.NewPacket(data, link, gopacket.Default))
	}
}

func checkPacket(t *testing.T, path string, n int, p gopacket.Packet) {
	t.Helper()
	if e := p.ErrorLayer(); e != nil && p.Layer(layers.LayerTypeTCP) == nil {
		t.Errorf("%s packet %d: %v", path, n, e.Error())
		return
	}
	var network gopacket.NetworkLayer
	for _, l := range p.Layers() {
		if nl, is := l.(gopacket.NetworkLayer); is {
			network = nl
		}
		segment, is := l.(*layers.TCP)
		if !is {
			continue
		}
		if err := segment.SetNetworkLayerForChecksum(network); err != nil {
			t.Errorf("%s packet %d: %v", path, n, err)
		}
		if sum, err := segment.ComputeChecksum(); err != nil || sum != 0 {
			t.Errorf("%s packet %d: checksum off by %#x, %v", path, n, sum, err)
		}
	}
}
