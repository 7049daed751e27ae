// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// waiter waits for blocks on behalf of loop.
type waiter struct {
	ring     *Ring
	timeout  time.Duration
	down     bool
	gone     bool // the interface is, and what it sent is still to be handed on
	draining bool
	until    time.Time // end of draining
	errors   int       // in a row that the socket did not explain
}

// drain shuts the ring's door: a filter turns every frame away before it is counted, and what was
// counted is in blocks that the kernel gives over within the retire time.
func (w *waiter) drain() error {
	w.draining = true
	w.timeout = 2*w.ring.cfg.Retire + 10*time.Millisecond
	w.until = time.Now().Add(w.timeout + time.Second)
	none := unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K}
	prog := unix.SockFprog{Len: 1, Filter: &none}
	if err := unix.SetsockoptSockFprog(w.ring.fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &prog); err != nil {
		return fmt.Errorf("stop: %w", err)
	}
	return nil
}

// wait blocks until a block may be ready, Stop is called, or nothing came for a while. done: the
// ring is drained.
func (w *waiter) wait(idle func(now int64)) (done bool, err error) {
	fds := [2]unix.PollFd{
		{Fd: int32(w.ring.fd), Events: unix.POLLIN | unix.POLLERR},
		{Fd: int32(w.ring.wake), Events: unix.POLLIN},
	}
	use := fds[:]
	if w.draining {
		use = fds[:1] // the eventfd stays readable
	}
	n, err := unix.Poll(use, int(max(w.timeout.Milliseconds(), 1)))
	switch {
	case errors.Is(err, unix.EINTR):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("poll: %w", err)
	case w.draining && (n == 0 || time.Now().After(w.until)):
		if w.gone {
			return true, ErrInterfaceGone
		}
		return true, nil
	case n == 0:
		idle(time.Now().UnixNano())
		return false, w.look()
	case fds[0].Revents&(unix.POLLERR|unix.POLLNVAL|unix.POLLHUP) != 0:
		return false, w.fault()
	}
	w.errors = 0
	return false, nil
}

// fault reads why the socket woke up with an error. ENETDOWN: the interface was taken down, maybe
// to be deleted next; the kernel binds the socket again when it comes up.
func (w *waiter) fault() error {
	code, err := unix.GetsockoptInt(w.ring.fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err != nil {
		return fmt.Errorf("socket error: %w", err)
	}
	switch errno := unix.Errno(code); errno {
	case unix.ENETDOWN, unix.ENODEV, unix.ENXIO:
		w.down = true
		w.ring.setDown(true)
		return w.look()
	case 0:
		if w.errors++; w.errors < 100 {
			return nil
		}
		return errors.New("the packet socket reports an error without a cause")
	default:
		return fmt.Errorf("packet socket: %w", errno)
	}
}

// look tells, while the link is down, a deleted interface from one that may come up again.
func (w *waiter) look() error {
	if !w.down || w.gone {
		return nil
	}
	addr, err := unix.Getsockname(w.ring.fd)
	if err != nil {
		return fmt.Errorf("interface of the socket: %w", err)
	}
	link, ok := addr.(*unix.SockaddrLinklayer)
	if !ok || link.Ifindex <= 0 {
		w.gone = true
		return w.drain()
	}
	// By its number, since it may have been renamed. While it is being deleted this fails before
	// the number goes: then it is still down.
	req, err := unix.NewIfreq("")
	if err != nil {
		return fmt.Errorf("interface request: %w", err)
	}
	req.SetUint32(uint32(link.Ifindex))
	if unix.IoctlIfreq(w.ring.fd, unix.SIOCGIFNAME, req) != nil {
		return nil
	}
	if unix.IoctlIfreq(w.ring.fd, unix.SIOCGIFFLAGS, req) == nil && req.Uint16()&unix.IFF_UP != 0 {
		w.down = false
		w.ring.setDown(false)
	}
	return nil
}
