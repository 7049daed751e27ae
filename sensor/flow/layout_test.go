// SPDX-License-Identifier: Apache-2.0

package flow

import (
	"testing"
	"unsafe"
)

// The sizes that Config promises.
func TestSizes(t *testing.T) {
	if n := unsafe.Sizeof(conn{}); n > 520 {
		t.Errorf("a connection takes %d bytes", n)
	}
	if n := unsafe.Sizeof(stub{}); n > 96 {
		t.Errorf("a handshake takes %d bytes", n)
	}
	if n := unsafe.Sizeof(owned{}); n != 48 {
		t.Errorf("an owned flow takes %d bytes", n)
	}
	t.Logf("connection %d, handshake %d, owned flow %d bytes", unsafe.Sizeof(conn{}), unsafe.Sizeof(stub{}), unsafe.Sizeof(owned{}))
}
