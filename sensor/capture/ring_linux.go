// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/weir-project/weir/sensor/packet"
)

// Ring captures live from one interface through a TPACKET_V3 ring that it shares with the kernel.
//
// It only looks: no filter is attached, since a classic BPF filter could not count what it turns
// away; packet.Decoder does, by reason. No interface setting is changed but, if asked for,
// promiscuous mode, which the kernel undoes when the ring goes, however that happens. On a
// loopback, which shows every frame going out and coming in, only the incoming one is taken.
type Ring struct {
	name string
	cfg  RingConfig
	link packet.LinkType
	mem  []byte // the blocks; only the goroutine in Run touches them

	stopping atomic.Bool
	mu       sync.Mutex // guards what follows, and the life of the descriptors
	state    ringState
	fd       int // the packet socket
	wake     int // an eventfd that Stop writes to
	stats    Stats
}

type ringState uint8

const (
	ringOpen ringState = iota + 1
	ringRunning
	ringClosed
)

// OpenRing opens a ring on an interface of the calling thread's network namespace. From then on
// the ring fills, so Run should follow at once. The ring is given back by the end of Run, or by
// Stop if it was never run.
//
// Errors: *NoInterfaceError; without CAP_NET_RAW one that wraps os.ErrPermission and names the
// remedy; else what the kernel refused.
func OpenRing(name string, cfg RingConfig) (*Ring, error) {
	dev, err := net.InterfaceByName(name)
	if err != nil {
		have, _ := Interfaces() // the list only helps the reader of the error
		return nil, &NoInterfaceError{Name: name, Have: have}
	}
	r := &Ring{name: name, cfg: cfg.withDefaults(), state: ringOpen, fd: -1, wake: -1}
	if err := r.open(dev); err != nil {
		r.release()
		if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) {
			return nil, fmt.Errorf("capture on %s needs CAP_NET_RAW: run with sudo, or once: setcap cap_net_raw+ep %s: %w", name, executable(), err)
		}
		return nil, fmt.Errorf("capture on %s: %w", name, err)
	}
	return r, nil
}

func executable() string {
	if path, err := os.Executable(); err == nil {
		return path
	}
	return "weir-sensor"
}

// open makes the socket with protocol 0, which receives nothing, and binds it last: so the ring
// never holds a frame of another interface or from before its options were set.
func (r *Ring) open(dev *net.Interface) (err error) {
	if r.fd, err = packetSocket(unix.SOCK_RAW); err != nil {
		return err
	}
	if r.link, err = linkOf(r.fd, r.name); err != nil {
		return err
	}
	if r.link == packet.LinkRaw { // no link header, or one that is not decoded: have the kernel take it off
		_ = unix.Close(r.fd)
		if r.fd, err = packetSocket(unix.SOCK_DGRAM); err != nil {
			return err
		}
	}
	if err := unix.SetsockoptInt(r.fd, unix.SOL_PACKET, unix.PACKET_VERSION, unix.TPACKET_V3); err != nil {
		return fmt.Errorf("set TPACKET_V3 (Linux 3.2 needed): %w", err)
	}
	if dev.Flags&net.FlagLoopback != 0 {
		if err := unix.SetsockoptInt(r.fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1); err != nil {
			return fmt.Errorf("ignore outgoing frames on a loopback (Linux 4.20 needed): %w", err)
		}
	}
	if err := r.share(); err != nil {
		return err
	}
	if r.wake, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		return fmt.Errorf("eventfd: %w", err)
	}
	all := binary.BigEndian.Uint16(binary.NativeEndian.AppendUint16(nil, unix.ETH_P_ALL))
	if err := unix.Bind(r.fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: dev.Index}); err != nil {
		return fmt.Errorf("bind: %w", err)
	}
	if r.cfg.Promiscuous {
		m := unix.PacketMreq{Ifindex: int32(dev.Index), Type: unix.PACKET_MR_PROMISC}
		if err := unix.SetsockoptPacketMreq(r.fd, unix.SOL_PACKET, unix.PACKET_ADD_MEMBERSHIP, &m); err != nil {
			return fmt.Errorf("promiscuous mode: %w", err)
		}
	}
	return nil
}

func packetSocket(kind int) (int, error) {
	fd, err := unix.Socket(unix.AF_PACKET, kind|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return -1, fmt.Errorf("packet socket: %w", err)
	}
	return fd, nil
}

// linkOf tells how frames of an interface begin.
func linkOf(fd int, name string) (packet.LinkType, error) {
	req, err := unix.NewIfreq(name)
	if err != nil {
		return 0, fmt.Errorf("interface name: %w", err)
	}
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFHWADDR, req); err != nil {
		return 0, fmt.Errorf("hardware type: %w", err)
	}
	switch req.Uint16() {
	case unix.ARPHRD_ETHER, unix.ARPHRD_LOOPBACK:
		return packet.LinkEthernet, nil
	}
	return packet.LinkRaw, nil
}

// share sets the ring up and maps it. The frame size only has to fit: with TPACKET_V3 frames lie
// behind each other in a block, up to the block's own size.
func (r *Ring) share() error {
	req := unix.TpacketReq3{
		Block_size: uint32(r.cfg.BlockBytes), Block_nr: uint32(r.cfg.Blocks),
		Frame_size: uint32(r.cfg.BlockBytes), Frame_nr: uint32(r.cfg.Blocks),
		Retire_blk_tov: uint32(max(r.cfg.Retire.Milliseconds(), 1)),
	}
	if err := unix.SetsockoptTpacketReq3(r.fd, unix.SOL_PACKET, unix.PACKET_RX_RING, &req); err != nil {
		return fmt.Errorf("ring of %d blocks of %d bytes: %w", r.cfg.Blocks, r.cfg.BlockBytes, err)
	}
	mem, err := unix.Mmap(r.fd, 0, r.cfg.BlockBytes*r.cfg.Blocks, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return fmt.Errorf("map ring: %w", err)
	}
	r.mem = mem
	return nil
}

// Run hands on frames until Stop is called, which gives nil after all that was received by then
// has been handed on, or until the interface is gone, which gives an error wrapping
// ErrInterfaceGone. A link that goes down and comes up again only shows in Stats.
//
// emit gets each frame in order; frame and bytes are the ring's and valid until emit returns. idle
// is called with the wall clock, Unix nanoseconds, whenever nothing came for RingConfig.Idle, so
// that timers that run on packet time go on. Both run on the calling goroutine.
func (r *Ring) Run(emit func(*packet.Frame), idle func(now int64)) error {
	r.mu.Lock()
	if r.state == ringClosed {
		r.mu.Unlock()
		return nil // stopped before it began
	}
	if r.state == ringRunning {
		panic("BUG: Run of a ring that is running")
	}
	r.state = ringRunning
	r.mu.Unlock()
	defer r.release()
	if err := r.loop(emit, idle); err != nil {
		return fmt.Errorf("capture on %s: %w", r.name, err)
	}
	return nil
}

// Stop ends Run; it does not wait for it. It may be called at any time, from anywhere, repeatedly.
func (r *Ring) Stop() {
	r.stopping.Store(true)
	r.mu.Lock()
	defer r.mu.Unlock()
	switch r.state {
	case ringOpen:
		r.close()
	case ringRunning:
		// A full counter is no loss: the reader wakes up for any value.
		_, _ = unix.Write(r.wake, binary.NativeEndian.AppendUint64(nil, 1))
	}
}

// Stats may be called at any time, from anywhere, also after the end.
func (r *Ring) Stats() Stats {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.collect()
	return r.stats
}

// collect adds what the kernel counted since the last time: it forgets what it is asked for. With
// TPACKET_V3 tp_packets includes the drops.
func (r *Ring) collect() {
	if r.state == ringClosed || r.fd < 0 {
		return
	}
	if s, err := unix.GetsockoptTpacketStatsV3(r.fd, unix.SOL_PACKET, unix.PACKET_STATISTICS); err == nil {
		r.stats.Received += uint64(s.Packets)
		r.stats.Dropped += uint64(s.Drops)
		r.stats.Freezes += uint64(s.Freeze_q_cnt)
	}
}

func (r *Ring) release() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.close()
}

// close gives everything back; the counters stay. r.mu is held.
func (r *Ring) close() {
	if r.state == ringClosed {
		return
	}
	r.collect()
	r.state = ringClosed
	if r.mem != nil {
		_ = unix.Munmap(r.mem) // it was mapped, so it unmaps
		r.mem = nil
	}
	for _, fd := range []*int{&r.fd, &r.wake} {
		if *fd >= 0 {
			_ = unix.Close(*fd)
			*fd = -1
		}
	}
}

// loop walks the blocks in the order in which the kernel fills them.
func (r *Ring) loop(emit func(*packet.Frame), idle func(now int64)) error {
	w := waiter{ring: r, timeout: r.cfg.Idle}
	for next := 0; ; {
		if !w.draining && r.stopping.Load() {
			if err := w.drain(); err != nil {
				return err
			}
		}
		block := r.mem[next*r.cfg.BlockBytes:][:r.cfg.BlockBytes]
		status := (*uint32)(unsafe.Pointer(&block[8]))
		if atomic.LoadUint32(status)&unix.TP_STATUS_USER == 0 {
			done, err := w.wait(idle)
			if done || err != nil {
				return err
			}
			continue
		}
		if err := r.walk(block, emit); err != nil {
			return err
		}
		atomic.StoreUint32(status, unix.TP_STATUS_KERNEL)
		if next++; next == r.cfg.Blocks {
			next = 0
		}
	}
}

const (
	packetOutgoing = unix.PACKET_OUTGOING
	packetTypeAt   = unix.SizeofTpacket3Hdr + 10 // sll_pkttype of the address that follows the header
)

// walk hands on the frames of one block. The header of a block, and that of a frame:
//
//	version 4 | private 4 | status 4 | frames 4 | first 4 | length 4 | number 8 | times 16
//	next 4 | seconds 4 | nanoseconds 4 | captured 4 | length 4 | status 4 | mac 2 | net 2 | hash 4 | tci 4 | tpid 2
func (r *Ring) walk(block []byte, emit func(*packet.Frame)) error {
	frames := binary.NativeEndian.Uint32(block[12:])
	at := uint64(binary.NativeEndian.Uint32(block[16:]))
	var frame packet.Frame
	for range frames {
		if at+packetTypeAt >= uint64(len(block)) {
			return fmt.Errorf("the kernel's ring is damaged: frame at %d of %d", at, len(block))
		}
		h := (*unix.Tpacket3Hdr)(unsafe.Pointer(&block[at]))
		start := at + uint64(h.Mac)
		end := start + uint64(h.Snaplen)
		if end > uint64(len(block)) {
			return fmt.Errorf("the kernel's ring is damaged: frame ends at %d of %d", end, len(block))
		}
		frame = packet.Frame{
			Time:     int64(h.Sec)*1e9 + int64(h.Nsec),
			Data:     block[start:end:end],
			Length:   int(max(h.Len, h.Snaplen)),
			Link:     r.link,
			Iface:    r.cfg.Index,
			Outgoing: block[at+packetTypeAt] == packetOutgoing,
		}
		if h.Status&unix.TP_STATUS_VLAN_VALID != 0 {
			frame.VLAN, frame.VLANTag = uint16(h.Hv1.Vlan_tci)&0x0fff, true
		}
		emit(&frame)
		at += uint64(h.Next_offset)
	}
	return nil
}

// setDown notes whether the link is down.
func (r *Ring) setDown(down bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if down && !r.stats.Down {
		r.stats.Flaps++
	}
	r.stats.Down = down
}
