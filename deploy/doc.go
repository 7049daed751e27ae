// SPDX-License-Identifier: Apache-2.0

// Package deploy holds what installs weir: images, manifests, units. Its tests check them.
//
// It assumes binaries that make build-all made. It refuses privileges beyond those it explains.
package deploy
