// SPDX-License-Identifier: Apache-2.0

package corpus

import "encoding/binary"

// fileScenes are about what captures are written in.
func fileScenes() []scene {
	little, big := binary.LittleEndian, binary.BigEndian
	ether := ngInterface{link: linkEthernet}
	return []scene{
		{"pcap-bigendian", []string{"pcap-bigendian"}, in(pcapBig)},
		{"pcap-nanosecond", []string{"pcap-nanosecond"}, in(pcapLittleNano)},
		{"pcap-nanosecond-bigendian", []string{"pcap-nanosecond", "pcap-bigendian"}, in(pcapBigNano)},
		{"pcapng", []string{"pcapng"}, in(pcapng(little, false, ether))},
		{"pcapng-bigendian", []string{"pcapng"}, in(pcapng(big, false, ngInterface{link: linkEthernet, ticks: 9}))},
		{"pcapng-other-blocks", []string{"pcapng"}, in(pcapng(little, true, ether))},
		{"pcapng-simple-packets", []string{"pcapng"}, in(simple)},
		{"pcapng-two-sections", []string{"pcapng"}, in(func(t *tape) []byte {
			return cat(pcapng(little, false, ether)(t.part(0)), pcapng(big, false, ether)(t.part(1)))
		})},
		{"pcapng-interfaces", []string{"pcapng", "raw-ip", "linux-sll"}, interfaces},
		{"pcapng-two-directions-of-a-tap", []string{"pcapng"}, tap},
		{"empty", []string{"no-http"}, func(*tape) {}},
		{"pcapng-empty", []string{"no-http", "pcapng"}, func(p *tape) { p.write = pcapng(little, false, ether) }},
	}
}

// in is a few exchanges, written in some format.
func in(write func(*tape) []byte) func(*tape) {
	return func(p *tape) {
		p.write = write
		t := p.talk().open()
		t.get("/format", 3000)
		t.get("/format/2", 17)
		t.close(client)
	}
}

// part is the first or second half of a tape.
func (p *tape) part(n int) *tape {
	half := *p
	at := len(p.frames) / 2
	half.frames = [][]frame{p.frames[:at], p.frames[at:]}[n]
	return &half
}

// interfaces has a talk on each of three interfaces, of different links and clocks.
func interfaces(p *tape) {
	p.write = pcapng(binary.LittleEndian, false, ngInterface{link: linkEthernet}, ngInterface{link: linkRaw, ticks: 9}, ngInterface{link: linkSLL, ticks: 3})
	for i := range 3 {
		from := len(p.frames)
		t := p.talk().open()
		t.get("/interface", 100+i)
		t.close(client)
		for n := range p.frames[from:] {
			f := &p.frames[from+n]
			f.iface = i
			switch i {
			case 1:
				f.data = f.data[14:]
			case 2:
				f.data = cat(u16(0), u16(1), u16(6), f.data[6:12], u16(0), f.data[12:])
			}
		}
	}
}

// tap has what the client sends on one interface and what the server sends on another.
func tap(p *tape) {
	p.write = pcapng(binary.LittleEndian, false, ngInterface{link: linkEthernet}, ngInterface{link: linkEthernet})
	t := p.talk().open()
	t.get("/tap", 2000)
	t.get("/tap/2", 20)
	t.close(client)
	for i := range p.frames {
		if p.frames[i].data[11] == macs(t.ends[server])[11] {
			p.frames[i].iface = 1
		}
	}
}
