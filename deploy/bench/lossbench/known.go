// SPDX-License-Identifier: Apache-2.0

package main

import (
	"strings"

	"github.com/weir-project/weir/deploy/bench/corpus"
)

// What the sensor is known to get wrong, and what waits for its repair: it is counted and printed, and fails
// nothing. Whoever repairs one of these takes it away here.

// knownUnseen: none.
func knownUnseen(*told) bool { return false }

// knownShape: where a capture without handshake begins with a request, the first answer is taken for its own, even
// if the client pipelined and the answer is that of a request before it.
func knownShape(s corpus.Shape) bool { return !s.Handshake && s.Pipelined }

// knownJoin: a request in a server's WebSocket frame that is believed, so that the sides are taken for each other.
func knownJoin(kind string) bool { return strings.HasPrefix(kind, "websocket") }
