// SPDX-License-Identifier: Apache-2.0

package capture_test

import (
	"encoding/binary"
	"io"
	"strings"
	"testing"

	"github.com/google/gopacket/pcapgo"

	"github.com/weir-project/weir/sensor/capture"
	"github.com/weir-project/weir/sensor/packet"
)

// endless gives a capture with one record of 1,400 bytes over and over, copied as read(2) copies.
func endless(ng bool) (header, rest io.Reader) {
	le := binary.LittleEndian
	data := strings.Repeat("w", 1400)
	if ng {
		many := make([]byte, 0, 1<<20)
		for len(many) < 1<<20-1500 {
			many = append(many, epb(le, 0, 7_000_000, 1400, data)...)
		}
		return strings.NewReader(string(section(le)) + string(idb(le, 1, 0))), &repeater{file: many}
	}
	many := make([]byte, 0, 1<<20)
	for len(many) < 1<<20-1500 {
		many = append(many, record(le, 7, 0, 1400, data)...)
	}
	return strings.NewReader(string(pcapFile(le, 0xa1b2c3d4, 1))), &repeater{file: many}
}

func BenchmarkNext(b *testing.B) {
	for name, ng := range map[string]bool{"pcap": false, "pcapng": true} {
		b.Run(name, func(b *testing.B) {
			header, rest := endless(ng)
			f, err := capture.NewReader(io.MultiReader(header, rest), name)
			if err != nil {
				b.Fatal(err)
			}
			var p packet.Frame
			b.ReportAllocs()
			b.SetBytes(1400)
			for b.Loop() {
				if err := f.Next(&p); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkNextPcapgo(b *testing.B) {
	header, rest := endless(false)
	r, err := pcapgo.NewReader(io.MultiReader(header, rest))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.SetBytes(1400)
	for b.Loop() {
		if _, _, err := r.ZeroCopyReadPacketData(); err != nil {
			b.Fatal(err)
		}
	}
}
