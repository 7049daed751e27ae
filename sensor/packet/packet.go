// SPDX-License-Identifier: Apache-2.0

// Package packet is the vocabulary of captured frames and the decoder that turns one frame into
// the one TCP segment weir cares about.
//
// It assumes that lengths in headers may lie and that any byte may be missing. It refuses to
// remember anything about a frame: reassembly of IP fragments is the only state it keeps, bounded.
package packet

import "net/netip"

// LinkType is a pcap link-layer type (the LINKTYPE_ registry of tcpdump.org).
type LinkType uint32

// The link types weir decodes.
const (
	LinkNull       LinkType = 0   // BSD loopback: 4-byte address family in host order of the writer
	LinkEthernet   LinkType = 1   // Ethernet II, IEEE 802.3 with LLC/SNAP
	LinkPPP        LinkType = 9   // PPP, with or without the FF 03 of HDLC framing
	LinkPPPHDLC    LinkType = 50  // PPP in HDLC-like framing, or Cisco HDLC where it begins with 0F or 8F
	LinkRaw        LinkType = 101 // raw IPv4 or IPv6
	LinkCHDLC      LinkType = 104 // Cisco HDLC
	LinkLoop       LinkType = 108 // OpenBSD loopback: as LinkNull, network order
	LinkSLL        LinkType = 113 // Linux cooked capture v1
	LinkIPv4       LinkType = 228
	LinkIPv6       LinkType = 229
	LinkNFLOG      LinkType = 239 // Linux netfilter log messages
	LinkSLL2       LinkType = 276 // Linux cooked capture v2
	LinkRawBSD     LinkType = 12  // raw IP as some BSDs and tcpdump -y RAW number it
	LinkRawOpenBSD LinkType = 14
)

// Frame is one captured frame as a source hands it on.
//
// Data belongs to the source and is valid only until the call that received the frame returns.
type Frame struct {
	Time     int64    // capture time, nanoseconds since the Unix epoch, UTC
	Data     []byte   // the captured bytes, at most Length
	Length   int      // bytes of the frame on the wire; larger than len(Data) when the capture cut it
	Link     LinkType // how Data begins
	Iface    int      // index of the interface in the source, from 0
	VLAN     uint16   // outermost VLAN id taken from ring metadata, 0 if none; inline tags are in Data
	VLANTag  bool     // VLAN came from metadata (a tag of id 0 counts)
	Outgoing bool     // the host sent the frame (ring metadata)
}

// Segment is one TCP segment.
//
// Payload points into the frame's Data (or into the decoder's own reassembly buffer for IP
// fragments) and is valid as long as that is. PayloadLen comes from the IP and TCP headers, never
// from the captured bytes: PayloadLen - len(Payload) bytes at the end of the segment were not
// captured and are a gap.
type Segment struct {
	Time       int64
	Src, Dst   netip.AddrPort
	Seq, Ack   uint32
	Flags      Flags
	Window     uint16
	Payload    []byte
	PayloadLen int
	VLAN       uint32 // outer VLAN id | inner VLAN id << 12; part of the flow's key
	Tunnel     uint32 // id of the innermost tunnel (VNI, GRE key, ...), 0 if none; part of the flow's key
	Iface      int
	Outgoing   bool
}

// Flags are the TCP flags of a segment.
type Flags uint8

// The TCP flags, RFC 9293 section 3.1.
const (
	FIN Flags = 1 << iota
	SYN
	RST
	PSH
	ACK
	URG
)

// Reason says why a frame gave no segment. The zero value is "it gave one".
type Reason uint8

// The reasons, counted by name.
const (
	OK           Reason = iota
	NotIP               // ARP, LLDP, ...: filtered
	NotTCP              // UDP, ICMP, ...: filtered
	Fragment            // part of an IP datagram that is not whole yet: filtered
	Truncated           // cut so early that no TCP header is left: dropped
	Malformed           // lengths or versions contradict each other: dropped
	UnknownLink         // a link type weir does not decode: dropped
	TooDeep             // more encapsulations than the bound: dropped
	FragmentLost        // a fragment that could not be kept (bound, overlap, timeout): dropped
	numReasons
)
