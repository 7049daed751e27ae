// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"net/netip"
	"os"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"

	"github.com/weir-project/weir/deploy/demo/shop"
)

// mss is how much of a stream one generated packet carries.
const mss = 1400

// recording writes a capture file of conversations that were never held, packet by packet.
type recording struct {
	file   *os.File
	writer *pcapgo.Writer
	buffer gopacket.SerializeBuffer
	server netip.AddrPort
	number uint32
}

func newRecording(name string, server netip.AddrPort) (*recording, error) {
	f, err := os.Create(name)
	if err != nil {
		return nil, fmt.Errorf("make the capture: %w", err)
	}
	r := &recording{file: f, writer: pcapgo.NewWriterNanos(f), buffer: gopacket.NewSerializeBuffer(), server: server}
	if err := r.writer.WriteFileHeader(65535, layers.LinkTypeEthernet); err != nil {
		return nil, fmt.Errorf("write the capture: %w", err)
	}
	return r, nil
}

// side is one end of a connection that is being written.
type side struct {
	addr netip.AddrPort
	seq  uint32
}

// converse writes one call and its answer as a TCP connection of its own, handshake and end too.
func (r *recording) converse(p *shop.Person, c shop.Call, request, response []byte) error {
	r.number++
	client := &side{netip.AddrPortFrom(p.Address, uint16(20000+r.number%40000)), r.number * 2654435761}
	server := &side{r.server, r.number * 40503}
	at := c.At
	tick := func() time.Time { at = at.Add(50 * time.Microsecond); return at }
	steps := []func() error{
		func() error { return r.packet(tick(), client, server, layers.TCP{SYN: true}, nil) },
		func() error { return r.packet(tick(), server, client, layers.TCP{SYN: true, ACK: true}, nil) },
		func() error { return r.packet(tick(), client, server, layers.TCP{ACK: true}, nil) },
		func() error { return r.send(tick, client, server, request) },
		func() error { return r.send(tick, server, client, response) },
		func() error { return r.packet(tick(), client, server, layers.TCP{ACK: true, FIN: true}, nil) },
		func() error { return r.packet(tick(), server, client, layers.TCP{ACK: true, FIN: true}, nil) },
		func() error { return r.packet(tick(), client, server, layers.TCP{ACK: true}, nil) },
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func (r *recording) send(tick func() time.Time, from, to *side, data []byte) error {
	for len(data) > 0 {
		n := min(mss, len(data))
		if err := r.packet(tick(), from, to, layers.TCP{ACK: true, PSH: n == len(data)}, data[:n]); err != nil {
			return err
		}
		data = data[n:]
	}
	return nil
}

// packet writes one packet and moves its sender's sequence number on.
func (r *recording) packet(at time.Time, from, to *side, tcp layers.TCP, data []byte) error {
	eth := layers.Ethernet{SrcMAC: []byte{2, 0, 0, 0, 0, 1}, DstMAC: []byte{2, 0, 0, 0, 0, 2}, EthernetType: layers.EthernetTypeIPv4}
	ip := layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolTCP, SrcIP: from.addr.Addr().AsSlice(), DstIP: to.addr.Addr().AsSlice()}
	tcp.SrcPort, tcp.DstPort = layers.TCPPort(from.addr.Port()), layers.TCPPort(to.addr.Port())
	tcp.Seq, tcp.Window = from.seq, 64240
	if tcp.ACK {
		tcp.Ack = to.seq
	}
	if err := tcp.SetNetworkLayerForChecksum(&ip); err != nil {
		return err
	}
	options := gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}
	if err := gopacket.SerializeLayers(r.buffer, options, &eth, &ip, &tcp, gopacket.Payload(data)); err != nil {
		return fmt.Errorf("make a packet: %w", err)
	}
	from.seq += uint32(len(data))
	if tcp.SYN || tcp.FIN {
		from.seq++
	}
	bytes := r.buffer.Bytes()
	info := gopacket.CaptureInfo{Timestamp: at, CaptureLength: len(bytes), Length: len(bytes)}
	if err := r.writer.WritePacket(info, bytes); err != nil {
		return fmt.Errorf("write the capture: %w", err)
	}
	return nil
}

func (r *recording) close() error { return r.file.Close() }
