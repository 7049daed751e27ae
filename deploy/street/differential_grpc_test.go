// SPDX-License-Identifier: Apache-2.0

package street

import (
	"os"
	"strconv"
	"testing"

	weirv1 "github.com/weir-project/weir/proto/wire/weir/v1"
)

// grpcPeer is grpc-go, as a server and as a client (peers/grpc).
const grpcPeer = "street-grpc"

// TestDifferentialGRPC holds calls of grpc-go against its own account of them: bytes of messages with
// their framing each way, messages of answers, and the status in the trailers.
func TestDifferentialGRPC(t *testing.T) {
	newLab(t).need("ethtool")
	if _, err := os.Stat(binary(grpcPeer)); err != nil {
		t.Fatalf("%v (make street builds it: deploy/street/peers/grpc)", err)
	}
	for _, cable := range settings {
		t.Run(cable.name, func(t *testing.T) {
			l := newLab(t)
			l.cable(cable.mtu, cable.offloads)
			defer l.cable(1500, true)
			addrs, _ := l.freePorts(2)
			// Each scene has a server of its own, so that its log is the scene's.
			tries := 0
			l.scene(func(s *scene) {
				addr := addrs[tries%2]
				tries++
				server := s.start(binary(grpcPeer), "server", addr)
				s.listens(s.dial, addr)
				const rounds, calls = 6, 11
				s.client(binary(grpcPeer), "client", addr, strconv.Itoa(rounds))
				s.equalCalls(rounds*calls, jsonRows(server))
				s.end(server)
			})
		})
	}
}

// equalCalls is equal for calls, which have no marks: a scene has no others.
func (s *scene) equalCalls(want int, served func() []row) {
	const mark = "/weir.street."
	s.soon(func() bool { return len(served()) >= want })
	s.soon(func() bool { return len(s.about(mark, false)) >= want })
	truth := served()
	if len(truth) != want {
		s.fault("the server logged %d calls of %d", len(truth), want)
	}
	for i := range truth {
		truth[i].Host, truth[i].MsgIn = serverAddr, 0
	}
	var told []row
	for _, x := range s.about(mark, true) {
		told = append(told, rowOf(x))
		if x.Coverage != weirv1.Coverage_COVERAGE_COMPLETE || x.RecordCountKind == weirv1.RecordCountKind_RECORD_COUNT_KIND_ESTIMATED {
			s.fault("not whole, or messages estimated: %v", x)
		}
		if x.Operation != x.UrlPath[1:] {
			s.fault("operation %q of %q", x.Operation, x.UrlPath)
		}
	}
	s.compare("gRPC", truth, told)
}
