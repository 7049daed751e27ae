// SPDX-License-Identifier: Apache-2.0

package main

import (
	"strings"

	"github.com/weir-project/weir/deploy/bench/corpus"
)

// What the sensor is known to get wrong, and what waits for its repair: it is counted and printed, and fails
// nothing. Whoever repairs one of these takes it away here.

// knownUnseen: answers of which nothing was seen but by ACK numbers are charged to the request before them, even
// where the client's bytes that were lost may have been other requests.
func knownUnseen(t *told) bool { return t.status == 0 && t.gap > 0 }

// knownShape: where a capture without handshake begins with a request, the first answer is taken for its own, even
// if the client pipelined and the answer is that of a request before it.
func knownShape(s corpus.Shape) bool { return !s.Handshake && s.Pipelined }

// knownJoin: the same in the random conversations, which then shift on; M-SEARCH found as SEARCH; and a request in a
// server's WebSocket frame that is believed, so that the sides are taken for each other; and a 408 nobody asked for, which
// after a lost answer is taken for it.
func knownJoin(kind string) bool {
	return kind == "methods" || strings.HasPrefix(kind, "request-timeout") || strings.HasPrefix(kind, "websocket") || strings.HasPrefix(kind, "mixed-")
}
