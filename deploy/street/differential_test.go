// SPDX-License-Identifier: Apache-2.0

package street

import "testing"

// pair runs one client against one server, and gives the check of it: the sensor against the server's
// log, and against the bytes that the client received. Checks come when all pairs have run.
func (s *scene) pair(number int, to server, from speaker) (check func()) {
	addr := map[string]string{"one": to.one, "two": to.two, "upgrade": to.upgrade}[from.version]
	if addr == "" {
		return func() {}
	}
	what, mark := from.name+" to "+to.name, "p-"+letters(number)+"-"
	all := s.asks(to.kinds, mark, from.simple, from.old)
	received := from.run(s, addr, all)
	return func() {
		if told := s.equal(what, mark, len(all)*from.repeats, to.rows); told != received {
			s.fault("%s: the client received %d bytes, told are %d", what, received, told)
		}
	}
}

// TestDifferential holds the sensor against the logs of servers that the project did not write, asked
// by clients that it did not write.
func TestDifferential(t *testing.T) {
	l := newLab(t)
	l.need("nginx", "node", "haproxy", "nghttpd", "nghttp", "h2load", "curl", "ethtool")
	defer l.cable(1500, true)
	for _, cable := range settings {
		t.Run(cable.name, func(t *testing.T) {
			l := newLab(t)
			l.cable(cable.mtu, cable.offloads)
			servers := []server{l.goServer(serverAddr + ":0"), l.node(), l.haproxyServer(), l.nginxServer(), l.nghttpd()}
			dial := l.dialFrom()
			for _, x := range servers {
				for _, addr := range []string{x.one, x.two} {
					if addr != "" {
						l.listens(dial, addr)
					}
				}
			}
			number := 0
			l.scene(func(s *scene) {
				var checks []func()
				for _, to := range servers {
					for _, from := range speakers {
						number++
						checks = append(checks, s.pair(number, to, from))
					}
				}
				for _, check := range checks {
					if check(); len(s.faults) > 20 {
						break
					}
				}
			})
		})
	}
}
