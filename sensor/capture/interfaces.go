// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"fmt"
	"net"
)

// Interfaces lists the names of the interfaces in this network namespace.
func Interfaces() ([]string, error) {
	all, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("list interfaces: %w", err)
	}
	names := make([]string, len(all))
	for i := range all {
		names[i] = all[i].Name
	}
	return names, nil
}

// IfaceIsLoopback tells whether there is an interface of this name and it is a loopback.
func IfaceIsLoopback(name string) bool {
	dev, err := net.InterfaceByName(name)
	return err == nil && dev.Flags&net.FlagLoopback != 0
}
